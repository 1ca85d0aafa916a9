"""Compose the notices about no user that IAM shows.

They are about the root user, a renamed user who was not found, mfa-guard's own resources, CloudTrail's trails, and
unassigned devices.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from mfa_guard.core.alerts import Alert
from mfa_guard.core.cloudtrail import Record, UserEvent
from mfa_guard.core.mail.layout import Draft, Message, compose, console
from mfa_guard.core.mail.shell_commands import (
    LIST_UNASSIGNED_DEVICES,
    enable_rule_command,
    start_logging_command,
)
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.settings import Settings
from mfa_guard.core.trails import trail_change
from mfa_guard.core.watched import CLOUDTRAIL

_ROOT_UNPLANNED: Final = (
    "If this was not planned, sign in as the root user, remove what was added, change the password, and contact AWS "
    "Support."
)
_ROOT_ADVICE: Final = "The root user should have an MFA device and no access keys."


def root_message(event: UserEvent, settings: Settings) -> Message:
    """Return the notice about a change of the root user's credentials or MFA devices."""
    call, named = sanitize(event.record.name), _root_credential(event)
    draft = Draft(
        kind=NoticeKind.ROOT_CREDENTIALS,
        severity=Severity.CRITICAL,
        headline=f"root user: {call}",
        lead=[
            f"{call} changed a credential or an MFA device of this account's root user{named}. The root user can do "
            "everything, and no policy in this account applies to it. mfa-guard never changes the root user."
        ],
        subject={"kind": "root", "name": None},
        link=console(settings, "iam/home#/security_credentials"),
        next=[_ROOT_UNPLANNED, _ROOT_ADVICE],
    )
    if event.record.name == "EnableMFADevice":
        draft = _root_enrolled(draft, named)
    return compose(draft, event.record, settings)


def _root_enrolled(draft: Draft, named: str) -> Draft:
    """Return the notice of good news: a root user with an MFA device is what AWS recommends."""
    return Draft(
        kind=draft.kind,
        severity=Severity.LOW,
        headline="root user: an MFA device was enabled",
        lead=[
            f"An MFA device was enabled for this account's root user{named}. The root user should have one. mfa-guard "
            "never changes the root user."
        ],
        subject=draft.subject,
        link=draft.link,
        next=[
            "Compare the device with the one that you enrolled. If you do not know it, contact AWS Support, sign in as "
            "the root user, remove this device, and change the password.",
        ],
    )


def _root_credential(event: UserEvent) -> str:
    """Return `: access key AKIA...` or `: MFA device SERIAL`, as far as the record names it."""
    if event.key_id:
        return f": access key {sanitize(event.key_id, 128)}"
    return f": MFA device {sanitize(event.device, 256)}" if event.device else ""


def renamed_user_message(event: UserEvent, settings: Settings) -> Message:
    """Return the notice about a renamed user; IAM shows neither the new name nor the old one."""
    new, old = sanitize(event.subject.name, 64), sanitize(event.old_name, 64)
    draft = Draft(
        kind=NoticeKind.RENAMED_USER_NOT_FOUND,
        severity=Severity.LOW,
        headline=f"the renamed user {new} (before: {old}) was not found",
        lead=[
            f"{sanitize(event.record.actor.label)} renamed the user {old} to {new}, and IAM shows this user under "
            "neither name. The user was deleted, or was renamed again. mfa-guard changed nothing."
        ],
        subject={"kind": "user", "name": new},
        link=console(settings, "iam/home#/users"),
        next=[
            "If the user was deleted, there is nothing to do.",
            "Otherwise list the users (aws iam list-users) to find the user's current name. mfa-guard explain NAME "
            "shows what mfa-guard decides about the user, and mfa-guard enforce NAME enforces.",
        ],
    )
    return compose(draft, event.record, settings)


def alert_message(alert: Alert, settings: Settings) -> Message:
    """Return the notice about a sign-in of the root user, or about a call on a resource that mfa-guard depends on."""
    watched, target = alert.watched, sanitize(alert.target, 300)
    headline, lead = _opening(alert, target)
    notes = [*alert.notes, *_changed(alert.record)]
    draft = Draft(
        kind=watched.kind,
        severity=alert.severity,
        headline=headline,
        lead=[" ".join([lead, *notes, watched.risk])],
        subject={"kind": watched.resource, "name": target if alert.target else None},
        link=console(settings, "console/home"),
        next=[watched.repair],
        commands=_commands(alert, settings),
    )
    return compose(draft, alert.record, settings)


_MFA_USED: Final[Mapping[str, str]] = {"yes": " An MFA device was used.", "no": " No MFA device was used."}


def _opening(alert: Alert, target: str) -> tuple[str, str]:
    kind, record = alert.watched.kind, alert.record
    call, actor, resource = sanitize(record.name, 80), sanitize(record.actor.label), alert.watched.resource
    if kind is NoticeKind.ROOT_SIGN_IN:
        # CloudTrail writes Yes and No, and in some records YES.
        mfa = _MFA_USED.get(str(alert.mfa_used).lower(), "")
        return (
            "the root user signed in to the console",
            f"The root user of this account signed in to the console.{mfa}",
        )
    if kind is NoticeKind.UNASSIGNED_DEVICES:
        return (
            "many virtual MFA devices belong to no user",
            f"{actor} called {call}, as one of many such calls within 15 minutes, and many devices belong to no user.",
        )
    if record.source == CLOUDTRAIL:
        region = sanitize(record.region, 40)
        return (
            f"{call} on the trail {target} in {region}",
            f'{actor} called {call} on the trail "{target}" in {region}.',
        )
    return f"{call} on mfa-guard's {resource}", f'{actor} called {call} on mfa-guard\'s {resource} "{target}".'


def _changed(record: Record) -> Iterable[str]:
    change = trail_change(record.request) if record.source == CLOUDTRAIL else None
    return [change] if change else []


def _commands(alert: Alert, settings: Settings) -> Mapping[str, str]:
    command, key = None, alert.record.name
    if key == "DisableRule":
        command = enable_rule_command(alert.target or "", settings)
    elif key == "StopLogging":
        command = start_logging_command(alert.target or "", alert.record.region or "")
    elif alert.watched.kind is NoticeKind.UNASSIGNED_DEVICES:
        command = LIST_UNASSIGNED_DEVICES
    return {_KEYS[key]: command} if command else {}


_KEYS: Final[Mapping[str, str]] = {
    "DisableRule": "enable_rule",
    "StopLogging": "start_logging",
    "CreateVirtualMFADevice": "list_unassigned_devices",
}
