"""What the notices say: the facts of a plan, an alert or root's doing, in words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mfa_guard.core.alerts import Alert
from mfa_guard.core.attachments import AttachmentRoute, WriteResult
from mfa_guard.core.cloudtrail import UserEvent
from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.exemption_changes import Change, ExemptionChange
from mfa_guard.core.mail.console_urls import url_part
from mfa_guard.core.mail.layout import Draft, Message, compose, console, sign_in
from mfa_guard.core.mail.shell_commands import (
    cli_command,
    enable_rule_command,
    enforce_again_command,
    enforce_command,
    exempt_command,
    remove_device_command,
    undo_command,
)
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard.core.plan import Action, DueNotice, EventPlan, Standing
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.settings import Settings
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import NONCOMPLIANT, SINCE_TAG, STATUS_TAG, AccessKey, UserState


@dataclass(frozen=True)
class NoticeContext:
    """The facts that a notice about a user is written from: what happened, what was planned, and what was done."""

    event: UserEvent
    state: UserState
    plan: EventPlan
    result: WriteResult
    settings: Settings
    now: datetime

    @property
    def name(self) -> str:
        return self.state.name

    @property
    def actor(self) -> str:
        return sanitize(self.event.record.actor.label)

    @property
    def policy(self) -> str:
        return self.settings.policy_arn.rpartition("/")[2]

    @property
    def was_bound(self) -> bool:
        """Tell whether the policy reached the user before the guard did anything, as far as anybody asked."""
        return self.state.attached is True or self.state.in_group is True

    @property
    def is_bound(self) -> bool:
        return self.result.route is not None or self.was_bound


def user_message(notice: DueNotice, context: NoticeContext) -> Message:
    """Return the mail for `notice`, which `mfa_guard.core.plan.notice_of` decided."""
    kind, state, settings = notice.kind, context.state, context.settings
    headline, lead = _LEADS[kind](context)
    pastes = _pastes(kind, context)
    draft = Draft(
        kind=kind,
        severity=notice.severity,
        headline=headline,
        lead=[lead, *_stopping(kind, context), *_exemption(context)],
        subject={"kind": "user", "name": state.name, "id": state.id, "path": state.path},
        link=console(settings, f"iam/home#/users/details/{url_part(state.name)}"),
        done=_deeds(context),
        next=_next_steps(kind, context),
        pastes=pastes,
        program={name: command for name in pastes if (command := cli_command(name, state.name, settings))},
        about=about_user(state),
    )
    return compose(draft, context.event.record, settings)


def root_message(event: UserEvent, settings: Settings) -> Message:
    """Return the notice about a change of the root user's credentials or MFA devices."""
    what = sanitize(event.record.name)
    draft = Draft(
        kind=NoticeKind.ROOT_CREDENTIALS,
        severity=Severity.CRITICAL,
        headline=f"root: {what}",
        lead=[
            f"{what} changed a credential or an MFA device of this account's root user. The root user can do "
            "everything, and no policy in this account binds it. mfa-guard never changes root."
        ],
        subject={"kind": "root", "name": None},
        link=console(settings, "iam/home#/security_credentials"),
        acts=False,  # pragma: no mutate: Only whether it is true counts.
        next=[
            "If it was not you: sign in as root, remove what was added, change the password, and call AWS Support.",
            "Root should have an MFA device and no access keys.",
        ],
    )
    return compose(draft, event.record, settings)


