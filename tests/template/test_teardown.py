"""The teardown in the template: the order of deletion, and the permissions and the invocations of TeardownFunction."""

import re
from collections.abc import Iterator, Mapping

import pytest

from mfa_guard.adapters.attachments import IamAttachments
from mfa_guard.adapters.cloudformation import OwnStackStatus
from mfa_guard.adapters.event_bus import EventBus
from mfa_guard.adapters.self_invocation import LambdaSelfInvocation
from mfa_guard.core.custom_resource import parse_stack_id
from mfa_guard.core.sweep_request import DETAIL_TYPE, SOURCE
from mfa_guard.core.user import GUARD_TAGS
from mfa_guard_cli.stack.template import Stack, load_template

TEMPLATE = load_template()
ENFORCING = {"iam:AttachUserPolicy", "iam:AddUserToGroup", "iam:TagUser"}
HOMES = {"us-east-1": "aws", "us-gov-west-1": "aws-us-gov", "cn-north-1": "aws-cn"}

Fields = Mapping[str, object]


@pytest.fixture(scope="module")
def stack() -> Stack:
    return TEMPLATE.render(parameters={"Mode": "all"})


def texts(value: object) -> list[str]:
    return [value] if isinstance(value, str) else [str(each) for each in value]  # type: ignore[attr-defined]


class Order:
    """CloudFormation's order: a resource is created after the resources that it names, and deleted before them."""

    def __init__(self) -> None:
        self.resources = TEMPLATE.section("Resources")
        self.names = {
            name: set(self._named(resource)) & set(self.resources) for name, resource in self.resources.items()
        }

    def _named(self, value: object) -> Iterator[str]:
        if isinstance(value, Mapping):
            if value.keys() == {"Ref"}:
                yield str(value["Ref"])
            elif value.keys() == {"Fn::GetAtt"}:
                attribute = value["Fn::GetAtt"]
                yield attribute.partition(".")[0] if isinstance(attribute, str) else str(attribute[0])
            elif value.keys() == {"Fn::Sub"}:
                argument = value["Fn::Sub"]
                yield from re.findall(r"\$\{([A-Za-z0-9]+)", argument if isinstance(argument, str) else argument[0])
            if "DependsOn" in value:
                yield from texts(value["DependsOn"])
            for each in value.values():
                yield from self._named(each)
        elif isinstance(value, list):
            for each in value:
                yield from self._named(each)

    def deleted_after(self, name: str) -> set[str]:
        """Return every resource that is deleted after this one."""
        found: set[str] = set()
        pending = [name]
        while pending:
            new = self.names[pending.pop()] - found
            found |= new
            pending += new
        return found

    def before_teardown(self) -> set[str]:
        """Return every resource that is deleted before the teardown begins."""
        return {name for name in self.names if "Teardown" in self.deleted_after(name)}


@pytest.fixture(scope="module")
def order() -> Order:
    return Order()


def enforcing_functions(stack: Stack) -> list[str]:
    """Return the functions whose roles can enforce or tag users."""
    functions = [each for each in stack.resources.values() if each.type == "AWS::Lambda::Function"]
    return [
        function.logical_id
        for function in functions
        if ENFORCING
        & {action for each in stack.role_statements(f"{function.logical_id}Role") for action in texts(each["Action"])}
    ]


