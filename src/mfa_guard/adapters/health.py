"""Read everything that the health checks need, with the permissions that the calls need.

A read that AWS refuses gives `Unread` with AWS's message.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from mfa_guard.adapters.health_parts import (
    FunctionReader,
    NotRead,
    RuleReader,
    SchedulerClient,
    ScheduleReader,
    StackReader,
    TableReader,
    TopicReader,
    needed,
    read,
)
from mfa_guard.core.health.checks import Readings
from mfa_guard.core.health.content import EXEMPTION_MAPPING, FUNCTION, RULE, SCHEDULE
from mfa_guard.core.health.deployed import Deployed
from mfa_guard.core.health.readings import (
    ExemptionStream,
    Fields,
    Function,
    GroupPolicies,
    PolicyVersion,
    Root,
    StackResource,
    Unread,
)
from mfa_guard.core.health.trail_selectors import AdvancedSelector, BasicSelector, FieldFilter, Trail, TrailState
from mfa_guard.core.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudtrail import CloudTrailClient
    from mypy_boto3_cloudtrail.type_defs import AdvancedEventSelectorOutputTypeDef, EventSelectorOutputTypeDef
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient


class TrailReader:
    """CloudTrail in one region."""

    PERMISSIONS: Final = ("cloudtrail:DescribeTrails", "cloudtrail:GetEventSelectors", "cloudtrail:GetTrailStatus")

    def __init__(self, client: "CloudTrailClient") -> None:
        self._client = client

    def trails(self) -> tuple[Trail, ...]:
        """Return the trails that cover the region, including trails of other regions and of the organization."""
        return tuple(
            Trail(
                arn=trail["TrailARN"],
                home_region=trail["HomeRegion"],
                multi_region=trail.get("IsMultiRegionTrail", False),
                global_events=trail.get("IncludeGlobalServiceEvents", False),
            )
            for trail in self._client.describe_trails(includeShadowTrails=True)["trailList"]
        )

    def state(self, arn: str) -> TrailState:
        """Return whether a trail of this region is logging, and its event selectors."""
        logging = self._client.get_trail_status(Name=arn)["IsLogging"]
        answer = self._client.get_event_selectors(TrailName=arn)
        basic, advanced = answer.get("EventSelectors", []), answer.get("AdvancedEventSelectors", [])
        return TrailState(logging, (*map(_basic, basic), *map(_advanced, advanced)))


def _basic(selector: "EventSelectorOutputTypeDef") -> BasicSelector:
    return BasicSelector(
        management=selector.get("IncludeManagementEvents", True),
        read_write=selector.get("ReadWriteType", "All"),
        excluded=tuple(selector.get("ExcludeManagementEventSources", ())),
    )


def _advanced(selector: "AdvancedEventSelectorOutputTypeDef") -> AdvancedSelector:
    return AdvancedSelector(
        tuple(
            FieldFilter(each["Field"], operator, tuple(values))
            for each in selector["FieldSelectors"]
            for operator, values in each.items()
            if isinstance(values, list)
        )
    )


class QueueReader:
    """The dead-letter queue."""

    PERMISSIONS: Final = ("sqs:GetQueueAttributes",)

    def __init__(self, client: "SQSClient") -> None:
        self._client = client

    def messages(self, url: str) -> int:
        """Return the approximate number of messages in the queue, including messages that are being read."""
        answer = self._client.get_queue_attributes(
            QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        )
        return sum(map(int, answer["Attributes"].values()))


class IamReader:
    """IAM: the enforcement policy, the enforcement group and root, with five calls."""

    PERMISSIONS: Final = (
        "iam:GetAccountSummary",
        "iam:GetPolicy",
        "iam:GetPolicyVersion",
        "iam:ListAttachedGroupPolicies",
        "iam:ListGroupPolicies",
    )

    def __init__(self, client: "IAMClient") -> None:
        self._client = client

    def policy(self, arn: str) -> PolicyVersion:
        """Return the default version."""
        version = self._client.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        answer = self._client.get_policy_version(PolicyArn=arn, VersionId=version)
        return PolicyVersion(version, answer["PolicyVersion"]["Document"])

    def group(self, name: str) -> GroupPolicies:
        """Return the group's policies. IAM's quotas keep each list to one page."""
        attached = self._client.get_paginator("list_attached_group_policies").paginate(GroupName=name)
        inline = self._client.get_paginator("list_group_policies").paginate(GroupName=name)
        return GroupPolicies(
            attached=tuple(policy["PolicyArn"] for page in attached for policy in page["AttachedPolicies"]),
            inline=tuple(policy for page in inline for policy in page["PolicyNames"]),
        )

    def root(self) -> Root:
        """Return root's credentials. If IAM does not say whether root has a password, root counts as having one."""
        summary = self._client.get_account_summary()["SummaryMap"]
        return Root(
            mfa=bool(summary["AccountMFAEnabled"]),
            keys=bool(summary["AccountAccessKeysPresent"]),
            password=bool(summary.get("AccountPasswordPresent", 1)),
        )


