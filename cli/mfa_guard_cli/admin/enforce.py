"""Enforce MFA for one user now."""

from collections.abc import Mapping, Sequence
from typing import Final

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.errors import UserGone
from mfa_guard.core.exemption import Exemption
from mfa_guard.core.plan import Rule, deciding_rule
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import UserState
from mfa_guard.use_cases.enforcement import enforce
from mfa_guard_cli.admin.exemption_records import ExemptionRecords, in_words
from mfa_guard_cli.admin.guard import Guard, open_guard, translate_iam_errors
from mfa_guard_cli.common.errors import AwsError, WrongUse
from mfa_guard_cli.common.options import Format
from mfa_guard_cli.common.outcome import Outcome, confirm_changes, print_outcome
from mfa_guard_cli.common.stack_location import StackLocation

_ENFORCED_BY: Final[Mapping[AttachmentRoute, str]] = {
    AttachmentRoute.DIRECT: "the policy is attached",
    AttachmentRoute.GROUP: "the user is added to the enforcement group",
}


def enforce_user(name: str, location: StackLocation, output_format: Format, *, drop_exemption: bool, yes: bool) -> None:
    """Enforce MFA for a user, and delete their exemption only if `drop_exemption` is true.

    Raises WrongUse for a user that the guard would release again.
    """
    guard = open_guard(location)
    state = guard.complete_user(name, guard.now())
    dropped = _exemption_to_drop(state, guard, location, drop=drop_exemption)
    is_enforced = bool(state.routes())
    if is_enforced and not dropped:
        note = f"{state.name} is enforced already; nothing was changed."
        print_outcome(Outcome(notes=[note], facts={"user": state.name}), output_format)
        return
    changes = [f"The exemption {in_words(dropped)} will be deleted."] if dropped else []
    if not is_enforced:
        changes += [
            f"MFA will be enforced for {state.name}: {_ENFORCED_BY[guard.settings.enforce_through]}.",
            *_consequences(state, guard),
        ]
    confirm_changes(changes, f"Enforce MFA for {state.name}?", yes=yes)
    done = []
    if dropped:
        ExemptionRecords(guard.dynamodb, guard.settings.exemptions_table).delete(state.id)
        done.append(f"The exemption of {state.name} was deleted.")
    done.append(f"{state.name} was enforced already." if is_enforced else _enforce(state, guard))
    print_outcome(
        Outcome(
            done=done,
            notes=["The guard sets the tags at the next event about this user or in the next sweep."],
            undo=[location.command("release", state.name)],
            facts={"user": state.name},
        ),
        output_format,
    )


def _exemption_to_drop(state: UserState, guard: Guard, location: StackLocation, *, drop: bool) -> Exemption | None:
    """Return the exemption to delete, or None. Raises WrongUse if the user has to stay exempt."""
    rule = deciding_rule(state, guard.settings, guard.now())
    if rule is Rule.EXEMPT_BY_PATH:
        raise WrongUse(
            f"{state.name} is exempt because of the path {guard.settings.exempt_path(state.path)}, so the guard would "
            "release the user again; move the user to another path, or change ExemptPathPrefixes."
        )
    record = state.exemption_record()
    if rule is not Rule.EXEMPT_BY_RECORD or not isinstance(record, Exemption):
        return None
    if not drop:
        command = location.command("enforce", state.name, options=["--drop-exemption"])
        raise WrongUse(f"{state.name} is exempt {in_words(record)}; to delete the exemption and enforce: {command}")
    return record


def _consequences(state: UserState, guard: Guard) -> Sequence[str]:
    """Return what stops working if the user is enforced."""
    keys = [
        f"{key.id} (last used {utc_text(key.last_used)})" for key in state.keys_in_use(guard.now()) if key.last_used
    ]
    listed = state.service_credentials if isinstance(state.service_credentials, tuple) else ()
    services = [f"{each.id} for {each.service}" for each in listed if each.active]
    lines = [f"Access keys in use that stop working without MFA: {', '.join(keys)}."] if keys else []
    lines += [f"Service-specific credentials that stop working: {', '.join(services)}."] if services else []
    if not state.has_device():
        lines.append(f"{state.name} has no MFA device, and can only enroll one and sign in with it.")
    if f"user{state.path}{state.name}" == guard.caller().rpartition(":")[2]:
        lines.append("This is you.")
    return lines or ["No access key in use stops working."]


def _enforce(state: UserState, guard: Guard) -> str:
    try:
        with translate_iam_errors():
            result = enforce(state.name, guard.settings.enforce_through, guard.users)
    except UserGone as error:
        raise AwsError(
            f"The enforcement policy, the enforcement group or the user {state.name} does not exist; run "
            "mfa-guard status, which says what is missing and how to restore it."
        ) from error
    if result.problem or result.route is None:
        raise AwsError(f"MFA could not be enforced for {state.name}: {result.problem}")
    quota = f", because the IAM quota for the usual route of {state.name} is used up" if result.fell_back else ""
    return f"MFA is enforced for {state.name}: {_ENFORCED_BY[result.route]}{quota}."
