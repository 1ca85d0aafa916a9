"""List and redrive the messages in the dead-letter queue."""

import base64
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

import typer
from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard_cli.admin.dead_letter_messages import (
    Batch,
    DeadLetter,
    QueueMessage,
    Sender,
    parse_message,
    stream_event,
)
from mfa_guard_cli.admin.guard import Guard, open_guard
from mfa_guard_cli.common.errors import FOUND, WrongUse, as_program_error
from mfa_guard_cli.common.options import Format, RowFormat
from mfa_guard_cli.common.outcome import Outcome, confirm_changes, print_outcome
from mfa_guard_cli.common.output import counted, print_rows
from mfa_guard_cli.common.stack_location import StackLocation

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

_COLUMNS: Final[Mapping[str, str]] = {
    "id": "ID",
    "sent": "SENT",
    "from": "FROM",
    "function": "FUNCTION",
    "what": "ABOUT",
    "reason": "REASON",
}
# Seconds that messages stay hidden: as long as listing them, and as redriving them, can take.
_LISTING: Final = 30
_REDRIVING: Final = 300
_BATCH: Final = 10

_TRIMMED: Final = "TrimmedDataAccessException"
_DELETE: Final = "to delete the message, see docs/dead-letters.md"
_TRIMMED_AWAY: Final = (
    "The stream keeps records for a day, and these are no longer there. Only the notice is lost: mfa-guard exempt list "
    f"shows the current exemptions; {_DELETE}."
)


class NotRedriven(Exception):
    """A message stays in the queue. The message of the error is a sentence with the reason."""


class _Streams(Protocol):
    """What this module uses of DynamoDB Streams' client."""

    def get_shard_iterator(self, **parameters: object) -> Mapping[str, str]: ...
    def get_records(self, **parameters: object) -> Mapping[str, Sequence[Mapping[str, object]]]: ...


