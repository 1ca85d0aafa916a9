"""The roles allow exactly what the adapters declare. tests/unit/adapters compares the declarations with the code."""

from collections.abc import Iterator, Mapping

import pytest

from mfa_guard.adapters.account import IamAccount
from mfa_guard.adapters.cloudformation import OwnStackEvents
from mfa_guard.adapters.dead_letters import DeadLetterQueue, ExemptionStream, Functions, Handovers
from mfa_guard.adapters.event_bus import EventBus
from mfa_guard.adapters.exemptions import ExemptionList, ExemptionTable
from mfa_guard.adapters.health_parts import StackReader, TopicReader
from mfa_guard.adapters.iam import AccessKeys, IamLookup, IamUsers
from mfa_guard.adapters.running_sweep import RunningSweepTable
from mfa_guard.adapters.sns import Topics
from mfa_guard.adapters.state_items import StateItems
from mfa_guard.adapters.summary_timer import SummaryQueue
from mfa_guard.adapters.sweep_memory import SweepMemoryTable
from mfa_guard.adapters.user_records import SweepRecordTable, UserRecordTable
from mfa_guard.adapters.virtual_devices import VirtualDevices
from mfa_guard.adapters.windows import WindowTable
from mfa_guard.core.sweep_request import DETAIL_TYPE, SOURCE
from mfa_guard_cli.stack.template import Stack, load_template

# Powertools' documentation also lists GetItem, which it needs only where DynamoDB does not return a refused item.
# https://docs.aws.amazon.com/powertools/python/latest/utilities/idempotency/#iam-permissions
IDEMPOTENCY = ("dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem")
LOGGING = ("logs:CreateLogStream", "logs:PutLogEvents")
DESTINATION = ("sqs:SendMessage",)

WRITES = {
    "iam:AttachUserPolicy",
    "iam:DetachUserPolicy",
    "iam:AddUserToGroup",
    "iam:RemoveUserFromGroup",
    "iam:TagUser",
    "iam:UntagUser",
}

Grants = set[tuple[str, str]]


def render(mode: str = "events") -> Stack:
    return load_template().render(parameters={"Mode": mode})


def grants(stack: Stack, role: str) -> Grants:
    """Return every (action, resource) that a role allows."""
    return set(_grants(stack, role))


def _grants(stack: Stack, role: str) -> Iterator[tuple[str, str]]:
    for statement in allowing(stack, role):
        assert not {"NotAction", "NotResource"} & set(statement)
        yield from (
            (action, resource) for action in _texts(statement["Action"]) for resource in _texts(statement["Resource"])
        )


def allowing(stack: Stack, role: str) -> list[Mapping[str, object]]:
    return [each for each in stack.role_statements(role) if each["Effect"] == "Allow"]


def _texts(value: object) -> list[str]:
    return [value] if isinstance(value, str) else [str(each) for each in value]  # type: ignore[attr-defined]


def arn(stack: Stack, logical_id: str) -> str:
    return str(stack.resolve({"Fn::GetAtt": [logical_id, "Arn"]}))


def expected(stack: Stack, function: str, declared: Mapping[str, tuple[str, ...]]) -> Grants:
    users = f"arn:aws:iam::{stack.account}:user/*"
    resources = {
        "users": users,
        "group": arn(stack, "EnforcementGroup"),
        "state": arn(stack, "StateTable"),
        "summaries": arn(stack, "SummaryQueue"),
        "exemptions": arn(stack, "ExemptionsTable"),
        "notices": str(stack.resolve({"Ref": "NoticesTopic"})),
        "operations": str(stack.resolve({"Ref": "OperationsTopic"})),
        "policy": str(stack.resolve({"Ref": "EnforcementPolicy"})),
        "policies": f"arn:aws:iam::{stack.account}:policy/*",
        "aws policies": "arn:aws:iam::aws:policy/*",
        "stream": str(stack.resolve({"Fn::GetAtt": ["ExemptionsTable", "StreamArn"]})),
        "any": "*",
        "trails": "arn:aws:cloudtrail:*:*:trail/*",
        "rules": f"arn:aws:events:us-east-1:{stack.account}:rule/mfa-guard-*",
        "bus": f"arn:aws:events:us-east-1:{stack.account}:event-bus/default",
        "own stack": str(stack.resolve({"Ref": "AWS::StackId"})),
        "stack": f"arn:aws:cloudformation:us-east-1:{stack.account}:stack/mfa-guard/*",
    }
    wanted = {(action, resources[name]) for name, actions in declared.items() for action in actions}
    wanted |= {(action, arn(stack, f"{function}LogGroup")) for action in LOGGING}
    return wanted | {(action, arn(stack, "DeadLetterQueue")) for action in DESTINATION}


# A permissions boundary can be any managed policy.
POLICY_READS = ("iam:GetPolicy", "iam:GetPolicyVersion")
GROUP_ACTIONS = ("iam:AddUserToGroup", "iam:RemoveUserFromGroup")


