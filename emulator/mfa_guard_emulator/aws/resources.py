"""Create the resources of the rendered template through the APIs of their services.

moto's CloudFormation ignores many of the template's types without an error. Here, each type has a creator, or is
reported as not created.
"""

import io
import json
import zipfile
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard_cli.stack.intrinsics import as_text
from mfa_guard_cli.stack.template import Fields, Resource, Stack

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail import CloudTrailClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient


class AccountError(RuntimeError):
    """The local account cannot create what the template declares. The message is one sentence."""


class AnyClient(Protocol):
    """A client of any service, whose calls take keyword arguments."""

    def __getattr__(self, operation: str) -> Callable[..., Fields]: ...


@dataclass(frozen=True)
class Clients:
    """One client per service, created when it is first needed, because creating a client takes longer than its calls.

    `endpoint` is the address of AWS, None when moto patches boto3 in this process.
    """

    session: boto3.Session
    endpoint: str | None = None
    _created: dict[str, object] = field(default_factory=dict)

    def any(self, service: str) -> AnyClient:
        """Return a service's client."""
        if service not in self._created:
            # The stubs accept only the literal name of a service.
            self._created[service] = self.session.client(  # type: ignore[call-overload]
                service, endpoint_url=self.endpoint, config=Config(retries={"total_max_attempts": 1})
            )
        client: AnyClient = self._created[service]  # type: ignore[assignment]
        return client

    @cached_property
    def iam(self) -> "IAMClient":
        """Return IAM's client."""
        return self.any("iam")  # type: ignore[return-value]

    @cached_property
    def sns(self) -> "SNSClient":
        """Return SNS's client."""
        return self.any("sns")  # type: ignore[return-value]

    @cached_property
    def sqs(self) -> "SQSClient":
        """Return SQS's client."""
        return self.any("sqs")  # type: ignore[return-value]

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """Return DynamoDB's client."""
        return self.any("dynamodb")  # type: ignore[return-value]

    @cached_property
    def events(self) -> "EventBridgeClient":
        """Return EventBridge's client."""
        return self.any("events")  # type: ignore[return-value]

    @cached_property
    def cloudtrail(self) -> "CloudTrailClient":
        """Return CloudTrail's client."""
        return self.any("cloudtrail")  # type: ignore[return-value]


def create_all(clients: Clients, stack: Stack, only: Container[str] | None = None) -> tuple[Resource, ...]:
    """Create the stack's resources, or only those of some types; returns the resources that cannot be created here.

    Raises AccountError when a resource of a supported type cannot be created as declared.
    """
    for resource_type, creator in _CREATORS.items():
        if only is not None and resource_type not in only:
            continue
        for resource in stack.resources.values():
            if resource.type == resource_type:
                creator.create(clients, stack, resource)
    supported = _CREATORS.keys() | IN_EMULATOR
    return tuple(each for each in stack.resources.values() if each.type not in supported)


@dataclass(frozen=True)
class _Creator:
    """Creates one type of resource. `properties`: the properties that it supports."""

    properties: frozenset[str]
    call: Callable[[Clients, Resource], object]

    def create(self, clients: Clients, stack: Stack, resource: Resource) -> None:
        if unsupported := sorted(resource.properties.keys() - self.properties):
            names = ", ".join(unsupported)
            raise AccountError(f"{resource.logical_id} has {names}, which the local account does not support.")
        try:
            answered = self.call(clients, resource)
        except (BotoCoreError, ClientError) as error:
            raise AccountError(f"{resource.logical_id} cannot be created in the local account: {error}") from error
        if answered is not None and answered != (expected := stack.resolve({"Ref": resource.logical_id})):
            raise AccountError(f"{resource.logical_id} is {answered} in the local account, not {expected}.")


def _policy(clients: Clients, resource: Resource) -> object:
    properties = _texts(resource.properties, "Path", "Description")
    policy = clients.any("iam").create_policy(
        PolicyName=resource.physical_id, PolicyDocument=_document(resource), **properties
    )["Policy"]
    return policy["Arn"] if isinstance(policy, Mapping) else None


def _group(clients: Clients, resource: Resource) -> object:
    group = clients.any("iam").create_group(GroupName=resource.physical_id, **_texts(resource.properties, "Path"))
    for arn in _listed(resource.properties.get("ManagedPolicyArns", [])):
        clients.iam.attach_group_policy(GroupName=resource.physical_id, PolicyArn=as_text(arn))
    created = group["Group"]
    return created["GroupName"] if isinstance(created, Mapping) else None


