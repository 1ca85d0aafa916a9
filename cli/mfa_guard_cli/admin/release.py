"""Release one user, or everybody: the exemption first, so that the release holds."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.adapters.release import IamHolds
from mfa_guard.apply import take_off
from mfa_guard.core.exemption import Exemption
from mfa_guard.core.holds import Grip, Hold
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import Question, UserState, Way
from mfa_guard.ports import Refused, UserGone
from mfa_guard_cli.admin.exempt import Terms
from mfa_guard_cli.admin.outcome import Outcome, ask, tell
from mfa_guard_cli.admin.place import Place
from mfa_guard_cli.admin.stack import Guard, open_guard, refusals
from mfa_guard_cli.admin.terms import ExemptionRecords, end_of, in_words, new_exemption
from mfa_guard_cli.program.errors import ProgramError, WrongUse, as_program_error
from mfa_guard_cli.program.options import Format

_OFF: Final = {Way.USER: "the policy detached", Way.GROUP: "taken out of the enforcement group"}
_SHOWN: Final = 20
_AGAIN: Final = (
    "When the exemption ends, it binds again: the next event about the user or, in Mode: all, the next sweep enforces."
)


@dataclass(frozen=True)
class _Releasing:
    """Everything that releasing one user after the other needs."""

    guard: Guard
    terms: Terms
    caller: str
    end: datetime
    now: datetime

    def exemption(self, state: UserState) -> Exemption | None:
        """Return the record that is to be written, None where one holds already and nothing else was asked for."""
        if self.guard.settings.exempt_path(state.path):
            return None
        held = self.guard.exemptions.get(state.id, self.now)
        asked = self.terms.days is not None or self.terms.until is not None
        if isinstance(held, Exemption) and held.holds(self.now) and not asked:
            return None
        return new_exemption(
            state.id,
            state.name,
            owner=self.terms.owner,
            reason=self.terms.reason,
            created_by=self.caller,
            end=self.end,
            now=self.now,
        )

    def release(self, state: UserState, exemption: Exemption | None) -> str:
        """Record the exemption, then release; returns what was done."""
        if exemption:
            ExemptionRecords(self.guard.dynamodb, self.guard.settings.exemptions_table).put(exemption)
        done = take_off(state, self.guard.users)
        exempt = f"exempt until {utc_text(exemption.expires_at)}, " if exemption else "exempt already, "
        return f"{state.name}: {exempt}{' and '.join(_OFF[way] for way in done.released)}."


def release_user(name: str, terms: Terms, place: Place, form: Format, *, yes: bool) -> None:
    """Exempt a user and take the enforcement policy off, and no other."""
    guard = open_guard(place)
    state = guard.user(name, Question.ATTACHED, Question.GROUPED)
    if not state.ways():
        exempt = place.command("exempt", "add", state.name, options=["--owner", "OWNER", "--reason", "REASON"])
        note = f"{state.name} is not bound; nothing was changed. To keep it so: {exempt}"
        tell(Outcome(notes=[note], facts={"user": state.name}), form)
        return
    releasing = _releasing(guard, terms)
    exemption = releasing.exemption(state)
    plan = [
        f"{state.name} (id {state.id}) will be exempt {in_words(exemption)}; then: "
        if exemption
        else f"{state.name} (id {state.id}) is exempt already; then: "
    ]
    plan[0] += f"{' and '.join(_OFF[way] for way in state.ways())}."
    ask(plan, f"Release {state.name}?", yes=yes)
    with refusals(), _still_there(state.name):
        done = releasing.release(state, exemption)
    tell(
        Outcome(
            done=[done],
            notes=[_AGAIN],
            back=[place.command("enforce", state.name, options=["--drop-exemption"])],
            facts={"user": state.name, "until": utc_text(exemption.expires_at) if exemption else None},
        ),
        form,
    )


def release_everybody(terms: Terms, place: Place, form: Format, *, yes: bool) -> None:
    """Exempt and release every user whom the policy binds. What fails for one stops no other."""
    guard = open_guard(place)
    with refusals():
        bound, others = _bound(guard)
    notes = [f"Left alone: {hold}." for hold in others]
    if not bound:
        tell(Outcome(notes=["Nobody is bound; nothing was changed.", *notes], facts={"released": 0}), form)
        return
    releasing = _releasing(guard, terms)
    names = ", ".join(sorted(bound)[:_SHOWN]) + (f" and {len(bound) - _SHOWN} more" if len(bound) > _SHOWN else "")
    plan = [
        f"{len(bound)} users will be exempt until {utc_text(releasing.end)}, unless they are already, and released: "
        f"{names}.",
        "Each new exemption is a notice to the administrators. New users are still enforced: mfa-guard stop ends that.",
    ]
    ask(plan, f"Release all {len(bound)} users?", yes=yes)
    done, failed = _release_each(sorted(bound.items()), releasing)
    tell(
        Outcome(
            done=done,
            failed=failed,
            notes=[f"Released: {len(done)} of {len(bound)}.", _AGAIN, *notes],
            back=[f"{place.command('enforce', 'NAME', options=['--drop-exemption'])}   (for each of them)"],
            facts={"released": len(done)},
        ),
        form,
    )


def _releasing(guard: Guard, terms: Terms) -> _Releasing:
    now = guard.now()
    return _Releasing(guard, terms, guard.caller(), end_of(terms.days, terms.until, now), now)


def _bound(guard: Guard) -> tuple[dict[str, frozenset[Way]], list[Hold]]:
    """Return how each bound user is bound, and what else carries the policy."""
    holds = IamHolds(guard.iam, guard.settings.policy_arn, guard.settings.group_name)
    ways = {Grip.POLICY_ON_USER: Way.USER, Grip.MEMBERSHIP: Way.GROUP}
    bound: dict[str, frozenset[Way]] = {}
    others: list[Hold] = []
    for page in (*holds.attached(), *holds.members()):
        for hold in page:
            if hold.grip in ways:
                bound[hold.name] = bound.get(hold.name, frozenset()) | {ways[hold.grip]}
            else:
                others.append(hold)
    return bound, others


def _release_each(bound: Iterable[tuple[str, frozenset[Way]]], releasing: _Releasing) -> tuple[list[str], list[str]]:
    done, failed = list[str](), list[str]()
    with _progress(list(bound)) as users:
        for name, ways in users:
            try:
                known = releasing.guard.users.user(name)
                state = replace(known, attached=Way.USER in ways, grouped=Way.GROUP in ways)
                done.append(releasing.release(state, releasing.exemption(state)))
            except UserGone:
                done.append(f"{name}: gone meanwhile.")
            except (Refused, ProgramError) as refusal:
                failed.append(f"{name}: {refusal}")
            except (ClientError, BotoCoreError) as error:
                failed.append(f"{name}: {as_program_error(error)}")
    return done, failed


@contextmanager
def _progress(
    users: list[tuple[str, frozenset[Way]]],
) -> Iterator[Iterable[tuple[str, frozenset[Way]]]]:
    if not sys.stderr.isatty():
        yield users
        return
    from rich.progress import Progress  # only a terminal has a bar

    from mfa_guard_cli.program.output import console

    with Progress(console=console(stderr=True), transient=True) as progress:
        yield progress.track(users, description="Releasing")


@contextmanager
def _still_there(name: str) -> Iterator[None]:
    try:
        yield
    except UserGone as gone:
        raise WrongUse(f"{name} has gone meanwhile; the exemption is recorded for an id that nobody has.") from gone
