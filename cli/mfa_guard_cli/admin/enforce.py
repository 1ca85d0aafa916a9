"""Bind one user now, in the way the stack is set to."""

from collections.abc import Sequence

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.errors import UserGone
from mfa_guard.core.exemption import Exemption
from mfa_guard.core.plan import Rule, deciding_rule
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import UserState
from mfa_guard.use_cases.enforcement import enforce
from mfa_guard_cli.admin.exemption_records import ExemptionRecords, in_words
from mfa_guard_cli.admin.guard import Guard, open_guard, refusals
from mfa_guard_cli.common.errors import AwsError, WrongUse
from mfa_guard_cli.common.options import Format
from mfa_guard_cli.common.outcome import Outcome, ask, tell
from mfa_guard_cli.common.stack_location import StackLocation

_HOW = {AttachmentRoute.DIRECT: "the policy is attached", AttachmentRoute.GROUP: "the user joins the enforcement group"}


def enforce_user(name: str, place: StackLocation, form: Format, *, drop_exemption: bool, yes: bool) -> None:
    """Bind a user; drops an exemption only when told. Raises WrongUse for one whom the guard would release again."""
    guard = open_guard(place)
    now = guard.now()
    state = guard.whole_user(name, now)
    dropped = _exemption(state, guard, place, drop=drop_exemption)
    if state.routes() and not dropped:
        tell(Outcome(notes=[f"{state.name} is bound already; nothing was changed."], facts={"user": state.name}), form)
        return
    plan = [] if state.routes() else [f"{state.name} will be bound: {_HOW[guard.settings.enforce_through]}."]
    plan += [f"The exemption {in_words(dropped)} will be deleted first."] if dropped else []
    plan += [] if state.routes() else _stopping(state, guard)
    ask(plan, f"Enforce MFA for {state.name}?", yes=yes)
    done = []
    if dropped:
        ExemptionRecords(guard.dynamodb, guard.settings.exemptions_table).delete(state.id)
        done.append(f"The exemption of {state.name} is deleted.")
    done.append(f"{state.name} was bound already." if state.routes() else _bind(state, guard))
    tell(
        Outcome(
            done=done,
            notes=["Tags follow with the next event about this user or, in Mode: all, with the next sweep."],
            back=[place.command("release", state.name)],
            facts={"user": state.name},
        ),
        form,
    )


def _exemption(state: UserState, guard: Guard, place: StackLocation, *, drop: bool) -> Exemption | None:
    """Return the exemption that has to go. Raises WrongUse for one that has to stay."""
    rule = deciding_rule(state, guard.settings, guard.now())
    if rule is Rule.EXEMPT_BY_PATH:
        raise WrongUse(
            f"{state.name} is exempt, as users below {guard.settings.exempt_path(state.path)} are, and the guard would "
            "release again; move the user to another path, or change ExemptPathPrefixes."
        )
    record = state.exemption_record()
    if rule is not Rule.EXEMPT_BY_RECORD or not isinstance(record, Exemption):
        return None
    if not drop:
        again = place.command("enforce", state.name, options=["--drop-exemption"])
        raise WrongUse(f"{state.name} is exempt {in_words(record)}; to delete that and enforce: {again}")
    return record


def _stopping(state: UserState, guard: Guard) -> Sequence[str]:
    """Return what binding would stop."""
    now = guard.now()
    keys = [f"{key.id} (last used {utc_text(key.last_used)})" for key in state.keys_in_use(now) if key.last_used]
    listed = state.service_credentials if isinstance(state.service_credentials, tuple) else ()
    services = [f"{each.id} for {each.service}" for each in listed if each.active]
    lines = [f"Access keys in use that stop working without MFA: {', '.join(keys)}."] if keys else []
    lines += [f"Service-specific credentials that stop working: {', '.join(services)}."] if services else []
    if not state.has_device():
        lines.append(f"{state.name} has no MFA device, and can do nothing but enroll one until a sign-in with it.")
    if f"user{state.path}{state.name}" == guard.caller().rpartition(":")[2]:
        lines.append("This is you.")
    return lines or ["No access key in use would stop."]


def _bind(state: UserState, guard: Guard) -> str:
    try:
        with refusals():
            done = enforce(state.name, guard.settings.enforce_through, guard.users)
    except UserGone as gone:
        raise AwsError(
            f"The enforcement policy or group, or {state.name}, does not exist; see mfa-guard status, or deploy again."
        ) from gone
    if done.problem or done.route is None:
        raise AwsError(f"{state.name} could not be bound: {done.problem}")
    other = f", as IAM's quota is full for the usual way of {state.name}" if done.fell_back else ""
    return f"{state.name} is bound: {_HOW[done.route]}{other}."