def alert_message(alert: Alert, settings: Settings) -> Message:
    """Return the notice about root's sign-in, tampering with the guard, or a change of its stack."""
    watched, what, target = alert.watched, sanitize(alert.record.name, 80), sanitize(alert.target, 300)
    headlines = {
        NoticeKind.ROOT_SIGN_IN: "root signed in to the console",
        NoticeKind.TAMPERING: f"mfa-guard's {watched.resource}: {what}",
        NoticeKind.STACK_CHANGE: f"mfa-guard's stack: {what}",
    }
    mfa = {"Yes": " An MFA device was used.", "No": " No MFA device was used."}.get(str(alert.mfa_used), "")
    leads = {
        NoticeKind.ROOT_SIGN_IN: f"Somebody signed in to the console as this account's root user.{mfa} {watched.risk}",
        NoticeKind.TAMPERING: f'{what} was called on the {watched.resource} "{target}". {watched.risk}',
        NoticeKind.STACK_CHANGE: f'{what} was called on mfa-guard\'s own stack "{target}". {watched.risk}',
    }
    disabled = alert.target if alert.record.name == "DisableRule" else None
    enable = enable_rule_command(disabled, settings) if disabled else None
    draft = Draft(
        kind=watched.kind,
        severity=watched.severity,
        headline=headlines[watched.kind],
        lead=[leads[watched.kind]],
        subject={"kind": watched.resource, "name": target if alert.target else None},
        link=console(settings, "console/home"),
        acts=False,  # pragma: no mutate: Only whether it is true counts.
        next=[watched.repair],
        pastes={"enable_rule": enable} if enable else {},
    )
    return compose(draft, alert.record, settings)


def exemption_message(change: ExemptionChange, settings: Settings, now: datetime) -> Message:
    """Return the notice about a change of the exemption table: who is exempt, by whose word, until when."""
    name = sanitize(change.user_name or change.user_id, 64)
    draft = Draft(
        kind=NoticeKind.EXEMPTION,
        severity=Severity.LOW if change.change is Change.REMOVED else Severity.MEDIUM,
        headline=f"exemption of {name} {change.change.name.lower()}",
        lead=[_exempting(change, name, now)],
        subject={"kind": "user", "name": name, "id": sanitize(change.user_id, 128)},
        link=console(settings, f"iam/home#/users/details/{url_part(name)}"),
        acts=False,  # pragma: no mutate: Only whether it is true counts.
        next=[
            "If nobody planned this, see who may write to the table, and set the record back (point-in-time recovery)."
        ],
    )
    return compose(draft, change.record, settings)


def _exempting(change: ExemptionChange, name: str, now: datetime) -> str:
    record = change.exemption
    if change.change is Change.REMOVED:
        return f"{name} is no longer exempt. The next event about {name}, or in Mode all the next sweep, enforces."
    if isinstance(record, MalformedExemption):
        return f"A record in the exemption table does not count, and {name} is not exempt. {record.problem}"
    if not record.in_force(now):
        return f"The exemption of {name} has ended at {utc_text(record.expires_at)}, and {name} is not exempt."
    return (
        f"{name} is exempt until {utc_text(record.expires_at)}: owner {sanitize(record.owner)}, reason "
        f"{sanitize(record.reason)}, recorded by {sanitize(record.created_by)}. The next event about {name}, or in "
        "Mode all the next sweep, releases."
    )


def _noncompliant(t: NoticeContext) -> tuple[str, str]:
    if t.plan.standing is Standing.ENFORCED:
        outcome = f"{_policy_denies(t)} {t.name} everything but enrolling one, until a sign-in with it."
    else:
        outcome = "Nothing is enforced: EnforceOn covers users with a console password only, and there is none."
    return f"{t.name} has no MFA device", f"{t.name} has no MFA device. {_exposed(t)} {outcome}"


def _new_credential(t: NoticeContext) -> tuple[str, str]:
    # Whoever has no believable date yet is told of as noncompliant instead.
    return (
        f"new credential for {t.name}, no MFA",
        f"{t.name}, without an MFA device since {t.state.tags.get(SINCE_TAG)}, got a new or "
        f"reactivated credential from {t.actor}. {_exposed(t)}",
    )


def _solved(t: NoticeContext) -> tuple[str, str]:
    machine = t.plan.standing is Standing.ACTIVE_MACHINE
    rest = " The policy still does not bind this active machine user: that waits for your decision." if machine else ""
    return f"{t.name} has an MFA device now", f"{t.name} has an MFA device now, and is no longer noncompliant.{rest}"


