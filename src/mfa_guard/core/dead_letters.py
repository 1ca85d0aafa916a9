"""The messages in the dead-letter queue: an event of a rule or a schedule, a function's failure, or a stream's batch.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from mfa_guard.core.cloudtrail import EventNotUnderstood, fields_of, subject_of, text_at
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.sweep_request import is_sweep_request
from mfa_guard.core.times import utc_text

# The most records that Lambda passes to a function at once.
_LARGEST_BATCH: Final = 10_000
_NOT_GIVEN: Final = "no reason given"


class Sender(StrEnum):
    """What put the message into the queue."""

    RULE = "rule"
    SCHEDULE = "schedule"
    FUNCTION = "function"
    STREAM = "stream"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class QueueMessage:
    """A message as SQS returns it."""

    id: str
    body: str
    attributes: Mapping[str, str]
    sent: datetime | None
    receipt: str


@dataclass(frozen=True)
class Batch:
    """Where the records of a failed batch are in the stream of the exemption table."""

    stream_arn: str
    shard_id: str
    first: str
    last: int
    size: int


@dataclass(frozen=True)
class DeadLetter:
    """A dead-letter message, parsed. `function` is the ARN, without version, of the function that should get the event.

    `event` is the payload to invoke the function with. A message of the stream has `batch` instead, and an unknown
    message has neither.
    """

    message: QueueMessage
    sender: Sender
    function: str
    reason: str
    event: Mapping[str, object] | None = None
    batch: Batch | None = None

    @property
    def sent(self) -> str:
        """Return when the message was sent to the queue, or an empty text."""
        return utc_text(self.message.sent) if self.message.sent else ""

    @property
    def payload_hash(self) -> str:
        """Return a hash of what the function should get: a message that fails again has a new id, and the same hash."""
        what = self.event if self.batch is None else [self.batch.stream_arn, self.batch.shard_id, self.batch.first]
        return hashlib.sha256(json.dumps([self.function, what], sort_keys=True).encode()).hexdigest()

    @property
    def requests_sweep(self) -> bool:
        """Tell whether the message is a request for a sweep, which the next sweep makes unnecessary."""
        return is_sweep_request(self.event)

    @property
    def function_name(self) -> str:
        """Return the name of the function."""
        return sanitize(self.function.rpartition(":")[2], 140) if self.function else ""

    @property
    def subject(self) -> str:
        """Return what the message is about, sanitized, since strangers can choose the words."""
        if self.event is None:
            return "changes of exemptions" if self.batch else "unknown"
        detail = fields_of(self.event.get("detail"))
        name = text_at(detail, "eventName") or text_at(self.event, "detail-type") or "no event"
        return f"{sanitize(name, 60)}{_about(detail)}"


def parse_message(message: QueueMessage) -> DeadLetter:
    """Return what a message says. A message that fits no known sender is of an unknown sender."""
    try:
        body = json.loads(message.body)
        # What cannot be written again has no hash.
        json.dumps(body)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        return _unknown(message, "The body is not a JSON object.")
    if "DDBStreamBatchInfo" in body:
        return _of_stream(message, body)
    if "requestPayload" in body:
        return _of_function(message, body)
    if "TARGET_ARN" in message.attributes and "source" in body:
        return _of_rule(message, body)
    return _unknown(message, "The message is neither an event of a rule or schedule nor a failure of a function.")


def _unknown(message: QueueMessage, reason: str) -> DeadLetter:
    return DeadLetter(message, Sender.UNKNOWN, "", reason)


def _of_rule(message: QueueMessage, body: Mapping[str, object]) -> DeadLetter:
    attributes = message.attributes
    sender = Sender.SCHEDULE if "SCHEDULE_ARN" in attributes else Sender.RULE
    reason = " ".join(attributes[key] for key in ("ERROR_CODE", "ERROR_MESSAGE") if key in attributes)
    function = _unqualified(attributes["TARGET_ARN"])
    return DeadLetter(message, sender, function, sanitize(reason or _NOT_GIVEN, 300), body)


def _of_function(message: QueueMessage, body: Mapping[str, object]) -> DeadLetter:
    context, response = fields_of(body.get("requestContext")), fields_of(body.get("responsePayload"))
    reasons = [text_at(context, "condition"), text_at(response, "errorType"), text_at(response, "errorMessage")]
    event = body["requestPayload"]
    if not isinstance(event, dict):
        return _unknown(message, "The requestPayload is not an object.")
    function = _unqualified(text_at(context, "functionArn") or "")
    reason = sanitize(" ".join(filter(None, reasons)) or _NOT_GIVEN, 300)
    return DeadLetter(message, Sender.FUNCTION, function, reason, event)


def _of_stream(message: QueueMessage, body: Mapping[str, object]) -> DeadLetter:
    context, info = fields_of(body.get("requestContext")), fields_of(body["DDBStreamBatchInfo"])
    keys = ("streamArn", "shardId", "startSequenceNumber", "endSequenceNumber")
    stream, shard, first, last = (text_at(info, key) or "" for key in keys)
    size = _size(info.get("batchSize"))
    if not (stream and shard and size and all(each.isascii() and each.isdigit() for each in (first, last))):
        return _unknown(message, "The DDBStreamBatchInfo does not say where the records are.")
    function = _unqualified(text_at(context, "functionArn") or "")
    reason = sanitize(text_at(context, "condition") or _NOT_GIVEN, 300)
    return DeadLetter(message, Sender.STREAM, function, reason, batch=Batch(stream, shard, first, int(last), size))


def _size(value: object) -> int:
    """Return how many records a batch has, or 0 for an impossible number."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LARGEST_BATCH else 0


def stream_event(records: Sequence[Mapping[str, object]], batch: Batch) -> Mapping[str, object]:
    """Return the records of a batch as Lambda passes them to a function. Times become seconds."""
    return {"Records": [_with_plain_time(record) for record in records if _sequence_number(record) <= batch.last]}


def _sequence_number(record: Mapping[str, object]) -> int:
    return int(text_at(record, "dynamodb", "SequenceNumber") or 0)


def _with_plain_time(record: Mapping[str, object]) -> Mapping[str, object]:
    stream = dict(fields_of(record.get("dynamodb")))
    created = stream.get("ApproximateCreationDateTime")
    if isinstance(created, datetime):
        stream["ApproximateCreationDateTime"] = created.astimezone(UTC).timestamp()
    return {**record, "dynamodb": stream}


def _unqualified(arn: str) -> str:
    return ":".join(arn.split(":")[:7])


def _about(detail: Mapping[str, object]) -> str:
    try:
        subject = subject_of(detail)
    except EventNotUnderstood:
        return ""
    name = (subject.name or subject.id) if subject else None
    return f" about {sanitize(name, 64)}" if name else ""