class TestDeletionOrder:
    def test_no_resource_waits_for_itself(self, order: Order) -> None:
        assert [name for name in order.names if name in order.deleted_after(name)] == []

    def test_the_functions_that_enforce_and_their_roles_are_deleted_before_the_teardown(
        self, stack: Stack, order: Order
    ) -> None:
        enforcing = enforcing_functions(stack)
        assert "UserEventFunction" in enforcing
        assert "TeardownFunction" not in enforcing
        # An invocation may continue after its function is deleted, but without the permissions of its role.
        assert {*enforcing, *(f"{function}Role" for function in enforcing)} <= order.before_teardown()

    def test_everything_that_invokes_them_is_deleted_before_the_teardown(self, stack: Stack, order: Order) -> None:
        enforcing = set(enforcing_functions(stack))
        types = {
            "AWS::Events::Rule",
            "AWS::Scheduler::Schedule",
            "AWS::Lambda::Permission",
            "AWS::Lambda::EventInvokeConfig",
            "AWS::Lambda::EventSourceMapping",
        }
        invokers = {
            name
            for name, resource in order.resources.items()
            if resource["Type"] in types and enforcing & order.names[name]
        }
        kinds = {order.resources[name]["Type"] for name in invokers}
        assert {"AWS::Events::Rule", "AWS::Lambda::Permission"} <= kinds
        assert invokers <= order.before_teardown()

    @pytest.mark.parametrize(
        "needed",
        [
            "EnforcementPolicy",
            "EnforcementGroup",
            "TeardownFunction",
            "TeardownFunctionRole",
            "TeardownFunctionInvokesItself",
            "TeardownFunctionEventInvokeConfig",
            "TeardownFunctionLogGroup",
        ],
    )
    def test_what_the_teardown_needs_is_deleted_after_it(self, order: Order, needed: str) -> None:
        assert needed in order.deleted_after("Teardown")

    def test_the_group_is_deleted_before_its_policy(self, order: Order) -> None:
        assert "EnforcementPolicy" in order.deleted_after("EnforcementGroup")

    def test_the_exemptions_are_retained(self) -> None:
        assert TEMPLATE.section("Resources")["ExemptionsTable"]["DeletionPolicy"] == "Retain"


class TestFunction:
    def test_cloudformation_invokes_it_and_nothing_else_does(self, stack: Stack, order: Order) -> None:
        resource = stack.resource("Teardown")
        assert resource.type.startswith("Custom::")
        assert resource.properties == {"ServiceToken": arn(stack, "TeardownFunction")}
        naming = {name for name, named in order.names.items() if "TeardownFunction" in named}
        types = {order.resources[name]["Type"] for name in naming}
        assert not types & {"AWS::Lambda::Permission", "AWS::Lambda::Url", "AWS::Lambda::EventSourceMapping"}
        targets = {function for rule in stack.rules() for function in rule.functions}
        assert "TeardownFunction" not in targets

    def test_its_timeout_is_fifteen_minutes(self, stack: Stack) -> None:
        assert stack.resource("TeardownFunction").properties["Timeout"] == 900

    @pytest.mark.parametrize(("region", "partition"), HOMES.items())
    def test_its_environment_names_its_stack(self, region: str, partition: str) -> None:
        rendered = TEMPLATE.render(region=region)
        own = parse_stack_id(rendered.environment("TeardownFunction"))
        assert own.arn == rendered.resolve({"Ref": "AWS::StackId"})
        assert (own.partition, own.region) == (partition, region)

    def test_a_request_that_failed_is_retried_and_stored_nowhere(self, stack: Stack) -> None:
        config = stack.resource("TeardownFunctionEventInvokeConfig").properties
        assert config["MaximumRetryAttempts"] == 2
        # A request contains a presigned URL.
        assert not config.get("DestinationConfig")
        assert "DeadLetterConfig" not in stack.resource("TeardownFunction").properties

    def test_tampering_with_it_and_its_role_is_reported(self, stack: Stack) -> None:
        patterns = {rule.logical_id: str(rule.pattern) for rule in stack.rules()}
        assert stack.physical_id("TeardownFunctionRole") in patterns["AlertFunctionRoleTampering"]
        assert stack.physical_id("TeardownFunction") in patterns["AlertFunctionFunctionTampering"]


def arn(stack: Stack, logical_id: str) -> str:
    return str(stack.resolve({"Fn::GetAtt": [logical_id, "Arn"]}))


