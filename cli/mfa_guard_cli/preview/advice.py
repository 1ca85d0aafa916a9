"""Whom to exempt before enforcing: paths that belong to machines alone, and active machines by name. Pure."""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from mfa_guard_cli.preview.model import Outcome, Outlook, Preview, Sort


@dataclass(frozen=True)
class Advice:
    """`paths`: what to add to the `given` ExemptPathPrefixes. `names`: the active machines that no path covers."""

    given: tuple[str, ...]
    paths: tuple[str, ...]
    names: tuple[str, ...]


def advise(preview: Preview) -> Advice:
    """Return what would keep every active machine at work.

    A path is advised when every user at or below it is a active machine; of nested ones the deepest that covers the
    same users, so that whoever gets a new path beside them is not exempt unseen.
    """
    machines = [each for each in preview.outlooks if each.sort is Sort.MACHINE and each.outcome not in _DECIDED]
    paths = tuple(sorted(_machine_paths(machines, _mixed(preview.outlooks))))
    return Advice(
        preview.settings.exempt_path_prefixes,
        paths,
        tuple(sorted(each.name for each in machines if not each.path.startswith(paths))),
    )


def exempt_command(name: str) -> str:
    """Return the command that exempts a user once the guard is deployed."""
    # A user may be called -x, which would be taken for an option.
    return f"mfa-guard exempt add {'-- ' if name.startswith('-') else ''}{shlex.quote(name)}"


# Somebody has decided about these: to exempt would undo it.
_DECIDED: Final = frozenset({Outcome.EXEMPT, Outcome.BOUND})


def _mixed(outlooks: Iterable[Outlook]) -> frozenset[str]:
    """Return the paths at or below which somebody is who must not be exempt with the machines there."""
    others = (each for each in outlooks if each.sort is not Sort.MACHINE or each.outcome is Outcome.BOUND)
    return frozenset(folder for each in others for folder in _folders(each.path))


def _machine_paths(machines: Iterable[Outlook], mixed: frozenset[str]) -> Iterator[str]:
    covered: dict[str, list[str]] = {}
    for each in machines:
        # The parameter takes no empty folder, and a comma separates its paths.
        if "//" not in each.path and "," not in each.path:
            widest = next((folder for folder in _folders(each.path) if folder not in mixed), None)
            if widest:
                covered.setdefault(widest, []).append(each.path)
    for paths in covered.values():
        shared = set(_folders(paths[0])).intersection(*map(_folders, paths))
        yield max(shared, key=len)


def _folders(path: str) -> tuple[str, ...]:
    """Return `path` and what is above it, from the widest, without the root: /a/, /a/b/ for /a/b/."""
    return tuple(accumulate(f"{part}/" for part in path.split("/")))[1:-1]
