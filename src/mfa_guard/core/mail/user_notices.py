"""What a notice about a user says: the subject line, the first sentences, and what mfa-guard changes."""

from collections.abc import Callable, Mapping
from typing import Final

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.cloudtrail import PASSWORD, Trigger
from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.mail.notice_context import NoticeContext
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.plan import Action
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import NONCOMPLIANT, SINCE_TAG, STATUS_TAG, AccessKey, UserState, older_devices
from mfa_guard.core.user_record import Standing


def headline_and_lead(kind: NoticeKind, context: NoticeContext) -> tuple[str, list[str]]:
    """Return the subject line without the severity, and the lines with which the notice begins."""
    headline, lead = _OPENINGS[kind](context)
    return headline, [lead, *_renamed(context), *_keys_that_stop(kind, context), *_exemption(context)]


def _renamed(context: NoticeContext) -> list[str]:
    old = context.event.old_name
    return [f"The user's name was {sanitize(old)} before."] if old and old != context.name else []


def _noncompliant(context: NoticeContext) -> tuple[str, str]:
    name = context.name
    if context.plan.standing is not Standing.ENFORCED:
        outcome = f"mfa-guard does not enforce MFA for {name}: EnforceOn covers only users with a console password."
    elif context.is_enforced:
        outcome = f"The enforcement policy denies most access until {name} enrolls a device and signs in with it."
    else:
        outcome = (
            f"In a mode other than audit, the enforcement policy would deny most access until {name} enrolls a device "
            "and signs in with it."
        )
    return f"{name} has no MFA device", f"{name} has no MFA device. {_credentials(context)} {outcome}"


def _new_credential(context: NoticeContext) -> tuple[str, str]:
    # A user without a valid date in the tag gets a notice of the kind noncompliant instead.
    name = context.name
    if context.event.record.name == "UpdateLoginProfile":
        headline, change = f"{name} (no MFA): password reset", f"reset the console password of {name}"
    else:
        headline = f"{name} (no MFA) got a credential"
        change = f"created or reactivated {context.announced or 'a credential'} for {name}"
    return (
        headline,
        f"{context.actor_and_key} {change}. {name} has had no MFA device since "
        f"{context.state.tags.get(SINCE_TAG)}. {_credentials(context)}",
    )


def _solved(context: NoticeContext) -> tuple[str, str]:
    lead = f"{context.name} now has an MFA device and is no longer noncompliant."
    if context.plan.standing is Standing.ACTIVE_MACHINE:
        lead += f" {context.name} is an active machine user: mfa-guard does not enforce MFA until you decide."
    return f"{context.name} now has an MFA device", lead


def _decision(context: NoticeContext) -> tuple[str, str]:
    change = _CHANGES_OF_MACHINES.get(context.event.trigger)
    return (
        f"decide about machine user {context.name}",
        f"{f'{change(context)} ' if change else ''}{context.name} looks like an active machine user: it has no console "
        "password, and a credential is in use. Enforcing MFA would stop the machine, so mfa-guard does not enforce it "
        "on its own. Until you decide, the credential works without MFA.",
    )


def _removal(context: NoticeContext) -> str:
    name, actor = context.name, context.actor_and_key
    if context.event.record.name == "RemoveUserFromGroup":
        return f"{actor} removed {name} from the enforcement group."
    return f"{actor} detached the enforcement policy from {name}."


# Who changed what about an active machine user, a sentence for each trigger that can make the decision due.
_CHANGES_OF_MACHINES: Final[Mapping[Trigger, Callable[[NoticeContext], str]]] = {
    Trigger.ENFORCEMENT_REMOVED: _removal,
    Trigger.PASSWORD_REMOVED: lambda context: (
        f"{context.actor_and_key} deleted the console password of {context.name}."
    ),
    Trigger.NEW_CREDENTIAL: lambda context: (
        f"{context.actor_and_key} created or reactivated {context.announced or 'a credential'} for {context.name}."
    ),
}


def _enforcement_removed(context: NoticeContext) -> tuple[str, str]:
    headline, outcome = _after_removal(context)
    return headline, f"{_removal(context)} {outcome}"


