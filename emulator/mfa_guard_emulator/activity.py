"""What happened in the account, one line for each event and invocation: who did what, and how the function ended."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mfa_guard.core.cloudtrail import EventNotUnderstood, actor_of, subject_of
from mfa_guard.core.plan import Action
from mfa_guard.core.sweep_request import DETAIL_TYPE
from mfa_guard_cli.stack.template import Fields
from mfa_guard_emulator.aws.delivery import Delivery, Invocation
from mfa_guard_emulator.functions.attempts import Attempt

_MAXIMUM_LINES: Final = 500


@dataclass(frozen=True)
class ActivityLine:
    """One line. `rule` and `function` are empty when the event invoked no function."""

    number: int
    time: datetime
    event: str
    actor: str
    about: str
    rule: str
    function: str
    outcome: str
    failed: bool


class Activity:
    """The newest lines, and how many there were. `now` returns the time in UTC; `on_line` is called for each line."""

    def __init__(self, now: Callable[[], datetime], on_line: Callable[[ActivityLine], None]) -> None:
        self._now = now
        self._on_line = on_line
        self._lines: deque[ActivityLine] = deque(maxlen=_MAXIMUM_LINES)
        self._lock = threading.Lock()
        self.count = 0
        self.lost = 0

    @property
    def newest_first(self) -> tuple[ActivityLine, ...]:
        """Return the newest lines."""
        with self._lock:
            return tuple(reversed(self._lines))

    def add(self, delivery: Delivery, invocation: Invocation | None) -> None:
        """Add an invocation that ended, or a delivery that invoked no function."""
        with self._lock:
            self.count += 1
            self.lost += delivery.lost
            line = ActivityLine(
                number=self.count,
                time=self._now(),
                **_event_fields(delivery.envelope),
                rule=invocation.rule if invocation else "",
                function=invocation.function if invocation else "",
                outcome=_outcome(delivery, invocation),
                failed=bool(invocation and invocation.failed),
            )
            self._lines.append(line)
        self._on_line(line)


def _event_fields(envelope: Fields) -> dict[str, str]:
    records = envelope.get("Records")
    if isinstance(records, list):
        return {"event": f"exemption table {', '.join(str(each.get('eventName')) for each in records)}", **_NO_USERS}
    if "RequestType" in envelope:
        return {"event": f"CloudFormation {envelope['RequestType']}", **_NO_USERS}
    detail = envelope.get("detail")
    fields = detail if isinstance(detail, Mapping) else {}
    source = str(envelope.get("source", "")).removeprefix("aws.")
    if "eventName" not in fields:
        return {"event": f"{source} {envelope.get('detail-type', DETAIL_TYPE)}", **_NO_USERS}
    failed = f", failed: {fields['errorCode']}" if "errorCode" in fields else ""
    return {
        "event": f"{source} {fields['eventName']}{failed}",
        "actor": actor_of(fields).label,
        "about": _subject(fields),
    }


_NO_USERS: Final[Mapping[str, str]] = {"actor": "", "about": ""}


def _subject(detail: Fields) -> str:
    try:
        subject = subject_of(detail)
    except EventNotUnderstood:
        return ""
    return (subject.name or subject.id or subject.kind.value) if subject else ""


def _outcome(delivery: Delivery, invocation: Invocation | None) -> str:
    if invocation is None:
        return "lost" if delivery.lost else "matches no rule"
    if not invocation.attempts:
        return "not run, as its reserved concurrency is 0; sent to the dead-letter queue"
    outcome = attempt_text(invocation.attempts[-1])
    attempts = f" after {len(invocation.attempts)} attempts" if len(invocation.attempts) > 1 else ""
    return f"{outcome}{attempts}{'; sent to the dead-letter queue' if invocation.dead_letter else ''}"


def attempt_text(attempt: Attempt) -> str:
    """Return how an attempt ended, for a reader."""
    if attempt.error is not None:
        return f"failed: {attempt.error}"
    if attempt.sums()["DuplicateEvents"]:
        return "duplicate, nothing done"
    answer = attempt.answer if isinstance(attempt.answer, Mapping) else {}
    if "users" in answer:
        mail = "a mail" if answer["mailed"] else "no mail"
        return f"{', '.join(f'{answer[key]} {key}' for key in ('users', 'changed', 'failed', 'left'))}, {mail}"
    if "status" in answer:
        return f"answered {answer['status']}"
    if "standing" not in answer:
        return "notified the administrators"
    actions = answer["actions"]
    taken = ", ".join(map(action_text, actions)) if isinstance(actions, list) and actions else "no change"
    return f"{answer['standing']}: {taken}"


def action_text(action: object) -> str:
    """Return the word for an action of the guard."""
    return _ACTIONS.get(str(action), str(action))


_ACTIONS: Final[Mapping[str, str]] = {Action.MARK: "tag", Action.CLEAR: "remove tags"}
