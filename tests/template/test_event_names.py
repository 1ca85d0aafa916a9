"""Every event name matches its rule, if the call succeeded, is about the guard, and is not CloudFormation's."""

from collections.abc import Mapping

import pytest

from mfa_guard.core.cloudtrail import parse_user_event
from mfa_guard_cli.stack.event_pattern import index
from mfa_guard_cli.stack.template import load_template
from support.factories import detail, envelope

STACK = load_template().render()
ROUTE = index(STACK.rules())

# By rule: the event source, the request parameter that names the resource, its logical id or name, and the event names.
TAMPERING = {
    "PolicyTampering": (
        "iam",
        "policyArn",
        "EnforcementPolicy",
        "CreatePolicyVersion SetDefaultPolicyVersion DeletePolicyVersion DeletePolicy",
    ),
    "GroupTampering": (
        "iam",
        "groupName",
        "EnforcementGroup",
        "AttachGroupPolicy DetachGroupPolicy PutGroupPolicy DeleteGroupPolicy UpdateGroup DeleteGroup",
    ),
    "RoleTampering": (
        "iam",
        "roleName",
        "UserEventFunctionRole",
        "AttachRolePolicy DetachRolePolicy PutRolePolicy DeleteRolePolicy PutRolePermissionsBoundary "
        "DeleteRolePermissionsBoundary UpdateAssumeRolePolicy DeleteRole",
    ),
    "RuleTampering": ("events", "name", "mfa-guard-new-credentials", "PutRule DisableRule DeleteRule"),
    "ScheduleTampering": ("scheduler", "name", "mfa-guard-sweep", "UpdateSchedule DeleteSchedule"),
    "FunctionTampering": (
        "lambda",
        "functionName",
        "UserEventFunction",
        "UpdateFunctionCode20150331v2 UpdateFunctionConfiguration20150331v2 DeleteFunction20150331 "
        "AddPermission20150331v2 RemovePermission20150331v2 PutFunctionConcurrency20171031 "
        "PutFunctionEventInvokeConfig UpdateFunctionEventInvokeConfig DeleteFunctionEventInvokeConfig",
    ),
    "TopicTampering": (
        "sns",
        "topicArn",
        "NoticesTopic",
        "SetTopicAttributes DeleteTopic AddPermission RemovePermission Subscribe",
    ),
    "QueueTampering": (
        "sqs",
        "queueUrl",
        "DeadLetterQueue",
        "SetQueueAttributes DeleteQueue PurgeQueue AddPermission RemovePermission",
    ),
    "AlarmTampering": ("monitoring", "alarmName", "mfa-guard-heartbeat", "PutMetricAlarm SetAlarmState"),
    "TableTampering": (
        "dynamodb",
        "tableName",
        "StateTable",
        "DeleteTable UpdateTable UpdateTimeToLive UpdateContinuousBackups",
    ),
    "TrailTampering": ("cloudtrail", "name", "any trail", "StopLogging DeleteTrail UpdateTrail PutEventSelectors"),
    "StackChange": (
        "cloudformation",
        "stackName",
        "mfa-guard",
        "UpdateStack DeleteStack CreateChangeSet ExecuteChangeSet SetStackPolicy UpdateTerminationProtection",
    ),
}
# Event names with other request parameters.
OTHER_PARAMETERS = [
    ("RuleTampering", "events", "PutTargets", {"rule": "mfa-guard-new-credentials"}),
    ("RuleTampering", "events", "RemoveTargets", {"rule": "mfa-guard-new-credentials"}),
    ("AlarmTampering", "monitoring", "DeleteAlarms", {"alarmNames": ["other", "mfa-guard-heartbeat"]}),
    ("AlarmTampering", "monitoring", "DisableAlarmActions", {"alarmNames": ["mfa-guard-heartbeat"]}),
    ("TopicTampering", "sns", "Unsubscribe", {"subscriptionArn": f"{STACK.resolve({'Ref': 'NoticesTopic'})}:1"}),
    (
        "TopicTampering",
        "sns",
        "SetSubscriptionAttributes",
        {"subscriptionArn": f"{STACK.resolve({'Ref': 'NoticesTopic'})}:1"},
    ),
    ("TopicTampering", "sns", "PutDataProtectionPolicy", {"resourceArn": STACK.resolve({"Ref": "NoticesTopic"})}),
]


def cases() -> list[tuple[str, str, str, dict[str, object]]]:
    named = [
        (rule, source, event, {parameter: STACK.resolve({"Ref": name}) if name in STACK.resources else name})
        for rule, (source, parameter, name, events) in TAMPERING.items()
        for event in events.split()
    ]
    return [*named, *OTHER_PARAMETERS]  # type: ignore[list-item]


def matched_rules(source: str, event: str, request_parameters: Mapping[str, object], **changes: object) -> list[str]:
    record = detail(event, request_parameters, eventSource=f"{source}.amazonaws.com") | changes
    return [rule.logical_id for rule in ROUTE(envelope(record))]


