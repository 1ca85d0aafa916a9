"""The roles refuse what the guard never does, and TeardownFunction refuses by itself what its role cannot refuse."""

from dataclasses import replace

import pytest

from mfa_guard.core.custom_resource import RequestNotUnderstood
from mfa_guard_cli.policy.evaluator import Decision, Request
from mfa_guard_cli.stack.template import Stack
from roles.attacks import ANOTHER_FUNCTION, ATTACKS, ENFORCING, EVERY, Attack
from roles.scenarios import created_stack, open_harness
from support.recorder import Call, deployed, from_function

WRITES = ("Detach", "Attach", "Remove", "Add", "Untag", "Tag", "Put", "Update", "Delete", "Invoke")


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_an_attack_is_refused(stack: Stack, attack: Attack) -> None:
    calls = [sent_by(function, attack, stack) for function in attack.functions]
    assert [str(call) for call in calls if call.decision() is Decision.ALLOW] == []


@pytest.mark.parametrize("attack", [each for each in ATTACKS if set(each.functions) != set(EVERY)], ids=str)
def test_a_role_that_an_attack_leaves_out_needs_the_permission(attack: Attack) -> None:
    stack = deployed("all", "user", "30")
    allowed = [sent_by(function, attack, stack) for function in EVERY if function not in attack.functions]
    assert [str(call) for call in allowed if call.decision() is not Decision.ALLOW] == []


def sent_by(function: str, attack: Attack, stack: Stack) -> Call:
    """Return the request as an attacker's code in the function sends it."""
    return Call(stack, function, from_function(stack, function, attack.request(stack)))


def writes_of(function: str, stack: Stack) -> list[Request]:
    """Return a request for each kind of write that the function's role allows to the function's own code."""
    requests = [attack.request(stack) for attack in ATTACKS if function not in attack.functions]
    written = (each for each in requests if each.action.startswith(("iam:", "dynamodb:", "sns:")))
    reads = ("Describe", "Get", "List", "Scan")
    return [each for each in written if not each.action.partition(":")[2].startswith(reads)]


@pytest.mark.parametrize("function", EVERY)
def test_the_credentials_of_a_role_are_of_no_use_outside_of_lambda(function: str) -> None:
    stack = deployed("all", "user", "30")
    calls = [Call(stack, function, request) for request in writes_of(function, stack)]
    assert calls
    assert {call.decision() for call in calls} == {Decision.DENY}


@pytest.mark.parametrize("function", EVERY)
def test_another_function_that_was_given_the_role_can_write_nothing(function: str) -> None:
    stack = deployed("all", "user", "30")
    own = str(stack.resolve({"Fn::GetAtt": [function, "Arn"]}))
    for other in (ANOTHER_FUNCTION, f"{own}-2", own.replace(stack.account, "444455556666")):
        requests = (
            replace(each, context={**each.context, "lambda:SourceFunctionArn": other})
            for each in writes_of(function, stack)
        )
        assert {Call(stack, function, request).decision() for request in requests} == {Decision.DENY}


@pytest.mark.parametrize("function", ENFORCING)
def test_no_role_can_change_iam_in_mode_audit(function: str) -> None:
    stack = deployed("audit", "user", "30")
    actions = [
        action
        for statement in stack.role_statements(f"{function}Role")
        if statement["Effect"] == "Allow"
        for action in statement["Action"]  # type: ignore[attr-defined]
        if action.startswith("iam:")
    ]
    assert [action for action in actions if action.removeprefix("iam:").startswith(WRITES)] == []


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_IN_PROGRESS", "DELETE_FAILED"])
def test_a_request_to_delete_changes_nothing_while_the_stack_exists(status: str) -> None:
    with (
        open_harness(deployed("all", "user", "0"), "TeardownFunction") as (harness, recorder),
        created_stack(harness) as created,
    ):
        harness.user("dora")
        harness.enforce("dora")
        created.set_status(status)
        created.handle("Delete")
        assert harness.policy in harness.account.iam.get_user("dora").managed_policies
        assert [call.request.action for call in recorder.calls] == ["cloudformation:DescribeStacks"]


def test_a_request_for_another_stack_causes_no_call() -> None:
    other = "arn:aws:cloudformation:us-east-1:111122223333:stack/other/1"
    with (
        open_harness(deployed("all", "user", "0"), "TeardownFunction") as (harness, recorder),
        created_stack(harness) as created,
    ):
        created.set_status("DELETE_IN_PROGRESS")
        created.stack_id = other
        with pytest.raises(RequestNotUnderstood):
            created.handle("Delete")
        assert recorder.calls == []