def allowing(stack: Stack) -> list[Fields]:
    return [each for each in stack.role_statements("TeardownFunctionRole") if each["Effect"] == "Allow"]


def statement(stack: Stack, action: str) -> Fields:
    [found] = [each for each in allowing(stack) if action in texts(each["Action"])]
    return found


@pytest.mark.parametrize("region", HOMES)
class TestRole:
    def test_it_may_do_what_its_adapters_call_and_nothing_else(self, region: str) -> None:
        stack = TEMPLATE.render(region=region)
        allowed = {
            (action, resource)
            for each in allowing(stack)
            for action in texts(each["Action"])
            for resource in texts(each["Resource"])
        }
        detach = ("iam:DetachGroupPolicy", "iam:DetachRolePolicy", "iam:DetachUserPolicy")
        iam = f"arn:{stack.partition}:iam::{stack.account}"
        group, policy = arn(stack, "EnforcementGroup"), str(stack.resolve({"Ref": "EnforcementPolicy"}))
        wanted = {
            "iam:ListEntitiesForPolicy": {policy},
            "iam:GetGroup": {group},
            "iam:RemoveUserFromGroup": {group},
            "iam:GetAccountAuthorizationDetails": {"*"},
            "iam:UntagUser": {f"{iam}:user/*"},
            **{action: {f"{iam}:group/*", f"{iam}:role/*", f"{iam}:user/*"} for action in detach},
            "cloudformation:DescribeStacks": {str(stack.resolve({"Ref": "AWS::StackId"}))},
            "lambda:InvokeFunction": {arn(stack, "TeardownFunction")},
            "events:PutEvents": {f"arn:{stack.partition}:events:{region}:{stack.account}:event-bus/default"},
        }
        declared = {
            *IamAttachments.PERMISSIONS,
            *OwnStackStatus.PERMISSIONS,
            *LambdaSelfInvocation.PERMISSIONS,
            *EventBus.PERMISSIONS,
        }
        assert set(wanted) == declared
        log = {
            (action, arn(stack, "TeardownFunctionLogGroup")) for action in ("logs:CreateLogStream", "logs:PutLogEvents")
        }
        assert allowed == {(action, each) for action, resources in wanted.items() for each in resources} | log

    def test_no_statement_lists_exceptions(self, region: str) -> None:
        for each in TEMPLATE.render(region=region).role_statements("TeardownFunctionRole"):
            assert not {"NotAction", "NotResource"} & set(each)

    def test_only_the_enforcement_policy_can_be_detached(self, region: str) -> None:
        stack = TEMPLATE.render(region=region)
        policy = stack.resolve({"Ref": "EnforcementPolicy"})
        for action in ("iam:DetachGroupPolicy", "iam:DetachRolePolicy", "iam:DetachUserPolicy"):
            assert statement(stack, action)["Condition"] == {"ArnEquals": {"iam:PolicyARN": policy}}

    def test_only_the_guards_tags_can_be_removed_and_at_least_one(self, region: str) -> None:
        assert statement(TEMPLATE.render(region=region), "iam:UntagUser")["Condition"] == {
            "ForAllValues:StringEquals": {"aws:TagKeys": list(GUARD_TAGS)},
            "Null": {"aws:TagKeys": "false"},
        }

    def test_only_a_sweep_can_be_requested(self, region: str) -> None:
        assert statement(TEMPLATE.render(region=region), "events:PutEvents")["Condition"] == {
            "ForAllValues:StringEquals": {"events:source": SOURCE, "events:detail-type": DETAIL_TYPE},
            "Null": {"events:source": "false", "events:detail-type": "false"},
        }

    def test_only_lambda_assumes_it(self, region: str) -> None:
        trust = TEMPLATE.render(region=region).resource("TeardownFunctionRole").properties["AssumeRolePolicyDocument"]
        assert trust["Statement"] == [  # type: ignore[index]
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ]
