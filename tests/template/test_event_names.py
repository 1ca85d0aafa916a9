"""Every event name matches its rule if the call succeeded and is about the guard. The two watchers watch each other."""

from collections.abc import Mapping

import pytest

from mfa_guard.core.cloudtrail import parse_user_event
from mfa_guard_cli.stack.event_pattern import index
from mfa_guard_cli.stack.template import Rule, load_template
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
    "RuleTampering": ("events", "name", "mfa-guard-new-credentials", "PutRule DisableRule DeleteRule EnableRule"),
    "ScheduleTampering": ("scheduler", "name", "mfa-guard-sweep", "UpdateSchedule DeleteSchedule"),
    "FunctionTampering": (
        "lambda",
        "functionName",
        "UserEventFunction",
        "UpdateFunctionCode20150331v2 UpdateFunctionConfiguration20150331v2 DeleteFunction20150331 "
        "AddPermission20150331v2 RemovePermission20150331v2 PutFunctionConcurrency20171031 "
        "PutFunctionEventInvokeConfig UpdateFunctionEventInvokeConfig DeleteFunctionEventInvokeConfig",
    ),
    "MappingTampering": (
        "lambda",
        "uUID",
        "AlertFunctionExemptionChanged",
        "UpdateEventSourceMapping20150331 DeleteEventSourceMapping20150331",
    ),
    "CloudControlTampering": ("cloudcontrolapi", "identifier", "EnforcementPolicy", "UpdateResource DeleteResource"),
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
        "UpdateStack DeleteStack CreateChangeSet ExecuteChangeSet RollbackStack ContinueUpdateRollback SetStackPolicy "
        "UpdateTerminationProtection",
    ),
}


def _arn(logical_id: str) -> dict[str, object]:
    return {"Fn::GetAtt": [logical_id, "Arn"]}


FUNCTION = STACK.resolve(_arn("SweepFunction"))
FUNCTION_NAME = STACK.physical_id("SweepFunction")
MAPPING = STACK.physical_id("AlertFunctionExemptionChanged")

# Event names with other request parameters.
OTHER_PARAMETERS = [
    ("RuleTampering", "events", "PutTargets", {"rule": "mfa-guard-new-credentials"}),
    ("RuleTampering", "events", "RemoveTargets", {"rule": "mfa-guard-new-credentials"}),
    ("MappingTampering", "lambda", "DeleteEventSourceMapping20150331", {"uuid": MAPPING}),
    ("MappingTampering", "lambda", "CreateEventSourceMapping20150331", {"functionName": FUNCTION}),
    ("FunctionTampering", "lambda", "PutResourcePolicy", {"resourceArn": FUNCTION}),
    ("FunctionTampering", "lambda", "DeleteResourcePolicy20240915", {"resourceArn": FUNCTION}),
    ("RoleTampering", "iam", "PutRolePolicy", {"roleName": STACK.resolve({"Ref": "SweepScheduleRole"})}),
    ("QueueTampering", "sqs", "StartMessageMoveTask", {"sourceArn": STACK.resolve(_arn("DeadLetterQueue"))}),
    (
        "TableTampering",
        "dynamodb",
        "PutResourcePolicy",
        {"resourceArn": STACK.resolve({"Fn::GetAtt": ["ExemptionsTable", "StreamArn"]})},
    ),
    (
        "AlarmTampering",
        "monitoring",
        "PutAlarmMuteRule",
        {"muteTargets": {"alarmNames": ["other", "mfa-guard-heartbeat"]}},
    ),
    *(
        ("CloudControlTampering", "cloudcontrolapi", "UpdateResource", {"identifier": identifier})
        for identifier in (
            FUNCTION_NAME,
            f"{FUNCTION_NAME}|$LATEST",
            MAPPING,
            STACK.physical_id("AlertFunctionRole"),
            f"observe|{STACK.physical_id('SweepScheduleRole')}",
            "mfa-guard-enforced",
            f"inline|{STACK.physical_id('EnforcementGroup')}",
            STACK.resolve({"Ref": "NoticesTopic"}),
            f"{STACK.resolve({'Ref': 'OperationsTopic'})}:3c1f",
            STACK.resolve({"Ref": "DeadLetterQueue"}),
            STACK.physical_id("ExemptionsTable"),
            STACK.resolve(_arn("AlertFunctionRuleTampering")),
            "mfa-guard-heartbeat",
            "mfa-guard-sweep",
        )
    ),
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


def _other(value: object) -> object:
    if isinstance(value, dict):
        return {key: _other(each) for key, each in value.items()}
    return ["other"] if isinstance(value, list) else "other"


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

    def test_through_cloudformation_it_matches_as_well(
        self, rule: str, source: str, event: str, request_parameters: dict[str, object]
    ) -> None:
        found = matched_rules(source, event, request_parameters, sourceIPAddress="cloudformation.amazonaws.com")
        assert found == [f"AlertFunction{rule}"]

    def test_for_another_resource_it_matches_no_rule(
        self, rule: str, source: str, event: str, request_parameters: dict[str, object]
    ) -> None:
        other = {key: _other(value) for key, value in request_parameters.items()}
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


RULE_CALLS = [("PutRule", "name"), ("DisableRule", "name"), ("DeleteRule", "name"), ("EnableRule", "name")]
TARGET_CALLS = [("PutTargets", "rule"), ("RemoveTargets", "rule")]


def surviving(disabled: str, event: str, request_parameters: Mapping[str, object]) -> list[str]:
    """Return the rules that match the record of a call after a rule was disabled by it."""
    matched = matched_rules("events", event, request_parameters)
    names = {rule.logical_id: rule.name for rule in STACK.rules()}
    return [rule for rule in matched if names[rule] != disabled]


@pytest.mark.parametrize(("event", "parameter"), [*RULE_CALLS, *TARGET_CALLS])
@pytest.mark.parametrize("rule", STACK.rules(), ids=lambda rule: rule.logical_id)
def test_a_call_that_blinds_a_rule_is_reported_by_another(rule: Rule, event: str, parameter: str) -> None:
    assert surviving(rule.name, event, {parameter: rule.name})


def test_only_the_two_watchers_watch_rules() -> None:
    watchers = {rule for each in STACK.rules() for rule in matched_rules("events", "DisableRule", {"name": each.name})}
    assert watchers == {"AlertFunctionRuleTampering", "AlertFunctionRuleWatch"}


def test_the_timeouts_exceed_the_waits_of_the_functions() -> None:
    timeouts = {name: STACK.resource(name).properties["Timeout"] for name in ("UserEventFunction", "AlertFunction")}
    # A function waits up to 30 seconds for a lease, and calls SNS up to five times. UserEventFunction also waits for
    # IAM: up to 40 seconds, and up to 10 more if a user is renamed meanwhile. AlertFunction also waits for 15 seconds.
    assert timeouts == {"UserEventFunction": 120, "AlertFunction": 60}
