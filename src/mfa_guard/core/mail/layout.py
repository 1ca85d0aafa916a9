"""The layout of a notice: a mail for people, and the same facts as JSON for machines.

docs/notice.schema.json describes the JSON. The SNS message has the MessageStructure json:
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mfa_guard.core.cloudtrail import Record
from mfa_guard.core.exemption_changes import STREAM
from mfa_guard.core.mail.console_urls import console_url, sign_in_url, url_part
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard.core.sanitize import sanitize, subject_line
from mfa_guard.core.settings import Settings
from mfa_guard.core.times import utc_text

SCHEMA: Final = "mfa-guard/notice/1"
LARGEST: Final = 250_000

# The key of a command in the JSON, and the line above the command in the mail.
COMMAND_HEADINGS: Final[Mapping[str, str]] = {
    "undo": "TO UNDO (records an exemption of 30 days for this user id, then releases the user)",
    "enforce_again": "TO ENFORCE AGAIN (deletes the exemption, then enforces)",
    "exempt": "TO EXEMPT (for 30 days; enter your own owner and reason)",
    "enforce": "TO ENFORCE",
    "remove_device": "TO REMOVE THE DEVICE",
    "enable_rule": "TO ENABLE THE RULE AGAIN",
    "start_logging": "TO START THE TRAIL AGAIN",
    "list_unassigned_devices": "TO LIST THE DEVICES THAT BELONG TO NO USER",
}


@dataclass(frozen=True)
class Message:
    """One message, ready for SNS: the mail's subject, the body with MessageStructure json, the message attributes."""

    subject: str
    body: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class Draft:
    """The parts of a notice. The layout shows every string as it is, so the strings must be sanitized already.

    `changes`: what mfa-guard changes in IAM, or would change in audit mode; None for a notice that only informs.
    `commands`: AWS CLI commands by their key in COMMAND_HEADINGS. `cli_commands`: the mfa-guard commands that do the
    same, where there is one, by the same keys.
    """

    kind: NoticeKind
    severity: Severity
    headline: str
    lead: Sequence[str]
    subject: Mapping[str, object]
    link: str
    changes: Sequence[str] | None = None
    next: Sequence[str] = ()
    commands: Mapping[str, str] = field(default_factory=dict)
    cli_commands: Mapping[str, str] = field(default_factory=dict)
    about: Sequence[str] = ()


def compose(draft: Draft, record: Record, settings: Settings) -> Message:
    """Return the message of a notice about `record`.

    Raises ValueError if the message exceeds 250,000 bytes. The length of every string is limited where it is read, so
    this error means a defect, not a large account.
    """
    texts = {
        "default": as_json(_data(draft, record, settings)),
        "email": _mail(draft, record, settings),
    }
    body = as_json(texts)
    if len(body.encode()) > LARGEST:
        raise ValueError(f"A notice of {len(body.encode())} bytes is larger than {LARGEST}.")
    return Message(
        subject=subject_line(f"{draft.severity.upper()}: {draft.headline}"),
        body=body,
        attributes={"severity": draft.severity.value, "kind": draft.kind.value, "account": settings.account},
    )


def as_json(value: object) -> str:
    """Return `value` as JSON with every character as it is."""
    return json.dumps(
        value,
        ensure_ascii=False,  # pragma: no mutate: Only whether it is true counts.
    )


def console(settings: Settings, path: str) -> str:
    """Return a link into the console of the settings' partition."""
    return console_url(settings.partition, path)


def sign_in(settings: Settings) -> str:
    """Return the account's sign-in page for IAM users."""
    return sign_in_url(settings.partition, settings.account)


def _event_link(record: Record, settings: Settings) -> str:
    return console(settings, f"cloudtrailv2/home?region={settings.region}#/events/{url_part(sanitize(record.id))}")


def _data(draft: Draft, record: Record, settings: Settings) -> dict[str, object]:
    actor = record.actor
    return {
        "schema": SCHEMA,
        "kind": draft.kind.value,
        "severity": draft.severity.value,
        "account": settings.account,
        "mode": settings.mode.value,
        "summary": " ".join(draft.lead),
        "subject": dict(draft.subject),
        "event": {
            "id": sanitize(record.id),
            "name": sanitize(record.name),
            "time": utc_text(record.time),
            "link": None if record.source == STREAM else _event_link(record, settings),
        },
        "actor": {
            "label": sanitize(actor.label),
            "mfa": actor.mfa,
            "key_id": sanitize(actor.key_id, 128) if actor.key_id else None,
            "address": sanitize(record.address),
            "user_agent": sanitize(record.user_agent, 300),
        },
        "changes": list(draft.changes or ()),
        "next": list(draft.next),
        "commands": dict(draft.commands),
        "cli_commands": dict(draft.cli_commands),
        "console": draft.link,
        "help": settings.help_url or None,
    }


def _mail(draft: Draft, record: Record, settings: Settings) -> str:
    blocks = [
        "\n".join(draft.lead),
        _block("WHAT HAPPENED", _happened(record)),
        _block("THE USER", draft.about),
        _changes(draft, settings),
        _block("WHAT TO DO NEXT", [f"- {step}" for step in draft.next]),
        *(f"{_heading(name, draft)}\n{command}" for name, command in draft.commands.items()),
        "\n".join(_links(draft, record, settings)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _heading(name: str, draft: Draft) -> str:
    # The heading has one line: a person copies everything below it into a shell.
    cli_command = draft.cli_commands.get(name)
    return f"{COMMAND_HEADINGS[name]}, or: {cli_command}" if cli_command else COMMAND_HEADINGS[name]


def _happened(record: Record) -> list[str]:
    if record.source == STREAM:
        # A record of a table's stream does not contain the actor.
        return [f"{sanitize(record.name)} at {utc_text(record.time)}"]
    session = {True: ", in a session with MFA", False: ", in a session without MFA", None: ""}[record.actor.mfa]
    if record.actor.key_id:
        session = f", with the access key {sanitize(record.actor.key_id, 128)}"
    return [
        f"{sanitize(record.name)} at {utc_text(record.time)}",
        f"by {sanitize(record.actor.label)}{session}",
        f"from {sanitize(record.address)}",
        f'user agent, as the caller sent it: "{sanitize(record.user_agent, 300)}"',
    ]


def _changes(draft: Draft, settings: Settings) -> str:
    if draft.changes is None:
        return ""
    if settings.writes:
        # An earlier attempt at the same event can have made changes that this attempt finds made.
        title, nothing = "CHANGES BY MFA-GUARD", "no further changes"
    else:
        title, nothing = "CHANGES THAT MFA-GUARD WOULD MAKE (Mode: audit, nothing is changed)", "none"
    return _block(title, [f"- {change}" for change in draft.changes or [nothing]])


def _links(draft: Draft, record: Record, settings: Settings) -> list[str]:
    return [
        f"Account {settings.account}. Console: {draft.link}",
        *([] if record.source == STREAM else [f"Event: {_event_link(record, settings)}"]),
        *([f"Help: {settings.help_url}"] if settings.help_url else []),
    ]


def _block(title: str, lines: Sequence[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)]) if lines else ""
