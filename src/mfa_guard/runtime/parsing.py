"""Parse CloudTrail's records out of EventBridge's events."""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from mfa_guard.core.cloudtrail import EventNotUnderstood, Fields, Record
from mfa_guard.core.sanitize import sanitize
from mfa_guard.runtime.observability import LOGGER, count_not_understood, name_delivery


class _WithRecord(Protocol):
    @property
    def record(self) -> Record: ...


Parsed = TypeVar("Parsed", bound=_WithRecord)


def parse_cloudtrail_event(event: object, parse: Callable[[Fields], Parsed]) -> Parsed:
    """Return what `parse` reads from the CloudTrail record in an EventBridge event.

    From then on every log line names the record. Raises EventNotUnderstood.
    """
    name_delivery(event)
    with count_not_understood(EventNotUnderstood):
        parsed = parse(_detail(event))
    record = parsed.record
    LOGGER.append_keys(
        event_name=sanitize(record.name), event_id=sanitize(record.id), actor=sanitize(record.actor.label)
    )
    return parsed


def _detail(event: object) -> Fields:
    detail = event.get("detail") if isinstance(event, Mapping) else None
    if not isinstance(detail, Mapping):
        raise EventNotUnderstood("The event has no CloudTrail record in its detail.")
    return detail
