"""Lambda, as far as the matrix needs it: attempts and their delays, time limits, crashes, and dead letters.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
"""

import contextlib
import importlib
import io
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from unittest.mock import patch

from aws_lambda_powertools.metrics.provider.cold_start import reset_cold_start_flag
from moto.sqs.models import SQSBackend, sqs_backends

from faults.fault_injection import FaultInjector
from mfa_guard.runtime.observability import LOGGER, METRICS
from support.account import Account
from support.aws import forget_clients
from support.fakes import Crash

Event = Mapping[str, Any]

# Before the first and the second retry of an event.
_RETRY_DELAYS: Final = (timedelta(minutes=1), timedelta(minutes=2))
# How often a message is delivered before SQS keeps it in the dead-letter queue.
_RECEIVES: Final = 3
# How often a record of a stream is retried before it expires. Lambda retries far more often.
_STREAM_RETRIES: Final = 3


@dataclass(frozen=True)
class Attempt:
    """One run of a handler. `error`: what it raised, or why the process ended."""

    function: str
    at: datetime
    error: BaseException | None
    output: str

    def metrics(self) -> Iterator[tuple[tuple[str, str], float]]:
        """Yield what CloudWatch reads from the log: the metrics of the service's dimension by namespace and name."""
        yield from _metrics(self.output)


@dataclass(frozen=True)
class DeadLetter:
    """One message in the dead-letter queue: the event, and the function that could not handle it."""

    queue: str
    function: str
    event: Event


@dataclass
class LambdaService:
    """Runs the functions of the account's stack."""

    account: Account
    injector: FaultInjector
    attempts: list[Attempt] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)

    def reset(self) -> None:
        """Forget every attempt, dead letter, and process."""
        self.attempts, self.dead_letters = [], []
        self._empty_queue()
        self._new_process()

    def invoke(self, function: str, event: Event) -> None:
        """Invoke a function asynchronously with an event, until it succeeds or has no retry left."""
        config = self._config("AWS::Lambda::EventInvokeConfig", function)
        retries = int(str(config["MaximumRetryAttempts"]))
        for delay in (*_RETRY_DELAYS[:retries], None):
            if self._attempt(function, event).error is None:
                return
            if delay:
                self.account.clock.advance(delay)
        self._send_to_destination(config, function, event)

    def stream(self, function: str, records: Sequence[Event]) -> None:
        """Invoke a function with a batch of a stream's records. A batch that fails is halved, down to one record."""
        config = self._config("AWS::Lambda::EventSourceMapping", function)
        event = {"Records": list(records)}
        indivisible = len(records) == 1 or config.get("BisectBatchOnFunctionError") is not True
        if self._attempt(function, event).error is None:
            return
        if not indivisible:
            middle = len(records) // 2
            self.stream(function, records[:middle])
            self.stream(function, records[middle:])
            return
        maximum_age = timedelta(seconds=int(str(config["MaximumRecordAgeInSeconds"])))
        for _ in range(_STREAM_RETRIES):
            self.account.clock.advance(maximum_age / _STREAM_RETRIES)
            if self._attempt(function, event).error is None:
                return
        self._send_to_destination(config, function, event)

    def deliver_timer(self, body: str) -> None:
        """Invoke the function that reads the guard's own queue with a message, as often as the queue allows."""
        stack = self.account.stack
        [mapping] = [
            each.properties
            for each in stack.resources.values()
            if each.type == "AWS::Lambda::EventSourceMapping" and ":sqs:" in str(each.properties.get("EventSourceArn"))
        ]
        named = {mapping["FunctionName"]} if isinstance(mapping["FunctionName"], str) else set()
        [function] = [
            each.logical_id
            for each in stack.resources.values()
            if each.type == "AWS::Lambda::Function"
            and named & {each.physical_id, stack.resolve({"Fn::GetAtt": [each.logical_id, "Arn"]})}
        ]
        record = {"messageId": "timer", "eventSource": "aws:sqs", "body": body}
        for _ in range(_RECEIVES):
            if self._attempt(function, {"Records": [record]}).error is None:
                return

    def redrive(self) -> None:
        """Invoke the functions again with the dead letters, as the queue's alarm asks."""
        waiting, self.dead_letters = self.dead_letters, []
        self._empty_queue()
        for dead_letter in waiting:
            invoke = self.stream if "Records" in dead_letter.event else self.invoke
            invoke(dead_letter.function, dead_letter.event.get("Records", dead_letter.event))

    def _new_process(self) -> None:
        """Let the functions create their clients again, as in a new process."""
        forget_clients()
        METRICS.provider.clear_metrics()
        reset_cold_start_flag()  # type: ignore[no-untyped-call]
        self.injector.on_new_process()

    def _send_to_destination(self, config: Event, function: str, event: Event) -> None:
        destination = config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if destination:
            self.dead_letters.append(DeadLetter(str(destination), function, event))
            self._send_to_queue(function, event)

    def _send_to_queue(self, function: str, event: Event) -> None:
        """Send a message for sweeps to find. Of a stream, Lambda sends the position only, which moto's stream lacks."""
        if "Records" not in event:
            arn = self.account.stack.resolve({"Fn::GetAtt": [function, "Arn"]})
            context = {"functionArn": f"{arn}:$LATEST", "condition": "RetriesExhausted", "approximateInvokeCount": 3}
            body = {"version": "1.0", "requestContext": context, "requestPayload": event}
            self._sqs.send_message(self._queue, json.dumps(body))

    def _empty_queue(self) -> None:
        # PurgeQueue is allowed once a minute.
        queue = self._sqs.get_queue(self._queue)
        queue._messages.clear()
        queue.pending_messages.clear()

    @property
    def _queue(self) -> str:
        return self.account.stack.physical_id("DeadLetterQueue")

    @property
    def _sqs(self) -> SQSBackend:
        return sqs_backends[self.account.stack.account][self.account.stack.region]

    def _config(self, kind: str, function: str) -> Event:
        stack = self.account.stack
        names = {stack.physical_id(function), stack.resolve({"Fn::GetAtt": [function, "Arn"]})}
        [found] = [
            each.properties
            for each in stack.resources.values()
            if each.type == kind
            and each.properties["FunctionName"] in names
            and ":sqs:" not in str(each.properties.get("EventSourceArn"))
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
        error: BaseException | None = None
        environment = patch.dict(os.environ, stack.environment(function))
        with _captured() as output, environment, self.injector.attempt(deadline):
            try:
                handler(json.loads(json.dumps(event)), context)
            except (Exception, Crash) as raised:  # noqa: BLE001 - Lambda counts everything that a handler raises
                error = raised
        if isinstance(error, Crash):
            # A process that crashes does not flush its metrics.
            output.truncate(0)
            self._new_process()
        attempt = Attempt(function, at, error, output.getvalue())
        self.attempts.append(attempt)
        return attempt


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
            # The alarms watch the metrics whose only dimension is `service`.
            if ["service"] in directive["Dimensions"] and entry["service"] == "mfa-guard":
                for metric in directive["Metrics"]:
                    yield (directive["Namespace"], metric["Name"]), sum(entry[metric["Name"]])