@pytest.mark.parametrize("mode", ["audit", "events", "all"])
def test_user_event_function_may_do_what_its_adapters_call_and_nothing_else(mode: str) -> None:
    stack = render(mode)
    calls = tuple(call for call in IamUsers.PERMISSIONS if mode != "audit" or call not in WRITES)
    assert grants(stack, "UserEventFunctionRole") == expected(
        stack,
        "UserEventFunction",
        {
            "users": tuple(call for call in calls if call not in GROUP_ACTIONS),
            "group": tuple(call for call in calls if call in GROUP_ACTIONS),
            "any": tuple(call for call in IamLookup.PERMISSIONS if call not in POLICY_READS),
            "policies": POLICY_READS,
            "aws policies": POLICY_READS,
            "state": (*IDEMPOTENCY, *StateItems.PERMISSIONS, *UserRecordTable.PERMISSIONS, *WindowTable.PERMISSIONS),
            "summaries": SummaryQueue.PERMISSIONS,
            "exemptions": ExemptionTable.PERMISSIONS + UserRecordTable.PERMISSIONS,
            "notices": Topics.PERMISSIONS,
        },
    )


def test_alert_function_may_send_notices_and_nothing_else() -> None:
    stack = render()
    assert grants(stack, "AlertFunctionRole") == expected(
        stack,
        "AlertFunction",
        {
            "state": (*IDEMPOTENCY, *StateItems.PERMISSIONS, *WindowTable.PERMISSIONS, "dynamodb:GetItem"),
            "summaries": (*SummaryQueue.PERMISSIONS, *QUEUE),
            "notices": Topics.PERMISSIONS,
            "operations": Topics.PERMISSIONS,
            "stream": STREAM,
            "own stack": OwnStackEvents.PERMISSIONS,
            "any": ("dynamodb:ListStreams", *VirtualDevices.PERMISSIONS),
        },
    )


QUEUE = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
STREAM = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator")
# The bulk reads show these fields, so the plan never reads them for one user.
EVENT_FUNCTIONS = ("UserEventFunction", "AlertFunction")
LISTED = {"iam:ListAttachedUserPolicies", "iam:ListGroupsForUser"}


@pytest.mark.parametrize("mode", ["audit", "events", "all"])
def test_sweep_function_may_read_the_account_and_may_change_it_unless_in_audit(mode: str) -> None:
    stack = render(mode)
    # A sweep that changes nothing makes no call about one user.
    calls = tuple(call for call in IamUsers.PERMISSIONS if call not in LISTED and mode != "audit")
    wanted = expected(
        stack,
        "SweepFunction",
        {
            "users": tuple(call for call in calls if call not in GROUP_ACTIONS),
            "group": (
                *(call for call in calls if call in GROUP_ACTIONS),
                "iam:ListAttachedGroupPolicies",
                "iam:ListGroupPolicies",
            ),
            "policy": ("iam:GetPolicy", "iam:GetPolicyVersion"),
            "any": (*IamAccount.PERMISSIONS, "iam:GetAccountSummary", "cloudtrail:DescribeTrails", "events:ListRules"),
            "trails": ("cloudtrail:GetEventSelectors", "cloudtrail:GetTrailStatus"),
            "rules": ("events:ListTargetsByRule",),
            "bus": EventBus.PERMISSIONS if mode != "audit" else (),
            "stack": StackReader.PERMISSIONS,
            "state": tuple(
                {
                    *IDEMPOTENCY,
                    *SweepMemoryTable.PERMISSIONS,
                    *SweepRecordTable.PERMISSIONS,
                    *RunningSweepTable.PERMISSIONS,
                    *Handovers.PERMISSIONS,
                    *WindowTable.PERMISSIONS,
                }
            ),
            "exemptions": (
                *(ExemptionList.PERMISSIONS if mode != "audit" else ("dynamodb:Scan",)),
                "dynamodb:DescribeTable",
            ),
            "notices": (*Topics.PERMISSIONS, *TopicReader.PERMISSIONS),
            "operations": TopicReader.PERMISSIONS,
        },
    )
    regional = f"{stack.region}:{stack.account}"
    wanted.add(("scheduler:GetSchedule", f"arn:aws:scheduler:{regional}:schedule/default/mfa-guard-sweep"))
    mapping = stack.resolve({"Ref": "AlertFunctionExemptionChanged"})
    wanted.add(("lambda:GetEventSourceMapping", f"arn:aws:lambda:{regional}:event-source-mapping:{mapping}"))
    wanted |= {
        (call, arn(stack, function))
        for call in ("lambda:GetFunctionConcurrency", "lambda:GetFunctionEventInvokeConfig")
        for function in ("UserEventFunction", "AlertFunction", "SweepFunction", "TeardownFunction")
    }
    queue = ("sqs:GetQueueAttributes", *DeadLetterQueue.PERMISSIONS)
    wanted |= {(call, arn(stack, "DeadLetterQueue")) for call in queue}
    # A sweep never invokes itself.
    wanted |= {(call, arn(stack, name)) for call in Functions.PERMISSIONS for name in EVENT_FUNCTIONS}
    stream = str(stack.resolve({"Fn::GetAtt": ["ExemptionsTable", "StreamArn"]}))
    wanted |= {(call, stream) for call in ExemptionStream.PERMISSIONS}
    assert grants(stack, "SweepFunctionRole") == wanted


