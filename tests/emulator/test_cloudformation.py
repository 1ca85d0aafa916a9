"""The stack in CloudFormation: its resources, its updates, and a deletion that fails."""

import json
from collections.abc import Iterator
from functools import partial

import pytest
from botocore.exceptions import ClientError

from mfa_guard_cli.stack.template import Fields, Stack
from mfa_guard_emulator.account import LocalAccount
from mfa_guard_emulator.aws.cloudformation import RESOURCE
from mfa_guard_emulator.aws.resources import AnyClient
from support.local import administrator
from support.processes import wait_until


@pytest.fixture
def stacks(account: LocalAccount) -> Iterator[AnyClient]:
    """Return CloudFormation's client. Events are held, so that no function runs."""
    with account.holding_events():
        yield administrator(account).any("cloudformation")


class Operations:
    """Deletes nothing. The custom resource answers with `status`."""

    def __init__(self, account: LocalAccount, status: str, problem: str | None = None) -> None:
        self._account = account
        self._status = status
        self._problem = problem

    def invoke_teardown(self, request: Fields) -> None:
        answer = {"Status": self._status, "Reason": "AWS denies it.", "RequestId": request["RequestId"]}
        self._account.cloudformation.take_answer(json.dumps(answer).encode())

    def update(self, stack: Stack) -> None:
        pass

    def delete_triggers(self) -> None:
        if self._status == "ERROR":
            raise RuntimeError("moto failed")

    def delete_enforcement(self) -> str | None:
        return self._problem


@pytest.fixture
def service(account: LocalAccount) -> Iterator[LocalAccount]:
    """Return the account, whose CloudFormation is as before after the test."""
    service = account.cloudformation
    before = service.operations, service.status, service.protected, service.stack
    yield account
    service.operations, service.status, service.protected, service.stack = before


def test_it_lists_every_resource_of_the_template(stacks: AnyClient, stack: Stack) -> None:
    listed = stacks.describe_stack_resources(StackName="mfa-guard")["StackResources"]
    assert isinstance(listed, list)
    assert {each["LogicalResourceId"] for each in listed} == stack.resources.keys()
    assert {each["PhysicalResourceId"] for each in listed} >= {stack.physical_id("EnforcementGroup")}
    summaries = stacks.list_stack_resources(StackName="mfa-guard")["StackResourceSummaries"]
    assert isinstance(summaries, list)
    assert len(summaries) == len(listed)


def test_an_update_without_a_change_is_refused(stacks: AnyClient) -> None:
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stacks.update_stack(StackName="mfa-guard", UsePreviousTemplate=True)


def test_a_value_that_the_template_does_not_allow_is_refused(stacks: AnyClient) -> None:
    given = [{"ParameterKey": "Mode", "ParameterValue": "off"}]
    with pytest.raises(ClientError, match="The parameter Mode allows audit, events, all"):
        stacks.update_stack(StackName="mfa-guard", UsePreviousTemplate=True, Parameters=given)


@pytest.mark.parametrize(
    ("status", "problem", "reason"),
    [
        ("FAILED", None, "AWS denies it."),
        ("SUCCESS", "The policy is still attached", "The policy is still attached"),
        ("ERROR", None, "The local account failed"),
    ],
)
def test_a_deletion_that_fails_has_its_reason(
    stacks: AnyClient, service: LocalAccount, status: str, problem: str | None, reason: str
) -> None:
    service.cloudformation.operations = Operations(service, status, problem)
    stacks.update_termination_protection(StackName="mfa-guard", EnableTerminationProtection=False)
    stacks.delete_stack(StackName="mfa-guard")
    wait_until(lambda: service.cloudformation.status == "DELETE_FAILED", 10, lambda: service.cloudformation.status)
    listed = stacks.describe_stacks(StackName="mfa-guard")["Stacks"]
    assert isinstance(listed, list)
    [shown] = listed
    assert (shown["StackStatus"], shown["StackStatusReason"]) == ("DELETE_FAILED", reason)
    failures = [trace.strip().splitlines()[-1] for trace in service.failures]
    assert failures == (["RuntimeError: moto failed"] if status == "ERROR" else [])
    service.failures.clear()


def test_a_custom_resource_that_cannot_be_created_is_a_failure(service: LocalAccount) -> None:
    service.cloudformation.operations = Operations(service, "FAILED")
    service.cloudformation.create_custom_resource()
    assert service.cloudformation.status == "CREATE_FAILED"
    assert service.failures == [f"The custom resource {RESOURCE} could not be created: AWS denies it."]
    service.failures.clear()


def test_an_attached_policy_keeps_the_stack_from_being_deleted(account: LocalAccount, stack: Stack) -> None:
    account.clients.iam.create_user(UserName="attached")
    policy = str(stack.resolve({"Ref": "EnforcementPolicy"}))
    account.iam.attach_user_policy(policy, "attached")
    problem = account.cloudformation.operations.delete_enforcement()
    assert problem == f"The policy {policy} is still attached to 1 entities, so IAM does not delete it"
    account.iam.detach_user_policy(policy, "attached")
    assert partial(account.clients.iam.get_policy, PolicyArn=policy)()