T = TypeVar("T")


class GuardHealth:
    """Reads everything that the checks need.

    `cloudtrail` returns a client for a region. At most `workers` reads run at the same time.
    """

    def __init__(
        self,
        *,
        iam: "IAMClient",
        events: "EventBridgeClient",
        sns: "SNSClient",
        sqs: "SQSClient",
        functions: "LambdaClient",
        scheduler: SchedulerClient,
        dynamodb: "DynamoDBClient",
        cloudformation: "CloudFormationClient",
        cloudtrail: "Callable[[str], CloudTrailClient]",
        workers: int,
    ) -> None:
        self._workers = workers
        self._iam = IamReader(iam)
        self._rules = RuleReader(events, workers)
        self._topics = TopicReader(sns)
        self._queue = QueueReader(sqs)
        self._functions = FunctionReader(functions)
        self._schedules = ScheduleReader(scheduler)
        self._tables = TableReader(dynamodb)
        self._stack = StackReader(cloudformation)
        self._cloudtrail = cloudtrail

    def read(self, deployed: Deployed) -> Readings:
        """Return what AWS shows of what the stack deployed. Errors of AWS or of the network give `Unread`."""
        chosen = deployed.settings
        with ThreadPoolExecutor(self._workers) as pool:

            def start(reading: Callable[[], T]) -> "Future[T | Unread]":
                return pool.submit(read, reading)

            # First, because the reads that wait for it must find it running, even with one worker.
            resources = start(lambda: self._stack.resources(deployed.stack_name))
            stop = start(lambda: self._tables.stop(chosen.state_table))
            trails = start(lambda: self._trails(chosen.region))
            rules = start(lambda: self._rules.rules(f"{deployed.name_prefix}-", needed(deployed.names(RULE))))
            notices = start(lambda: self._topics.subscriptions(chosen.notices_topic_arn))
            operations = start(lambda: self._topics.subscriptions(chosen.operations_topic_arn))
            policies = start(lambda: self._policies(chosen))
            schedule = start(lambda: self._schedule(deployed))
            dead_letters = start(lambda: self._queue.messages(deployed.queue_url))
            policy = start(lambda: self._iam.policy(chosen.policy_arn))
            group = start(lambda: self._iam.group(chosen.group_name))
            root = start(self._iam.root)
            protection = start(lambda: self._stack.protected(deployed.stack_name))
            functions = start(lambda: self._read_functions(needed(resources.result())))
            stream = start(lambda: self._stream(chosen, needed(resources.result())))
        return Readings(
            resources=resources.result(),
            stop=stop.result(),
            trails=trails.result(),
            rules=rules.result(),
            notices=notices.result(),
            operations=operations.result(),
            topic_policies=policies.result(),
            functions=functions.result(),
            exemption_stream=stream.result(),
            schedule=schedule.result(),
            dead_letters=dead_letters.result(),
            policy=policy.result(),
            group=group.result(),
            root=root.result(),
            termination_protection=protection.result(),
        )

    def _policies(self, chosen: Settings) -> Mapping[str, object]:
        topics = (chosen.notices_topic_arn, chosen.operations_topic_arn)
        return {topic: read(partial(self._topics.policy, topic)) for topic in topics}

    def _read_functions(self, resources: Mapping[str, StackResource]) -> Mapping[str, Function | Unread]:
        names = [each.physical_id for each in resources.values() if each.type == FUNCTION]
        return {name: read(partial(self._functions.function, name)) for name in names}

    def _stream(self, chosen: Settings, resources: Mapping[str, StackResource]) -> ExemptionStream:
        mapping = resources.get(EXEMPTION_MAPPING)
        if mapping is None:
            raise NotRead(Unread("The stack has no event source mapping", missing=True))
        return ExemptionStream(
            self._tables.stream(chosen.exemptions_table), self._functions.mapping(mapping.physical_id)
        )

    def _schedule(self, deployed: Deployed) -> Fields:
        [name] = needed(deployed.names(SCHEDULE))
        return self._schedules.schedule(name)

    def _trails(self, region: str) -> Mapping[Trail, TrailState | Unread]:
        """Return all trails that cover the region, each read in its home region."""
        return {trail: self._state(trail) for trail in TrailReader(self._cloudtrail(region)).trails()}

    def _state(self, trail: Trail) -> TrailState | Unread:
        return read(lambda: TrailReader(self._cloudtrail(trail.home_region)).state(trail.arn))