@pytest.mark.parametrize(
    ("mode", "days", "may"), [("all", "30", True), ("all", "0", False), ("events", "30", False), ("audit", "30", False)]
)
def test_keys_can_be_deactivated_only_if_the_parameters_say_so(mode: str, days: str, may: bool) -> None:
    stack = load_template().render(parameters={"Mode": mode, "DeactivateKeysAfterDays": days})
    plain = grants(load_template().render(parameters={"Mode": mode}), "SweepFunctionRole")
    more = grants(stack, "SweepFunctionRole") - plain
    assert more == (
        {(call, f"arn:aws:iam::{stack.account}:user/*") for call in AccessKeys.PERMISSIONS} if may else set()
    )


def test_a_sweep_may_send_only_its_own_events() -> None:
    statements = render("all").role_statements("SweepFunctionRole")
    [statement] = [each for each in statements if "events:PutEvents" in each["Action"]]  # type: ignore[operator]
    assert statement["Condition"] == {
        "ForAllValues:StringEquals": {"events:source": SOURCE, "events:detail-type": DETAIL_TYPE},
        "Null": {"events:source": "false", "events:detail-type": "false"},
    }


KEYS = {
    "UserEventFunctionRole": {"user-event#*", "user#*", "AIDA*", "notice#*", "window#*"},
    "AlertFunctionRole": {"alert#*", "notice#*", "window#*", "burst#*", "memory#trails"},
    "SweepFunctionRole": {
        "sweep#*",
        "user#*",
        "window#*",
        "dead-letter#*",
        "running#*",
        "memory#*",
        "notice#*",
        "stop#*",
    },
}


@pytest.mark.parametrize("role", KEYS)
def test_a_role_reaches_only_the_kinds_of_state_that_its_function_needs(role: str) -> None:
    stack = render("all")
    table = arn(stack, "StateTable")
    keys: set[str] = set()
    for statement in allowing(stack, role):
        # A Scan has no partition keys, so it can only be allowed without this condition.
        if table in _texts(statement["Resource"]) and statement["Action"] != "dynamodb:Scan":
            condition = statement["Condition"]
            assert isinstance(condition, dict)
            assert condition["Null"] == {"dynamodb:LeadingKeys": "false"}
            keys |= set(condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"])
    assert keys == KEYS[role]


@pytest.mark.parametrize("function", ["UserEventFunction", "AlertFunction", "SweepFunction", "TeardownFunction"])
def test_a_role_writes_only_for_the_code_of_its_own_function(function: str) -> None:
    stack = load_template().render(parameters={"Mode": "all", "DeactivateKeysAfterDays": "30"})
    [denied] = [each for each in stack.role_statements(f"{function}Role") if each["Effect"] == "Deny"]
    assert denied["Condition"] == {"ArnNotEquals": {"lambda:SourceFunctionArn": arn(stack, function)}}
    assert denied["Resource"] == "*"
    writes = {action for action, _ in grants(stack, f"{function}Role") if action.split(":")[0] in {"iam", "dynamodb"}}
    reads = ("BatchGet", "Describe", "Generate", "Get", "List", "Scan")
    writes = {each for each in writes if not each.partition(":")[2].startswith(reads)}
    published = {action for action, _ in grants(stack, f"{function}Role") if action == "sns:Publish"}
    assert set(_texts(denied["Action"])) == writes | published


@pytest.mark.parametrize("role", ["UserEventFunctionRole", "SweepFunctionRole"])
def test_only_the_enforcement_policy_can_be_attached(role: str) -> None:
    stack = render("all")
    [statement] = [s for s in allowing(stack, role) if "iam:AttachUserPolicy" in s["Action"]]  # type: ignore[operator]
    assert statement["Action"] == ["iam:AttachUserPolicy", "iam:DetachUserPolicy"]
    assert statement["Condition"] == {"ArnEquals": {"iam:PolicyARN": stack.resolve({"Ref": "EnforcementPolicy"})}}


@pytest.mark.parametrize("role", ["UserEventFunctionRole", "SweepFunctionRole"])
def test_only_the_guards_tags_can_be_written_and_at_least_one(role: str) -> None:
    [statement] = [s for s in allowing(render("all"), role) if "iam:TagUser" in s["Action"]]  # type: ignore[operator]
    assert statement["Condition"] == {
        "ForAllValues:StringEquals": {"aws:TagKeys": ["mfa-guard:status", "mfa-guard:since", "mfa-guard:warned"]},
        "Null": {"aws:TagKeys": "false"},
    }


@pytest.mark.parametrize("role", ["UserEventFunctionRole", "AlertFunctionRole", "SweepFunctionRole"])
def test_only_lambda_assumes_a_functions_role(role: str) -> None:
    trust = render().resource(role).properties["AssumeRolePolicyDocument"]
    assert trust["Statement"] == [  # type: ignore[index]
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ]
