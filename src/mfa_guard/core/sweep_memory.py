"""What one sweep remembers for the next, and whether a sweep sends its news now, holds it, or has none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Final

# Silence must not look like a working guard, so a digest is due once a week even if nothing changed.
AT_LEAST_EVERY: Final = timedelta(days=7)

# News that is not urgent waits for the first sweep at or after this time of the day, in UTC. Every schedule of the
# template sweeps at this hour.
DIGEST_TIME: Final = time(6, 0)

# The most lines of news that can wait, and the longest of them. What does not fit is sent at once.
MOST_HELD: Final = 300
LONGEST_HELD: Final = 400


@dataclass(frozen=True)
class SweepMemory:
    """What one sweep remembers for the next.

    `swept_at` is when the last sweep ended, and `mailed_at` when the last digest was sent. `pending` names what waits
    to be done or decided, and `problems` what was wrong, in the last digest. `not_written` is what could not be written
    after the digest was sent, a line for each user. `unreported` are the users that a sweep set out to change before
    its digest was sent, by id, with the planned actions: nothing on such a user shows that no digest has reported the
    change. `held` are lines of news that wait for the next digest. `exemptions` are the fingerprints of the records
    that a digest has shown, by user id.
    """

    swept_at: datetime | None = None
    mailed_at: datetime | None = None
    pending: frozenset[str] = frozenset()
    problems: frozenset[str] = frozenset()
    not_written: tuple[str, ...] = ()
    unreported: Mapping[str, str] = field(default_factory=dict)
    held: tuple[str, ...] = ()
    exemptions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class News:
    """What a sweep has to report. Changes are counted with the held ones.

    Urgent: users whose access keys stop working, users who could not be changed, new problems, and exemptions that the
    last sweep did not know. `too_much` tells whether the lines do not fit into the memory.
    """

    changes: int
    urgent: bool
    too_much: bool
    pending: frozenset[str]
    problems: frozenset[str]


class Due(StrEnum):
    """What becomes of a sweep's news."""

    NOTHING = "nothing to send"
    HOLD = "hold"
    SEND = "send"


def sends_all_news(before: SweepMemory, now: datetime, *, scheduled: bool) -> bool:
    """Tell whether a sweep sends even news that is not urgent.

    It does if an administrator requested it, if it is the first sweep at or after DIGEST_TIME of a day, and if no
    digest was sent for a week.
    """
    if not scheduled or before.swept_at is None or before.mailed_at is None:
        return True
    today = datetime.combine(now.date(), DIGEST_TIME, now.tzinfo)
    digest_time = today if now >= today else today - timedelta(days=1)
    # A time in the future counts as now: it must not silence the digest.
    return min(before.swept_at, now) < digest_time or now - min(before.mailed_at, now) >= AT_LEAST_EVERY


def what_is_due(before: SweepMemory, news: News, now: datetime, *, scheduled: bool) -> Due:
    """Return what becomes of `news`, which includes what earlier sweeps held."""
    week = before.mailed_at is None or now - min(before.mailed_at, now) >= AT_LEAST_EVERY
    if week or news.urgent or news.problems - before.problems or before.not_written:
        return Due.SEND
    if not news.changes and not news.pending - before.pending:
        return Due.NOTHING
    return Due.SEND if news.too_much or sends_all_news(before, now, scheduled=scheduled) else Due.HOLD
