"""An AWS account inside this process: moto, holding what the rendered template declares."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING, Final, Protocol
from unittest.mock import patch

import boto3
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader, create_loader
from moto import mock_aws
from moto.iam.models import AccessKeyLastUsed, IAMBackend, iam_backends
from moto.sns.models import SNSBackend, sns_backends

from mfa_guard_cli.intrinsics import as_text
from mfa_guard_cli.local.clock import Clock
from mfa_guard_cli.local.moto_gaps import Lag, mended
from mfa_guard_cli.local.trail import Trail
from mfa_guard_cli.template import Fields, Resource, Stack

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail import CloudTrailClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

ADMINISTRATOR: Final = "carol"

# Whatever the person's own environment says about AWS, Powertools or moto is about something else.
_FOREIGN: Final = ("AWS_", "BOTO_", "MOTO_", "POWERTOOLS_")


class AccountError(RuntimeError):
    """The in-process account cannot hold what the template declares; one sentence."""


class Scheduler(Protocol):
    """What is used of EventBridge Scheduler's client."""

    def create_schedule(self, **parameters: object) -> object: ...
    def get_schedule(self, **parameters: object) -> Fields: ...


class Clients:
    """One client per service, made when it is first needed: making one takes longer than its calls."""

    def __init__(self, session: boto3.Session) -> None:
        self._session = session

    @cached_property
    def iam(self) -> "IAMClient":
        """Return IAM's client."""
        return self._session.client("iam")

    @cached_property
    def sns(self) -> "SNSClient":
        """Return SNS's client."""
        return self._session.client("sns")

    @cached_property
    def sqs(self) -> "SQSClient":
        """Return SQS's client."""
        return self._session.client("sqs")

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """Return DynamoDB's client."""
        return self._session.client("dynamodb")

    @cached_property
    def events(self) -> "EventBridgeClient":
        """Return EventBridge's client."""
        return self._session.client("events")

    @cached_property
    def cloudtrail(self) -> "CloudTrailClient":
        """Return CloudTrail's client."""
        return self._session.client("cloudtrail")

    @cached_property
    def scheduler(self) -> Scheduler:
        """Return EventBridge Scheduler's client."""
        client: Scheduler = self._session.client("scheduler")
        return client


@dataclass(frozen=True)
class Account:
    """The open account. `session` belongs to ADMINISTRATOR; `left_out` is what the template has and the account not."""

    stack: Stack
    session: boto3.Session
    clients: Clients
    trail: Trail
    lag: Lag
    clock: Clock
    left_out: tuple[Resource, ...]

    @property
    def iam(self) -> IAMBackend:
        """Return moto's own IAM: what is true, whatever reads show."""
        return iam_backends[self.stack.account][self.stack.partition]

    @property
    def sns(self) -> SNSBackend:
        """Return moto's own SNS, which keeps what was sent."""
        return sns_backends[self.stack.account][self.stack.region]

    def let_pass(self, span: timedelta) -> None:
        """Let time pass, in which IAM's reads come to show what is true."""
        self.clock.let_pass(span)
        self.lag.settle()

    def use_key(self, user: str, key_id: str, when: datetime) -> None:
        """Let an access key have been used at a time of the past; no API can say so."""
        key = self.iam.get_user(user).get_access_key_by_id(key_id)
        key.last_used = AccessKeyLastUsed(when, "s3", self.stack.region)


@contextmanager
def open_account(stack: Stack) -> Iterator[Account]:
    """Create the stack's resources in an empty account, which is boto3's default until the end.

    Raises AccountError when a resource of a type that the account knows cannot be created as declared.
    """
    with ExitStack() as exits:
        exits.enter_context(mock_aws())
        exits.enter_context(patch.dict(os.environ, _environment(stack), clear=True))
        clock = Clock()
        lag = exits.enter_context(mended(clock.now))
        session = _administrator(stack)
        exits.enter_context(patch("boto3.DEFAULT_SESSION", session))
        # Clients copy the session's hooks when they are made, so the trail comes first.
        trail, clients = Trail(session, stack.account, stack.region, clock.now), Clients(session)
        for creator_type, creator in _CREATORS.items():
            for resource in stack.resources.values():
                if resource.type == creator_type:
                    creator.create(clients, stack, resource)
        known = _CREATORS.keys() | RUN_BY_THE_BUS
        left_out = tuple(each for each in stack.resources.values() if each.type not in known)
        yield Account(stack, session, clients, trail, lag, clock, left_out)


