"""Read the parts of the guard whose content is compared with what the stack deployed: one reader for each service.

Each reader has the permissions that its calls need.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.core.emergency_stop import RECORD_ID, RecordedStop, StopNotUnderstood, parse_stop
from mfa_guard.core.health.readings import (
    Fields,
    Function,
    Rule,
    StackResource,
    Subscription,
    Subscriptions,
    Unread,
)

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sns import SNSClient

T = TypeVar("T")

# A stack has about 20 rules, and each takes a call. More at a time would meet EventBridge's rate limit.
_MOST_WORKERS: Final = 4

# The error codes of IAM, SNS, SQS (one for each of SQS's protocols), Lambda and EventBridge Scheduler for a resource
# that does not exist.
_MISSING: Final = frozenset(
    {
        "NoSuchEntity",
        "NotFound",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
    }
)


class NotRead(Exception):
    """A read needs a part that could not be read."""

    def __init__(self, unread: Unread) -> None:
        super().__init__(unread.reason)
        self.unread = unread


def read(reading: Callable[[], T]) -> T | Unread:
    """Return what `reading` returns, or AWS's reason for refusing it."""
    try:
        return reading()
    except ClientError as error:
        return Unread(str(error), missing=error.response["Error"]["Code"] in _MISSING)
    except BotoCoreError as error:
        return Unread(str(error))
    except NotRead as missing:
        return missing.unread


def needed(part: T | Unread) -> T:
    """Return a part that was read. Raises NotRead."""
    if isinstance(part, Unread):
        raise NotRead(part)
    return part


class RuleReader:
    """EventBridge's default bus."""

    PERMISSIONS: Final = ("events:ListRules", "events:ListTargetsByRule")

    def __init__(self, client: "EventBridgeClient", workers: int) -> None:
        self._client = client
        self._workers = min(workers, _MOST_WORKERS)

    def rules(self, prefix: str, names: Sequence[str]) -> Mapping[str, Rule]:
        """Return the rules whose name begins with `prefix`, those of `names` with their targets."""
        pages = self._client.get_paginator("list_rules").paginate(NamePrefix=prefix)
        rules = {rule["Name"]: rule for page in pages for rule in page["Rules"]}
        own = [name for name in names if name in rules]
        with ThreadPoolExecutor(self._workers) as pool:
            targets = dict(zip(own, pool.map(self._targets, own), strict=True))
        return {
            name: Rule(rule["State"], json.loads(rule.get("EventPattern", "null")), targets.get(name, ()))
            for name, rule in rules.items()
        }

    def _targets(self, rule: str) -> tuple[Fields, ...]:
        pages = self._client.get_paginator("list_targets_by_rule").paginate(Rule=rule)
        return tuple({**target} for page in pages for target in page["Targets"])


class TopicReader:
    """SNS."""

    PERMISSIONS: Final = ("sns:GetSubscriptionAttributes", "sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic")

    def __init__(self, client: "SNSClient") -> None:
        self._client = client

    def subscriptions(self, topic_arn: str) -> Subscriptions:
        """Return the subscriptions of a topic. SNS shows PendingConfirmation or Deleted in place of an ARN."""
        pages = self._client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
        found = [
            (each["SubscriptionArn"], each.get("Protocol", "unknown"))
            for page in pages
            for each in page["Subscriptions"]
        ]
        confirmed = {arn: protocol for arn, protocol in found if arn.startswith("arn:")}
        filtered = {arn: read(partial(self._is_filtered, arn)) for arn in confirmed}
        return Subscriptions(
            confirmed=tuple(
                Subscription(protocol, filtered[arn])
                for arn, protocol in confirmed.items()
                if not _is_gone(filtered[arn])
            ),
            pending=sum(arn not in confirmed and arn != "Deleted" for arn, _ in found),
        )

    def _is_filtered(self, arn: str) -> bool:
        attributes = self._client.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
        return bool(json.loads(attributes.get("FilterPolicy") or "{}"))

    def policy(self, topic_arn: str) -> object:
        """Return the topic's policy."""
        return json.loads(self._client.get_topic_attributes(TopicArn=topic_arn)["Attributes"]["Policy"])


