"""What the health checks require besides the stack: a trail, root's MFA device, and termination protection."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TypeAlias

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from mfa_guard_emulator.aws import baseline
from mfa_guard_emulator.aws.resources import create_all
from support.account import Account
from support.stack_resources import list_resources

CHECKED: Final = frozenset(
    {
        "AWS::Events::Rule",
        "AWS::IAM::Role",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Function",
        "AWS::SNS::TopicPolicy",
        "AWS::Scheduler::Schedule",
    }
)

_Answer: TypeAlias = tuple[AWSResponse, Mapping[str, object]]


def create_baseline(account: Account) -> None:
    """Create what the health checks require, without events. moto confirms every subscription itself."""
    stack = account.stack
    baseline.create_baseline(stack, account.iam, account.clients)
    # moto's CloudFormation takes seconds, because it loads every service. The stubs do not have the type of a handler
    # that responds, which this event allows.
    account.session.events.register("before-call.cloudformation.DescribeStacks", _described(account))  # type: ignore[arg-type]
    list_resources(account.session.events, stack)
    create_all(account.clients, stack, CHECKED)


def _described(account: Account) -> object:
    stack = account.stack
    shown = {
        "StackName": stack.name,
        "StackId": str(stack.resolve({"Ref": "AWS::StackId"})),
        "StackStatus": "UPDATE_COMPLETE",
        "CreationTime": datetime.now(UTC),
        "EnableTerminationProtection": True,
    }

    def describe(**_: object) -> _Answer:
        answer = {"Stacks": [shown], "ResponseMetadata": {"HTTPStatusCode": 200, "RequestId": "local"}}
        return AWSResponse("https://amazonaws.com/", 200, HTTPHeaders(), None), answer

    return describe
