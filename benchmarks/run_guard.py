"""Run the handlers of mfa-guard as Lambda does, with events from standard input, as JSON lines.

`python -m benchmarks.run_guard sweep` or `event`, with the environment of the function. `benchmarks.measure` describes
the output.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast

from benchmarks.measure import Stopwatch, report, timed


class Handler(Protocol):
    """The handler of a function."""

    def __call__(self, event: dict[str, object], context: "Context", /) -> object: ...


@dataclass
class Context:
    """The context that Lambda passes with the event."""

    invoked_function_arn: str
    function_name: str = "mfa-guard"
    memory_limit_in_mb: int = 512
    aws_request_id: str = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        """Return the timeout of SweepFunction."""
        return 900_000


def main() -> None:
    """Run the handler that the argument names."""
    # Not measured: reading the events, and what Lambda itself loads.
    events = [json.loads(line) for line in sys.stdin if line.strip()]
    context = Context(os.environ["FUNCTION_ARN"])
    cold = Stopwatch()
    handler = _sweep() if sys.argv[1] == "sweep" else _user_event()
    handler(events[0], context)
    spans = [cold.read(), *(timed(partial(handler, event, context)) for event in events[1:])]
    report(spans)


def _sweep() -> Handler:
    from mfa_guard.handlers.sweep import lambda_handler  # noqa: PLC0415 - importing is measured

    return cast("Handler", lambda_handler)  # Powertools' decorators hide its type


def _user_event() -> Handler:
    from mfa_guard.handlers.user_event import lambda_handler  # noqa: PLC0415 - importing is measured

    return cast("Handler", lambda_handler)


def sweep_request(number: int) -> Mapping[str, object]:
    """Return the event that the schedule sends."""
    return {"id": f"sweep-{number}", "source": "mfa-guard", "detail-type": "Sweep requested", "detail": {}}


if __name__ == "__main__":
    main()
