"""What waits in the dead-letter queue: a rule's raw event, a function's failure, or a batch of the table's stream.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from mfa_guard.core.cloudtrail import EventNotUnderstood, subject_of
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.times import utc_text

# As many records as Lambda hands over at once, and DynamoDB gives.
_LARGEST_BATCH: Final = 10_000


class Shape(StrEnum):
    """Who put the message into the queue."""

    RULE = "rule"
    FUNCTION = "function"
    STREAM = "stream"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Message:
    """A message as SQS has it."""

    id: str
    body: str
    marks: Mapping[str, str]
    sent: datetime | None
    receipt: str


@dataclass(frozen=True)
class Batch:
    """Where in the exemption table's stream the records of a failed batch are."""

    stream_arn: str
    shard_id: str
    first: str
    last: int
    size: int


@dataclass(frozen=True)
class Letter:
    """A message, understood. `function` is the ARN of whom the event was meant for, without a version.

    `event` is what to invoke it with; a stream's letter has `batch` in its place, an unknown one neither.
    """

    message: Message
    shape: Shape
    function: str
    reason: str
    event: Mapping[str, object] | None = None
    batch: Batch | None = None

    @property
    def sent(self) -> str:
        """Return when it came into the queue."""
        return utc_text(self.message.sent) if self.message.sent else ""

    @property
    def function_name(self) -> str:
        """Return the function's name."""
        return sanitize(self.function.rpartition(":")[2], 140) if self.function else ""

    @property
    def what(self) -> str:
        """Return what it is about, in words that a stranger may have chosen."""
        if self.event is None:
            return "changes of exemptions" if self.batch else "not understood"
        detail = _fields(self.event.get("detail"))
        name = _text(detail, "eventName") or _text(self.event, "detail-type") or "no event"
        return f"{sanitize(name, 60)}{_about(detail)}"


def parse_letter(message: Message) -> Letter:
    """Return what a message says. Whatever is none of the three shapes is of the fourth."""
    try:
        body = json.loads(message.body)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        return Letter(message, Shape.UNKNOWN, "", "The body is no JSON object.")
    if "DDBStreamBatchInfo" in body:
        return _of_stream(message, body)
    if "requestPayload" in body:
        return _of_function(message, body)
    if "TARGET_ARN" in message.marks and "source" in body:
        return _of_rule(message, body)
    return Letter(message, Shape.UNKNOWN, "", "It is neither a rule's event nor a function's failure.")


def _of_rule(message: Message, body: Mapping[str, object]) -> Letter:
    said = " ".join(message.marks[key] for key in ("ERROR_CODE", "ERROR_MESSAGE") if key in message.marks)
    return Letter(
        message, Shape.RULE, _unqualified(message.marks["TARGET_ARN"]), sanitize(said or "not said", 300), body
    )


def _of_function(message: Message, body: Mapping[str, object]) -> Letter:
    context, answer = _fields(body.get("requestContext")), _fields(body.get("responsePayload"))
    said = [_text(context, "condition"), _text(answer, "errorType"), _text(answer, "errorMessage")]
    event = body["requestPayload"]
    if not isinstance(event, dict):
        return Letter(message, Shape.UNKNOWN, "", "Its requestPayload is no object.")
    function = _unqualified(_text(context, "functionArn") or "")
    return Letter(message, Shape.FUNCTION, function, sanitize(" ".join(filter(None, said)) or "not said", 300), event)


def _of_stream(message: Message, body: Mapping[str, object]) -> Letter:
    context, info = _fields(body.get("requestContext")), _fields(body["DDBStreamBatchInfo"])
    keys = ("streamArn", "shardId", "startSequenceNumber", "endSequenceNumber")
    stream, shard, first, last = (_text(info, key) or "" for key in keys)
    size = _size(info.get("batchSize"))
    if not (stream and shard and size and all(each.isascii() and each.isdigit() for each in (first, last))):
        return Letter(message, Shape.UNKNOWN, "", "Its DDBStreamBatchInfo does not say where the records are.")
    function = _unqualified(_text(context, "functionArn") or "")
    reason = sanitize(_text(context, "condition") or "not said", 300)
    return Letter(message, Shape.STREAM, function, reason, batch=Batch(stream, shard, first, int(last), size))


def _size(value: object) -> int:
    """Return how many records a batch has, 0 for what no batch has."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LARGEST_BATCH else 0


def stream_event(records: Sequence[Mapping[str, object]], batch: Batch) -> Mapping[str, object]:
    """Return the records of the batch as Lambda hands them to a function: times are seconds, the rest is as it was."""
    return {"Records": [_plain(record) for record in records if _sequence(record) <= batch.last]}


def _sequence(record: Mapping[str, object]) -> int:
    return int(_text(_fields(record.get("dynamodb")), "SequenceNumber") or 0)


def _plain(record: Mapping[str, object]) -> Mapping[str, object]:
    stream = dict(_fields(record.get("dynamodb")))
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
    return f" about {sanitize(subject.name, 64)}" if subject and subject.name else ""


def _fields(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _text(fields: Mapping[str, object], key: str) -> str | None:
    value = fields.get(key)
    return value if isinstance(value, str) and value else None
