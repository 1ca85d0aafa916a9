"""Release one user, or all users. The exemption comes first, so that the guard does not enforce again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError
from rich.progress import Progress

from mfa_guard.adapters.attachments import IamAttachments
from mfa_guard.core.attachments import Attachment, AttachmentKind, AttachmentRoute
from mfa_guard.core.errors import AwsRequestFailed, UserGone
from mfa_guard.core.exemption import Exemption
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import Field, UserState
from mfa_guard.use_cases.enforcement import release
from mfa_guard_cli.admin.exemption_records import ExemptionOptions, ExemptionRecords, in_words, new_exemption
from mfa_guard_cli.admin.guard import Guard, open_guard, translate_iam_errors
from mfa_guard_cli.common.errors import ProgramError, WrongUse, as_program_error
from mfa_guard_cli.common.options import Format
from mfa_guard_cli.common.outcome import Outcome, confirm_changes, print_outcome
from mfa_guard_cli.common.output import console, counted
from mfa_guard_cli.common.stack_location import StackLocation

_RELEASED_FROM: Final[Mapping[AttachmentRoute, str]] = {
    AttachmentRoute.DIRECT: "the policy is detached",
    AttachmentRoute.GROUP: "the user is removed from the enforcement group",
}
_SHOWN: Final = 20
_ENFORCED_AGAIN: Final = (
    "When the exemption ends, the guard enforces again at the next event about the user or in the next sweep."
)

_Enforced = Mapping[str, frozenset[AttachmentRoute]]


@dataclass(frozen=True)
class _Release:
    """What all releases of one command have in common."""

    guard: Guard
    options: ExemptionOptions
    caller: str
    end: datetime
    now: datetime

    @classmethod
    def of(cls, guard: Guard, options: ExemptionOptions) -> "_Release":
        now = guard.now()
        return cls(guard, options, guard.caller(), options.end(now), now)

    def exemption(self, state: UserState) -> Exemption | None:
        """Return the exemption to record, or None if the user is exempt and the administrator set no end."""
        if self.guard.settings.exempt_path(state.path):
            return None
        existing = self.guard.exemptions.get(state.id, self.now)
        if isinstance(existing, Exemption) and existing.in_force(self.now) and not self.options.has_end:
            return None
        return new_exemption(state.id, state.name, self.options, created_by=self.caller, end=self.end, now=self.now)

    def apply(self, state: UserState, exemption: Exemption | None) -> str:
        """Record the exemption, then release. Returns what was done, as a sentence."""
        if exemption:
            ExemptionRecords(self.guard.dynamodb, self.guard.settings.exemptions_table).put(exemption)
        result = release(state, self.guard.users)
        exempt = f"exempt until {utc_text(exemption.expires_at)}" if exemption else "exempt already"
        return f"{state.name}: {exempt}; {_released_from(result.released)}."


def _released_from(routes: tuple[AttachmentRoute, ...]) -> str:
    return " and ".join(_RELEASED_FROM[route] for route in routes)


def release_user(
    name: str, options: ExemptionOptions, location: StackLocation, output_format: Format, *, yes: bool
) -> None:
    """Exempt and release a user. Changes no other policy and no other group."""
    guard = open_guard(location)
    state = guard.user(name, Field.ATTACHED, Field.IN_GROUP)
    if not state.routes():
        exempt = location.command("exempt", "add", state.name, options=["--owner", "OWNER", "--reason", "REASON"])
        note = f"{state.name} is not enforced; nothing was changed. To exempt the user: {exempt}"
        print_outcome(Outcome(notes=[note], facts={"user": state.name}), output_format)
        return
    request = _Release.of(guard, options)
    exemption = request.exemption(state)
    exempt = f"will be exempt {in_words(exemption)}" if exemption else "is exempt already"
    changes = [f"{state.name} (ID {state.id}) {exempt}. Then {_released_from(state.routes())}."]
    confirm_changes(changes, f"Release {state.name}?", yes=yes)
    try:
        with translate_iam_errors():
            done = request.apply(state, exemption)
    except UserGone as error:
        raise WrongUse(f"{state.name} was deleted meanwhile; nothing is left to release.") from error
    print_outcome(
        Outcome(
            done=[done],
            notes=[_ENFORCED_AGAIN],
            undo=[location.command("enforce", state.name, options=["--drop-exemption"])],
            facts={"user": state.name, "until": utc_text(exemption.expires_at) if exemption else None},
        ),
        output_format,
    )


def release_all(options: ExemptionOptions, location: StackLocation, output_format: Format, *, yes: bool) -> None:
    """Exempt and release all users who are enforced. An error for one user does not stop the others."""
    guard = open_guard(location)
    with translate_iam_errors():
        enforced, others = _enforced_users(guard)
    notes = [f"Not changed: {attachment}." for attachment in others]
    if not enforced:
        outcome = Outcome(notes=["No user is enforced; nothing was changed.", *notes], facts={"released": 0})
        print_outcome(outcome, output_format)
        return
    request = _Release.of(guard, options)
    names = sorted(enforced)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    changes = [
        f"{counted(len(names), 'user')} will be exempt until {utc_text(request.end)}, unless they are exempt already, "
        f"and released: {', '.join(names[:_SHOWN])}{more}.",
        "The administrators get a notice for each new exemption. The guard still enforces new users; to end that too: "
        f"{location.command('stop')}",
    ]
    confirm_changes(changes, f"Release {counted(len(names), 'user')}?", yes=yes)
    done, failed = _release_each(enforced, request)
    enforce = location.command("enforce", "NAME", options=["--drop-exemption"])
    print_outcome(
        Outcome(
            done=done,
            failed=failed,
            notes=[f"Released: {len(done)} of {len(names)}.", _ENFORCED_AGAIN, *notes],
            undo=[f"{enforce}   (for each user)"],
            facts={"released": len(done)},
        ),
        output_format,
    )


def _enforced_users(guard: Guard) -> tuple[_Enforced, list[Attachment]]:
    """Return the routes by which each user is enforced, and what else the policy is attached to."""
    attachments = IamAttachments(guard.iam, guard.settings.policy_arn, guard.settings.group_name)
    routes = {AttachmentKind.POLICY_ON_USER: AttachmentRoute.DIRECT, AttachmentKind.MEMBERSHIP: AttachmentRoute.GROUP}
    enforced: dict[str, frozenset[AttachmentRoute]] = {}
    others: list[Attachment] = []
    for page in (*attachments.attached(), *attachments.members()):
        for attachment in page:
            if attachment.kind in routes:
                enforced[attachment.name] = enforced.get(attachment.name, frozenset()) | {routes[attachment.kind]}
            else:
                others.append(attachment)
    return enforced, others


def _release_each(enforced: _Enforced, request: _Release) -> tuple[list[str], list[str]]:
    """Return what was done and what failed, a line for each user."""
    done, failed = list[str](), list[str]()
    errors = console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        for name, routes in progress.track(sorted(enforced.items()), description="Releasing"):
            try:
                done.append(_release_one(name, routes, request))
            except UserGone:
                done.append(f"{name}: deleted meanwhile.")
            except (AwsRequestFailed, ProgramError) as error:
                failed.append(f"{name}: {error}")
            except (ClientError, BotoCoreError) as error:
                failed.append(f"{name}: {as_program_error(error)}")
    return done, failed


def _release_one(name: str, routes: frozenset[AttachmentRoute], request: _Release) -> str:
    state = replace(
        request.guard.users.user(name),
        attached=AttachmentRoute.DIRECT in routes,
        in_group=AttachmentRoute.GROUP in routes,
    )
    return request.apply(state, request.exemption(state))
