"""The dead-letter queue: what waits there, and handing it to its function again."""

import base64
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

import typer
from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard_cli.admin.dead_letter_messages import Batch, Letter, Message, Shape, parse_letter, stream_event
from mfa_guard_cli.admin.guard import Guard, open_guard
from mfa_guard_cli.common.errors import FOUND, WrongUse, as_program_error
from mfa_guard_cli.common.options import Format, RowFormat
from mfa_guard_cli.common.outcome import Outcome, ask, tell
from mfa_guard_cli.common.output import print_csv, print_json, print_table
from mfa_guard_cli.common.stack_location import StackLocation

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

_HEADINGS: Final = ("ID", "SENT", "FROM", "FUNCTION", "WHAT", "REASON")
_COLUMNS: Final = ("id", "sent", "from", "function", "what", "reason")

# As long as reading all of them may take, and as redriving them may.
_HIDDEN_LISTING: Final = 30
_HIDDEN_REDRIVING: Final = 300
_AT_ONCE: Final = 10

_TRIMMED: Final = "TrimmedDataAccessException"
_BY_HAND: Final = "the runbook says how to delete the message: docs/operations.md, Dead letters"


class NotRedriven(Exception):
    """A letter stays in the queue, for a reason in one sentence."""


class _Streams(Protocol):
    """What is used of DynamoDB Streams' client."""

    def get_shard_iterator(self, **parameters: object) -> Mapping[str, str]: ...
    def get_records(self, **parameters: object) -> Mapping[str, Sequence[Mapping[str, object]]]: ...


