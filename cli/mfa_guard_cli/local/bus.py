"""What wakes the functions: the event bus, the schedule, the exemption table's stream; and the dead-letter queue."""

import json
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from mfa_guard_cli.intrinsics import as_text
from mfa_guard_cli.local.account import Clients
from mfa_guard_cli.local.functions import Attempt, Context, Function
from mfa_guard_cli.pattern import index
from mfa_guard_cli.template import Fields, Resource, Rule, Stack

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import SendMessageResultTypeDef

# What Lambda does for a function without an EventInvokeConfig.
_RETRIES: Final = 2
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
_EXECUTION: Final = "<aws.scheduler.execution-id>"


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
        return self.attempts[-1].error is not None


@dataclass(frozen=True)
class Delivery:
    """One event, a batch of stream records or a schedule's input, and what it woke."""

    envelope: Fields
    invocations: tuple[Invocation, ...]


@dataclass(frozen=True)
class _OnFailure:
    retries: int
    queue_arn: str | None


class Bus:
    """Everything in the stack that wakes functions. What somebody disabled or deleted in the account wakes nobody.

    `working` is entered with a function around each of its runs. Lambda's waits between attempts are left out.
    """

    def __init__(
        self, stack: Stack, clients: Clients, working: Callable[[Function], AbstractContextManager[None]]
    ) -> None:
        self._clients = clients
        self._working = working
        self._matching = index(stack.rules())
        self._schedules = {each.logical_id: each for each in _of_type(stack, "AWS::Scheduler::Schedule")}
        self._mappings = tuple(_of_type(stack, "AWS::Lambda::EventSourceMapping"))
        self._functions = {each: Function(stack, each) for each in woken(stack)}
        self._by_reference = {
            reference: function for function in self._functions.values() for reference in (function.name, function.arn)
        }
        self._on_failure = dict(self._failure_configs(stack))

    def deliver(self, envelope: Fields) -> Delivery:
        """Invoke the functions of every rule that the envelope matches, one after the other."""
        matched: tuple[Rule, ...] = tuple(filter(self._enabled, self._matching(envelope)))
        return Delivery(
            envelope,
            tuple(
                self._invoke(rule.logical_id, self._functions[function], envelope)
                for rule in matched
                for function in rule.functions
            ),
        )

    def fire(self, schedule: str) -> Delivery:
        """Invoke the function of a schedule, by logical id, as if its time had come; nothing when it is disabled."""
        found = self._clients.scheduler.get_schedule(Name=self._schedules[schedule].physical_id)
        event = json.loads(as_text(_at(found, "Target", "Input")).replace(_EXECUTION, str(uuid.uuid4())))
        function = self._by_reference[as_text(_at(found, "Target", "Arn"))]
        enabled = found["State"] == "ENABLED"
        return Delivery(event, (self._invoke(schedule, function, event),) if enabled else ())

    def deliver_changes(self, records: Sequence[Fields]) -> tuple[Delivery, ...]:
        """Invoke the functions that read a stream with its records, in batches as the stack has them.

        A batch that fails is halved down to the one record, which goes to the queue when it fails as often as any event
        may: Lambda's day of trying is left out.
        """
        return tuple(
            delivery
            for mapping in self._mappings
            for batch in _batches(records, mapping)
            for delivery in self._deliver_batch(mapping, batch)
        )

    def _deliver_batch(self, mapping: Resource, records: Sequence[Fields]) -> Iterator[Delivery]:
        function = self._by_reference[as_text(mapping.properties["FunctionName"])]
        event: Fields = {"Records": list(records)}
        halved = len(records) > 1 and mapping.properties.get("BisectBatchOnFunctionError") is True
        context, attempts = self._attempts(function, event, 0 if halved else _RETRIES)
        failed = attempts[-1].error is not None
        queue = _at(mapping.properties, "DestinationConfig", "OnFailure", "Destination")
        kept = failed and not halved and queue is not None
        if kept:
            self._send(as_text(queue), _stream_letter(function, context, records, attempts))
        yield Delivery(event, (Invocation(mapping.logical_id, function.logical_id, attempts, dead_letter=kept),))
        if failed and halved:
            middle = len(records) // 2
            yield from self._deliver_batch(mapping, records[:middle])
            yield from self._deliver_batch(mapping, records[middle:])

    def _enabled(self, rule: Rule) -> bool:
        try:
            return self._clients.events.describe_rule(Name=rule.name)["State"] == "ENABLED"
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return False
            raise

    def _invoke(self, rule: str, function: Function, event: Fields) -> Invocation:
        on_failure = self._on_failure.get(function, _OnFailure(_RETRIES, None))
        context, attempts = self._attempts(function, event, on_failure.retries)
        kept = attempts[-1].error is not None and on_failure.queue_arn is not None
        if kept and on_failure.queue_arn:
            self._send(on_failure.queue_arn, _letter(function, context, event, attempts))
        return Invocation(rule, function.logical_id, attempts, dead_letter=kept)

    def _attempts(self, function: Function, event: Fields, retries: int) -> tuple[Context, tuple[Attempt, ...]]:
        context = function.new_context()
        attempts: list[Attempt] = []
        while len(attempts) <= retries and (not attempts or attempts[-1].error is not None):
            with self._working(function):
                attempts.append(function.attempt(event, context))
        return context, tuple(attempts)

    def _send(self, queue_arn: str, letter: Fields) -> "SendMessageResultTypeDef":
        sqs = self._clients.sqs
        url = sqs.get_queue_url(QueueName=queue_arn.rpartition(":")[2])["QueueUrl"]
        return sqs.send_message(QueueUrl=url, MessageBody=json.dumps(letter))

    def _failure_configs(self, stack: Stack) -> Iterator[tuple[Function, _OnFailure]]:
        for resource in _of_type(stack, "AWS::Lambda::EventInvokeConfig"):
            function = self._by_reference.get(as_text(resource.properties["FunctionName"]))
            if function:
                retries = int(as_text(resource.properties.get("MaximumRetryAttempts", _RETRIES)))
                destination = _at(resource.properties, "DestinationConfig", "OnFailure", "Destination")
                yield function, _OnFailure(retries, as_text(destination) if destination else None)


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