def _decision(t: NoticeContext) -> tuple[str, str]:
    return (
        f"decide on machine user {t.name}",
        f"{t.name} looks like a active machine user: no console password, and a credential in use. Enforcing MFA "
        "would stop that machine, so mfa-guard does not do so on its own. Until somebody decides, the credential "
        "works without MFA.",
    )


def _enforcement_removed(t: NoticeContext) -> tuple[str, str]:
    if t.event.record.name == "RemoveUserFromGroup":
        lead = f"{t.actor} removed {t.name} from the enforcement group."
    else:
        lead = f"{t.actor} detached the enforcement policy from {t.name}."
    if t.plan.standing is not Standing.ENFORCED:
        return (
            f"policy taken off {t.name}",
            f"{lead} It stays off: EnforceOn covers users with a console password only.",
        )
    if t.result.route:
        return f"policy taken off {t.name}, put back", f"{lead} The policy binds {t.name} again."
    if t.state.unfinished is NoticeKind.ENFORCEMENT_REMOVED:
        return f"policy taken off {t.name}, bound now", f"{lead} The policy binds {t.name} now."
    if t.is_bound:
        return f"policy taken off {t.name}, still bound", f"{lead} When mfa-guard looked, the policy bound {t.name}."
    return f"policy taken off {t.name}", f"{lead} In audit mode it stays off."


def _tags_changed(t: NoticeContext) -> tuple[str, str]:
    if Action.MARK in t.plan.actions:
        outcome = "The count of days without a device begins anew."
    elif Action.CLEAR in t.plan.actions:
        outcome = f"{t.name} has a device, so they go."
    else:
        outcome = f"They are well-formed and stay: without a device since {t.state.tags.get(SINCE_TAG)}. Is that so?"
    return (
        f"mfa-guard tags of {t.name} changed",
        f"{t.actor} changed the tags by which mfa-guard marks noncompliant users. {outcome}",
    )


def _device_with_key(t: NoticeContext) -> tuple[str, str]:
    key = sanitize(t.event.record.actor.key_id)
    device = sanitize(t.event.device)
    if t.state.devices == ():
        device += " (no longer listed, or not yet; a session made with it may go on for hours)"
    if t.event.by_subject:
        return (
            f"{t.name} enrolled MFA with a key",
            f"{t.name} enrolled the MFA device {device} with the long-term access key {key}. Ask {t.name} whether this "
            "was so: whoever holds a leaked key can enroll a device of his own in this way.",
        )
    return (
        f"possible takeover of {t.name}",
        f"{t.actor} enrolled the MFA device {device} for {t.name}, with the long-term access key {key}. This is how a "
        "leaked key of an administrator takes over another user.",
    )


def _enforced(t: NoticeContext) -> tuple[str, str]:
    stops = bool(t.state.keys_in_use(t.now))
    if not t.settings.writes:
        headline = f"keys of {t.name} would stop" if stops else f"{t.name} would be enforced"
        return headline, f"In another mode than audit, mfa-guard would enforce MFA for {t.name}."
    headline = f"{t.name} enforced, keys in use stop" if stops else f"{t.name} is now enforced"
    return (
        headline,
        f"{t.name} has an MFA device and is now bound by the enforcement policy: a device protects once used.",
    )


def _exempt_without_device(t: NoticeContext) -> tuple[str, str]:
    return (
        f"exempt user {t.name} has no MFA now",
        f"The last MFA device of {t.name} is gone. {t.name} is exempt, so nothing is enforced and nothing is tagged.",
    )


def _released(t: NoticeContext) -> tuple[str, str]:
    return (
        f"{t.name} is exempt and released" if t.settings.writes else f"{t.name} is exempt, to be released",
        f"{t.name} is exempt, and was bound by the enforcement policy all the same.",
    )


