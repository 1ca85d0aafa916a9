"""The event bus and Lambda's asynchronous invocations: at least once, with retries, then the dead-letter queue.

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
from mfa_guard_emulator.aws.cloudtrail import delivered
from mfa_guard_emulator.aws.deployed import Deployed
from mfa_guard_emulator.functions.attempts import Attempt, FunctionError
from mfa_guard_emulator.functions.runtime import Hosted, Runner, new_request_id

# What Lambda does for a function without an EventInvokeConfig.
_RETRIES: Final = 2
# Lambda waits one minute, then two.
RETRY_SECONDS: Final = (1.0, 2.0)
CAPACITY: Final = 100
_SHUFFLE_SECONDS: Final = 0.4
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
_EXECUTION: Final = "<aws.scheduler.execution-id>"


@dataclass(frozen=True)
class DeliveryFaults:
    """How bad delivery is. `lose`: percent of the envelopes that never arrive."""

    duplicate: bool = False
    shuffle: bool = False
    lose: float = 0.0
    seed: int | None = None


@dataclass(frozen=True)
class Invocation:
    """What woke a function (a rule, a schedule, a mapping, by logical id), and every attempt until one succeeded."""

    rule: str
    function: str
    attempts: tuple[Attempt, ...]
    dead_letter: bool

    @property
    def failed(self) -> bool:
        """Tell whether no attempt succeeded."""
        return self.attempts[-1].error is not None if self.attempts else True


@dataclass
class Delivery:
    """One event, a batch of stream records or a schedule's input, and what it woke so far."""

    envelope: Fields
    lost: bool = False
    invocations: list[Invocation] = field(default_factory=list)


@dataclass(frozen=True)
class _OnFailure:
    retries: int
    queue_arn: str | None


@dataclass(frozen=True)
class _Job:
    """One event on its way to one function. `rule` is what woke it, `batch` the records of a stream."""

    delivery: Delivery
    rule: str
    event: Fields
    on_failure: _OnFailure
    halve: bool = False
    batch: tuple[Fields, ...] = ()
    request_id: str = field(default_factory=new_request_id)
    attempts: tuple[Attempt, ...] = ()


Letter: TypeAlias = Callable[[str, Fields, Mapping[str, str]], None]
Watch: TypeAlias = Callable[[Delivery, Invocation | None], None]


