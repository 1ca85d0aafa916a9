"""The event bus and Lambda's asynchronous invocations: at least one delivery, retries, and the dead-letter queue.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

import heapq
import itertools
import json
import random
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeAlias

from mfa_guard_cli.stack.intrinsics import as_text
from mfa_guard_cli.stack.template import Fields, Resource, Stack
from mfa_guard_emulator.aws.cloudtrail import redelivered
from mfa_guard_emulator.aws.deployed import Deployed
from mfa_guard_emulator.functions.attempts import Attempt, FunctionError
from mfa_guard_emulator.functions.configuration import FunctionConfiguration
from mfa_guard_emulator.functions.runtime import Runner, new_request_id

# Lambda's default for a function without an EventInvokeConfig.
_RETRIES: Final = 2
# Lambda waits one minute, then two minutes.
RETRY_SECONDS: Final = (1.0, 2.0)
QUEUE_CAPACITY: Final = 100
_SHUFFLE_SECONDS: Final = 0.4
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
_EXECUTION: Final = "<aws.scheduler.execution-id>"


@dataclass(frozen=True)
class DeliveryFaults:
    """What goes wrong in delivery. `lose`: the percentage of events that never arrive."""

    duplicate: bool = False
    shuffle: bool = False
    lose: float = 0.0
    seed: int | None = None


@dataclass(frozen=True)
class Invocation:
    """One invocation of a function, with all its attempts.

    `rule` is what invoked it: the logical id of a rule, a schedule or an event source mapping.
    """

    rule: str
    function: str
    attempts: tuple[Attempt, ...]
    dead_letter: bool

    @property
    def failed(self) -> bool:
        """Tell whether all attempts failed."""
        return self.attempts[-1].error is not None if self.attempts else True


@dataclass
class Delivery:
    """One event, a batch of stream records or a schedule's input, and the invocations that ended so far."""

    envelope: Fields
    lost: bool = False
    invocations: list[Invocation] = field(default_factory=list)


@dataclass(frozen=True)
class _OnFailure:
    retries: int
    queue_arn: str | None


@dataclass(frozen=True)
class _Job:
    """One event for one function. `rule` is what invokes it, `batch` the records of a stream."""

    delivery: Delivery
    rule: str
    event: Fields
    on_failure: _OnFailure
    split: bool = False
    batch: tuple[Fields, ...] = ()
    request_id: str = field(default_factory=new_request_id)
    attempts: tuple[Attempt, ...] = ()


SendDeadLetter: TypeAlias = Callable[[str, Fields], None]
OnDelivery: TypeAlias = Callable[[Delivery, Invocation | None], None]


