"""What CloudFormation does when it creates, updates or deletes the stack: its calls, and the stack's events."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from mfa_guard.core.own_stack import StackEvent
from mfa_guard.core.times import utc_text
from mfa_guard_cli.stack.template import Resource, Stack
from support.factories import detail, role_identity

Fields = Mapping[str, Any]
CLOUDFORMATION: Final = "cloudformation.amazonaws.com"
OPERATIONS: Final = ("CREATE", "UPDATE", "DELETE")


@dataclass(frozen=True)
class _Type:
    """The calls for one resource type: the service, and by operation the event names with the parameter that they use.

    `of` returns the parameter's value for a resource with its physical id.
    """

    service: str
    create: tuple[tuple[str, str], ...]
    update: tuple[tuple[str, str], ...]
    delete: tuple[tuple[str, str], ...]
    of: Callable[[Resource, str], object] = lambda _, physical_id: physical_id


def _function(resource: Resource, _: str) -> object:
    return resource.properties["FunctionName"]


_LAMBDA: Final = "functionName"
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-template-resource-type-ref.html; the permissions of
# each type's handlers in its schema are the calls that it makes.
_TYPES: Final[Mapping[str, _Type]] = {
    "AWS::Events::Rule": _Type(
        "events",
        (("PutRule", "name"), ("PutTargets", "rule")),
        (("PutRule", "name"), ("PutTargets", "rule"), ("EnableRule", "name")),
        (("RemoveTargets", "rule"), ("DeleteRule", "name")),
    ),
    "AWS::IAM::ManagedPolicy": _Type(
        "iam",
        (),
        (("CreatePolicyVersion", "policyArn"), ("DeletePolicyVersion", "policyArn")),
        (("DeletePolicyVersion", "policyArn"), ("DeletePolicy", "policyArn")),
    ),
    "AWS::IAM::Group": _Type(
        "iam",
        (("AttachGroupPolicy", "groupName"),),
        (("DetachGroupPolicy", "groupName"), ("AttachGroupPolicy", "groupName")),
        (("DetachGroupPolicy", "groupName"), ("DeleteGroup", "groupName")),
    ),
    "AWS::IAM::Role": _Type(
        "iam",
        (("PutRolePolicy", "roleName"),),
        (("PutRolePolicy", "roleName"), ("DeleteRolePolicy", "roleName"), ("UpdateAssumeRolePolicy", "roleName")),
        (("DeleteRolePolicy", "roleName"), ("DeleteRole", "roleName")),
    ),
    "AWS::IAM::Policy": _Type(
        "iam",
        (("PutRolePolicy", "roleName"),),
        (("PutRolePolicy", "roleName"),),
        (("DeleteRolePolicy", "roleName"),),
        lambda resource, _: resource.properties["Roles"][0],  # type: ignore[index]
    ),
    "AWS::Lambda::Function": _Type(
        "lambda",
        (("PutFunctionConcurrency20171031", _LAMBDA),),
        (("UpdateFunctionCode20150331v2", _LAMBDA), ("UpdateFunctionConfiguration20150331v2", _LAMBDA)),
        (("DeleteFunction20150331", _LAMBDA),),
    ),
    "AWS::Lambda::Permission": _Type(
        "lambda",
        (("AddPermission20150331v2", _LAMBDA),),
        (),
        (("RemovePermission20150331v2", _LAMBDA),),
        _function,
    ),
    "AWS::Lambda::EventInvokeConfig": _Type(
        "lambda",
        (("PutFunctionEventInvokeConfig", _LAMBDA),),
        (("PutFunctionEventInvokeConfig", _LAMBDA),),
        (("DeleteFunctionEventInvokeConfig", _LAMBDA),),
        _function,
    ),
    "AWS::Lambda::EventSourceMapping": _Type(
        "lambda",
        (("CreateEventSourceMapping20150331", _LAMBDA),),
        (("UpdateEventSourceMapping20150331", "uUID"),),
        (("DeleteEventSourceMapping20150331", "uUID"),),
    ),
    "AWS::SNS::Topic": _Type(
        "sns",
        (("SetTopicAttributes", "topicArn"),),
        (("SetTopicAttributes", "topicArn"),),
        (("DeleteTopic", "topicArn"),),
    ),
    "AWS::SNS::TopicPolicy": _Type(
        "sns",
        (("SetTopicAttributes", "topicArn"),),
        (("SetTopicAttributes", "topicArn"),),
        (("SetTopicAttributes", "topicArn"),),
        lambda resource, _: resource.properties["Topics"][0],  # type: ignore[index]
    ),
    "AWS::SNS::Subscription": _Type(
        "sns", (("Subscribe", "topicArn"),), (), (), lambda resource, _: resource.properties["TopicArn"]
    ),
    "AWS::SQS::Queue": _Type("sqs", (), (("SetQueueAttributes", "queueUrl"),), (("DeleteQueue", "queueUrl"),)),
    "AWS::SQS::QueuePolicy": _Type(
        "sqs",
        (("SetQueueAttributes", "queueUrl"),),
        (("SetQueueAttributes", "queueUrl"),),
        (("SetQueueAttributes", "queueUrl"),),
        lambda resource, _: resource.properties["Queues"][0],  # type: ignore[index]
    ),
    "AWS::CloudWatch::Alarm": _Type(
        "monitoring",
        (("PutMetricAlarm", "alarmName"),),
        (("PutMetricAlarm", "alarmName"),),
        (("DeleteAlarms", "alarmNames"),),
    ),
    "AWS::DynamoDB::Table": _Type(
        "dynamodb",
        (("UpdateTimeToLive", "tableName"), ("UpdateContinuousBackups", "tableName")),
        (("UpdateTable", "tableName"),),
        (("DeleteTable", "tableName"),),
    ),
    "AWS::Scheduler::Schedule": _Type("scheduler", (), (("UpdateSchedule", "name"),), (("DeleteSchedule", "name"),)),
}
# The physical ids of these types are not names.
_BY_REF: Final = frozenset({"AWS::IAM::ManagedPolicy", "AWS::SNS::Topic", "AWS::SQS::Queue"})


@dataclass(frozen=True)
class Step:
    """What CloudFormation does for one resource: its calls as CloudTrail records, and the stack's events."""

    resource: Resource
    records: tuple[Fields, ...]
    events: tuple[StackEvent, ...]


