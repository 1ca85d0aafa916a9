"""The event bus: from an envelope through the deployed rules to the functions, and on to the dead-letter queue."""

import json
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from botocore.exceptions import ClientError

from mfa_guard_cli.intrinsics import as_text
from mfa_guard_cli.local.account import Clients
from mfa_guard_cli.local.functions import Attempt, Context, Function
from mfa_guard_cli.pattern import index
from mfa_guard_cli.template import Fields, Rule, Stack

# What Lambda does for a function without an EventInvokeConfig.
_RETRIES: Final = 2


@dataclass(frozen=True)
class Invocation:
    """A rule that matched, the function that it woke, and every attempt until one succeeded or the last failed."""

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
    """One envelope and what it woke."""

    envelope: Fields
    invocations: tuple[Invocation, ...]


@dataclass(frozen=True)
class _OnFailure:
    retries: int
    queue_arn: str | None


class Bus:
    """The stack's rules and functions. Rules that somebody disabled or deleted in the account match nothing.

    `working` is entered with a function around each of its runs. Lambda's waits between attempts are left out.
    """

    def __init__(
        self, stack: Stack, clients: Clients, working: Callable[[Function], AbstractContextManager[None]]
    ) -> None:
        self._clients = clients
        self._working = working
        self._matching = index(stack.rules())
        self._functions = {
            each.logical_id: Function(stack, each.logical_id)
            for each in stack.resources.values()
            if each.type == "AWS::Lambda::Function"
        }
        self._on_failure = {self._functions[function]: config for function, config in _failure_configs(stack)}

    def deliver(self, envelope: Fields) -> Delivery:
        """Invoke the functions of every rule that the envelope matches, one after the other."""
        matched: tuple[Rule, ...] = tuple(filter(self._enabled, self._matching(envelope)))
        return Delivery(
            envelope,
            tuple(
                self._invoke(rule, self._functions[function], envelope)
                for rule in matched
                for function in rule.functions
            ),
        )

    def _enabled(self, rule: Rule) -> bool:
        try:
            return self._clients.events.describe_rule(Name=rule.name)["State"] == "ENABLED"
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return False
            raise

    def _invoke(self, rule: Rule, function: Function, envelope: Fields) -> Invocation:
        on_failure = self._on_failure.get(function, _OnFailure(_RETRIES, None))
        context = function.new_context()
        attempts: list[Attempt] = []
        while len(attempts) <= on_failure.retries:
            with self._working(function):
                attempts.append(function.attempt(envelope, context))
            if attempts[-1].error is None:
                break
        kept = attempts[-1].error is not None and on_failure.queue_arn is not None
        if kept and on_failure.queue_arn:
            self._send(on_failure.queue_arn, _letter(function, context, envelope, attempts))
        return Invocation(rule.logical_id, function.logical_id, tuple(attempts), dead_letter=kept)

    def _send(self, queue_arn: str, letter: Fields) -> None:
        sqs = self._clients.sqs
        url = sqs.get_queue_url(QueueName=queue_arn.rpartition(":")[2])["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(letter))


def _failure_configs(stack: Stack) -> Iterator[tuple[str, _OnFailure]]:
    functions = {
        each.physical_id: each.logical_id for each in stack.resources.values() if each.type == "AWS::Lambda::Function"
    }
    for resource in stack.resources.values():
        if resource.type == "AWS::Lambda::EventInvokeConfig":
            retries = int(as_text(resource.properties.get("MaximumRetryAttempts", _RETRIES)))
            destination = _at(resource.properties, "DestinationConfig", "OnFailure", "Destination")
            function = functions[as_text(resource.properties["FunctionName"])]
            yield function, _OnFailure(retries, as_text(destination) if destination else None)


def _at(fields: object, *path: str) -> object:
    for key in path:
        fields = fields.get(key) if isinstance(fields, Mapping) else None
    return fields


def _letter(function: Function, context: Context, event: Fields, attempts: list[Attempt]) -> Fields:
    """Return the record that Lambda sends to a failure destination.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    error = attempts[-1].error
    return {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": context.aws_request_id,
            "functionArn": f"{function.arn}:{context.function_version}",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": len(attempts),
        },
        "requestPayload": event,
        "responseContext": {
            "statusCode": 200,
            "executedVersion": context.function_version,
            "functionError": "Unhandled",
        },
        "responsePayload": {
            "errorMessage": str(error),
            "errorType": type(error).__name__,
            "requestId": context.aws_request_id,
            "stackTrace": traceback.format_exception(error),
        },
    }