class EventBus:
    """Delivers events to the rules as they are deployed now, and runs each function on a thread of its own.

    `send_dead_letter` takes a queue's ARN and a message. `on_delivery` is called for each invocation that ended, and
    with None for an event that invoked no function or was lost. `on_failure` takes the traceback of an error in here.
    """

    def __init__(
        self,
        stack: Stack,
        deployed: Deployed,
        runners: Mapping[str, Runner],
        send_dead_letter: SendDeadLetter,
        on_delivery: OnDelivery,
        on_failure: Callable[[str], None],
        delivery_faults: DeliveryFaults,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        self._deployed = deployed
        self._send_dead_letter = send_dead_letter
        self._on_delivery = on_delivery
        self._report_failure = on_failure
        self._faults = delivery_faults
        self._retry_seconds = retry_seconds
        self._random = random.Random(delivery_faults.seed)  # noqa: S311 - to shuffle deliveries
        # The local account delivers no message of a queue, so the next sweep sends what waits for a summary.
        self._mappings = tuple(
            each
            for each in _of_type(stack, "AWS::Lambda::EventSourceMapping")
            if ":dynamodb:" in as_text(each.properties["EventSourceArn"])
        )
        self._queues = {each: _FunctionQueue(runner, self._run) for each, runner in runners.items()}
        self._by_reference = {
            reference: each
            for each, runner in runners.items()
            for reference in (runner.configuration.name, runner.configuration.arn)
        }
        self._on_failure = dict(self._failure_configs(stack))
        self._pending = 0
        self._idle = threading.Condition()
        self._closed = threading.Event()

    def put(self, envelope: Fields, *, wait_for_room: bool = True) -> tuple[Delivery, ...]:
        """Deliver an event as often as the delivery faults say. With `wait_for_room`, wait while a queue is full.

        A function's own calls must not wait: a function that waits for its own queue never empties it.
        """
        return tuple(self._put(each, wait_for_room=wait_for_room) for each in self._with_faults(envelope))

    def run_schedule(self, schedule: str) -> Delivery:
        """Invoke the function of a schedule, by logical id; nothing happens when the schedule is disabled."""
        target = self._deployed.schedule_target(schedule)
        if target is None:
            delivery = Delivery({"source": "aws.scheduler", "detail-type": "Disabled", "detail": {}})
            self._on_delivery(delivery, None)
            return delivery
        event = json.loads(as_text(target["Input"]).replace(_EXECUTION, str(uuid.uuid4())))
        delivery = Delivery(event)
        self._invoke(delivery, schedule, as_text(target["Arn"]), event, wait_for_room=True)
        return delivery

    def put_stream_records(self, records: Sequence[Fields], *, wait_for_room: bool = True) -> tuple[Delivery, ...]:
        """Invoke the functions that read a stream with its records, in batches of the size that the stack sets.

        A batch that fails is split until the failing record is alone. That record goes to the dead-letter queue after
        as many attempts as an event gets; Lambda retries it for a day.
        """
        return tuple(
            self._put_batch(mapping, tuple(batch), wait_for_room=wait_for_room)
            for mapping in self._mappings
            for batch in _batches(records, mapping)
        )

    def invoke(self, function: str, event: Fields, source: str) -> Delivery:
        """Invoke a function asynchronously, as Lambda's Invoke does; `source` names the caller."""
        delivery = Delivery(event)
        self._invoke(delivery, source, function, event, wait_for_room=False)
        return delivery

    def wait_until_idle(self, timeout: float = 120) -> bool:
        """Wait until every invocation has ended; tells whether that was within `timeout` seconds."""
        with self._idle:
            return self._idle.wait_for(lambda: self._pending == 0, timeout)

    def close(self) -> None:
        """Stop the threads. Events that wait in a queue are not delivered."""
        self._closed.set()
        for each in self._queues.values():
            each.close()

    def _with_faults(self, envelope: Fields) -> Iterator[Fields]:
        if self._faults.lose and self._random.random() * 100 < self._faults.lose:
            self._on_delivery(Delivery(envelope, lost=True), None)
            return
        yield envelope
        if self._faults.duplicate:
            yield redelivered(envelope)

    def _put(self, envelope: Fields, *, wait_for_room: bool) -> Delivery:
        delivery = Delivery(envelope)
        matching = self._deployed.matching(envelope)
        if not matching:
            self._on_delivery(delivery, None)
        for rule, target in matching:
            self._invoke(delivery, rule, target, envelope, wait_for_room=wait_for_room)
        return delivery

    def _put_batch(self, mapping: Resource, records: tuple[Fields, ...], *, wait_for_room: bool) -> Delivery:
        delivery = Delivery({"Records": list(records)})
        function = self._by_reference[as_text(mapping.properties["FunctionName"])]
        queue = _at(mapping.properties, "DestinationConfig", "OnFailure", "Destination")
        split = mapping.properties.get("BisectBatchOnFunctionError") is True and len(records) > 1
        on_failure = _OnFailure(0 if split else _RETRIES, as_text(queue) if queue else None)
        job = _Job(delivery, mapping.logical_id, delivery.envelope, on_failure, split=split, batch=records)
        self._enqueue(function, job, wait_for_room=wait_for_room)
        return delivery

    def _invoke(self, delivery: Delivery, rule: str, target: str, event: Fields, *, wait_for_room: bool) -> None:
        function = self._by_reference.get(target, target)
        if function not in self._queues:
            return
        configuration = self._queues[function].runner.configuration
        job = _Job(delivery, rule, event, self._on_failure.get(function, _OnFailure(_RETRIES, None)))
        if self._deployed.is_throttled(configuration.name):
            # Lambda retries for hours when the reserved concurrency is zero.
            self._give_up(function, job, configuration, "EventAgeExceeded")
        else:
            self._enqueue(function, job, wait_for_room=wait_for_room)

    def _enqueue(self, function: str, job: _Job, *, wait_for_room: bool, after: float = 0.0) -> None:
        with self._idle:
            self._pending += 1
        shuffled = self._random.random() * _SHUFFLE_SECONDS if self._faults.shuffle else 0.0
        self._queues[function].put(job, after + shuffled, wait_for_room=wait_for_room)

    def _run(self, runner: Runner, job: _Job) -> None:
        try:
            self._attempt(runner, job)
        except Exception:  # noqa: BLE001 - this is the top of the thread; the failure is reported
            self._fail()
        finally:
            with self._idle:
                self._pending -= 1
                self._idle.notify_all()

    def _fail(self) -> None:
        # After the end of the account, its server and its runners are closed, so errors mean nothing.
        if not self._closed.is_set():
            self._report_failure(traceback.format_exc())

    def _attempt(self, runner: Runner, job: _Job) -> None:
        function = runner.configuration.logical_id
        ended = runner.invoke(job.event, job.request_id)
        if self._closed.is_set():
            # The account ended the process.
            return
        attempted = _Job(**{**vars(job), "attempts": (*job.attempts, ended)})
        if ended.error is None:
            self._end(function, attempted, dead_letter=False)
        elif len(attempted.attempts) <= job.on_failure.retries:
            wait = self._retry_seconds[min(len(job.attempts), len(self._retry_seconds) - 1)]
            self._enqueue(function, attempted, wait_for_room=False, after=wait)
        elif job.split:
            self._end(function, attempted, dead_letter=False)
            self._split(job)
        else:
            self._give_up(function, attempted, runner.configuration, "RetriesExhausted")

    def _split(self, job: _Job) -> None:
        mapping = next(each for each in self._mappings if each.logical_id == job.rule)
        middle = len(job.batch) // 2
        for half in (job.batch[:middle], job.batch[middle:]):
            self._put_batch(mapping, half, wait_for_room=False)

    def _give_up(self, function: str, job: _Job, configuration: FunctionConfiguration, condition: str) -> None:
        queue = job.on_failure.queue_arn
        if queue:
            message = _stream_message(configuration, job) if job.batch else _message(configuration, job, condition)
            self._send_dead_letter(queue, message)
        self._end(function, job, dead_letter=queue is not None)

    def _end(self, function: str, job: _Job, *, dead_letter: bool) -> None:
        invocation = Invocation(job.rule, function, job.attempts, dead_letter=dead_letter)
        job.delivery.invocations.append(invocation)
        self._on_delivery(job.delivery, invocation)

    def _failure_configs(self, stack: Stack) -> Iterator[tuple[str, _OnFailure]]:
        for resource in _of_type(stack, "AWS::Lambda::EventInvokeConfig"):
            function = self._by_reference.get(as_text(resource.properties["FunctionName"]))
            if function:
                retries = int(as_text(resource.properties.get("MaximumRetryAttempts", _RETRIES)))
                destination = _at(resource.properties, "DestinationConfig", "OnFailure", "Destination")
                yield function, _OnFailure(retries, as_text(destination) if destination else None)


@dataclass(order=True)
class _Due:
    when: float
    number: int
    job: _Job = field(compare=False)


class _FunctionQueue:
    """The events for one function, and the thread that runs the function with them."""

    def __init__(self, runner: Runner, run: Callable[[Runner, _Job], None]) -> None:
        self.runner = runner
        self._run = run
        self._numbers = itertools.count()
        self._waiting: list[_Due] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=runner.configuration.logical_id, daemon=True)
        self._thread.start()

    def put(self, job: _Job, after: float, *, wait_for_room: bool) -> None:
        with self._changed:
            if wait_for_room:
                self._changed.wait_for(lambda: self._closed or len(self._waiting) < QUEUE_CAPACITY)
            heapq.heappush(self._waiting, _Due(time.monotonic() + after, next(self._numbers), job))
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(1)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            self._run(self.runner, job)

    def _next(self) -> _Job | None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                if self._waiting and self._waiting[0].when <= now:
                    job = heapq.heappop(self._waiting).job
                    self._changed.notify_all()
                    return job
                self._changed.wait(self._waiting[0].when - now if self._waiting else None)
            return None