def _after_removal(context: NoticeContext) -> tuple[str, str]:
    name = context.name
    if context.plan.standing is not Standing.ENFORCED:
        return (
            f"enforcement removed from {name}",
            "mfa-guard does not restore it: EnforceOn covers only users with a console password.",
        )
    if context.result.route:
        return f"enforcement restored for {name}", f"mfa-guard enforced MFA for {name} again."
    return f"enforcement removed from {name}", "In audit mode, mfa-guard does not restore it."


def _tags_changed(context: NoticeContext) -> tuple[str, str]:
    name, will = context.name, _will(context)
    if Action.MARK in context.plan.actions:
        outcome = f"The count of days without an MFA device {will} start again."
    elif Action.CLEAR in context.plan.actions:
        outcome = f"{name} has an MFA device, so mfa-guard {will} remove the tags."
    else:
        outcome = (
            f"The tags are well-formed, so mfa-guard keeps them: no MFA device since "
            f"{context.state.tags.get(SINCE_TAG)}. Check whether this date is correct."
        )
    return (
        f"mfa-guard tags of {name} changed",
        f"{context.actor_and_key} changed mfa-guard's tags on {name}. {outcome}",
    )


def _device_enrolled(context: NoticeContext) -> tuple[str, str]:
    name, event = context.name, context.event
    if not event.by_subject:
        headline = f"possible takeover of {name}"
        lead = (
            f"{context.actor_and_key} enrolled {context.device} for {name}. With a device of their own, another person "
            "can take over the user."
        )
    elif _others(context):
        headline = f"{name} added a device without MFA"
        lead = (
            f"{name} enrolled {context.device} {_by_key(context) or 'in a session without MFA'}, although {name} has "
            f"another device: {_others(context)}. An attacker with a leaked credential enrolls a device in this way."
        )
    else:
        headline = f"{name} enrolled MFA by access key"
        lead = (
            f"{name} enrolled {context.device} {_by_key(context)}, from {sanitize(event.record.address)}, user agent "
            f"{sanitize(event.record.user_agent, 300)}. {name} had no other device. If {name} did this, nothing "
            "is wrong. An attacker with a leaked key can enroll a device too."
        )
    if context.state.devices == ():
        lead += " IAM does not list the device. A session that was started with it can last for hours."
    return headline, lead


def _by_key(context: NoticeContext) -> str:
    key_id = context.event.record.actor.key_id
    return f"with the access key {sanitize(key_id, 128)}" if key_id else ""


def _others(context: NoticeContext) -> str:
    devices = context.state.devices
    found = devices if isinstance(devices, tuple) else ()
    older = older_devices(found, context.event.device, context.event.record.time)
    return ", ".join(sanitize(each.serial) for each in older)


def _device_removed(context: NoticeContext) -> tuple[str, str]:
    name = context.name
    return (
        f"{name} lost an MFA device",
        f"{context.actor_and_key} removed {context.device} from {name}. {name} still has an MFA device.",
    )


def _signed_in(context: NoticeContext) -> tuple[str, str]:
    name, record = context.name, context.event.record
    lead = (
        f"{name} signed in to the console without MFA at {utc_text(record.time)}, from {sanitize(record.address)}, "
        f"user agent {sanitize(record.user_agent, 300)}. The enforcement policy did not apply to {name}. "
    )
    if context.settings.writes:
        return f"{name} signed in without MFA", f"{lead}Now mfa-guard enforces MFA for {name}, also in this session."
    return f"{name} signed in without MFA", f"{lead}In a mode other than audit, mfa-guard would enforce MFA for {name}."


def _enrollment_blocked(context: NoticeContext) -> tuple[str, str]:
    name, boundary = context.name, sanitize(context.state.boundary, 300)
    return (
        f"{name} cannot enroll (boundary)",
        f"{context.actor_and_key} set the permissions boundary {boundary} of {name}. The boundary "
        f"{boundary.rpartition('/')[2]} keeps {name} from enrolling an MFA device, which needs "
        f"iam:CreateVirtualMFADevice and iam:EnableMFADevice. {name} has no MFA device, and the enforcement policy "
        f"{'denies' if context.settings.writes else 'would deny'} most other access.",
    )


