"""The dead-letter queue, the stream that some of its messages point to, and the functions that get the events again."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from botocore.exceptions import ClientError

from mfa_guard.adapters.errors import translate_errors
from mfa_guard.core.dead_letters import Batch, QueueMessage, stream_event
from mfa_guard.ports import Clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

_BATCH: Final = 10
_TRIMMED: Final = "TrimmedDataAccessException"

# A sweep hides as many messages as it hands over in about a minute, for longer than that.
_MOST_IN_A_SWEEP: Final = 300
_HIDDEN_SECONDS: Final = 180

# As long as the queue keeps messages. A message that fails again is a new one, so the count lasts twice as long.
_COUNTED: Final = timedelta(days=28)
_MOST_HANDOVERS: Final = 2


class StreamsClient(Protocol):
    """What this module uses of the client of DynamoDB Streams, for which there are no types."""

    def get_shard_iterator(self, **parameters: object) -> Mapping[str, str]: ...
    def get_records(self, **parameters: object) -> Mapping[str, Sequence[Mapping[str, object]]]: ...


class DeadLetterQueue:
    """The dead-letter queue. Raises what SQS raises."""

    PERMISSIONS: Final = ("sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage")

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def receive(self, hidden_seconds: int, most: int | None = None) -> list[QueueMessage]:
        """Return all visible messages, or about `most` of them, and hide them from other readers for a while."""
        received: dict[str, QueueMessage] = {}
        while (most is None or len(received) < most) and (
            messages := self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=_BATCH,
                VisibilityTimeout=hidden_seconds,
                # A short poll asks only some of the queue's servers.
                WaitTimeSeconds=1,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["SentTimestamp"],
            ).get("Messages", [])
        ):
            new = {each["MessageId"]: _message(each) for each in messages if each["MessageId"] not in received}
            received |= new
            if not new:
                # The first messages are visible again, so reading the queue takes longer than they stay hidden.
                break
        return list(received.values())

    def unhide(self, messages: Sequence[QueueMessage]) -> None:
        """Make the messages visible to other readers at once. If SQS refuses, they become visible later."""
        for start in range(0, len(messages), _BATCH):
            self._client.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message.receipt, "VisibilityTimeout": 0}
                    for number, message in enumerate(messages[start : start + _BATCH])
                ],
            )

    def peek(self, hidden_seconds: int) -> list[QueueMessage]:
        """Return all visible messages, and leave them visible."""
        messages = self.receive(hidden_seconds)
        self.unhide(messages)
        return messages

    def delete(self, message: QueueMessage) -> None:
        """Delete a message."""
        self._client.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt)


def _message(received: "MessageTypeDef") -> QueueMessage:
    sent = received.get("Attributes", {}).get("SentTimestamp")
    return QueueMessage(
        id=received["MessageId"],
        body=received["Body"],
        attributes={
            name: attribute["StringValue"]
            for name, attribute in received.get("MessageAttributes", {}).items()
            if "StringValue" in attribute
        },
        sent=datetime.fromtimestamp(int(sent) / 1000, UTC) if sent else None,
        receipt=received["ReceiptHandle"],
    )


class ExemptionStream:
    """The stream of the exemption table. Raises what DynamoDB Streams raises."""

    PERMISSIONS: Final = ("dynamodb:GetShardIterator", "dynamodb:GetRecords")

    def __init__(self, client: StreamsClient, table: str) -> None:
        self._client = client
        self._table = table

    def has(self, batch: Batch) -> bool:
        """Tell whether the batch is of this stream."""
        # arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/LABEL
        parts = batch.stream_arn.split("/")
        return len(parts) > 1 and parts[1] == self._table

    def read(self, batch: Batch) -> Mapping[str, object] | None:
        """Return the event with the records of a batch, or None if the stream no longer has them."""
        try:
            iterator = self._client.get_shard_iterator(
                StreamArn=batch.stream_arn,
                ShardId=batch.shard_id,
                ShardIteratorType="AT_SEQUENCE_NUMBER",
                SequenceNumber=batch.first,
            )
            found = self._client.get_records(ShardIterator=iterator["ShardIterator"], Limit=batch.size)
        except ClientError as error:
            if error.response["Error"]["Code"] != _TRIMMED:
                raise
            return None
        event = stream_event(found["Records"], batch)
        return event if event["Records"] else None


class Functions:
    """Lambda functions. Raises what Lambda raises."""

    PERMISSIONS: Final = ("lambda:InvokeFunction",)

    def __init__(self, client: "LambdaClient") -> None:
        self._client = client

    def invoke(self, function: str, event: Mapping[str, object]) -> None:
        """Invoke a function asynchronously."""
        payload = json.dumps(event, default=_encode).encode()
        self._client.invoke(FunctionName=function, InvocationType="Event", Payload=payload)


def _encode(value: object) -> str:
    # The table can hold binary values, which Lambda passes on in base64.
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"A record of the stream holds a {type(value).__name__}.")


class Handovers:
    """How often each payload was handed over, one item of the state table for each. Raises what DynamoDB raises."""

    PERMISSIONS: Final = ("dynamodb:UpdateItem",)

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def count(self, payload_hash: str) -> bool:
        """Count one more attempt, and return false if there were two already."""
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"id": {"S": f"dead-letter#{payload_hash}"}},
                UpdateExpression="SET #end = :end ADD #times :one",
                ConditionExpression="attribute_not_exists(#times) OR #times < :most",
                ExpressionAttributeNames={"#times": "times", "#end": "expiration"},
                ExpressionAttributeValues={
                    ":one": {"N": "1"},
                    ":most": {"N": str(_MOST_HANDOVERS)},
                    ":end": {"N": str(int((self._clock.now() + _COUNTED).timestamp()))},
                },
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True


@dataclass(frozen=True)
class SweepDeadLetters:
    """The dead letters as a sweep sees them; see `mfa_guard.ports.DeadLetters`."""

    queue: DeadLetterQueue
    stream: ExemptionStream
    functions: Functions
    handovers: Handovers

    def receive(self) -> list[QueueMessage]:
        """Return messages, and hide them for three minutes."""
        with translate_errors():
            return self.queue.receive(_HIDDEN_SECONDS, _MOST_IN_A_SWEEP)

    def records(self, batch: Batch) -> Mapping[str, object] | None:
        """Return the records of a batch, or None if the exemption table's stream does not have them."""
        with translate_errors():
            return self.stream.read(batch) if self.stream.has(batch) else None

    def may_hand_over(self, payload_hash: str) -> bool:
        """Count an attempt to hand a payload over."""
        with translate_errors():
            return self.handovers.count(payload_hash)

    def invoke(self, function: str, event: Mapping[str, object]) -> None:
        """Invoke a function asynchronously."""
        with translate_errors():
            self.functions.invoke(function, event)

    def delete(self, message: QueueMessage) -> None:
        """Delete a message."""
        with translate_errors():
            self.queue.delete(message)

    def unhide(self, messages: Sequence[QueueMessage]) -> None:
        """Make messages visible again."""
        with translate_errors():
            self.queue.unhide(messages)
