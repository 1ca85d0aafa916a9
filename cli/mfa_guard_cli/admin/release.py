"""Release one user, or everybody: the exemption first, so that the release holds."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.adapters.attachments import IamAttachments
from mfa_guard.core.attachments import Attachment, AttachmentKind, AttachmentRoute
from mfa_guard.core.errors import AwsRequestFailed, UserGone
from mfa_guard.core.exemption import Exemption
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import Field, UserState
from mfa_guard.use_cases.enforcement import release
from mfa_guard_cli.admin.exempt import Terms
from mfa_guard_cli.admin.exemption_records import ExemptionRecords, end_of, in_words, new_exemption
from mfa_guard_cli.admin.guard import Guard, open_guard, refusals
from mfa_guard_cli.common.errors import ProgramError, WrongUse, as_program_error
from mfa_guard_cli.common.options import Format
from mfa_guard_cli.common.outcome import Outcome, ask, tell
from mfa_guard_cli.common.stack_location import StackLocation

_OFF: Final = {
    AttachmentRoute.DIRECT: "the policy detached",
    AttachmentRoute.GROUP: "taken out of the enforcement group",
}
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
        if isinstance(held, Exemption) and held.in_force(self.now) and not asked:
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
        done = release(state, self.guard.users)
        exempt = f"exempt until {utc_text(exemption.expires_at)}, " if exemption else "exempt already, "
        return f"{state.name}: {exempt}{' and '.join(_OFF[route] for route in done.released)}."


def release_user(name: str, terms: Terms, place: StackLocation, form: Format, *, yes: bool) -> None:
    """Exempt a user and take the enforcement policy off, and no other."""
    guard = open_guard(place)
    state = guard.user(name, Field.ATTACHED, Field.IN_GROUP)
    if not state.routes():
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
    plan[0] += f"{' and '.join(_OFF[route] for route in state.routes())}."
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


def release_everybody(terms: Terms, place: StackLocation, form: Format, *, yes: bool) -> None:
    """Exempt and release every user whom the policy binds. What fails for one stops no other."""
    guard = open_guard(place)
    with refusals():
        bound, others = _bound(guard)
    notes = [f"Left alone: {attachment}." for attachment in others]
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


def _bound(guard: Guard) -> tuple[dict[str, frozenset[AttachmentRoute]], list[Attachment]]:
    """Return how each bound user is bound, and what else carries the policy."""
    attachments = IamAttachments(guard.iam, guard.settings.policy_arn, guard.settings.group_name)
    routes = {AttachmentKind.POLICY_ON_USER: AttachmentRoute.DIRECT, AttachmentKind.MEMBERSHIP: AttachmentRoute.GROUP}
    bound: dict[str, frozenset[AttachmentRoute]] = {}
    others: list[Attachment] = []
    for page in (*attachments.attached(), *attachments.members()):
        for attachment in page:
            if attachment.kind in routes:
                bound[attachment.name] = bound.get(attachment.name, frozenset()) | {routes[attachment.kind]}
            else:
                others.append(attachment)
    return bound, others


def _release_each(
    bound: Iterable[tuple[str, frozenset[AttachmentRoute]]], releasing: _Releasing
) -> tuple[list[str], list[str]]:
    done, failed = list[str](), list[str]()
    with _progress(list(bound)) as users:
        for name, routes in users:
            try:
                known = releasing.guard.users.user(name)
                state = replace(
                    known, attached=AttachmentRoute.DIRECT in routes, in_group=AttachmentRoute.GROUP in routes
                )
                done.append(releasing.release(state, releasing.exemption(state)))
            except UserGone:
                done.append(f"{name}: gone meanwhile.")
            except (AwsRequestFailed, ProgramError) as refusal:
                failed.append(f"{name}: {refusal}")
            except (ClientError, BotoCoreError) as error:
                failed.append(f"{name}: {as_program_error(error)}")
    return done, failed


@contextmanager
def _progress(
    users: list[tuple[str, frozenset[AttachmentRoute]]],
) -> Iterator[Iterable[tuple[str, frozenset[AttachmentRoute]]]]:
    if not sys.stderr.isatty():
        yield users
        return
    from rich.progress import Progress  # only a terminal has a bar

    from mfa_guard_cli.common.output import console

    with Progress(console=console(stderr=True), transient=True) as progress:
        yield progress.track(users, description="Releasing")


@contextmanager
def _still_there(name: str) -> Iterator[None]:
    try:
        yield
    except UserGone as gone:
        raise WrongUse(f"{name} has gone meanwhile; the exemption is recorded for an id that nobody has.") from gone