class DeadLetterQueue:
    """The dead-letter queue. Raises what SQS raises."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def receive(self, hidden_seconds: int) -> list[QueueMessage]:
        """Return all visible messages, and hide them from other readers for a while."""
        received: dict[str, QueueMessage] = {}
        while messages := self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=_BATCH,
            VisibilityTimeout=hidden_seconds,
            # A short poll asks only some of the queue's servers.
            WaitTimeSeconds=1,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp"],
        ).get("Messages", []):
            new = {each["MessageId"]: _message(each) for each in messages if each["MessageId"] not in received}
            received |= new
            if not new:
                # The first messages are visible again, so reading the queue takes longer than they stay hidden.
                break
        return list(received.values())

    def unhide(self, messages: Collection[QueueMessage]) -> None:
        """Make the messages visible to other readers at once. If SQS refuses, they become visible later."""
        waiting = list(messages)
        while waiting:
            batch, waiting = waiting[:_BATCH], waiting[_BATCH:]
            self._client.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message.receipt, "VisibilityTimeout": 0}
                    for number, message in enumerate(batch)
                ],
            )

    def peek(self) -> list[QueueMessage]:
        """Return all visible messages, and leave them visible."""
        messages = self.receive(_LISTING)
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


def list_dead_letters(location: StackLocation, output_format: RowFormat) -> None:
    """Print the messages in the queue, and leave them visible. Exits with 1 if there are any."""
    guard = open_guard(location)
    queue = DeadLetterQueue(guard.queues, guard.deployed.queue_url)
    letters = _parse_in_order(queue.peek())
    if output_format != "table" or letters:
        print_rows(_COLUMNS, [_row(letter) for letter in letters], output_format)
    else:
        typer.echo("The dead-letter queue is empty.")
    if not letters:
        return
    if output_format == "table":
        typer.echo(f"Remove the cause first. Then: {location.command('dead-letters', 'redrive')}")
    raise typer.Exit(FOUND)


def redrive_dead_letters(ids: Sequence[str], location: StackLocation, output_format: Format, *, yes: bool) -> None:
    """Invoke the functions again with the messages of these IDs, or with all messages. Failures stay in the queue."""
    guard = open_guard(location)
    queue = DeadLetterQueue(guard.queues, guard.deployed.queue_url)
    letters = {each.message.id: each for each in _parse_in_order(queue.peek()) if not ids or each.message.id in ids}
    if unknown := sorted(set(ids) - letters.keys()):
        raise WrongUse(
            f"There is no message {', '.join(map(ascii, unknown))}; to list the messages: mfa-guard dead-letters list"
        )
    if not letters:
        print_outcome(Outcome(notes=["The dead-letter queue is empty."], facts={"redriven": 0}), output_format)
        return
    rows = [f"  {' | '.join(_row(letter))}" for letter in letters.values()]
    confirm_changes(
        ["The functions will be invoked again with these messages, which are then deleted:", *rows],
        f"Redrive {counted(len(letters), 'message')}?",
        yes=yes,
    )
    # Received again, since others could read the messages while the user decided.
    received = queue.receive(_REDRIVING)
    outcome, deleted = _redrive_each(
        [each for each in _parse_in_order(received) if each.message.id in letters], guard, queue
    )
    queue.unhide([each for each in received if each.id not in deleted])
    print_outcome(outcome, output_format)


def _redrive_each(letters: Iterable[DeadLetter], guard: Guard, queue: DeadLetterQueue) -> tuple[Outcome, list[str]]:
    """Return the outcome, and the IDs of the messages that were deleted."""
    done, failed, left, deleted = list[str](), list[str](), list[str](), list[str]()
    for letter in letters:
        name = letter.message.id
        try:
            done.append(f"{name}: {_redrive(letter, guard, queue)}")
            deleted.append(name)
        except NotRedriven as reason:
            left.append(f"{name}: left in the queue. {reason}")
        except (ClientError, BotoCoreError) as error:
            failed.append(f"{name}: left in the queue. {as_program_error(error)}")
    notes = ["An event that fails again is back in the queue after some minutes."] if done else []
    return Outcome(done=done, failed=failed, left=left, notes=notes, facts={"deleted": deleted}), deleted


def _redrive(letter: DeadLetter, guard: Guard, queue: DeadLetterQueue) -> str:
    """Invoke the function again, then delete the message. Returns what was done, as a sentence.

    Raises NotRedriven if the message stays in the queue, and what AWS raises.
    """
    if letter.sender is Sender.UNKNOWN:
        raise NotRedriven(f"{letter.reason} No function can be invoked with it; {_DELETE}.")
    # A sender chooses this name, and the function would be invoked with the administrator's permissions.
    if letter.function not in guard.function_arns:
        name = letter.function_name or "no function"
        raise NotRedriven(f"It names {name}, which is not a function of the guard; {_DELETE}.")
    event = letter.event if letter.batch is None else _read_stream(letter.batch, guard)
    guard.functions.invoke(
        FunctionName=letter.function, InvocationType="Event", Payload=json.dumps(event, default=_encode).encode()
    )
    queue.delete(letter.message)
    return f"{letter.function_name} was invoked again with {letter.subject}, and the message was deleted."


def _read_stream(batch: Batch, guard: Guard) -> Mapping[str, object]:
    """Return the event with the records of a batch."""
    if guard.settings.exemptions_table != _table(batch.stream_arn):
        raise NotRedriven(f"Its stream is not that of the exemption table; {_DELETE}.")
    streams: _Streams = guard.session.client("dynamodbstreams")
    try:
        iterator = streams.get_shard_iterator(
            StreamArn=batch.stream_arn,
            ShardId=batch.shard_id,
            ShardIteratorType="AT_SEQUENCE_NUMBER",
            SequenceNumber=batch.first,
        )
        found = streams.get_records(ShardIterator=iterator["ShardIterator"], Limit=batch.size)
    except ClientError as error:
        if error.response["Error"]["Code"] != _TRIMMED:
            raise
        raise NotRedriven(_TRIMMED_AWAY) from error
    event = stream_event(found["Records"], batch)
    if not event["Records"]:
        raise NotRedriven(_TRIMMED_AWAY)
    return event


def _encode(value: object) -> str:
    # The table can hold binary values, which Lambda passes on in base64.
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"A record of the stream holds a {type(value).__name__}.")


def _table(stream_arn: str) -> str:
    # arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/LABEL
    parts = stream_arn.split("/")
    return parts[1] if len(parts) > 1 else ""


def _parse_in_order(messages: Iterable[QueueMessage]) -> list[DeadLetter]:
    in_order = sorted(messages, key=lambda each: (each.sent is None, each.sent))
    return [parse_message(message) for message in in_order]


def _row(letter: DeadLetter) -> tuple[str, ...]:
    return (
        letter.message.id,
        letter.sent,
        letter.sender.value,
        letter.function_name,
        letter.subject,
        letter.reason,
    )
