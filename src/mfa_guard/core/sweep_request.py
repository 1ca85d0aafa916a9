"""What wakes a sweep, and what it remembers of the last one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

SOURCE: Final = "mfa-guard"
DETAIL_TYPE: Final = "Sweep requested"

# A mail once a week even when nothing happened: silence must not be the normal state.
AT_LEAST_EVERY: Final = timedelta(days=7)


class SweepNotUnderstood(ValueError):
    """The event that woke the sweep is none of the shapes that wake it; one sentence."""


@dataclass(frozen=True)
class SweepRequest:
    """One round of a sweep.

    `audit` keeps this sweep from writing, whatever the stack's Mode; no request can make it write more. `round` counts
    from 1 while a sweep that ran out of time wakes itself again. `id` is the event's.
    """

    id: str
    audit: bool
    round: int


@dataclass(frozen=True)
class SweepMemory:
    """What one sweep leaves for the next: what its mail said, and when that was.

    `pending` names what waits to be done or decided, `problems` what was wrong, `not_tagged` the users whose tags could
    not be written after the mail was out, each with the reason; `begun` the users whom a sweep set out to bind or
    release, until its mail is out: binding leaves no other trace of what is still to be told.
    """

    mailed_at: datetime | None = None
    pending: frozenset[str] = frozenset()
    problems: frozenset[str] = frozenset()
    not_tagged: tuple[str, ...] = ()
    begun: frozenset[str] = frozenset()


def parse_sweep_request(event: object) -> SweepRequest:
    """Return the request in an event: the schedule's, an administrator's, or the sweep's own.

    Raises SweepNotUnderstood for any other event.
    """
    fields = event if isinstance(event, Mapping) else {}
    detail = fields.get("detail", {})
    if fields.get("source") != SOURCE or fields.get("detail-type") != DETAIL_TYPE or not isinstance(detail, Mapping):
        raise SweepNotUnderstood(f"The event is not a {DETAIL_TYPE!r} of {SOURCE!r}.")
    request_id, mode, round_number = fields.get("id"), detail.get("mode"), detail.get("round", 1)
    if not isinstance(request_id, str) or not request_id:
        raise SweepNotUnderstood("The event has no id.")
    if mode is not None and mode != "audit":
        raise SweepNotUnderstood("The only mode that a sweep can be asked for is audit.")
    if not isinstance(round_number, int) or isinstance(round_number, bool) or round_number < 1:
        raise SweepNotUnderstood("The event's round is not a whole number from 1.")
    return SweepRequest(request_id, mode == "audit", round_number)


def next_round(request: SweepRequest) -> Mapping[str, object]:
    """Return the detail of the event that goes on with a sweep that ran out of time."""
    return {"round": request.round + 1, **({"mode": "audit"} if request.audit else {})}


def digest_is_due(
    before: SweepMemory, changed: int, pending: frozenset[str], problems: frozenset[str], now: datetime
) -> bool:
    """Tell whether there is news: a change, something newly pending, a new problem, or a week without a mail."""
    if before.mailed_at is None or now - before.mailed_at >= AT_LEAST_EVERY:
        return True
    return bool(changed or before.not_tagged or pending - before.pending or problems - before.problems)