def _of_type(stack: Stack, resource_type: str) -> Iterator[Resource]:
    return (each for each in stack.resources.values() if each.type == resource_type)


def _batches(records: Sequence[Fields], mapping: Resource) -> Iterator[Sequence[Fields]]:
    size = int(as_text(mapping.properties["BatchSize"]))
    return (records[start : start + size] for start in range(0, len(records), size))


def _at(fields: object, *path: str) -> object:
    for key in path:
        fields = fields.get(key) if isinstance(fields, Mapping) else None
    return fields


def _message(configuration: FunctionConfiguration, job: _Job, condition: str) -> Fields:
    """Return the message that Lambda sends to the dead-letter queue for an event.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    message: dict[str, object] = {
        "version": "1.0",
        "timestamp": _timestamp(),
        "requestContext": _request_context(configuration, job, condition),
        "requestPayload": job.event,
    }
    error = job.attempts[-1].error if job.attempts else None
    if error:
        message["responseContext"] = _response_context()
        message["responsePayload"] = _payload(error, job.request_id)
    return message


def _payload(error: FunctionError, request_id: str) -> Fields:
    return {
        "errorMessage": error.message,
        "errorType": error.type,
        "requestId": request_id,
        "stackTrace": list(error.trace),
    }


def _stream_message(configuration: FunctionConfiguration, job: _Job) -> Fields:
    """Return the message that Lambda sends for a batch of a stream: the position of the records, not the records.

    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
    """
    first, last = _at(job.batch[0], "dynamodb"), _at(job.batch[-1], "dynamodb")
    return {
        "version": "1.0",
        "timestamp": _timestamp(),
        "requestContext": _request_context(configuration, job, "RetryAttemptsExhausted"),
        "responseContext": _response_context(),
        "DDBStreamBatchInfo": {
            "shardId": "shardId-00000000000000000000-00000000",
            "startSequenceNumber": _at(first, "SequenceNumber"),
            "endSequenceNumber": _at(last, "SequenceNumber"),
            "approximateArrivalOfFirstRecord": _timestamp(_at(first, "ApproximateCreationDateTime")),
            "approximateArrivalOfLastRecord": _timestamp(_at(last, "ApproximateCreationDateTime")),
            "batchSize": len(job.batch),
            "streamArn": job.batch[0]["eventSourceARN"],
        },
    }


def _request_context(configuration: FunctionConfiguration, job: _Job, condition: str) -> Fields:
    return {
        "requestId": job.request_id,
        "functionArn": f"{configuration.arn}:$LATEST",
        "condition": condition,
        "approximateInvokeCount": len(job.attempts),
    }


def _response_context() -> Fields:
    return {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}


def _timestamp(epoch: object = None) -> str:
    moment = datetime.fromtimestamp(epoch, UTC) if isinstance(epoch, int | float) else datetime.now(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