def _role(clients: Clients, resource: Resource) -> object:
    name = resource.physical_id
    clients.any("iam").create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps(resource.properties["AssumeRolePolicyDocument"]),
        **_texts(resource.properties, "Description", "Path"),
    )
    for policy in _listed(resource.properties.get("Policies", [])):
        if isinstance(policy, Mapping):
            document = json.dumps(policy["PolicyDocument"])
            clients.iam.put_role_policy(RoleName=name, PolicyName=str(policy["PolicyName"]), PolicyDocument=document)
    return name


def _inline_policy(clients: Clients, resource: Resource) -> object:
    name = as_text(resource.properties["PolicyName"])
    for role in _listed(resource.properties["Roles"]):
        clients.iam.put_role_policy(RoleName=as_text(role), PolicyName=name, PolicyDocument=_document(resource))
    return None


def _topic(clients: Clients, resource: Resource) -> object:
    attributes = _texts(resource.properties, "DisplayName", "KmsMasterKeyId")
    return clients.sns.create_topic(Name=resource.physical_id, Attributes=attributes)["TopicArn"]


def _topic_policy(clients: Clients, resource: Resource) -> object:
    for topic in _listed(resource.properties["Topics"]):
        clients.sns.set_topic_attributes(
            TopicArn=as_text(topic), AttributeName="Policy", AttributeValue=_document(resource)
        )
    return None


def _subscription(clients: Clients, resource: Resource) -> object:
    clients.any("sns").subscribe(**_texts(resource.properties, "TopicArn", "Protocol", "Endpoint"))
    return None


def _table(clients: Clients, resource: Resource) -> object:
    properties = dict(resource.properties)
    expiry = properties.pop("TimeToLiveSpecification", None)
    recovery = properties.pop("PointInTimeRecoverySpecification", None)
    stream = properties.pop("StreamSpecification", None)
    if isinstance(stream, Mapping):
        # The API has a property for what CloudFormation expresses by the presence of the specification.
        properties["StreamSpecification"] = {"StreamEnabled": True, **stream}
    name, dynamodb = resource.physical_id, clients.any("dynamodb")
    dynamodb.create_table(**{**properties, "TableName": name})
    if expiry:
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=expiry)
    if recovery:
        dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
    return name


def _queue(clients: Clients, resource: Resource) -> object:
    attributes = _texts(resource.properties, "MessageRetentionPeriod", "SqsManagedSseEnabled", "VisibilityTimeout")
    if "RedrivePolicy" in resource.properties:
        attributes["RedrivePolicy"] = json.dumps(resource.properties["RedrivePolicy"])
    clients.any("sqs").create_queue(QueueName=resource.physical_id, Attributes=attributes)
    return None


def _queue_policy(clients: Clients, resource: Resource) -> object:
    for queue in _listed(resource.properties["Queues"]):
        name = as_text(queue).rpartition("/")[2]
        url = clients.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        clients.any("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": _document(resource)})
    return None


def _rule(clients: Clients, resource: Resource) -> object:
    pattern = json.dumps(resource.properties["EventPattern"])
    state = _texts(resource.properties, "State", "Description")
    clients.any("events").put_rule(Name=resource.physical_id, EventPattern=pattern, **state)
    clients.any("events").put_targets(Rule=resource.physical_id, Targets=resource.properties["Targets"])
    return resource.physical_id


def _schedule(clients: Clients, resource: Resource) -> object:
    clients.any("scheduler").create_schedule(**{**resource.properties, "Name": resource.physical_id})
    return resource.physical_id


def _log_group(clients: Clients, resource: Resource) -> object:
    name = resource.physical_id
    clients.any("logs").create_log_group(logGroupName=name)
    days = int(as_text(resource.properties["RetentionInDays"]))
    clients.any("logs").put_retention_policy(logGroupName=name, retentionInDays=days)
    return name


def _alarm(clients: Clients, resource: Resource) -> object:
    properties = {name: _number_or(value) for name, value in resource.properties.items()}
    clients.any("cloudwatch").put_metric_alarm(**properties)
    return resource.physical_id


def _dashboard(clients: Clients, resource: Resource) -> object:
    clients.any("cloudwatch").put_dashboard(
        DashboardName=resource.physical_id, DashboardBody=as_text(resource.properties["DashboardBody"])
    )
    return resource.physical_id


def _function(clients: Clients, resource: Resource) -> object:
    # The function runs in a process of its own; this is the function that Lambda's API shows.
    names = ("Role", "Handler", "Runtime", "MemorySize", "Timeout", "Description", "Environment", "Architectures")
    properties = {name: _number_or(resource.properties[name]) for name in names if name in resource.properties}
    properties["Description"] = as_text(resource.properties.get("Description", ""))
    clients.any("lambda").create_function(
        FunctionName=resource.physical_id, Code={"ZipFile": _empty_archive()}, **properties
    )
    return resource.physical_id