def _letter(function: Function, context: Context, event: Fields, attempts: Sequence[Attempt]) -> Fields:
    """Return the record that Lambda sends to a failure destination.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    error = attempts[-1].error
    return {
        "version": "1.0",
        "timestamp": _timestamp(),
        "requestContext": _request_context(function, context, attempts, "RetriesExhausted"),
        "requestPayload": event,
        "responseContext": _response_context(context),
        "responsePayload": {
            "errorMessage": str(error),
            "errorType": type(error).__name__,
            "requestId": context.aws_request_id,
            "stackTrace": traceback.format_exception(error),
        },
    }


def _stream_letter(
    function: Function, context: Context, records: Sequence[Fields], attempts: Sequence[Attempt]
) -> Fields:
    """Return the record that Lambda sends for a batch of a stream: where the records were, not the records.

    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
    """
    first, last = _at(records[0], "dynamodb"), _at(records[-1], "dynamodb")
    return {
        "version": "1.0",
        "timestamp": _timestamp(),
        "requestContext": _request_context(function, context, attempts, "RetryAttemptsExhausted"),
        "responseContext": _response_context(context),
        "DDBStreamBatchInfo": {
            "shardId": "shardId-00000000000000000000-00000000",
            "startSequenceNumber": _at(first, "SequenceNumber"),
            "endSequenceNumber": _at(last, "SequenceNumber"),
            "approximateArrivalOfFirstRecord": _timestamp(_at(first, "ApproximateCreationDateTime")),
            "approximateArrivalOfLastRecord": _timestamp(_at(last, "ApproximateCreationDateTime")),
            "batchSize": len(records),
            "streamArn": records[0]["eventSourceARN"],
        },
    }


def _request_context(function: Function, context: Context, attempts: Sequence[Attempt], condition: str) -> Fields:
    return {
        "requestId": context.aws_request_id,
        "functionArn": f"{function.arn}:{context.function_version}",
        "condition": condition,
        "approximateInvokeCount": len(attempts),
    }


def _response_context(context: Context) -> Fields:
    return {"statusCode": 200, "executedVersion": context.function_version, "functionError": "Unhandled"}


def _timestamp(epoch: object = None) -> str:
    moment = datetime.fromtimestamp(epoch, UTC) if isinstance(epoch, int | float) else datetime.now(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
