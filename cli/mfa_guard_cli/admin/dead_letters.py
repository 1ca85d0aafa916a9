"""List and redrive the messages in the dead-letter queue."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import typer
from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.adapters.dead_letters import DeadLetterQueue, ExemptionStream, Functions
from mfa_guard.core.dead_letters import Batch, DeadLetter, QueueMessage, Sender, parse_message
from mfa_guard_cli.admin.guard import Guard, open_guard
from mfa_guard_cli.common.errors import FOUND, WrongUse, as_program_error
from mfa_guard_cli.common.options import Format, RowFormat
from mfa_guard_cli.common.outcome import Outcome, confirm_changes, print_outcome
from mfa_guard_cli.common.output import counted, print_rows
from mfa_guard_cli.common.stack_location import StackLocation

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

_DELETE: Final = "to delete the message, see docs/dead-letters.md"
_TRIMMED_AWAY: Final = (
    "The stream keeps records for a day, and these are no longer there. Only the notice is lost: mfa-guard exempt list "
    f"shows the current exemptions; {_DELETE}."
)


class NotRedriven(Exception):
    """A message stays in the queue. The message of the error is a sentence with the reason."""


def list_dead_letters(location: StackLocation, output_format: RowFormat) -> None:
    """Print the messages in the queue, and leave them visible. Exits with 1 if there are any."""
    guard = open_guard(location)
    queue = DeadLetterQueue(guard.queues, guard.deployed.queue_url)
    letters = _parse_in_order(queue.peek(_LISTING))
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
    letters = {
        each.message.id: each for each in _parse_in_order(queue.peek(_LISTING)) if not ids or each.message.id in ids
    }
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
    event = (letter.event or {}) if letter.batch is None else _read_stream(letter.batch, guard)
    Functions(guard.functions).invoke(letter.function, event)
    queue.delete(letter.message)
    return f"{letter.function_name} was invoked again with {letter.subject}, and the message was deleted."


def _read_stream(batch: Batch, guard: Guard) -> Mapping[str, object]:
    """Return the event with the records of a batch."""
    stream = ExemptionStream(guard.session.client("dynamodbstreams"), guard.settings.exemptions_table)
    if not stream.has(batch):
        raise NotRedriven(f"Its stream is not that of the exemption table; {_DELETE}.")
    event = stream.read(batch)
    if event is None:
        raise NotRedriven(_TRIMMED_AWAY)
    return event


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
