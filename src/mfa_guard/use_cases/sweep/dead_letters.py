"""Hand over the events in the dead-letter queue to the functions that could not handle them, at most twice each.

Anyone who may send to the queue can forge a message, so a message can only cause what an event can cause: a function of
this stack looks at what the event names, and decides from what it reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from mfa_guard.core.dead_letters import DeadLetter, QueueMessage, Sender, parse_message
from mfa_guard.core.errors import AwsRequestFailed
from mfa_guard.core.sanitize import sanitize
from mfa_guard.use_cases.sweep.dependencies import SweepDependencies

# A sweep has other work to do. What is left then waits for the next sweep.
_LONGEST: Final = timedelta(seconds=60)
_NAMED: Final = 20


@dataclass(frozen=True)
class Handover:
    """What became of the dead letters: lines for the digest, and how many messages stay in the queue."""

    lines: tuple[str, ...] = ()
    left: int = 0
    handed_over: int = 0


class _Left(Exception):
    """The message stays in the queue. The message of the error is a sentence with the reason."""


def hand_over_dead_letters(dependencies: SweepDependencies) -> Handover:
    """Hand over what the queue holds, and report what stays. Never raises what AWS answers."""
    queue, until = dependencies.dead_letters, dependencies.clock.now() + _LONGEST
    try:
        messages = queue.receive()
    except AwsRequestFailed as refused:
        return Handover((f"the queue could not be read: {sanitize(str(refused), 300)}",))
    done, left, reasons, waiting = 0, list[QueueMessage](), list[str](), 0
    for message in messages:
        if dependencies.clock.now() > until:
            waiting += 1
            left.append(message)
            continue
        letter = parse_message(message)
        try:
            _hand_over(letter, dependencies)
            done += 1
        except _Left as reason:
            left.append(message)
            reasons.append(f"{letter.subject}: {reason}")
        except AwsRequestFailed as refused:
            left.append(message)
            reasons.append(f"{letter.subject}: {sanitize(str(refused), 300)}")
    lines = [f"{done} handed over again, or made unnecessary by this sweep"] if done else []
    lines += [f"{waiting} wait for the next sweep"] if waiting else []
    lines += [f"{len(reasons)} stay in the queue; to list them: mfa-guard dead-letters list"] if reasons else []
    lines += reasons[:_NAMED]
    try:
        queue.unhide(left)
    except AwsRequestFailed as refused:
        lines.append(f"the messages are hidden for some minutes: {sanitize(str(refused), 300)}")
    return Handover(tuple(lines), len(reasons), done)


def _hand_over(letter: DeadLetter, dependencies: SweepDependencies) -> None:
    """Invoke the function with the event, and delete the message."""
    queue = dependencies.dead_letters
    if letter.function == dependencies.own_function and letter.requests_sweep:
        # This sweep is what the message requests.
        queue.delete(letter.message)
        return
    event = _event(letter, dependencies)
    if not queue.may_hand_over(letter.payload_hash):
        raise _Left(f"handed over twice, and failed again. {letter.reason}")
    queue.invoke(letter.function, event)
    queue.delete(letter.message)


def _event(letter: DeadLetter, dependencies: SweepDependencies) -> Mapping[str, object]:
    """Return the event to hand over; raises _Left."""
    if letter.sender is Sender.UNKNOWN:
        raise _Left(letter.reason)
    if letter.function not in dependencies.functions:
        raise _Left("it names no function of the guard that handles events.")
    if letter.batch is not None:
        records = dependencies.dead_letters.records(letter.batch)
        if records is None:
            raise _Left("the stream of the exemption table no longer has the records. This digest lists the changes.")
        return records
    event = letter.event or {}
    # Lambda reads the stream itself, so no genuine message holds records of it.
    if not isinstance(event.get("detail"), dict):
        raise _Left("the payload is not an event of EventBridge.")
    return event
