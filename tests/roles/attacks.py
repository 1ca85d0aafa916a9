"""Requests that an attacker who runs code in a function could send, and that the function's role must refuse.

An attacker who can change a function's code, or finds a vulnerability in it, has its role. The table lists requests
that no role of the guard needs. For what the roles allow see SECURITY.md, "What the guard's own parts can do".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mfa_guard.core.sweep_request import DETAIL_TYPE, SOURCE
from mfa_guard_cli.policy.evaluator import Request
from mfa_guard_cli.stack.template import Stack

USER_EVENT: Final = "UserEventFunction"
ALERT: Final = "AlertFunction"
SWEEP: Final = "SweepFunction"
TEARDOWN: Final = "TeardownFunction"
EVERY: Final = (USER_EVENT, ALERT, SWEEP, TEARDOWN)
ENFORCING: Final = (USER_EVENT, SWEEP)

EVE: Final = "arn:aws:iam::111122223333:user/eve"
ADMIN: Final = "arn:aws:iam::111122223333:role/Admin"
STAFF: Final = "arn:aws:iam::111122223333:group/staff"
ADMINISTRATOR_ACCESS: Final = "arn:aws:iam::aws:policy/AdministratorAccess"
ANOTHER_POLICY: Final = "arn:aws:iam::111122223333:policy/Other"
LOOKALIKE_POLICY: Final = "arn:aws:iam::111122223333:policy/EnrollMFADeviceThenSignInAgain2"
FOREIGN_POLICY: Final = "arn:aws:iam::444455556666:policy/EnrollMFADeviceThenSignInAgain"
BUS: Final = "arn:aws:events:us-east-1:111122223333:event-bus/default"
ANOTHER_BUS: Final = "arn:aws:events:us-east-1:111122223333:event-bus/payments"
ANOTHER_FUNCTION: Final = "arn:aws:lambda:us-east-1:111122223333:function:payments"
ANOTHER_STACK: Final = "arn:aws:cloudformation:us-east-1:111122223333:stack/mfa-guard-2/1"
ANOTHER_TABLE: Final = "arn:aws:dynamodb:us-east-1:111122223333:table/payments"
ANOTHER_TOPIC: Final = "arn:aws:sns:us-east-1:111122223333:payments"
ANOTHER_QUEUE: Final = "arn:aws:sqs:us-east-1:111122223333:payments"
TRAIL: Final = "arn:aws:cloudtrail:us-east-1:111122223333:trail/main"

Context = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Attack:
    """A request that the roles of some functions must refuse, in every deployment.

    Attributes:
        goal: what the attacker wants to do.
        functions: those whose roles must refuse it.
        resource: an ARN, `*`, or the logical id of a resource of the stack; after a dot, one of its attributes.
        context: condition keys; a value in braces is the logical id of a resource of the stack.
    """

    goal: str
    functions: tuple[str, ...]
    action: str
    resource: str
    context: Context = field(default_factory=dict, hash=False)

    def request(self, stack: Stack) -> Request:
        """Return the request as the account of a stack receives it."""
        context = {
            key: _resolved(stack, value) if isinstance(value, str) else value for key, value in self.context.items()
        }
        return Request(self.action, _arn(stack, self.resource), context)

    def __str__(self) -> str:
        return f"{self.goal} [{self.action} on {self.resource}]"


def _resolved(stack: Stack, value: str) -> str:
    return str(stack.resolve({"Ref": value[1:-1]})) if value.startswith("{") else value


def _arn(stack: Stack, resource: str) -> str:
    if resource == "*" or resource.startswith("arn:"):
        return resource
    logical_id, _, attribute = resource.partition(".")
    return str(stack.resolve({"Fn::GetAtt": [logical_id, attribute]} if attribute else {"Ref": logical_id}))


def _attach(action: str, resource: str, policy: str, goal: str, functions: tuple[str, ...] = EVERY) -> Attack:
    return Attack(goal, functions, f"iam:{action}", resource, {"iam:PolicyARN": policy})


ENFORCEMENT_POLICY: Final = "{EnforcementPolicy}"

PRIVILEGE_ESCALATION: Final = (
    _attach("AttachUserPolicy", EVE, ADMINISTRATOR_ACCESS, "makes a user an administrator"),
    _attach("AttachRolePolicy", ADMIN, ADMINISTRATOR_ACCESS, "makes a role an administrator"),
    _attach("AttachGroupPolicy", STAFF, ADMINISTRATOR_ACCESS, "makes a group administrators"),
    _attach(
        "AttachGroupPolicy", "EnforcementGroup.Arn", ADMINISTRATOR_ACCESS, "makes all enforced users administrators"
    ),
    _attach("AttachUserPolicy", EVE, ANOTHER_POLICY, "attaches another policy"),
    _attach("AttachUserPolicy", EVE, LOOKALIKE_POLICY, "attaches a policy whose name begins the same"),
    _attach("AttachUserPolicy", EVE, FOREIGN_POLICY, "attaches another account's policy of the same name"),
    Attack("attaches a policy that it does not name", EVERY, "iam:AttachUserPolicy", EVE),
    Attack("writes a policy into a user", EVERY, "iam:PutUserPolicy", EVE),
    Attack("writes a policy into its own role", EVERY, "iam:PutRolePolicy", "UserEventFunctionRole.Arn"),
    Attack("gives itself a permissions boundary", EVERY, "iam:PutUserPermissionsBoundary", EVE),
    Attack("creates a user", EVERY, "iam:CreateUser", EVE),
    Attack("creates an access key", EVERY, "iam:CreateAccessKey", EVE),
    Attack("creates a password", EVERY, "iam:CreateLoginProfile", EVE),
    Attack("sets a password", EVERY, "iam:UpdateLoginProfile", EVE),
    Attack("assumes a role", EVERY, "sts:AssumeRole", ADMIN),
    Attack("passes a role", EVERY, "iam:PassRole", ADMIN),
    Attack("adds a user to another group", EVERY, "iam:AddUserToGroup", STAFF),
)

WEAKER_ENFORCEMENT: Final = (
    _attach("DetachUserPolicy", EVE, ANOTHER_POLICY, "detaches another policy from a user"),
    _attach("DetachRolePolicy", ADMIN, ANOTHER_POLICY, "detaches another policy from a role"),
    _attach("DetachGroupPolicy", STAFF, ANOTHER_POLICY, "detaches another policy from a group"),
    _attach(
        "DetachRolePolicy", ADMIN, ENFORCEMENT_POLICY, "detaches the policy from a role", (USER_EVENT, ALERT, SWEEP)
    ),
    _attach(
        "DetachGroupPolicy",
        "EnforcementGroup.Arn",
        ENFORCEMENT_POLICY,
        "detaches the policy from the group",
        (USER_EVENT, ALERT, SWEEP),
    ),
    _attach("AttachUserPolicy", EVE, ENFORCEMENT_POLICY, "enforces a user", (ALERT, TEARDOWN)),
    _attach("DetachUserPolicy", EVE, ENFORCEMENT_POLICY, "releases a user", (ALERT,)),
    Attack("removes a user from another group", EVERY, "iam:RemoveUserFromGroup", STAFF),
    Attack("removes a user from the group", (ALERT,), "iam:RemoveUserFromGroup", "EnforcementGroup.Arn"),
    Attack("adds a user to the group", (ALERT, TEARDOWN), "iam:AddUserToGroup", "EnforcementGroup.Arn"),
    Attack("deletes the group", EVERY, "iam:DeleteGroup", "EnforcementGroup.Arn"),
    Attack("creates a version of the policy", EVERY, "iam:CreatePolicyVersion", "EnforcementPolicy"),
    Attack("sets the policy's default version", EVERY, "iam:SetDefaultPolicyVersion", "EnforcementPolicy"),
    Attack("deletes the policy", EVERY, "iam:DeletePolicy", "EnforcementPolicy"),
    Attack("deactivates a user's device", EVERY, "iam:DeactivateMFADevice", EVE),
    Attack("enrolls a device for a user", EVERY, "iam:EnableMFADevice", EVE),
    Attack("deletes a user", EVERY, "iam:DeleteUser", EVE),
    Attack("deletes an access key", EVERY, "iam:DeleteAccessKey", EVE),
    Attack("changes the status of a key", (USER_EVENT, ALERT, TEARDOWN), "iam:UpdateAccessKey", EVE),
)

_STATUS: Final = "mfa-guard:status"

TAGS: Final = (
    Attack("tags with another key", EVERY, "iam:TagUser", EVE, {"aws:TagKeys": ["team"]}),
    Attack("tags with a key that begins the same", EVERY, "iam:TagUser", EVE, {"aws:TagKeys": ["mfa-guard:statuses"]}),
    Attack("tags with its own key in capitals", EVERY, "iam:TagUser", EVE, {"aws:TagKeys": ["MFA-GUARD:STATUS"]}),
    Attack("tags with another key besides its own", EVERY, "iam:TagUser", EVE, {"aws:TagKeys": [_STATUS, "team"]}),
    Attack("tags with no key", EVERY, "iam:TagUser", EVE),
    Attack("removes another tag", EVERY, "iam:UntagUser", EVE, {"aws:TagKeys": ["team"]}),
    Attack("removes another tag besides its own", EVERY, "iam:UntagUser", EVE, {"aws:TagKeys": [_STATUS, "team"]}),
    Attack("removes no tag", EVERY, "iam:UntagUser", EVE),
    Attack("tags a user noncompliant", (ALERT, TEARDOWN), "iam:TagUser", EVE, {"aws:TagKeys": [_STATUS]}),
    Attack("removes a noncompliance tag", (ALERT,), "iam:UntagUser", EVE, {"aws:TagKeys": [_STATUS]}),
    Attack("tags a role", EVERY, "iam:TagRole", ADMIN, {"aws:TagKeys": [_STATUS]}),
    Attack("tags the policy", EVERY, "iam:TagPolicy", "EnforcementPolicy", {"aws:TagKeys": [_STATUS]}),
    Attack("tags a role with the action for users", EVERY, "iam:TagUser", ADMIN, {"aws:TagKeys": [_STATUS]}),
)

EXEMPTIONS: Final = (
    Attack("writes an exemption", EVERY, "dynamodb:PutItem", "ExemptionsTable.Arn"),
    Attack("changes an exemption", EVERY, "dynamodb:UpdateItem", "ExemptionsTable.Arn"),
    Attack("deletes an exemption", EVERY, "dynamodb:DeleteItem", "ExemptionsTable.Arn"),
    Attack("writes exemptions in a batch", EVERY, "dynamodb:BatchWriteItem", "ExemptionsTable.Arn"),
    Attack("writes exemptions with PartiQL", EVERY, "dynamodb:PartiQLInsert", "ExemptionsTable.Arn"),
    Attack("deletes the exemption table", EVERY, "dynamodb:DeleteTable", "ExemptionsTable.Arn"),
    Attack("reads all exemptions", (USER_EVENT, ALERT, TEARDOWN), "dynamodb:Scan", "ExemptionsTable.Arn"),
    Attack("writes to another table", EVERY, "dynamodb:PutItem", ANOTHER_TABLE),
    Attack("reads another table", EVERY, "dynamodb:GetItem", ANOTHER_TABLE),
)

NOTICES: Final = (
    Attack("subscribes to the topic", EVERY, "sns:Subscribe", "NoticesTopic"),
    Attack("reads the topic's attributes", (USER_EVENT, ALERT, TEARDOWN), "sns:GetTopicAttributes", "NoticesTopic"),
    Attack("lists the subscribers", (USER_EVENT, ALERT, TEARDOWN), "sns:ListSubscriptionsByTopic", "NoticesTopic"),
    Attack("unsubscribes from the topic", EVERY, "sns:Unsubscribe", "NoticesTopic"),
    Attack("changes the access policy of the topic", EVERY, "sns:SetTopicAttributes", "NoticesTopic"),
    Attack("deletes the topic", EVERY, "sns:DeleteTopic", "NoticesTopic"),
    Attack("publishes to another topic", EVERY, "sns:Publish", ANOTHER_TOPIC),
    Attack("publishes to the operations topic", (USER_EVENT, SWEEP, TEARDOWN), "sns:Publish", "OperationsTopic"),
    Attack("publishes to the notices topic", (TEARDOWN,), "sns:Publish", "NoticesTopic"),
    Attack("reads the dead letters", (USER_EVENT, ALERT, TEARDOWN), "sqs:ReceiveMessage", "DeadLetterQueue.Arn"),
    Attack("deletes dead letters", (USER_EVENT, ALERT, TEARDOWN), "sqs:DeleteMessage", "DeadLetterQueue.Arn"),
    Attack("purges the dead letters", EVERY, "sqs:PurgeQueue", "DeadLetterQueue.Arn"),
    Attack("sends to another queue", EVERY, "sqs:SendMessage", ANOTHER_QUEUE),
)

THE_GUARD: Final = (
    Attack("changes a function's code", EVERY, "lambda:UpdateFunctionCode", "TeardownFunction.Arn"),
    Attack("changes a function's environment", EVERY, "lambda:UpdateFunctionConfiguration", "SweepFunction.Arn"),
    Attack("invokes TeardownFunction", (USER_EVENT, ALERT, SWEEP), "lambda:InvokeFunction", "TeardownFunction.Arn"),
    Attack("invokes SweepFunction", EVERY, "lambda:InvokeFunction", "SweepFunction.Arn"),
    Attack("invokes another function", EVERY, "lambda:InvokeFunction", ANOTHER_FUNCTION),
    Attack("disables a rule", EVERY, "events:DisableRule", "arn:aws:events:us-east-1:111122223333:rule/mfa-guard-x"),
    Attack("stops a trail", EVERY, "cloudtrail:StopLogging", TRAIL),
    Attack("deletes the stack", EVERY, "cloudformation:DeleteStack", "AWS::StackId"),
    Attack(
        "reads the stack's events", (USER_EVENT, SWEEP, TEARDOWN), "cloudformation:DescribeStackEvents", "AWS::StackId"
    ),
    Attack("reads another stack's events", EVERY, "cloudformation:DescribeStackEvents", ANOTHER_STACK),
    Attack("reads the stack itself", (USER_EVENT, ALERT), "cloudformation:DescribeStacks", "AWS::StackId"),
    Attack("reads the stack's template", EVERY, "cloudformation:GetTemplate", "AWS::StackId"),
    Attack("reads another stack", EVERY, "cloudformation:DescribeStacks", ANOTHER_STACK),
    Attack("deletes logs", EVERY, "logs:DeleteLogGroup", "UserEventFunctionLogGroup.Arn"),
    Attack("reads secrets", EVERY, "secretsmanager:GetSecretValue", "*"),
    Attack("reads objects", EVERY, "s3:GetObject", "arn:aws:s3:::payroll/january.csv"),
)


def _put_events(goal: str, functions: tuple[str, ...], entries: Sequence[tuple[str, str]], bus: str = BUS) -> Attack:
    """Return a request with entries of a source and a detail type each. Without entries, it has no condition keys."""
    sources, detail_types = [source for source, _ in entries], [detail_type for _, detail_type in entries]
    return Attack(
        goal, functions, "events:PutEvents", bus, {"events:source": sources, "events:detail-type": detail_types}
    )


_OWN: Final = (SOURCE, DETAIL_TYPE)
_BOTH_FOREIGN: Final = ("payments", "Paid")

EVENTS: Final = (
    _put_events("requests a sweep", (USER_EVENT, ALERT), [_OWN]),
    _put_events("requests two sweeps at once", (USER_EVENT, ALERT), [_OWN, _OWN]),
    _put_events("sends an event of another application", EVERY, [_BOTH_FOREIGN]),
    _put_events("sends an event of another application before its own", EVERY, [_BOTH_FOREIGN, _OWN]),
    _put_events("sends an event of another application after its own", EVERY, [_OWN, _BOTH_FOREIGN]),
    _put_events("sends an event of another source", EVERY, [("payments", DETAIL_TYPE)]),
    _put_events("sends an event of another source besides its own", EVERY, [_OWN, ("payments", DETAIL_TYPE)]),
    _put_events("sends an event of a source that begins the same", EVERY, [("mfa-guard-2", DETAIL_TYPE)]),
    _put_events("sends an event of another detail type", EVERY, [(SOURCE, "Paid")]),
    _put_events("sends an event of another detail type besides its own", EVERY, [_OWN, (SOURCE, "Paid")]),
    _put_events("sends no event", EVERY, []),
    Attack("sends events without a source", EVERY, "events:PutEvents", BUS, {"events:detail-type": [DETAIL_TYPE]}),
    Attack("sends events without a detail type", EVERY, "events:PutEvents", BUS, {"events:source": [SOURCE]}),
    _put_events("sends its event to another bus", EVERY, [_OWN], ANOTHER_BUS),
)

STATE: Final = (
    *(
        Attack(goal, functions, f"dynamodb:{action}", "StateTable.Arn", {"dynamodb:LeadingKeys": [key]})
        for goal, functions, key in (
            ("makes an alert a duplicate", (USER_EVENT, SWEEP, TEARDOWN), "alert#1"),
            ("makes an event a duplicate", (ALERT, SWEEP, TEARDOWN), "user-event#1"),
            ("makes a sweep a duplicate", (USER_EVENT, ALERT, TEARDOWN), "sweep#1"),
            ("forges what sweeps remember", (USER_EVENT, ALERT, TEARDOWN), "memory#sweep"),
            ("writes the record of an emergency stop", EVERY, "stop#1"),
        )
        for action in ("PutItem", "UpdateItem", "DeleteItem")
    ),
    *(
        Attack(
            "forges a user record",
            functions,
            f"dynamodb:{action}",
            "StateTable.Arn",
            {"dynamodb:LeadingKeys": ["user#1"]},
        )
        for action, functions in (
            ("PutItem", (USER_EVENT, ALERT, TEARDOWN)),
            ("UpdateItem", (ALERT, TEARDOWN)),
            ("DeleteItem", (USER_EVENT, ALERT, TEARDOWN)),
        )
    ),
    Attack(
        "forges a user record beside its own item",
        EVERY,
        "dynamodb:UpdateItem",
        "StateTable.Arn",
        {"dynamodb:LeadingKeys": ["alert#1", "user#AIDA1"]},
    ),
    *(
        Attack("writes state without a key", EVERY, f"dynamodb:{action}", "StateTable.Arn")
        for action in ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "PartiQLUpdate", "PartiQLDelete")
    ),
    Attack("reads all state", (USER_EVENT, ALERT, TEARDOWN), "dynamodb:Scan", "StateTable.Arn"),
)

ATTACKS: Final = (*PRIVILEGE_ESCALATION, *WEAKER_ENFORCEMENT, *TAGS, *EXEMPTIONS, *NOTICES, *THE_GUARD, *EVENTS, *STATE)