def _enforced(context: NoticeContext) -> tuple[str, str]:
    name, keys_stop = context.name, bool(context.state.keys_in_use(context.now))
    if not context.settings.writes:
        headline = f"keys of {name} would stop working" if keys_stop else f"{name} would be enforced"
        return headline, f"In a mode other than audit, mfa-guard would enforce MFA for {name}."
    headline = f"keys of {name} stop working" if keys_stop else f"{name} is now enforced"
    return (
        headline,
        f"The enforcement policy now applies to {name}. {name} has an MFA device and must sign in with it.",
    )


def _exempt_without_device(context: NoticeContext) -> tuple[str, str]:
    name = context.name
    return (
        f"exempt user {name} has no MFA",
        f"{name} no longer has an MFA device. {name} is exempt, so mfa-guard neither enforces MFA nor tags {name}.",
    )


def _released(context: NoticeContext) -> tuple[str, str]:
    name = context.name
    if not context.settings.writes:
        return f"{name} would be released (exempt)", f"{name} is exempt, but the enforcement policy applies to {name}."
    return f"{name} is exempt and was released", f"{name} is exempt, but the enforcement policy applied to {name}."


def _not_enforced(context: NoticeContext) -> tuple[str, str]:
    name = context.name
    lead = (
        f"mfa-guard could not enforce MFA for {name}: {context.result.problem} Until this is fixed, {name} can work "
        "without MFA."
    )
    credentials = f" {_credentials(context)}" if _exposure(context) else ""
    return f"{name} could not be enforced", lead + credentials


def _not_tagged(context: NoticeContext) -> tuple[str, str]:
    return f"{context.name} could not be tagged", f"mfa-guard could not tag {context.name}: {context.result.problem}"


_OPENINGS: Final[Mapping[NoticeKind, Callable[[NoticeContext], tuple[str, str]]]] = {
    NoticeKind.NONCOMPLIANT: _noncompliant,
    NoticeKind.NEW_CREDENTIAL: _new_credential,
    NoticeKind.SOLVED: _solved,
    NoticeKind.DECISION: _decision,
    NoticeKind.ENFORCEMENT_REMOVED: _enforcement_removed,
    NoticeKind.TAGS_CHANGED: _tags_changed,
    NoticeKind.DEVICE_ENROLLED: _device_enrolled,
    NoticeKind.DEVICE_REMOVED: _device_removed,
    NoticeKind.SIGNED_IN: _signed_in,
    NoticeKind.ENROLLMENT_BLOCKED: _enrollment_blocked,
    NoticeKind.ENFORCED: _enforced,
    NoticeKind.EXEMPT_WITHOUT_DEVICE: _exempt_without_device,
    NoticeKind.RELEASED: _released,
    NoticeKind.NOT_ENFORCED: _not_enforced,
    NoticeKind.NOT_TAGGED: _not_tagged,
}


def _will(context: NoticeContext) -> str:
    return "will" if context.settings.writes else "would"


def _exposure(context: NoticeContext) -> frozenset[str]:
    return context.plan.due.exposure if context.plan.due else frozenset()


def _credentials(context: NoticeContext) -> str:
    exposure = _exposure(context)
    if not exposure:
        return f"{context.name} has no console password and no active access key."
    parts = ["a console password"] if PASSWORD in exposure else []
    parts += [_credential(each, context) for each in sorted(exposure - {PASSWORD})]
    if context.was_enforced:
        label = "Active credentials"
    elif context.is_enforced:
        label = "Credentials that worked without MFA until now"
    else:
        label = "Credentials that work without MFA"
    return f"{label}: {', '.join(parts)}."


def _credential(credential: str, context: NoticeContext) -> str:
    keys = context.state.keys
    if isinstance(keys, tuple) and credential in {key.id for key in keys if key.active}:
        return f"access key {credential}"
    # The event announced it. IAM may not list it yet, or it may be deleted by now.
    announced = (context.announced or "").removeprefix("the ")
    return f"{announced}, which IAM does not list" if credential == context.event.key_id else announced


