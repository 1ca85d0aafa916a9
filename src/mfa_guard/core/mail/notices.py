"""Compose the notices: about a user, the root user, mfa-guard's own resources, and the exemption table."""

from datetime import datetime
from typing import Final

from mfa_guard.core.alerts import Alert
from mfa_guard.core.cloudtrail import UserEvent
from mfa_guard.core.exemption import MalformedExemption
from mfa_guard.core.exemption_changes import Change, ExemptionChange
from mfa_guard.core.mail.console_urls import url_part
from mfa_guard.core.mail.layout import Draft, Message, compose, console
from mfa_guard.core.mail.next_steps import commands, next_steps
from mfa_guard.core.mail.notice_context import NoticeContext
from mfa_guard.core.mail.shell_commands import cli_command, enable_rule_command
from mfa_guard.core.mail.user_notices import about_user, changes, headline_and_lead
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard.core.plan import DueNotice
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.settings import Settings
from mfa_guard.core.times import utc_text


def user_message(notice: DueNotice, context: NoticeContext) -> Message:
    """Return the mail for `notice`, which `mfa_guard.core.plan.notice_of` decided."""
    kind, state, settings = notice.kind, context.state, context.settings
    headline, lead = headline_and_lead(kind, context)
    offered = commands(kind, context)
    draft = Draft(
        kind=kind,
        severity=notice.severity,
        headline=headline,
        lead=lead,
        subject={"kind": "user", "name": state.name, "id": state.id, "path": state.path},
        link=_user_page(state.name, settings),
        changes=changes(context),
        next=next_steps(kind, context),
        commands=offered,
        cli_commands={key: command for key in offered if (command := cli_command(key, state.name, settings))},
        about=about_user(state),
    )
    return compose(draft, context.event.record, settings)


def root_message(event: UserEvent, settings: Settings) -> Message:
    """Return the notice about a change of the root user's credentials or MFA devices."""
    call = sanitize(event.record.name)
    draft = Draft(
        kind=NoticeKind.ROOT_CREDENTIALS,
        severity=Severity.CRITICAL,
        headline=f"root user: {call}",
        lead=[
            f"{call} changed a credential or an MFA device of this account's root user. The root user can do "
            "everything, and no policy in this account applies to it. mfa-guard never changes the root user."
        ],
        subject={"kind": "root", "name": None},
        link=console(settings, "iam/home#/security_credentials"),
        next=[
            "If this was not planned, sign in as the root user, remove what was added, change the password, and "
            "contact AWS Support.",
            "The root user should have an MFA device and no access keys.",
        ],
    )
    return compose(draft, event.record, settings)


def alert_message(alert: Alert, settings: Settings) -> Message:
    """Return the notice about a sign-in of the root user, or about a call on one of mfa-guard's own resources."""
    watched, target = alert.watched, sanitize(alert.target, 300)
    headline, lead = _alert_opening(alert, target)
    disabled = alert.target if alert.record.name == "DisableRule" else None
    enable = enable_rule_command(disabled, settings) if disabled else None
    draft = Draft(
        kind=watched.kind,
        severity=watched.severity,
        headline=headline,
        lead=[f"{lead} {watched.risk}"],
        subject={"kind": watched.resource, "name": target if alert.target else None},
        link=console(settings, "console/home"),
        next=[watched.repair],
        commands={"enable_rule": enable} if enable else {},
    )
    return compose(draft, alert.record, settings)


def _alert_opening(alert: Alert, target: str) -> tuple[str, str]:
    if alert.watched.kind is NoticeKind.ROOT_SIGN_IN:
        mfa = {"Yes": " An MFA device was used.", "No": " No MFA device was used."}.get(str(alert.mfa_used), "")
        return (
            "the root user signed in to the console",
            f"The root user of this account signed in to the console.{mfa}",
        )
    call, actor, resource = sanitize(alert.record.name, 80), sanitize(alert.record.actor.label), alert.watched.resource
    return f"{call} on mfa-guard's {resource}", f'{actor} called {call} on mfa-guard\'s {resource} "{target}".'


_ADDED_UNPLANNED: Final = (
    "If this was not planned, check who can write to the exemption table, and delete the record with mfa-guard exempt "
    "remove."
)
_CHANGED_UNPLANNED: Final = (
    "If this was not planned, check who can write to the exemption table, and restore the earlier record: the table "
    "has point-in-time recovery."
)


def exemption_message(change: ExemptionChange, settings: Settings, now: datetime) -> Message:
    """Return the notice about a change of the exemption table: the user, the owner, the reason and the expiry."""
    name = sanitize(change.user_name or change.user_id, 64)
    draft = Draft(
        kind=NoticeKind.EXEMPTION,
        severity=Severity.LOW if change.change is Change.REMOVED else Severity.MEDIUM,
        headline=f"exemption of {name} {change.change.name.lower()}",
        lead=[_exemption_lead(change, name, now)],
        subject={"kind": "user", "name": name, "id": sanitize(change.user_id, 128)},
        link=_user_page(name, settings),
        next=[_ADDED_UNPLANNED if change.change is Change.ADDED else _CHANGED_UNPLANNED],
    )
    return compose(draft, change.record, settings)


def _exemption_lead(change: ExemptionChange, name: str, now: datetime) -> str:
    record = change.exemption
    when = f"at the next event about {name}, or in Mode: all at the next sweep"
    if change.change is Change.REMOVED:
        return f"{name} is no longer exempt. mfa-guard decides about {name} again {when}."
    if isinstance(record, MalformedExemption):
        return f"The exemption record of {name} is not valid, so {name} is not exempt. {record.problem}"
    if not record.in_force(now):
        return f"The exemption of {name} expired at {utc_text(record.expires_at)}, so {name} is not exempt."
    return (
        f"{name} is exempt until {utc_text(record.expires_at)}: owner {sanitize(record.owner)}, reason "
        f"{sanitize(record.reason)}, recorded by {sanitize(record.created_by)}. If {name} is enforced, mfa-guard "
        f"releases {name} {when}."
    )


def _user_page(name: str, settings: Settings) -> str:
    return console(settings, f"iam/home#/users/details/{url_part(name)}")
