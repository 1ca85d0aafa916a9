"""What one sweep remembers for the next, and whether a sweep has news to send."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

# Silence must not look like a working guard, so a digest is due once a week even if nothing changed.
AT_LEAST_EVERY: Final = timedelta(days=7)


@dataclass(frozen=True)
class SweepMemory:
    """What one sweep remembers for the next.

    `mailed_at` is when the last digest was sent. `pending` names what waits to be done or decided, and `problems` what
    was wrong. `not_tagged` are users whose tags could not be written after the digest was sent, each with the reason.
    `unreported` are the users to be enforced or released by a sweep whose digest is not sent yet: the state of an
    enforced user with a device does not show that no digest has reported the change.
    """

    mailed_at: datetime | None = None
    pending: frozenset[str] = frozenset()
    problems: frozenset[str] = frozenset()
    not_tagged: tuple[str, ...] = ()
    unreported: frozenset[str] = frozenset()


def digest_is_due(
    before: SweepMemory, changed: int, pending: frozenset[str], problems: frozenset[str], now: datetime
) -> bool:
    """Tell whether a digest is due: for a change, a new pending item, a new problem, or a week without a digest."""
    if before.mailed_at is None or now - before.mailed_at >= AT_LEAST_EVERY:
        return True
    return bool(changed or before.not_tagged or pending - before.pending or problems - before.problems)