@pytest.mark.parametrize(("rule", "source", "event", "request_parameters"), cases())
class TestAlerts:
    def test_it_matches_its_rule(
        self, rule: str, source: str, event: str, request_parameters: dict[str, object]
    ) -> None:
        assert matched_rules(source, event, request_parameters) == [f"AlertFunction{rule}"]

    def test_if_the_call_failed_it_matches_no_rule(
        self, rule: str, source: str, event: str, request_parameters: dict[str, object]
    ) -> None:
        assert matched_rules(source, event, request_parameters, errorCode="AccessDenied") == [], rule

    def test_by_cloudformation_it_is_no_tampering(
        self, rule: str, source: str, event: str, request_parameters: dict[str, object]
    ) -> None:
        found = matched_rules(source, event, request_parameters, sourceIPAddress="cloudformation.amazonaws.com")
        assert found == ([f"AlertFunction{rule}"] if rule == "StackChange" else [])

    def test_for_another_resource_it_matches_no_rule(
        self, rule: str, source: str, event: str, request_parameters: dict[str, object]
    ) -> None:
        other = {key: ["other"] if isinstance(value, list) else "other" for key, value in request_parameters.items()}
        assert matched_rules(source, event, other) == ([f"AlertFunction{rule}"] if rule == "TrailTampering" else [])


CREDENTIALS = (
    "CreateLoginProfile UpdateLoginProfile CreateAccessKey CreateServiceSpecificCredential "
    "ResetServiceSpecificCredential UploadSSHPublicKey UploadSigningCertificate"
)
ACTIVATIONS = "UpdateAccessKey UpdateServiceSpecificCredential UpdateSSHPublicKey UpdateSigningCertificate"
ALICE = {"userName": "alice"}
# By rule: the event names, and the request parameters.
ABOUT_USERS = [
    ("NewCredentials", f"CreateUser {CREDENTIALS}", ALICE),
    ("NewCredentials", ACTIVATIONS, ALICE | {"status": "Active"}),
    ("MfaDevices", "EnableMFADevice DeactivateMFADevice", ALICE),
    ("UserRenamed", "UpdateUser", ALICE | {"newUserName": "eve"}),
    ("AccessChanged", "DeleteLoginProfile PutUserPermissionsBoundary DeleteUserPermissionsBoundary", ALICE),
]


@pytest.mark.parametrize(
    ("rule", "event", "request_parameters"),
    [(rule, event, parameters) for rule, events, parameters in ABOUT_USERS for event in events.split()],
)
class TestUsers:
    def test_it_matches_its_rule_and_has_a_trigger(
        self, rule: str, event: str, request_parameters: dict[str, object]
    ) -> None:
        assert matched_rules("iam", event, request_parameters) == [f"UserEventFunction{rule}"]
        assert parse_user_event(detail(event, request_parameters)).subject.name in {"alice", "eve"}

    def test_if_the_call_failed_it_matches_no_rule(
        self, rule: str, event: str, request_parameters: dict[str, object]
    ) -> None:
        assert matched_rules("iam", event, request_parameters, errorCode="AccessDenied") == [], rule

    def test_of_another_service_it_matches_no_rule(
        self, rule: str, event: str, request_parameters: dict[str, object]
    ) -> None:
        assert matched_rules("transfer", event, request_parameters) == [], rule


@pytest.mark.parametrize("event", ACTIVATIONS.split())
def test_a_deactivated_credential_matches_no_rule(event: str) -> None:
    assert matched_rules("iam", event, ALICE | {"status": "Inactive"}) == []


SIGN_IN = {"responseElements": {"ConsoleLogin": "Success"}, "additionalEventData": {"MFAUsed": "No"}}


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({}, ["UserEventFunctionSignIns"]),
        ({"additionalEventData": {"MFAUsed": "NO"}}, ["UserEventFunctionSignIns"]),
        ({"additionalEventData": {"MobileVersion": "No"}}, ["UserEventFunctionSignIns"]),
        ({"additionalEventData": None}, ["UserEventFunctionSignIns"]),
        ({"additionalEventData": {"MFAUsed": "Yes"}}, []),
        ({"additionalEventData": {"MFAUsed": "YES"}}, []),
        ({"responseElements": {"ConsoleLogin": "Failure"}}, []),
        ({"userIdentity": {"type": "AssumedRole"}}, []),
        ({"userIdentity": {"type": "Root"}}, ["AlertFunctionRootSignIn"]),
        ({"eventName": "CheckMfa"}, []),
    ],
)
def test_a_sign_in_of_an_iam_user_without_mfa_matches(changes: dict[str, object], rules: list[str]) -> None:
    identity = {"type": "IAMUser", "principalId": "AIDAALICE", "userName": "alice"}
    assert matched_rules("signin", "ConsoleLogin", {}, **{"userIdentity": identity, **SIGN_IN, **changes}) == rules


def test_the_timeouts_exceed_the_waits_of_the_functions() -> None:
    timeouts = {name: STACK.resource(name).properties["Timeout"] for name in ("UserEventFunction", "AlertFunction")}
    # A function waits up to 30 seconds for a lease, and calls SNS up to five times. UserEventFunction also waits for
    # IAM: up to 40 seconds, and up to 10 more if a user is renamed meanwhile.
    assert timeouts == {"UserEventFunction": 120, "AlertFunction": 60}
