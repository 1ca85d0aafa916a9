"""The summary of the notices of one kind that were too many to send one by one.

docs/summary.schema.json describes the JSON.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from mfa_guard.core.mail.layout import LARGEST, Message, as_json, console
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard.core.sanitize import subject_line
from mfa_guard.core.settings import Settings
from mfa_guard.core.times import utc_text
from mfa_guard.core.windows import LENGTH, SENT_AT_ONCE, EndedWindow

SCHEMA: Final = "mfa-guard/summary/1"
_MINUTES: Final = int(LENGTH.total_seconds() / 60)


def summary_message(window: EndedWindow, settings: Settings, now: datetime) -> Message:
    """Return the summary of what waited in a window. It lists fewer notices if all would not fit into one message."""
    lines = list(window.entries.values())
    severity = _severity(lines)
    while len((body := _body(window, lines, severity, settings, now)).encode()) > LARGEST:
        lines = lines[: len(lines) // 2]
    return Message(
        subject=subject_line(f"{severity.upper()}: {_notices(window.count)}: {window.kind}"),
        body=body,
        attributes={"severity": severity.value, "kind": window.kind.value, "account": settings.account},
    )


def _body(window: EndedWindow, lines: Sequence[str], severity: Severity, settings: Settings, now: datetime) -> str:
    texts = {
        "default": as_json(_data(window, lines, severity, settings, now)),
        "email": _mail(window, lines, settings),
    }
    return as_json(texts)


def _notices(count: int) -> str:
    return f"{count} more {'notice' if count == 1 else 'notices'}"


def _severity(lines: Sequence[str]) -> Severity:
    """Return the highest severity that a line names. Every line has the subject of a notice, which begins with it."""
    found = [each for each in (Severity.HIGH, Severity.MEDIUM) if any(f" {each.upper()}: " in line for line in lines)]
    return found[0] if found else Severity.LOW


def _data(
    window: EndedWindow, lines: Sequence[str], severity: Severity, settings: Settings, now: datetime
) -> Mapping[str, object]:
    return {
        "schema": SCHEMA,
        "kind": window.kind.value,
        "severity": severity.value,
        "account": settings.account,
        "mode": settings.mode.value,
        "time": utc_text(now),
        "count": window.count,
        "notices": list(lines),
        "not_listed": window.count - len(lines),
    }


def _mail(window: EndedWindow, lines: Sequence[str], settings: Settings) -> str:
    missing = window.count - len(lines)
    blocks = [
        f"mfa-guard sent {SENT_AT_ONCE} notices of the kind {window.kind} within {_MINUTES} minutes. This mail stands "
        f"for {_notices(window.count)}. mfa-guard handled every event at once. Only the notices waited.",
        "\n".join(["THE NOTICES", *(f"  {line}" for line in lines)]),
        *([f"{missing} more are not listed. The log of the function has a line for each."] if missing else []),
        "\n".join(["WHAT TO DO NEXT", *(f"  - {step}" for step in _NEXT.get(window.kind, _LOOK))]),
        f"Account {settings.account}. Console: {console(settings, 'iam/home#/users')}",
    ]
    return "\n\n".join(blocks) + "\n"


_LOOK: Final = (
    "If you did not expect this many changes, find out who made them: the time and the event's id lead to the record "
    "in CloudTrail.",
)
_NEXT: Final[Mapping[NoticeKind, Sequence[str]]] = {
    NoticeKind.NONCOMPLIANT: (
        *_LOOK,
        'Ask these users to enroll an MFA device. "mfa-guard explain NAME" shows what applies to one user.',
        "If some of them must not be enforced, record exemptions for them.",
    ),
    NoticeKind.NEW_CREDENTIAL: (
        *_LOOK,
        'Deactivate the credentials that no one asked for. "mfa-guard explain NAME" shows the credentials of a user.',
    ),
}