def _environment(stack: Stack) -> Mapping[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return own | {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_DEFAULT_REGION": stack.region,
        "AWS_REGION": stack.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "MOTO_ACCOUNT_ID": stack.account,
    }


def _administrator(stack: Stack) -> boto3.Session:
    iam = iam_backends[stack.account][stack.partition]
    iam.create_user(stack.region, user_name=ADMINISTRATOR)
    key = iam.create_access_key(user_name=ADMINISTRATOR)
    core = botocore.session.get_session()
    core.register_component("data_loader", _service_models())
    return boto3.Session(
        aws_access_key_id=key.access_key_id, aws_secret_access_key=key.secret_access_key, botocore_session=core
    )


@cache
def _service_models() -> Loader:
    """Return what reads botocore's service models, megabytes of JSON that are the same for every account."""
    return create_loader()


@dataclass(frozen=True)
class _Creator:
    """How one type of resource is made. `honours`: the properties that are not lost on the way."""

    honours: frozenset[str]
    call: Callable[[Clients, Resource], object]

    def create(self, clients: Clients, stack: Stack, resource: Resource) -> None:
        if lost := sorted(resource.properties.keys() - self.honours):
            raise AccountError(f"{resource.logical_id} has {', '.join(lost)}, which the in-process account lacks.")
        try:
            answered = self.call(clients, resource)
        except (BotoCoreError, ClientError) as error:
            raise AccountError(f"{resource.logical_id} cannot be created in the in-process account: {error}") from error
        if answered is not None and answered != (expected := stack.resolve({"Ref": resource.logical_id})):
            raise AccountError(f"{resource.logical_id} is {answered} in the in-process account, not {expected}.")


def _policy(clients: Clients, resource: Resource) -> object:
    properties = _texts(resource.properties, "Path", "Description")
    document = json.dumps(resource.properties["PolicyDocument"])
    # The keys are checked by boto3 itself, which refuses any that it does not know.
    policy = clients.iam.create_policy(
        PolicyName=resource.physical_id,
        PolicyDocument=document,
        **properties,  # type: ignore[arg-type]
    )
    return policy["Policy"]["Arn"]


def _group(clients: Clients, resource: Resource) -> object:
    group = clients.iam.create_group(GroupName=resource.physical_id, **_texts(resource.properties, "Path"))
    for arn in _listed(resource.properties.get("ManagedPolicyArns", [])):
        clients.iam.attach_group_policy(GroupName=resource.physical_id, PolicyArn=as_text(arn))
    return group["Group"]["GroupName"]


def _topic(clients: Clients, resource: Resource) -> object:
    attributes = _texts(resource.properties, "DisplayName", "KmsMasterKeyId")
    return clients.sns.create_topic(Name=resource.physical_id, Attributes=attributes)["TopicArn"]


def _subscription(clients: Clients, resource: Resource) -> object:
    clients.sns.subscribe(**_texts(resource.properties, "TopicArn", "Protocol", "Endpoint"))  # type: ignore[arg-type]
    return None


def _table(clients: Clients, resource: Resource) -> object:
    properties = dict(resource.properties)
    expiry = properties.pop("TimeToLiveSpecification", None)
    recovery = properties.pop("PointInTimeRecoverySpecification", None)
    if stream := properties.pop("StreamSpecification", None):
        # The service has a switch where CloudFormation takes the mere presence.
        properties["StreamSpecification"] = {"StreamEnabled": True, **stream}  # type: ignore[dict-item]
    name = resource.physical_id
    clients.dynamodb.create_table(**{**properties, "TableName": name})  # type: ignore[arg-type]
    if expiry:
        clients.dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=expiry)  # type: ignore[arg-type]
    if recovery:
        clients.dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)  # type: ignore[arg-type]
    return clients.dynamodb.describe_table(TableName=name)["Table"]["TableName"]


def _queue(clients: Clients, resource: Resource) -> object:
    attributes = _texts(resource.properties, "MessageRetentionPeriod", "SqsManagedSseEnabled")
    return clients.sqs.create_queue(QueueName=resource.physical_id, Attributes=attributes)["QueueUrl"]  # type: ignore[arg-type]


def _rule(clients: Clients, resource: Resource) -> object:
    pattern = json.dumps(resource.properties["EventPattern"])
    state = _texts(resource.properties, "State", "Description")
    clients.events.put_rule(Name=resource.physical_id, EventPattern=pattern, **state)  # type: ignore[arg-type]
    return resource.physical_id


def _schedule(clients: Clients, resource: Resource) -> object:
    clients.scheduler.create_schedule(**{**resource.properties, "Name": resource.physical_id})
    return resource.physical_id


# In this order, as a group needs its policy and a subscription its topic.
_CREATORS: Final[Mapping[str, _Creator]] = {
    "AWS::IAM::ManagedPolicy": _Creator(
        frozenset({"ManagedPolicyName", "Path", "Description", "PolicyDocument"}), _policy
    ),
    "AWS::IAM::Group": _Creator(frozenset({"GroupName", "Path", "ManagedPolicyArns"}), _group),
    "AWS::SNS::Topic": _Creator(frozenset({"TopicName", "DisplayName", "KmsMasterKeyId"}), _topic),
    "AWS::SNS::Subscription": _Creator(frozenset({"TopicArn", "Protocol", "Endpoint"}), _subscription),
    "AWS::DynamoDB::Table": _Creator(
        frozenset(
            {
                "TableName",
                "BillingMode",
                "AttributeDefinitions",
                "KeySchema",
                "TimeToLiveSpecification",
                "PointInTimeRecoverySpecification",
                "StreamSpecification",
            }
        ),
        _table,
    ),
    "AWS::SQS::Queue": _Creator(frozenset({"QueueName", "MessageRetentionPeriod", "SqsManagedSseEnabled"}), _queue),
    # Targets are the bus's: moto cannot invoke functions.
    "AWS::Events::Rule": _Creator(frozenset({"Name", "Description", "State", "EventPattern", "Targets"}), _rule),
    "AWS::Scheduler::Schedule": _Creator(
        frozenset({"Name", "Description", "State", "ScheduleExpression", "FlexibleTimeWindow", "Target"}), _schedule
    ),
}
RUN_BY_THE_BUS: Final = frozenset(
    {
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Function",
        "AWS::Lambda::Permission",
    }
)


def _texts(properties: Fields, *names: str) -> dict[str, str]:
    return {name: as_text(properties[name]) for name in names if name in properties}


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
