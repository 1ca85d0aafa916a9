"""Compose the notices about a user and about the exemption table."""

from datetime import datetime
from typing import Final

from mfa_guard.core.exemption import MalformedExemption
from mfa_guard.core.exemption_changes import Change, ExemptionChange
from mfa_guard.core.mail.console_urls import url_part
from mfa_guard.core.mail.layout import Draft, Message, compose, console
from mfa_guard.core.mail.next_steps import commands, next_steps
from mfa_guard.core.mail.notice_context import NoticeContext
from mfa_guard.core.mail.shell_commands import cli_command
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
