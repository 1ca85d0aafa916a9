"""Lambda's queue of asynchronous invocations in simulated time, with reserved concurrency.

An invocation that finds no free concurrency is throttled: Lambda tries again with growing pauses for up to six hours,
without using up the retries. An invocation that fails is retried twice.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

import heapq
import itertools
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

LONGEST_WAIT: Final = timedelta(hours=6)
_FIRST_PAUSE: Final = timedelta(seconds=1)
_LONGEST_PAUSE: Final = timedelta(minutes=5)
_RETRY_PAUSES: Final = (timedelta(minutes=1), timedelta(minutes=2))


@dataclass(order=True)
class _Due:
    when: datetime
    number: int
    event: object = field(compare=False)
    arrived: datetime = field(compare=False)
    throttled: int = field(compare=False, default=0)
    failed: int = field(compare=False, default=0)


@dataclass
class AsyncQueue:
    """The queue of one function. `concurrency`: how many invocations run at once; None for any number.

    `invoke` runs the function for an event from a time on, and returns when the invocation ended and whether it
    succeeded. `dropped` are the events that failed three times or waited for six hours. `oldest` is the longest wait.
    """

    concurrency: int | None
    invoke: Callable[[object, datetime], tuple[datetime, bool]]
    jitter: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - spreads pauses
    dropped: list[object] = field(default_factory=list)
    oldest: timedelta = timedelta(0)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def run(self, events: Iterable[tuple[datetime, object]]) -> None:
        """Handle events, each from the time at which it arrives, until each is handled or dropped."""
        waiting = [_Due(when, next(self._numbers), event, when) for when, event in events]
        heapq.heapify(waiting)
        running: list[datetime] = []
        while waiting:
            due = heapq.heappop(waiting)
            running = [end for end in running if end > due.when]
            if self.concurrency is not None and len(running) >= self.concurrency:
                # The pauses of different events differ, or all of them would come back at the same moment.
                pause = _pause(due.throttled) * self.jitter.uniform(0.5, 1)
                self._again(waiting, due, pause, throttled=1)
                continue
            self.oldest = max(self.oldest, due.when - due.arrived)
            end, succeeded = self.invoke(due.event, due.when)
            running.append(end)
            if succeeded:
                continue
            if due.failed < len(_RETRY_PAUSES):
                self._again(waiting, due, end - due.when + _RETRY_PAUSES[due.failed], failed=1)
            else:
                self.dropped.append(due.event)

    def _again(self, waiting: list[_Due], due: _Due, pause: timedelta, *, throttled: int = 0, failed: int = 0) -> None:
        when = due.when + pause
        if when - due.arrived > LONGEST_WAIT:
            self.dropped.append(due.event)
            return
        again = _Due(when, next(self._numbers), due.event, due.arrived, due.throttled + throttled, due.failed + failed)
        heapq.heappush(waiting, again)


def _pause(throttled: int) -> timedelta:
    return min(_FIRST_PAUSE * float(2 ** min(throttled, 20)), _LONGEST_PAUSE)
