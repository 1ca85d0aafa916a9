"""What happened, a line each: which event woke which function, and how that ended."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mfa_guard.core.cloudtrail import EventNotUnderstood, actor_of, subject_of
from mfa_guard.core.sweep_request import DETAIL_TYPE
from mfa_guard_cli.stack.template import Fields
from mfa_guard_emulator.aws.delivery import Delivery, Invocation
from mfa_guard_emulator.functions.attempts import Attempt

_KEPT: Final = 500


@dataclass(frozen=True)
class Happened:
    """One line. Empty `rule` and `function`: the event woke nobody."""

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
    """The newest lines, and how many there were; `now` tells the time in UTC, `seen` hears of each."""

    def __init__(self, now: Callable[[], datetime], seen: Callable[[Happened], None]) -> None:
        self._now = now
        self._seen = seen
        self._lines: deque[Happened] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()
        self.count = 0
        self.lost = 0

    @property
    def newest_first(self) -> tuple[Happened, ...]:
        """Return the newest lines."""
        with self._lock:
            return tuple(reversed(self._lines))

    def add(self, delivery: Delivery, invocation: Invocation | None) -> None:
        """Take what became of a delivery: an invocation that ended, or None when nobody was woken."""
        with self._lock:
            self.count += 1
            self.lost += delivery.lost
            line = Happened(
                number=self.count,
                time=self._now(),
                **_told(delivery.envelope),
                rule=invocation.rule if invocation else "",
                function=invocation.function if invocation else "",
                outcome=_outcome(delivery, invocation),
                failed=bool(invocation and invocation.failed),
            )
            self._lines.append(line)
        self._seen(line)


def _told(envelope: Fields) -> dict[str, str]:
    records = envelope.get("Records")
    if isinstance(records, list):
        return {"event": f"exemption table {', '.join(str(each.get('eventName')) for each in records)}", **_NOBODY}
    if "RequestType" in envelope:
        return {"event": f"CloudFormation {envelope['RequestType']}", **_NOBODY}
    detail = envelope.get("detail")
    fields = detail if isinstance(detail, Mapping) else {}
    source = str(envelope.get("source", "")).removeprefix("aws.")
    if "eventName" not in fields:
        return {"event": f"{source} {envelope.get('detail-type', DETAIL_TYPE)}", **_NOBODY}
    refused = f", refused: {fields['errorCode']}" if "errorCode" in fields else ""
    return {
        "event": f"{source} {fields['eventName']}{refused}",
        "actor": actor_of(fields).label,
        "about": _about(fields),
    }


_NOBODY: Final[Mapping[str, str]] = {"actor": "", "about": ""}


def _about(detail: Fields) -> str:
    try:
        subject = subject_of(detail)
    except EventNotUnderstood:
        return ""
    return (subject.name or subject.kind.value) if subject else ""


def _outcome(delivery: Delivery, invocation: Invocation | None) -> str:
    if invocation is None:
        return "lost on the way" if delivery.lost else "matches no rule"
    if not invocation.attempts:
        return "switched off; put on the dead-letter queue"
    ended = answer_text(invocation.attempts[-1])
    tried = f" after {len(invocation.attempts)} attempts" if len(invocation.attempts) > 1 else ""
    return f"{ended}{tried}{'; put on the dead-letter queue' if invocation.dead_letter else ''}"


def answer_text(attempt: Attempt) -> str:
    """Return what a run came to, for a person."""
    if attempt.error is not None:
        return f"failed: {attempt.error}"
    if attempt.counted()["DuplicateEvents"]:
        return "delivered before, nothing done"
    answer = attempt.answer if isinstance(attempt.answer, Mapping) else {}
    if "users" in answer:
        mailed = "a mail" if answer["mailed"] else "no mail"
        return f"{', '.join(f'{answer[key]} {key}' for key in ('users', 'changed', 'failed', 'left'))}, {mailed}"
    if "status" in answer:
        return f"answered {answer['status']}"
    if "standing" not in answer:
        return "told the administrators"
    actions = answer["actions"]
    done = ", ".join(map(str, actions)) if isinstance(actions, list) and actions else "none"
    return f"standing {answer['standing']}, actions {done}"
