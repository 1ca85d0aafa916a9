"""What a notice about a user says: the subject line, the first sentences, and what mfa-guard changes."""

from collections.abc import Callable, Mapping
from typing import Final

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.mail.notice_context import NoticeContext
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.plan import Action
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import NONCOMPLIANT, SINCE_TAG, STATUS_TAG, AccessKey, UserState
from mfa_guard.core.user_record import Standing


def headline_and_lead(kind: NoticeKind, context: NoticeContext) -> tuple[str, list[str]]:
    """Return the subject line without the severity, and the lines with which the notice begins."""
    headline, lead = _OPENINGS[kind](context)
    return headline, [lead, *_keys_that_stop(kind, context), *_exemption(context)]


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
    return (
        f"{context.name} (no MFA) got a credential",
        f"{context.actor} created or reactivated a credential for {context.name}. {context.name} has had no MFA device "
        f"since {context.state.tags.get(SINCE_TAG)}. {_credentials(context)}",
    )


def _solved(context: NoticeContext) -> tuple[str, str]:
    lead = f"{context.name} now has an MFA device and is no longer noncompliant."
    if context.plan.standing is Standing.ACTIVE_MACHINE:
        lead += f" {context.name} is an active machine user: mfa-guard does not enforce MFA until you decide."
    return f"{context.name} now has an MFA device", lead


def _decision(context: NoticeContext) -> tuple[str, str]:
    return (
        f"decide about machine user {context.name}",
        f"{context.name} looks like an active machine user: it has no console password, and a credential is in use. "
        "Enforcing MFA would stop the machine, so mfa-guard does not enforce it on its own. Until you decide, the "
        "credential works without MFA.",
    )


def _enforcement_removed(context: NoticeContext) -> tuple[str, str]:
    name = context.name
    if context.event.record.name == "RemoveUserFromGroup":
        removed = f"{context.actor} removed {name} from the enforcement group."
    else:
        removed = f"{context.actor} detached the enforcement policy from {name}."
    headline, outcome = _after_removal(context)
    return headline, f"{removed} {outcome}"


def _after_removal(context: NoticeContext) -> tuple[str, str]:
    name = context.name
    if context.plan.standing is not Standing.ENFORCED:
        return (
            f"enforcement removed from {name}",
            "mfa-guard does not restore it: EnforceOn covers only users with a console password.",
        )
    if context.result.route:
        return f"enforcement restored for {name}", f"mfa-guard enforced MFA for {name} again."
    if context.state.unfinished is NoticeKind.ENFORCEMENT_REMOVED:
        return f"{name} is enforced again", f"The enforcement policy applies to {name} again."
    if context.was_enforced:
        return f"{name} is still enforced", f"The enforcement policy still applied to {name} when mfa-guard checked."
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
        f"{context.actor} changed mfa-guard's tags on {name}. {outcome}",
    )


def _device_with_key(context: NoticeContext) -> tuple[str, str]:
    name, actor = context.name, context.actor
    enrolled = f"enrolled the MFA device {sanitize(context.event.device)}"
    key = f"with the long-term access key {sanitize(context.event.record.actor.key_id)}"
    if context.event.by_subject:
        headline = f"{name} enrolled MFA by access key"
        lead = f"{name} {enrolled} {key}. Ask {name} about it: an attacker with a leaked key can enroll a device too."
    else:
        headline = f"possible takeover of {name}"
        lead = (
            f"{actor} {enrolled} for {name}, {key}. An attacker with a leaked key of an administrator can take over "
            "another user in this way."
        )
    if context.state.devices == ():
        lead += " IAM does not list the device. A session that was started with it can last for hours."
    return headline, lead


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
    NoticeKind.DEVICE_WITH_KEY: _device_with_key,
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
    keys = sorted(exposure - {"password"})
    parts = (["a console password"] if "password" in exposure else []) + [f"access key {key}" for key in keys]
    if context.was_enforced:
        label = "Active credentials"
    elif context.is_enforced:
        label = "Credentials that worked without MFA until now"
    else:
        label = "Credentials that work without MFA"
    return f"{label}: {', '.join(parts)}."


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