def _not_enforced(t: NoticeContext) -> tuple[str, str]:
    exposed = f" {_exposed(t)}" if _exposure(t) else ""
    lead = f"{t.name} could not be enforced: {t.result.problem} Until that is repaired, {t.name} works without MFA."
    return f"{t.name} could not be enforced", lead + exposed


def _not_tagged(t: NoticeContext) -> tuple[str, str]:
    return f"{t.name} could not be tagged", f"{t.name} could not be tagged: {t.result.problem}"


_LEADS: Final[Mapping[NoticeKind, Callable[[NoticeContext], tuple[str, str]]]] = {
    NoticeKind.NONCOMPLIANT: _noncompliant,
    NoticeKind.NEW_CREDENTIAL: _new_credential,
    NoticeKind.SOLVED: _solved,
    NoticeKind.DECISION: _decision,
    NoticeKind.ENFORCEMENT_REMOVED: _enforcement_removed,
    NoticeKind.TAGS_CHANGED: _tags_changed,
    NoticeKind.DEVICE_WITH_KEY: _device_with_key,
    NoticeKind.ENFORCED: _enforced,
    NoticeKind.EXEMPT_WITHOUT_DEVICE: _exempt_without_device,
    NoticeKind.RELEASED: _released,
    NoticeKind.NOT_ENFORCED: _not_enforced,
    NoticeKind.NOT_TAGGED: _not_tagged,
}


def _policy_denies(t: NoticeContext) -> str:
    return "The enforcement policy denies" if t.settings.writes else "In another mode than audit, the policy would deny"


def _exposure(t: NoticeContext) -> frozenset[str]:
    return t.plan.due.exposure if t.plan.due else frozenset()


def _exposed(t: NoticeContext) -> str:
    exposure = _exposure(t)
    if not exposure:
        return "There is no console password and no active access key yet."
    keys = sorted(exposure - {"password"})
    parts = (["a console password"] if "password" in exposure else []) + [f"access key {key}" for key in keys]
    return f"{'Credentials' if t.was_bound else 'Usable without MFA until now'}: {', '.join(parts)}."


def _stopping(kind: NoticeKind, t: NoticeContext) -> list[str]:
    # Put on now, or by an earlier attempt at the same event, or in audit mode planned.
    planned = not t.settings.writes and Action.ENFORCE in t.plan.actions
    stops = t.result.route is not None or planned or kind is NoticeKind.ENFORCED
    keys = [key.id for key in t.state.keys_in_use(t.now)] if stops and isinstance(t.state.keys, tuple) else []
    verb = "stop" if t.settings.writes else "would stop"
    return [f"Access keys in use that {verb} working without MFA: {', '.join(keys)}."] if keys else []


def _exemption(t: NoticeContext) -> list[str]:
    record = t.state.exemption
    if isinstance(record, MalformedExemption):
        return [f"An exemption is recorded and does not count. {record.problem}"]
    if isinstance(record, Exemption) and not record.in_force(t.now):
        return [
            f"An exemption of {t.name}, recorded for {sanitize(record.owner)}, ended at {utc_text(record.expires_at)}."
        ]
    if isinstance(record, Exemption):
        return [
            f"The exemption: owner {sanitize(record.owner)}, reason {sanitize(record.reason)}, recorded by "
            f"{sanitize(record.created_by)}, until {utc_text(record.expires_at)}."
        ]
    prefix = t.settings.exempt_path(t.state.path)
    return [f"Users below the path {prefix} are exempt (ExemptPathPrefixes)."] if prefix else []