def _invoke_config(clients: Clients, resource: Resource) -> object:
    given = {
        name: _number_or(resource.properties[name])
        for name in ("FunctionName", "MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
        if name in resource.properties
    }
    clients.any("lambda").put_function_event_invoke_config(**given)
    return None


def _mapping(clients: Clients, resource: Resource) -> object:
    if ":sqs:" in str(resource.properties["EventSourceArn"]):
        # The local account delivers no messages of queues, and the stream's mapping has the function's name as its id.
        return None
    given = {name: _number_or(value) for name, value in resource.properties.items()}
    return clients.any("lambda").create_event_source_mapping(**given)["UUID"]


_CREATORS: Final[Mapping[str, _Creator]] = {
    "AWS::IAM::ManagedPolicy": _Creator(
        frozenset({"ManagedPolicyName", "Path", "Description", "PolicyDocument"}), _policy
    ),
    "AWS::IAM::Group": _Creator(frozenset({"GroupName", "Path", "ManagedPolicyArns"}), _group),
    "AWS::IAM::Role": _Creator(frozenset({"AssumeRolePolicyDocument", "Description", "Path", "Policies"}), _role),
    "AWS::IAM::Policy": _Creator(frozenset({"PolicyName", "Roles", "PolicyDocument"}), _inline_policy),
    "AWS::SNS::Topic": _Creator(frozenset({"TopicName", "DisplayName", "KmsMasterKeyId"}), _topic),
    "AWS::SNS::TopicPolicy": _Creator(frozenset({"Topics", "PolicyDocument"}), _topic_policy),
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
    "AWS::SQS::Queue": _Creator(
        frozenset(
            {"QueueName", "MessageRetentionPeriod", "RedrivePolicy", "SqsManagedSseEnabled", "VisibilityTimeout"}
        ),
        _queue,
    ),
    "AWS::SQS::QueuePolicy": _Creator(frozenset({"Queues", "PolicyDocument"}), _queue_policy),
    "AWS::Logs::LogGroup": _Creator(frozenset({"LogGroupName", "RetentionInDays"}), _log_group),
    "AWS::Lambda::Function": _Creator(
        frozenset(
            {
                "Architectures",
                "Code",
                "Description",
                "Environment",
                "Handler",
                "LoggingConfig",
                "MemorySize",
                "Role",
                "Runtime",
                "Tags",
                "Timeout",
            }
        ),
        _function,
    ),
    "AWS::Lambda::EventInvokeConfig": _Creator(
        frozenset(
            {"DestinationConfig", "FunctionName", "MaximumEventAgeInSeconds", "MaximumRetryAttempts", "Qualifier"}
        ),
        _invoke_config,
    ),
    "AWS::Lambda::EventSourceMapping": _Creator(
        frozenset(
            {
                "BatchSize",
                "BisectBatchOnFunctionError",
                "DestinationConfig",
                "EventSourceArn",
                "FunctionName",
                "MaximumRecordAgeInSeconds",
                "StartingPosition",
            }
        ),
        _mapping,
    ),
    "AWS::Events::Rule": _Creator(frozenset({"Name", "Description", "State", "EventPattern", "Targets"}), _rule),
    "AWS::Scheduler::Schedule": _Creator(
        frozenset({"Name", "Description", "State", "ScheduleExpression", "FlexibleTimeWindow", "Target"}), _schedule
    ),
    "AWS::CloudWatch::Alarm": _Creator(
        frozenset(
            {
                "AlarmActions",
                "AlarmDescription",
                "AlarmName",
                "ComparisonOperator",
                "DatapointsToAlarm",
                "Dimensions",
                "EvaluationPeriods",
                "MetricName",
                "Namespace",
                "OKActions",
                "Period",
                "Statistic",
                "Threshold",
                "TreatMissingData",
            }
        ),
        _alarm,
    ),
    "AWS::CloudWatch::Dashboard": _Creator(frozenset({"DashboardBody", "DashboardName"}), _dashboard),
}
# What the emulator does itself: permissions to invoke, and the custom resource.
IN_EMULATOR: Final = frozenset({"AWS::Lambda::Permission", "Custom::Teardown"})


def _document(resource: Resource) -> str:
    return json.dumps(resource.properties["PolicyDocument"])


def _texts(properties: Fields, *names: str) -> dict[str, str]:
    return {name: as_text(properties[name]) for name in names if name in properties}


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _number_or(value: object) -> object:
    """Return the number in a text, because YAML and parameters may have "60" where an API needs 60."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _empty_archive() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(
            "README", "The local account runs this function from the checkout, or from the output of sam build.\n"
        )
    return archive.getvalue()