def _keys_that_stop(kind: NoticeKind, context: NoticeContext) -> list[str]:
    # This attempt enforced, or an earlier attempt at the same event did, or audit mode plans it.
    planned = not context.settings.writes and Action.ENFORCE in context.plan.actions
    enforces = context.result.route is not None or planned or kind is NoticeKind.ENFORCED
    if not enforces or not isinstance(context.state.keys, tuple):
        return []
    keys = [key.id for key in context.state.keys_in_use(context.now)]
    verb = "stop" if context.settings.writes else "would stop"
    return [f"Access keys in use that {verb} working without MFA: {', '.join(keys)}."] if keys else []


def _exemption(context: NoticeContext) -> list[str]:
    record = context.state.exemption
    if isinstance(record, MalformedExemption):
        return [f"The exemption record of {context.name} is not valid. {record.problem}"]
    if isinstance(record, Exemption) and not record.in_force(context.now):
        return [
            f"The exemption of {context.name}, recorded for the owner {sanitize(record.owner)}, expired at "
            f"{utc_text(record.expires_at)}."
        ]
    if isinstance(record, Exemption):
        return [
            f"The exemption: owner {sanitize(record.owner)}, reason {sanitize(record.reason)}, recorded by "
            f"{sanitize(record.created_by)}, expires at {utc_text(record.expires_at)}."
        ]
    prefix = context.settings.exempt_path(context.state.path)
    return [f"All users below the path {prefix} are exempt (parameter ExemptPathPrefixes)."] if prefix else []


def changes(context: NoticeContext) -> list[str]:
    """Return what mfa-guard changes in IAM, or would change in audit mode, a sentence each.

    mfa-guard enforces and releases before it sends the notice, and it writes the tags after that.
    """
    enforced, released = _routes(context)
    tags = () if context.result.retry or context.result.not_tagged else context.plan.actions
    return [
        *(_enforcing(route, context) for route in enforced),
        *(_releasing(route, context) for route in released),
        *(_tagging(action, context) for action in tags if action in {Action.MARK, Action.CLEAR}),
    ]


def _routes(context: NoticeContext) -> tuple[tuple[AttachmentRoute, ...], tuple[AttachmentRoute, ...]]:
    """Return the routes by which mfa-guard enforced and released, or in audit mode would do so."""
    if context.settings.writes:
        return (context.result.route,) if context.result.route else (), context.result.released
    return (
        (context.settings.enforce_through,) if Action.ENFORCE in context.plan.actions else (),
        context.routes_before if Action.RELEASE in context.plan.actions else (),
    )


def _enforcing(route: AttachmentRoute, context: NoticeContext) -> str:
    name, policy, group = context.name, context.policy, context.settings.group_name
    if route is AttachmentRoute.DIRECT:
        full = f" {name} could not be added to the group: {name} is in as many groups as IAM allows."
        change = f"mfa-guard {_verb('attach', context)} the policy {policy} to {name}."
    else:
        full = f" The policy could not be attached to {name}: {name} has as many managed policies as IAM allows."
        change = f"mfa-guard {_verb('add', context)} {name} to the group {group}, which has the policy {policy}."
    return change + full if context.result.fell_back else change


def _releasing(route: AttachmentRoute, context: NoticeContext) -> str:
    if route is AttachmentRoute.DIRECT:
        return f"mfa-guard {_verb('detach', context)} the policy {context.policy} from {context.name}."
    return f"mfa-guard {_verb('remove', context)} {context.name} from the group {context.settings.group_name}."


def _verb(verb: str, context: NoticeContext) -> str:
    if not context.settings.writes:
        return f"would {verb}"
    return f"{verb}d" if verb.endswith("e") else f"{verb}ed"


def _tagging(action: Action, context: NoticeContext) -> str:
    if action is Action.CLEAR:
        tags = ", ".join(context.state.guard_tags())
        return f"mfa-guard {_will(context)} remove the tags {tags} from {context.name}."
    return (
        f"mfa-guard {_will(context)} tag {context.name} with {STATUS_TAG}={NONCOMPLIANT} and "
        f"{SINCE_TAG}={utc_text(context.now)}."
    )


def about_user(state: UserState) -> list[str]:
    """Return what is known of the user, a line each; a field that was not loaded has no line."""
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
    used = f"last used {utc_text(key.last_used)}" if key.last_used else "no recorded use"
    return f"{key.id} ({'active' if key.active else 'inactive'}, {used})"