def _deeds(t: NoticeContext) -> list[str]:
    """Return what the guard does, or would do, in order: the policy first, the tags last."""
    reason = f" (the other way is full: {t.name} has as many as IAM allows)" if t.result.fell_back else ""
    put_on = {
        AttachmentRoute.DIRECT: f"{_verb('attach', t)} the policy {t.policy} to {t.name}{reason}",
        AttachmentRoute.GROUP: (
            f"{_verb('add', t)} {t.name} to the group {t.settings.group_name}, which carries {t.policy}{reason}"
        ),
    }
    taken_off = {
        AttachmentRoute.DIRECT: f"{_verb('detach', t)} the policy {t.policy} from {t.name}",
        AttachmentRoute.GROUP: f"{_verb('remove', t)} {t.name} from the group {t.settings.group_name}",
    }
    marks = {
        Action.MARK: f"{_verb('tag', t)} {t.name} {STATUS_TAG}={NONCOMPLIANT} and {SINCE_TAG}={utc_text(t.now)}",
        Action.CLEAR: f"{_verb('remove', t)} the tags {', '.join(t.state.guard_tags())}",
    }
    routes, released = _changes(t)
    marking = () if t.result.retry or t.result.not_tagged else t.plan.actions
    return [
        *(put_on[route] for route in routes),
        *(taken_off[route] for route in released),
        *(marks[action] for action in marking if action in marks),
    ]


def _changes(t: NoticeContext) -> tuple[tuple[AttachmentRoute, ...], tuple[AttachmentRoute, ...]]:
    """Return the ways in which the policy is put on and taken off: as done, or in audit mode as planned."""
    if t.settings.writes:
        return (t.result.route,) if t.result.route else (), t.result.released
    return (
        (t.settings.enforce_through,) if Action.ENFORCE in t.plan.actions else (),
        tuple(route for route in AttachmentRoute if _bound_by(t.state, route))
        if Action.RELEASE in t.plan.actions
        else (),
    )


def _verb(base: str, t: NoticeContext) -> str:
    if not t.settings.writes:
        return base
    return f"{base}es" if base.endswith("ch") else f"{base}s"


_BLOCKED: Final = {
    NoticeKind.NONCOMPLIANT,
    NoticeKind.NEW_CREDENTIAL,
    NoticeKind.ENFORCEMENT_REMOVED,
    NoticeKind.TAGS_CHANGED,
}
_UNDOABLE: Final = _BLOCKED | {NoticeKind.ENFORCED, NoticeKind.NOT_ENFORCED, NoticeKind.NOT_TAGGED}


def _next_steps(kind: NoticeKind, t: NoticeContext) -> list[str]:
    steps = {
        NoticeKind.DECISION: [
            "Decide: exempt the user, with an owner and an end; or enforce, once the machine uses a role or MFA. "
            "Both commands are below.",
        ],
        NoticeKind.ENFORCED: [
            "If a machine depends on a key of this user, undo with the paste below and give the machine a role.",
        ],
        NoticeKind.DEVICE_WITH_KEY: [
            f"If nobody can explain it: remove the device, and deactivate the access key "
            f"{sanitize(t.event.record.actor.key_id)} of {t.actor}.",
        ],
        NoticeKind.NOT_ENFORCED: [
            f"Remove the cause: make room by fewer policies, groups or tags on {t.name}, or deploy the stack again if "
            "its policy or group is gone. mfa-guard tries again with the next event about the user.",
        ],
        NoticeKind.NOT_TAGGED: [
            f"Make room: IAM allows 50 tags on {t.name}. mfa-guard tries again with the next event."
        ],
        NoticeKind.ENFORCEMENT_REMOVED: ["If it was meant to be, record an exemption first: drift repair respects it."],
        NoticeKind.SOLVED: [f"{t.name} signs out and in again: a session opened before enrolling stays without MFA."],
        NoticeKind.RELEASED: [
            "If this is not what you want, end the exemption; the next event about the user enforces."
        ],
    }.get(kind, [])
    if kind in _BLOCKED and t.state.devices == ():
        return [*steps, *_enrolling(t)]
    return steps