class Queue:
    """The dead-letter queue. Raises what SQS raises."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def take(self, hidden_seconds: int) -> list[Message]:
        """Return every message that nobody else is reading, hidden from others for a while."""
        taken: dict[str, Message] = {}
        while messages := self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=_AT_ONCE,
            VisibilityTimeout=hidden_seconds,
            # A short poll asks some of the queue's servers only.
            WaitTimeSeconds=1,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp"],
        ).get("Messages", []):
            fresh = {each["MessageId"]: _message(each) for each in messages if each["MessageId"] not in taken}
            taken |= fresh
            if not fresh:
                # The first ones are visible again: the queue is longer than the time that they are hidden.
                break
        return list(taken.values())

    def show(self, messages: Collection[Message]) -> None:
        """Let others read the messages at once. Where SQS refuses it, they are visible, or will be by themselves."""
        waiting = list(messages)
        while waiting:
            some, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
            self._client.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message.receipt, "VisibilityTimeout": 0}
                    for number, message in enumerate(some)
                ],
            )

    def peek(self) -> list[Message]:
        """Return every message that nobody else is reading, and leave all of them readable."""
        messages = self.take(_HIDDEN_LISTING)
        self.show(messages)
        return messages

    def delete(self, message: Message) -> None:
        """Delete a message for good."""
        self._client.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt)


def _message(found: "MessageTypeDef") -> Message:
    sent = found.get("Attributes", {}).get("SentTimestamp")
    return Message(
        id=found["MessageId"],
        body=found["Body"],
        marks={
            name: mark["StringValue"]
            for name, mark in found.get("MessageAttributes", {}).items()
            if "StringValue" in mark
        },
        sent=datetime.fromtimestamp(int(sent) / 1000, UTC) if sent else None,
        receipt=found["ReceiptHandle"],
    )


@dataclass(frozen=True)
class Redriver:
    """Hands letters to the guard's own functions, and to nobody else's."""

    guard: Guard
    queue: Queue

    def redrive(self, letter: Letter) -> str:
        """Invoke the function again, then delete the message; returns what was done.

        Raises NotRedriven when the letter stays in the queue, and what AWS raises.
        """
        if letter.shape is Shape.UNKNOWN:
            raise NotRedriven(f"{letter.reason} Nothing can be invoked with it; {_BY_HAND}.")
        # Whoever may send to the queue chooses this name, and the administrator's rights would invoke it.
        if letter.function not in self.guard.function_arns:
            raise NotRedriven(f"It names {letter.function_name or 'no function'}, which is none of the guard's.")
        event = letter.event if letter.batch is None else self._records(letter.batch)
        self.guard.functions.invoke(
            FunctionName=letter.function, InvocationType="Event", Payload=json.dumps(event, default=_encoded).encode()
        )
        self.queue.delete(letter.message)
        return f"{letter.function_name} invoked again with {letter.what}, message deleted."

    def _records(self, batch: Batch) -> Mapping[str, object]:
        if self.guard.settings.exemptions_table != _table(batch.stream_arn):
            raise NotRedriven("Its stream is not the exemption table's.")
        streams: _Streams = self.guard.session.client("dynamodbstreams")
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
            raise NotRedriven(_gone()) from error
        event = stream_event(found["Records"], batch)
        if not event["Records"]:
            raise NotRedriven(_gone())
        return event


def _encoded(value: object) -> str:
    # Whoever writes to the table may write binary values, which Lambda passes on in base64.
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"A record of the stream holds a {type(value).__name__}.")


def _table(stream_arn: str) -> str:
    # arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/LABEL
    parts = stream_arn.split("/")
    return parts[1] if len(parts) > 1 else ""


def _gone() -> str:
    return (
        "The stream keeps its records for a day, and these are gone. Only the notice is lost: mfa-guard exempt list "
        f"shows what holds now; {_BY_HAND}."
    )


def list_letters(place: StackLocation, form: RowFormat) -> None:
    """Print what waits, and hide none of it. Ends with exit code 1 when something does."""
    guard = open_guard(place)
    queue = Queue(guard.queues, guard.deployed.queue_url)
    rows = [_row(letter) for letter in _in_order(queue.peek())]
    if form is RowFormat.JSON:
        print_json([dict(zip(_COLUMNS, row, strict=True)) for row in rows])
    elif form is RowFormat.CSV:
        print_csv(_COLUMNS, rows)
    elif rows:
        print_table(_HEADINGS, rows)
        typer.echo(f"Mend the cause first, then: {place.command('dead-letters', 'redrive')}")
    else:
        typer.echo("The dead-letter queue is empty.")
    if rows:
        raise typer.Exit(FOUND)


def redrive_letters(ids: Sequence[str], place: StackLocation, form: Format, *, yes: bool) -> None:
    """Hand letters to their functions again, all of them or those of `ids`; what cannot be stays in the queue."""
    guard = open_guard(place)
    queue = Queue(guard.queues, guard.deployed.queue_url)
    letters = {each.message.id: each for each in _in_order(queue.peek()) if not ids or each.message.id in ids}
    if unknown := sorted(set(ids) - letters.keys()):
        raise WrongUse(f"There is no message {', '.join(map(ascii, unknown))}; see mfa-guard dead-letters list.")
    if not letters:
        tell(Outcome(notes=["The dead-letter queue is empty."], facts={"redriven": 0}), form)
        return
    plan = [f"  {' | '.join(_row(letter))}" for letter in letters.values()]
    ask(["Will be handed to their functions again, and deleted:", *plan], f"Redrive {len(letters)}?", yes=yes)
    # Read again, as nobody was kept from reading them while a person thought.
    taken = queue.take(_HIDDEN_REDRIVING)
    outcome, deleted = _redrive_each(
        [each for each in _in_order(taken) if each.message.id in letters], Redriver(guard, queue)
    )
    queue.show([each for each in taken if each.id not in deleted])
    tell(outcome, form)


def _redrive_each(letters: Iterable[Letter], redriver: Redriver) -> tuple[Outcome, list[str]]:
    """Return what became of each letter, and the ids of the messages that are deleted."""
    done, failed, left, deleted = list[str](), list[str](), list[str](), list[str]()
    for letter in letters:
        name = letter.message.id
        try:
            done.append(f"{name}: {redriver.redrive(letter)}")
            deleted.append(name)
        except NotRedriven as reason:
            left.append(f"{name}: left in the queue. {reason}")
        except (ClientError, BotoCoreError) as error:
            failed.append(f"{name}: left in the queue. {as_program_error(error)}")
    notes = ["What fails again is back in the queue some minutes later."] if done else []
    return Outcome(done=done, failed=failed, left=left, notes=notes, facts={"deleted": deleted}), deleted


def _in_order(messages: Iterable[Message]) -> list[Letter]:
    return [parse_letter(message) for message in sorted(messages, key=lambda each: (each.sent is None, each.sent))]


def _row(letter: Letter) -> tuple[str, ...]:
    return (letter.message.id, letter.sent, letter.shape.value, letter.function_name, letter.what, letter.reason)
