"""Windows: after ten notices of a kind within fifteen minutes, further ones wait and become one summary.

A window begins with the first notice of its kind, and lasts fifteen minutes. Notices beyond the tenth are held, and the
summary names them when the window ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from mfa_guard.core.notice_kinds import NoticeKind, Severity

LENGTH: Final = timedelta(minutes=15)
SENT_AT_ONCE: Final = 10
# An item has at most 400 KB, and an entry has less than 400 bytes. Beyond this number, only the count grows.
MOST_HELD: Final = 250

# Other notices of high severity, and all critical ones, never wait.
_WAITING_KINDS: Final = frozenset({NoticeKind.NONCOMPLIANT, NoticeKind.NEW_CREDENTIAL})
_WAITING_SEVERITIES: Final = frozenset({Severity.LOW, Severity.MEDIUM})


class Admission(StrEnum):
    """What happens to a notice. FIRST_HELD: it is held, and nothing ensures the summary of its window yet."""

    SEND = "send"
    HELD = "held"
    FIRST_HELD = "first held"


@dataclass(frozen=True)
class HeldNotice:
    """A notice that may wait: its kind, what it is about, the event, and one line for the summary."""

    kind: NoticeKind
    scope: str
    holder: str
    line: str


@dataclass(frozen=True)
class EndedWindow:
    """What waits for the summary of one kind: stored entries with their lines, and counters of what is not stored."""

    kind: NoticeKind
    entries: Mapping[str, str]
    counters: Mapping[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Return the number of notices that the summary stands for."""
        return len(self.entries) + sum(self.counters.values())


def may_wait(kind: NoticeKind, severity: Severity) -> bool:
    """Tell whether notices of this kind and severity may wait for a summary."""
    return severity is not Severity.CRITICAL and (kind in _WAITING_KINDS or severity in _WAITING_SEVERITIES)