def _is_gone(filtered: bool | Unread) -> bool:  # noqa: FBT001 - what was read
    """Tell whether a subscription was deleted since it was listed."""
    return isinstance(filtered, Unread) and filtered.missing


class FunctionReader:
    """Lambda: the functions, and the mapping that reads the exemption table's stream."""

    PERMISSIONS: Final = (
        "lambda:GetEventSourceMapping",
        "lambda:GetFunctionConcurrency",
        "lambda:GetFunctionEventInvokeConfig",
    )

    def __init__(self, client: "LambdaClient") -> None:
        self._client = client

    def function(self, name: str) -> Function:
        """Return a function's reserved concurrency, and its configuration for asynchronous invocations."""
        concurrency = self._client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        invocation = read(lambda: {**self._client.get_function_event_invoke_config(FunctionName=name)})
        if isinstance(invocation, Unread):
            # Lambda answers the same for a function without a configuration and for no function. The call above told
            # that there is one.
            if not invocation.missing:
                raise NotRead(invocation)
            return Function(concurrency, None)
        return Function(concurrency, invocation)

    def mapping(self, mapping_id: str) -> Fields:
        """Return an event source mapping."""
        return {**self._client.get_event_source_mapping(UUID=mapping_id)}


class TableReader:
    """DynamoDB: the exemption table's stream, and the record of an emergency stop."""

    PERMISSIONS: Final = ("dynamodb:DescribeTable", "dynamodb:GetItem")

    def __init__(self, client: "DynamoDBClient") -> None:
        self._client = client

    def stream(self, table: str) -> str | None:
        """Return the ARN of the table's stream, None if the stream is off."""
        described = self._client.describe_table(TableName=table)["Table"]
        # After a stream is disabled, DynamoDB still shows its ARN.
        enabled = described.get("StreamSpecification", {}).get("StreamEnabled", False)
        return described.get("LatestStreamArn") if enabled else None

    def stop(self, table: str) -> RecordedStop | None:
        """Return the recorded emergency stop, None without a record that mfa-guard wrote."""
        item = self._client.get_item(TableName=table, Key={"id": {"S": RECORD_ID}}, ConsistentRead=True).get("Item")
        with suppress(StopNotUnderstood, KeyError):
            return parse_stop(item["stopped"]["S"]) if item else None
        return None


class SchedulerClient(Protocol):
    """What the guard uses of EventBridge Scheduler's client."""

    def get_schedule(self, *, Name: str) -> Fields: ...  # noqa: N803 - boto3's name


class ScheduleReader:
    """EventBridge Scheduler."""

    PERMISSIONS: Final = ("scheduler:GetSchedule",)

    def __init__(self, client: SchedulerClient) -> None:
        self._client = client

    def schedule(self, name: str) -> Fields:
        """Return a schedule of the default group."""
        return self._client.get_schedule(Name=name)


class StackReader:
    """The guard's own stack."""

    PERMISSIONS: Final = ("cloudformation:DescribeStacks", "cloudformation:ListStackResources")

    def __init__(self, client: "CloudFormationClient") -> None:
        self._client = client

    def protected(self, name: str) -> bool:
        """Tell whether the stack has termination protection."""
        [stack] = self._client.describe_stacks(StackName=name)["Stacks"]
        return stack.get("EnableTerminationProtection", False)

    def resources(self, name: str) -> Mapping[str, StackResource]:
        """Return the stack's resources by logical id."""
        pages = self._client.get_paginator("list_stack_resources").paginate(StackName=name)
        return {
            each["LogicalResourceId"]: StackResource(each["ResourceType"], each.get("PhysicalResourceId", ""))
            for page in pages
            for each in page["StackResourceSummaries"]
        }