def _enrolling(t: NoticeContext) -> list[str]:
    sessions = (
        "From then on, access keys need a session: aws sts get-session-token --serial-number ARN --token-code CODE. "
        "With a passkey only, which has no codes: aws login."
    )
    if t.state.password is not False:
        first = (
            f"{t.name} enrolls a device in two minutes: sign in at {sign_in(t.settings)}, then Security credentials, "
            "Assign MFA device; sign out and in again."
        )
        return [first, sessions]
    if isinstance(t.state.keys, tuple) and not any(key.active for key in t.state.keys):
        return [f"{t.name} has nothing to sign in with yet. With a password or an access key comes enrolling a device."]
    first = (
        f"{t.name} has no console password, so the device is enrolled with the access key, if the stack's "
        "AllowEnrollmentWithAccessKeys is yes: aws iam create-virtual-mfa-device, then aws iam enable-mfa-device with "
        "two codes."
    )
    return [first, sessions]


def _pastes(kind: NoticeKind, t: NoticeContext) -> dict[str, str]:
    undo = _undoing(kind, t)
    if kind is NoticeKind.DECISION:
        reason = "active machine user, decided on a mfa-guard notice"
        return {
            "exempt": exempt_command(t.state, t.settings, t.now, reason),
            "enforce": enforce_command(t.state, t.settings),
        }
    if kind is NoticeKind.DEVICE_WITH_KEY:
        return _removing(t) | undo
    if kind is NoticeKind.RELEASED and t.settings.writes and isinstance(t.state.exemption, Exemption):
        return {"take_back": enforce_again_command(t.state, t.settings)}
    if kind is NoticeKind.NOT_ENFORCED and not t.is_bound:
        return {"enforce": enforce_command(t.state, t.settings)}
    return undo


def _removing(t: NoticeContext) -> dict[str, str]:
    # Only a serial that IAM lists goes into a command: the event's own word could hold anything.
    listed = [device.serial for device in t.state.devices] if isinstance(t.state.devices, tuple) else []
    return {"remove_device": remove_device_command(t.state, t.event.device)} if t.event.device in listed else {}


def _undoing(kind: NoticeKind, t: NoticeContext) -> dict[str, str]:
    """Return the undo for whatever was put on now, and for the kinds that speak of somebody who is bound."""
    routes = (
        (t.result.route,) if t.result.route else tuple(route for route in AttachmentRoute if _bound_by(t.state, route))
    )
    undoable = (t.result.route or kind in _UNDOABLE) and t.plan.standing is not Standing.EXEMPT and t.settings.writes
    return {"undo": undo_command(t.state, routes, t.settings, t.now)} if undoable and routes else {}


def _bound_by(state: UserState, route: AttachmentRoute) -> bool:
    return (state.attached if route is AttachmentRoute.DIRECT else state.in_group) is True


def about_user(state: UserState) -> list[str]:
    """Return what the guard knows of the user; what it had no reason to ask is not mentioned."""
    lines = [f"{state.name} (id {state.id}, path {sanitize(state.path, 512)})"]
    if isinstance(state.devices, tuple):
        lines.append("MFA devices: " + (", ".join(sanitize(device.serial) for device in state.devices) or "none"))
    if isinstance(state.password, bool):
        lines.append("Console password: " + ("yes" if state.password else "no"))
    if isinstance(state.keys, tuple):
        lines.append("Access keys: " + ("; ".join(_key(key) for key in state.keys) or "none"))
    if isinstance(state.service_credentials, tuple) and state.service_credentials:
        shown = "; ".join(
            f"{sanitize(credential.id)} for {sanitize(credential.service)}, "
            f"{'active' if credential.active else 'inactive'}"
            for credential in state.service_credentials
        )
        lines.append(f"Service-specific credentials: {shown}")
    return lines


def _key(key: AccessKey) -> str:
    used = f"last used {utc_text(key.last_used)}" if key.last_used else "no use on record"
    return f"{key.id} ({'active' if key.active else 'inactive'}, {used})"