class Bus:
    """Delivers to the rules as they are deployed now, and runs the functions behind them, each on a thread of its own.

    `send` puts a letter (the queue's ARN, the body, attributes) on a queue. `watch` hears of every invocation that
    ended, and with None of an envelope that woke nobody or was lost. `failed` takes the traceback of what went wrong
    in here.
    """

    def __init__(
        self,
        stack: Stack,
        deployed: Deployed,
        runners: Mapping[str, Runner],
        send: Letter,
        watch: Watch,
        failed: Callable[[str], None],
        delivery_faults: DeliveryFaults,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        self._deployed = deployed
        self._send = send
        self._watch = watch
        self._failed = failed
        self._weather = delivery_faults
        self._retry_seconds = retry_seconds
        self._random = random.Random(delivery_faults.seed)  # noqa: S311 - to shuffle deliveries
        self._mappings = tuple(_of_type(stack, "AWS::Lambda::EventSourceMapping"))
        self._lanes = {each: _Lane(runner, self._run, failed) for each, runner in runners.items()}
        self._by_reference = {
            reference: each for each, runner in runners.items() for reference in (runner.hosted.name, runner.hosted.arn)
        }
        self._on_failure = dict(self._failure_configs(stack))
        self._pending = 0
        self._quiet = threading.Condition()
        self._closed = threading.Event()

    def put(self, envelope: Fields, *, patient: bool = True) -> tuple[Delivery, ...]:
        """Deliver an envelope, as often as the weather has it. A patient caller waits while a function's queue is full.

        The functions' own calls must not be patient: a function that waits for its own queue never empties it.
        """
        return tuple(self._put(each, patient=patient) for each in self._weathered(envelope))

    def fire(self, schedule: str) -> Delivery:
        """Invoke the function of a schedule, by logical id, as if its time had come; nothing when it is disabled."""
        target = self._deployed.schedule_target(schedule)
        if target is None:
            delivery = Delivery({"source": "aws.scheduler", "detail-type": "Disabled", "detail": {}})
            self._watch(delivery, None)
            return delivery
        event = json.loads(as_text(target["Input"]).replace(_EXECUTION, str(uuid.uuid4())))
        delivery = Delivery(event)
        self._invoke(delivery, schedule, as_text(target["Arn"]), event, patient=True)
        return delivery

    def changed(self, records: Sequence[Fields], *, patient: bool = True) -> tuple[Delivery, ...]:
        """Invoke the functions that read a stream with its records, in batches as the stack has them.

        A batch that fails is halved down to the one record, which goes to the queue when it fails as often as any event
        may: Lambda's day of trying is left out.
        """
        return tuple(
            self._put_batch(mapping, tuple(batch), patient=patient)
            for mapping in self._mappings
            for batch in _batches(records, mapping)
        )

    def invoke(self, function: str, event: Fields, source: str) -> Delivery:
        """Invoke a function asynchronously, as its Invoke API would; `source` says who did."""
        delivery = Delivery(event)
        self._invoke(delivery, source, function, event, patient=False)
        return delivery

    def settle(self, timeout: float = 120) -> bool:
        """Wait until nothing is on its way any more; tells whether that was so in time (seconds)."""
        with self._quiet:
            return self._quiet.wait_for(lambda: self._pending == 0, timeout)

    def close(self) -> None:
        """End the threads; what is still on its way is not delivered."""
        self._closed.set()
        for lane in self._lanes.values():
            lane.close()

    def _weathered(self, envelope: Fields) -> Iterator[Fields]:
        if self._weather.lose and self._random.random() * 100 < self._weather.lose:
            self._watch(Delivery(envelope, lost=True), None)
            return
        yield envelope
        if self._weather.duplicate:
            yield delivered(envelope)

    def _put(self, envelope: Fields, *, patient: bool) -> Delivery:
        delivery = Delivery(envelope)
        woken = self._deployed.matching(envelope)
        if not woken:
            self._watch(delivery, None)
        for rule, target in woken:
            self._invoke(delivery, rule, target, envelope, patient=patient)
        return delivery

    def _put_batch(self, mapping: Resource, records: tuple[Fields, ...], *, patient: bool) -> Delivery:
        delivery = Delivery({"Records": list(records)})
        function = self._by_reference[as_text(mapping.properties["FunctionName"])]
        queue = _at(mapping.properties, "DestinationConfig", "OnFailure", "Destination")
        halve = mapping.properties.get("BisectBatchOnFunctionError") is True and len(records) > 1
        on_failure = _OnFailure(0 if halve else _RETRIES, as_text(queue) if queue else None)
        job = _Job(delivery, mapping.logical_id, delivery.envelope, on_failure, halve=halve, batch=records)
        self._enqueue(function, job, patient=patient)
        return delivery

    def _invoke(self, delivery: Delivery, rule: str, target: str, event: Fields, *, patient: bool) -> None:
        function = self._by_reference.get(target, target)
        if function not in self._lanes:
            return
        hosted, on_failure = self._lanes[function].runner.hosted, self._on_failure.get(function, _OnFailure(2, None))
        job = _Job(delivery, rule, event, on_failure)
        if self._deployed.is_switched_off(hosted.name):
            # Lambda tries for hours to find the concurrency that somebody set to nought.
            self._give_up(function, job, hosted, "EventAgeExceeded")
        else:
            self._enqueue(function, job, patient=patient)

    def _enqueue(self, function: str, job: _Job, *, patient: bool, after: float = 0.0) -> None:
        with self._quiet:
            self._pending += 1
        shuffled = self._random.random() * _SHUFFLE_SECONDS if self._weather.shuffle else 0.0
        self._lanes[function].put(job, after + shuffled, patient=patient)

    def _run(self, runner: Runner, job: _Job) -> None:
        try:
            self._attempt(runner, job)
        except Exception:  # noqa: BLE001 - a thread has nobody above it; whoever watches hears of it
            self._failed(traceback.format_exc())
        finally:
            with self._quiet:
                self._pending -= 1
                self._quiet.notify_all()

    def _attempt(self, runner: Runner, job: _Job) -> None:
        function = runner.hosted.logical_id
        ended = runner.invoke(job.event, job.request_id)
        if self._closed.is_set():
            # Its process was ended under it.
            return
        tried = _Job(**{**vars(job), "attempts": (*job.attempts, ended)})
        if ended.error is None:
            self._over(function, tried, dead_letter=False)
        elif len(tried.attempts) <= job.on_failure.retries:
            wait = self._retry_seconds[min(len(job.attempts), len(self._retry_seconds) - 1)]
            self._enqueue(function, tried, patient=False, after=wait)
        elif job.halve:
            self._over(function, tried, dead_letter=False)
            self._halve(job)
        else:
            self._give_up(function, tried, runner.hosted, "RetriesExhausted")

    def _halve(self, job: _Job) -> None:
        mapping = next(each for each in self._mappings if each.logical_id == job.rule)
        middle = len(job.batch) // 2
        for half in (job.batch[:middle], job.batch[middle:]):
            self._put_batch(mapping, half, patient=False)

    def _give_up(self, function: str, job: _Job, hosted: Hosted, condition: str) -> None:
        queue = job.on_failure.queue_arn
        if queue:
            letter = _stream_letter(hosted, job) if job.batch else _letter(hosted, job, condition)
            self._send(queue, letter, {})
        self._over(function, job, dead_letter=queue is not None)

    def _over(self, function: str, job: _Job, *, dead_letter: bool) -> None:
        invocation = Invocation(job.rule, function, job.attempts, dead_letter=dead_letter)
        job.delivery.invocations.append(invocation)
        self._watch(job.delivery, invocation)

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


class _Lane:
    """The queue in front of one function, and the thread that empties it."""

    def __init__(self, runner: Runner, run: Callable[[Runner, _Job], None], failed: Callable[[str], None]) -> None:
        self.runner = runner
        self._run = run
        self._failed = failed
        self._numbers = itertools.count()
        self._waiting: list[_Due] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=runner.hosted.logical_id, daemon=True)
        self._thread.start()

    def put(self, job: _Job, after: float, *, patient: bool) -> None:
        with self._changed:
            if patient:
                self._changed.wait_for(lambda: self._closed or len(self._waiting) < CAPACITY)
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


