"""The layout of a notice: one mail a person wants to read, and the same as stable JSON for machines.

The JSON is described by docs/notice.schema.json; the shape of the SNS message by
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html (MessageStructure json).
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

# What a paste is called in the JSON, and the line above it in the mail.
COMMAND_HEADINGS: Final[Mapping[str, str]] = {
    "undo": "TO UNDO (records an exemption of 30 days for this user's id, then releases)",
    "take_back": "TO TAKE BACK (deletes the exemption, then enforces)",
    "exempt": "TO EXEMPT (30 days; put your own owner and reason in)",
    "enforce": "TO ENFORCE",
    "remove_device": "TO REMOVE THE DEVICE",
    "enable_rule": "TO ENABLE THE RULE AGAIN",
}


@dataclass(frozen=True)
class Message:
    """One notice, ready for SNS: mail subject, message body of MessageStructure json, message attributes."""

    subject: str
    body: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class Draft:
    """A notice before it is laid out. Strings are shown as they are: whoever drafts makes them safe.

    `done` is what the guard does, or in audit mode would do; `acts` is false for what it only tells.
    `pastes` are commands by their name in PASTES, `program` what the program mfa-guard has for some of them.
    """

    kind: NoticeKind
    severity: Severity
    headline: str
    lead: Sequence[str]
    subject: Mapping[str, object]
    link: str
    acts: bool = True
    done: Sequence[str] = ()
    next: Sequence[str] = ()
    pastes: Mapping[str, str] = field(default_factory=dict)
    program: Mapping[str, str] = field(default_factory=dict)
    about: Sequence[str] = ()


def compose(draft: Draft, record: Record, settings: Settings) -> Message:
    """Lay out a notice about what `record` tells.

    Raises ValueError when it exceeds 250,000 bytes. Every string is bounded where it comes in, so that would be a
    defect and not a large account.
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
            "address": sanitize(record.address),
            "user_agent": sanitize(record.user_agent, 300),
        },
        "done": list(draft.done),
        "next": list(draft.next),
        "commands": dict(draft.pastes),
        "program": dict(draft.program),
        "console": draft.link,
        "help": settings.help_url or None,
    }


def _mail(draft: Draft, record: Record, settings: Settings) -> str:
    blocks = [
        "\n".join(draft.lead),
        _block("WHAT HAPPENED", _happened(record)),
        _block("THE USER", draft.about),
        _deeds(draft, settings),
        _block("WHAT TO DO NEXT", [f"- {step}" for step in draft.next]),
        *(f"{_heading(name, draft)}\n{command}" for name, command in draft.pastes.items()),
        "\n".join(_links(draft, record, settings)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _heading(paste: str, draft: Draft) -> str:
    # All on one line: whatever stands below it is pasted.
    program = draft.program.get(paste)
    return f"{COMMAND_HEADINGS[paste]}, or: {program}" if program else COMMAND_HEADINGS[paste]


def _happened(record: Record) -> list[str]:
    if record.source == STREAM:
        # A table's stream knows what was written, and not by whom; the record itself names somebody.
        return [f"{sanitize(record.name)} at {utc_text(record.time)}"]
    session = {True: ", in a session with MFA", False: ", in a session without MFA", None: ""}[record.actor.mfa]
    return [
        f"{sanitize(record.name)} at {utc_text(record.time)}",
        f"by {sanitize(record.actor.label)}{session}",
        f"from {sanitize(record.address)}",
        f'client, in the caller\'s own words: "{sanitize(record.user_agent, 300)}"',
    ]


def _deeds(draft: Draft, settings: Settings) -> str:
    if not draft.acts:
        return ""
    title = "WHAT MFA-GUARD DOES" if settings.writes else "WHAT MFA-GUARD WOULD DO (Mode: audit, nothing is changed)"
    return _block(title, [f"- {deed}" for deed in draft.done] or ["- nothing more: there is nothing left to change"])


def _links(draft: Draft, record: Record, settings: Settings) -> list[str]:
    return [
        f"Account {settings.account}. Console: {draft.link}",
        *([] if record.source == STREAM else [f"Event: {_event_link(record, settings)}"]),
        *([f"Help: {settings.help_url}"] if settings.help_url else []),
    ]


def _block(title: str, lines: Sequence[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)]) if lines else ""
