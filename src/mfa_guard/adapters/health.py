"""Read the guard's own parts: one reader for each service, with the permissions that its calls need.

A read that AWS refuses gives `Unread` with AWS's message.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.core.health.checks import Readings
from mfa_guard.core.health.deployed import Deployed
from mfa_guard.core.health.readings import GroupPolicies, PolicyVersion, Root, Rule, Unread
from mfa_guard.core.health.trail_selectors import AdvancedSelector, BasicSelector, FieldFilter, Trail, TrailState, gap

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudtrail import CloudTrailClient
    from mypy_boto3_cloudtrail.type_defs import AdvancedEventSelectorOutputTypeDef, EventSelectorOutputTypeDef
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
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


class RuleReader:
    """EventBridge's default bus."""

    PERMISSIONS: Final = ("events:ListRules", "events:ListTargetsByRule")

    def __init__(self, client: "EventBridgeClient") -> None:
        self._client = client

    def rules(self, prefix: str, names: tuple[str, ...]) -> Mapping[str, Rule]:
        """Return the rules of `names` that exist. All names begin with `prefix`."""
        pages = self._client.get_paginator("list_rules").paginate(NamePrefix=prefix)
        states = {rule["Name"]: rule["State"] for page in pages for rule in page["Rules"] if rule["Name"] in names}
        return {name: Rule(state, self._targets(name)) for name, state in states.items()}

    def _targets(self, rule: str) -> tuple[str, ...]:
        pages = self._client.get_paginator("list_targets_by_rule").paginate(Rule=rule)
        return tuple(target["Arn"] for page in pages for target in page["Targets"])


class TopicReader:
    """SNS."""

    PERMISSIONS: Final = ("sns:ListSubscriptionsByTopic",)

    def __init__(self, client: "SNSClient") -> None:
        self._client = client

    def subscriptions(self, topic_arn: str) -> tuple[str, ...]:
        """Return the ARNs of the subscriptions, or what SNS shows in place of an ARN: PendingConfirmation, Deleted."""
        pages = self._client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
        return tuple(each["SubscriptionArn"] for page in pages for each in page["Subscriptions"])


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


class StackReader:
    """The guard's own stack."""

    PERMISSIONS: Final = ("cloudformation:DescribeStacks",)

    def __init__(self, client: "CloudFormationClient") -> None:
        self._client = client

    def protected(self, name: str) -> bool:
        """Tell whether the stack has termination protection."""
        [stack] = self._client.describe_stacks(StackName=name)["Stacks"]
        return stack.get("EnableTerminationProtection", False)


T = TypeVar("T")


class GuardHealth:
    """Reads everything that the checks need. `cloudtrail` returns a client for a region."""

    def __init__(
        self,
        *,
        iam: "IAMClient",
        events: "EventBridgeClient",
        sns: "SNSClient",
        sqs: "SQSClient",
        cloudformation: "CloudFormationClient",
        cloudtrail: "Callable[[str], CloudTrailClient]",
    ) -> None:
        self._iam = IamReader(iam)
        self._rules = RuleReader(events)
        self._topics = TopicReader(sns)
        self._queue = QueueReader(sqs)
        self._stack = StackReader(cloudformation)
        self._cloudtrail = cloudtrail

    def read(self, deployed: Deployed) -> Readings:
        """Return what AWS shows of what the stack deployed. Errors of AWS or of the network give `Unread`."""
        chosen = deployed.settings
        prefix = f"{deployed.name_prefix}-"
        return Readings(
            trails=_read(lambda: self._trails(chosen.region)),
            rules=_read(lambda: self._rules.rules(prefix, deployed.rules)),
            notices=_read(lambda: self._topics.subscriptions(chosen.notices_topic_arn)),
            operations=_read(lambda: self._topics.subscriptions(chosen.operations_topic_arn)),
            dead_letters=_read(lambda: self._queue.messages(deployed.queue_url)),
            policy=_read(lambda: self._iam.policy(chosen.policy_arn)),
            group=_read(lambda: self._iam.group(chosen.group_name)),
            root=_read(self._iam.root),
            termination_protection=_read(lambda: self._stack.protected(deployed.stack_name)),
        )

    def _trails(self, region: str) -> Mapping[Trail, TrailState | Unread]:
        """Return the trails up to the first trail that delivers IAM's events, each read in its home region."""
        found: dict[Trail, TrailState | Unread] = {}
        for trail in TrailReader(self._cloudtrail(region)).trails():
            found[trail] = state = self._state(trail)
            if gap(trail, state, region) is None:
                break
        return found

    def _state(self, trail: Trail) -> TrailState | Unread:
        return _read(lambda: TrailReader(self._cloudtrail(trail.home_region)).state(trail.arn))


# The error codes of IAM, SNS and SQS (one for each of SQS's protocols) for a resource that does not exist.
_MISSING: Final = frozenset(
    {"NoSuchEntity", "NotFound", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}
)


def _read(read: Callable[[], T]) -> T | Unread:
    try:
        return read()
    except ClientError as error:
        return Unread(str(error), missing=error.response["Error"]["Code"] in _MISSING)
    except BotoCoreError as error:
        return Unread(str(error))
