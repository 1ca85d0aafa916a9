"""CloudTrail's records, out of EventBridge's events."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from mfa_guard.core.cloudtrail import EventNotUnderstood, Fields, parse_record
from mfa_guard.core.metrics import Metric
from mfa_guard.core.sanitize import sanitize
from mfa_guard.runtime.observability import LOGGER, TELEMETRY, name_delivery

Parsed = TypeVar("Parsed")


def understood(event: object, parse: Callable[[Fields], Parsed]) -> Parsed:
    """Return what `parse` makes of the CloudTrail record in an EventBridge event.

    An event that cannot be understood is logged and counted before EventNotUnderstood goes on to Lambda, so that it
    ends in the dead-letter queue.
    """
    name_delivery(event)
    try:
        detail = _detail(event)
        parsed = parse(detail)
    except EventNotUnderstood as error:
        TELEMETRY.count(Metric.EVENTS_NOT_UNDERSTOOD)
        TELEMETRY.warning("Event not understood", problem=str(error))
        raise
    record = parse_record(detail)
    LOGGER.append_keys(
        event_name=sanitize(record.name), event_id=sanitize(record.id), actor=sanitize(record.actor.label)
    )
    return parsed


def _detail(event: object) -> Fields:
    detail = event.get("detail") if isinstance(event, Mapping) else None
    if not isinstance(detail, Mapping):
        raise EventNotUnderstood("The event has no CloudTrail record in its detail.")
    return detail
