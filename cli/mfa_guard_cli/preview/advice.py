"""Advise which active machine users to exempt before enforcing: whole paths first, the others by name. Pure."""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from mfa_guard_cli.preview.model import Outcome, Preview, UserForecast, UserKind


@dataclass(frozen=True)
class Advice:
    """`paths` are to be added to the `configured_paths`; `names` are the active machine users that no path covers."""

    configured_paths: tuple[str, ...]
    paths: tuple[str, ...]
    names: tuple[str, ...]


def advise(preview: Preview) -> Advice:
    """Return which exemptions would keep every active machine user working.

    A path is advised if every user at or below it is an active machine user. If nested paths cover the same users, the
    deepest is advised, so that a path that is created beside them later is not exempt by accident.
    """
    machines = [each for each in preview.users if each.kind is UserKind.MACHINE and each.outcome not in _DECIDED]
    paths = tuple(sorted(_machine_paths(machines, _mixed_paths(preview.users))))
    return Advice(
        preview.settings.exempt_path_prefixes,
        paths,
        tuple(sorted(each.name for each in machines if not each.path.startswith(paths))),
    )


def exempt_command(name: str) -> str:
    """Return the command that exempts a user after the guard is deployed."""
    options = "--owner OWNER --reason REASON"
    # Without -- a user name such as -x would be read as an option.
    words = f"{options} -- {shlex.quote(name)}" if name.startswith("-") else f"{shlex.quote(name)} {options}"
    return f"mfa-guard exempt add {words}"


# An administrator has decided about these users. An exemption would undo the decision.
_DECIDED: Final = frozenset({Outcome.EXEMPT, Outcome.ENFORCED_ALREADY})


def _mixed_paths(users: Iterable[UserForecast]) -> frozenset[str]:
    """Return the paths with a user at or below them who must not become exempt together with the machine users."""
    others = (each for each in users if each.kind is not UserKind.MACHINE or each.outcome is Outcome.ENFORCED_ALREADY)
    return frozenset(path for each in others for path in _with_parents(each.path))


def _machine_paths(machines: Iterable[UserForecast], mixed: frozenset[str]) -> Iterator[str]:
    covered: dict[str, list[str]] = {}
    for each in machines:
        # The parameter allows no empty folder and separates its paths by commas.
        if "//" not in each.path and "," not in each.path:
            widest = next((path for path in _with_parents(each.path) if path not in mixed), None)
            if widest:
                covered.setdefault(widest, []).append(each.path)
    for paths in covered.values():
        shared = set(_with_parents(paths[0])).intersection(*map(_with_parents, paths))
        yield max(shared, key=len)


def _with_parents(path: str) -> tuple[str, ...]:
    """Return `path` and its parents, the widest first, without the root: /a/, /a/b/ for /a/b/."""
    return tuple(accumulate(f"{part}/" for part in path.split("/")))[1:-1]