def woken(stack: Stack) -> tuple[str, ...]:
    """Return the functions that a rule, a schedule or a mapping of the stack invokes, by logical id, in its order."""
    by_rules = {function for rule in stack.rules() for function in rule.functions}
    invoked = {_at(each.properties, "Target", "Arn") for each in _of_type(stack, "AWS::Scheduler::Schedule")}
    invoked |= {each.properties["FunctionName"] for each in _of_type(stack, "AWS::Lambda::EventSourceMapping")}
    return tuple(
        each.logical_id
        for each in _of_type(stack, "AWS::Lambda::Function")
        if each.logical_id in by_rules
        or invoked & {each.physical_id, stack.resolve({"Fn::GetAtt": [each.logical_id, "Arn"]})}
    )


def _of_type(stack: Stack, resource_type: str) -> Iterator[Resource]:
    return (each for each in stack.resources.values() if each.type == resource_type)


def _batches(records: Sequence[Fields], mapping: Resource) -> Iterator[Sequence[Fields]]:
    size = int(as_text(mapping.properties["BatchSize"]))
    return (records[start : start + size] for start in range(0, len(records), size))


def _at(fields: object, *path: str) -> object:
    for key in path:
        fields = fields.get(key) if isinstance(fields, Mapping) else None
    return fields


def _letter(hosted: Hosted, job: _Job, condition: str) -> Fields:
    """Return the record that Lambda sends to a failure destination.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    letter: dict[str, object] = {
        "version": "1.0",
        "timestamp": _timestamp(),
        "requestContext": _request_context(hosted, job, condition),
        "requestPayload": job.event,
    }
    error = job.attempts[-1].error if job.attempts else None
    if error:
        letter["responseContext"] = _response_context()
        letter["responsePayload"] = _payload(error, job.request_id)
    return letter


def _payload(error: FunctionError, request_id: str) -> Fields:
    return {
        "errorMessage": error.message,
        "errorType": error.type,
        "requestId": request_id,
        "stackTrace": list(error.trace),
    }


def _stream_letter(hosted: Hosted, job: _Job) -> Fields:
    """Return the record that Lambda sends for a batch of a stream: where the records were, not the records.

    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
    """
    first, last = _at(job.batch[0], "dynamodb"), _at(job.batch[-1], "dynamodb")
    return {
        "version": "1.0",
        "timestamp": _timestamp(),
        "requestContext": _request_context(hosted, job, "RetryAttemptsExhausted"),
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


def _request_context(hosted: Hosted, job: _Job, condition: str) -> Fields:
    return {
        "requestId": job.request_id,
        "functionArn": f"{hosted.arn}:$LATEST",
        "condition": condition,
        "approximateInvokeCount": len(job.attempts),
    }


def _response_context() -> Fields:
    return {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}


def _timestamp(epoch: object = None) -> str:
    moment = datetime.fromtimestamp(epoch, UTC) if isinstance(epoch, int | float) else datetime.now(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
