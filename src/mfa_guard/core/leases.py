"""The lease that makes parallel invocations send one notice.

(none) --claim--> begun --sent--> sent --15 minutes--> (as none)
                    \\--15 seconds--> any invocation may claim; the same holder may claim at any time
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from mfa_guard.core.notice_kinds import COVERED_BY, NoticeKind
from mfa_guard.core.user_record import NoticeRecord

IN_PROGRESS: Final = timedelta(seconds=15)
SENT: Final = timedelta(minutes=15)
# A person who creates and deletes access keys could make a record grow without end. A forgotten name repeats a notice.
_MOST_NAMES: Final = 100


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

    @property
    def compared(self) -> tuple[NoticeKind, ...]:
        """Return the kinds of notices that decide about a claim: its own kind, then those that cover it."""
        return (self.kind, *COVERED_BY.get(self.kind, ()))


def answer(lease: Lease, notices: Mapping[NoticeKind, NoticeRecord], now: datetime) -> Claim:
    """Return the answer to a claim, given the notices in the record."""
    if any(_names(notices.get(kind), lease.exposure, now) for kind in lease.compared):
        return Claim.SENT
    own = notices.get(lease.kind)
    if own and not own.sent and own.counts(now) and own.holder != lease.holder:
        return Claim.HELD
    return Claim.MINE


def begun(lease: Lease, notices: Mapping[NoticeKind, NoticeRecord], now: datetime) -> NoticeRecord:
    """Return the notice to record for a claim that is answered with MINE.

    If a notice of this kind was sent and did not name everything, the new one still remembers what that one named.
    """
    own = notices.get(lease.kind)
    before = sorted(own.exposure - lease.exposure) if own and own.sent and own.counts(now) else []
    kept = before[: max(_MOST_NAMES - len(lease.exposure), 0)]
    return NoticeRecord(sent=False, holder=lease.holder, until=now + IN_PROGRESS, exposure=lease.exposure.union(kept))


def _names(notice: NoticeRecord | None, exposure: frozenset[str], now: datetime) -> bool:
    return notice is not None and notice.sent and notice.counts(now) and exposure <= notice.exposure
