"""Lambda, as far as the matrix needs it: attempts with their pauses, time limits, dying processes, dead letters.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
"""

import contextlib
import importlib
import io
import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from unittest.mock import patch

from aws_lambda_powertools.metrics.provider.cold_start import reset_cold_start_flag

from faults.wire import Wire
from mfa_guard.runtime.observability import LOGGER, METRICS
from support.account import Account
from support.aws import forget_clients
from support.fakes import Crash

Event = Mapping[str, Any]

# Before the first and the second retry of an event.
_PAUSES: Final = (timedelta(minutes=1), timedelta(minutes=2))
# How often a record of a stream is tried in all its time, much less often than in truth.
_STREAM_TRIES: Final = 3


@dataclass(frozen=True)
class Attempt:
    """One run of a handler. `error`: what it raised, or why the process died."""

    function: str
    at: datetime
    answer: object
    error: BaseException | None
    output: str


@dataclass(frozen=True)
class Letter:
    """What waits in the dead-letter queue: the event, and for whom."""

    queue: str
    function: str
    event: Event


@dataclass
class Lambda:
    """The functions of the account's stack."""

    account: Account
    wire: Wire
    attempts: list[Attempt] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)

    def reset(self) -> None:
        """Forget what happened, and every process."""
        self.attempts, self.letters = [], []
        self._new_process()

    def invoke(self, function: str, event: Event) -> None:
        """Invoke a function with an event, asynchronously, until it succeeds or its retries are used up."""
        config = self._config("AWS::Lambda::EventInvokeConfig", function)
        retries = int(str(config["MaximumRetryAttempts"]))
        for pause in (*_PAUSES[:retries], None):
            if self._attempt(function, event).error is None:
                return
            if pause:
                self.account.clock.let_pass(pause)
        self._keep(config, function, event)

    def stream(self, function: str, records: Sequence[Event]) -> None:
        """Invoke a function with the records of a stream: one batch, halved when it fails, down to the one record."""
        config = self._config("AWS::Lambda::EventSourceMapping", function)
        event = {"Records": list(records)}
        alone = len(records) == 1 or config.get("BisectBatchOnFunctionError") is not True
        if self._attempt(function, event).error is None:
            return
        if not alone:
            middle = len(records) // 2
            self.stream(function, records[:middle])
            self.stream(function, records[middle:])
            return
        kept = timedelta(seconds=int(str(config["MaximumRecordAgeInSeconds"])))
        for _ in range(_STREAM_TRIES):
            self.account.clock.let_pass(kept / _STREAM_TRIES)
            if self._attempt(function, event).error is None:
                return
        self._keep(config, function, event)

    def redrive(self) -> None:
        """Invoke the functions again with what waits in the queue, as its alarm asks for."""
        waiting, self.letters = self.letters, []
        for letter in waiting:
            invoke = self.stream if "Records" in letter.event else self.invoke
            invoke(letter.function, letter.event.get("Records", letter.event))

    def counted(self) -> Counter[tuple[str, str]]:
        """Return what CloudWatch took from the logs: the sums by namespace and metric, of the service's dimension."""
        return Counter({key: int(value) for each in self.attempts for key, value in _metrics(each.output)})

    def errors(self, function: str) -> list[datetime]:
        """Return when attempts of a function failed."""
        return [each.at for each in self.attempts if each.function == function and each.error]

    def _new_process(self) -> None:
        new_process()
        self.wire.on_new_process()

    def _keep(self, config: Event, function: str, event: Event) -> None:
        destination = config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if destination:
            self.letters.append(Letter(str(destination), function, event))

    def _config(self, kind: str, function: str) -> Event:
        stack = self.account.stack
        names = {stack.physical_id(function), stack.resolve({"Fn::GetAtt": [function, "Arn"]})}
        [found] = [
            each.properties
            for each in stack.resources.values()
            if each.type == kind and each.properties["FunctionName"] in names
        ]
        return found

    def _attempt(self, function: str, event: Event) -> Attempt:
        stack, clock = self.account.stack, self.account.clock
        properties = stack.resource(function).properties
        module, _, name = str(properties["Handler"]).rpartition(".")
        handler: Callable[[object, object], object] = getattr(importlib.import_module(module), name)
        at = clock.now()
        deadline = at + timedelta(seconds=int(str(properties["Timeout"])))
        context = _Context(
            function_name=stack.physical_id(function),
            invoked_function_arn=str(stack.resolve({"Fn::GetAtt": [function, "Arn"]})),
            now=clock.now,
            deadline=deadline,
        )
        answer, error = None, None
        with _captured() as output, patch.dict(os.environ, stack.environment(function)), self.wire.attempt(deadline):
            try:
                answer = handler(json.loads(json.dumps(event)), context)
            except (Exception, Crash) as raised:  # noqa: BLE001 - Lambda counts whatever a handler raises
                error = raised
        if isinstance(error, Crash):
            # A process that dies has not flushed its metrics.
            output.truncate(0)
            self._new_process()
        found = Attempt(function, at, answer, error, output.getvalue())
        self.attempts.append(found)
        return found


@dataclass(frozen=True)
class _Context:
    function_name: str
    invoked_function_arn: str
    now: Callable[[], datetime]
    deadline: datetime
    memory_limit_in_mb: int = 512
    aws_request_id: str = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - self.now()).total_seconds() * 1000))


def new_process() -> None:
    """Let the functions make their clients anew, as in a new process."""
    forget_clients()
    METRICS.provider.clear_metrics()
    reset_cold_start_flag()  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def _captured() -> Iterator[io.StringIO]:
    output = io.StringIO()
    with contextlib.ExitStack() as exits:
        for handler in logging.getLogger(LOGGER.service).handlers:
            exits.enter_context(patch.object(handler, "stream", output))
        exits.enter_context(contextlib.redirect_stdout(output))
        yield output


def _metrics(output: str) -> Iterator[tuple[tuple[str, str], float]]:
    for line in output.splitlines():
        entry = json.loads(line)
        for directive in entry.get("_aws", {}).get("CloudWatchMetrics", []):
            # The alarms watch the one dimension `service`; what has another is another metric.
            if ["service"] in directive["Dimensions"] and entry["service"] == "mfa-guard":
                for metric in directive["Metrics"]:
                    yield (directive["Namespace"], metric["Name"]), sum(entry[metric["Name"]])
