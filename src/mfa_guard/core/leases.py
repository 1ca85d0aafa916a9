"""The lease that makes parallel invocations send one notice."""

from dataclasses import dataclass
from enum import StrEnum

from mfa_guard.core.notice_kinds import NoticeKind


class Claim(StrEnum):
    """The result of a claim. MINE: send the notice. SENT: it was sent. HELD: another invocation is about to send it."""

    MINE = "mine"
    SENT = "sent"
    HELD = "held"


@dataclass(frozen=True)
class Lease:
    """The right to send one notice, which at most one invocation has at a time.

    `scope` is the user's id, or the event's id for a notice about no user. `holder` is the event's id, so that a retry
    of the same event continues where the first attempt stopped. `exposure` and `ends` are those of the notice; see
    `mfa_guard.core.plan.DueNotice`.
    """

    scope: str
    kind: NoticeKind
    holder: str
    exposure: frozenset[str] = frozenset()
    ends: tuple[NoticeKind, ...] = ()
