"""Parse changes of the exemption table from its stream.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from mfa_guard.core.cloudtrail import Actor, ActorKind, EventNotUnderstood, Record, fields_of
from mfa_guard.core.exemption import Exemption, MalformedExemption, parse_exemption

# The source of records from the exemption table's stream; other records come from CloudTrail.
STREAM: Final = "dynamodb-stream"


class Change(StrEnum):
    """What happened to a record, as DynamoDB names it."""

    ADDED = "INSERT"
    CHANGED = "MODIFY"
    REMOVED = "REMOVE"


@dataclass(frozen=True)
class ExemptionChange:
    """One change. `exemption` is the record after the change; for a removal, the record before it.

    `user_id` is the record's key. `user_name` is empty if the record has none.
    """

    record: Record
    change: Change
    user_id: str
    user_name: str
    exemption: Exemption | MalformedExemption


def parse_exemption_change(record: object, now: datetime) -> ExemptionChange:
    """Return the change in one record of the table's stream.

    Raises EventNotUnderstood for anything else.
    """
    fields = fields_of(record)
    stream = fields_of(fields.get("dynamodb"))
    event_id, name, time = fields.get("eventID"), fields.get("eventName"), stream.get("ApproximateCreationDateTime")
    user_id = _texts(stream.get("Keys")).get("user_id")
    if not isinstance(event_id, str) or not isinstance(name, str) or not isinstance(time, int | float) or not user_id:
        raise EventNotUnderstood("The record is not from the exemption table's stream.")
    try:
        change, at = Change(name), datetime.fromtimestamp(time, UTC)
    except (ValueError, OverflowError, OSError):
        raise EventNotUnderstood(f"The stream record's eventName or time is not valid: {name[:40]!a}.") from None
    item = _texts(stream.get("OldImage" if change is Change.REMOVED else "NewImage"))
    return ExemptionChange(
        record=Record(
            id=event_id,
            name=f"exemption {change.name.lower()}",
            source=STREAM,
            time=at,
            actor=Actor(ActorKind.UNKNOWN),
            address=None,
            user_agent=None,
            request={},
        ),
        change=change,
        user_id=user_id,
        user_name=item.get("user_name", ""),
        exemption=parse_exemption(item, user_id, now),
    )


def _texts(image: object) -> dict[str, str]:
    return {key: text for key, value in fields_of(image).items() if isinstance(text := fields_of(value).get("S"), str)}