def steps(stack: Stack, operation: str, began: datetime) -> Iterator[Step]:
    """Yield what an operation on the whole stack does for each resource, one after the other, ten seconds each."""
    for number, resource in enumerate(stack.resources.values()):
        yield _step(stack, resource, operation, began + timedelta(seconds=10 * number, milliseconds=700))


def _step(stack: Stack, resource: Resource, operation: str, at: datetime) -> Step:
    kind = _TYPES.get(resource.type)
    physical_id = str(stack.resolve({"Ref": resource.logical_id})) if resource.type in _BY_REF else resource.physical_id
    calls = {"CREATE": kind.create, "UPDATE": kind.update, "DELETE": kind.delete}[operation] if kind else ()
    records = tuple(
        detail(
            name,
            {parameter: [value] if parameter.endswith("Names") else value},
            eventSource=f"{kind.service}.amazonaws.com",
            eventTime=utc_text(at + timedelta(seconds=2)),
            sourceIPAddress=CLOUDFORMATION,
            userAgent=CLOUDFORMATION,
            userIdentity=role_identity("Deploy", "AWSCloudFormation"),
        )
        for name, parameter in calls
        if kind and (value := kind.of(resource, physical_id))
    )
    return Step(resource, records, tuple(_events(resource, physical_id, operation, at)))


def _events(resource: Resource, physical_id: str, operation: str, at: datetime) -> Iterator[StackEvent]:
    properties = json.dumps(resource.properties)

    def event(status: str, seconds: float, shown: str) -> StackEvent:
        moment = at + timedelta(seconds=seconds)
        return StackEvent(moment, resource.logical_id, resource.type, f"{operation}_{status}", shown, properties)

    yield event("IN_PROGRESS", 0, "" if operation == "CREATE" else physical_id)
    if operation == "CREATE":
        yield event("IN_PROGRESS", 4, physical_id)
    yield event("COMPLETE", 6, physical_id)
