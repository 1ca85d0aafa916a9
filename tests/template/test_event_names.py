"""Every event name of the contract wakes its rule: on the guard's own thing, in success, not by CloudFormation."""

from collections.abc import Mapping

import pytest

from mfa_guard_cli.stack.event_pattern import index
from mfa_guard_cli.stack.template import load_template
from support.factories import detail, envelope

STACK = load_template().render()
ROUTE = index(STACK.rules())

# Rule, event source, the parameter that names the thing, its logical id or name, and the event names.
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
OTHER_FORMS = [
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
        (rule, source, event, {parameter: STACK.resolve({"Ref": thing}) if thing in STACK.resources else thing})
        for rule, (source, parameter, thing, events) in TAMPERING.items()
        for event in events.split()
    ]
    return [*named, *OTHER_FORMS]  # type: ignore[list-item]


def woken(source: str, event: str, request_parameters: Mapping[str, object], **changes: object) -> list[str]:
    record = detail(event, request_parameters, eventSource=f"{source}.amazonaws.com", **changes)
    return [rule.logical_id for rule in ROUTE(envelope(record))]


@pytest.mark.parametrize(("rule", "source", "event", "request_parameters"), cases())
class TestAlerts:
    def test_it_wakes_its_rule(self, rule: str, source: str, event: str, request_parameters: dict[str, object]) -> None:
        assert woken(source, event, request_parameters) == [f"AlertFunction{rule}"]

    def test_failed_it_wakes_none(
        self, rule: str, source: str, event: str, request_parameters: dict[str, object]
    ) -> None:
        assert woken(source, event, request_parameters, errorCode="AccessDenied") == [], rule

    def test_by_cloudformation_it_is_no_tampering(
        self, rule: str, source: str, event: str, request_parameters: dict[str, object]
    ) -> None:
        found = woken(source, event, request_parameters, sourceIPAddress="cloudformation.amazonaws.com")
        assert found == ([f"AlertFunction{rule}"] if rule == "StackChange" else [])

    def test_on_somebody_elses_thing_it_wakes_none(
        self, rule: str, source: str, event: str, request_parameters: dict[str, object]
    ) -> None:
        other = {key: ["other"] if isinstance(value, list) else "other" for key, value in request_parameters.items()}
        assert woken(source, event, other) == ([f"AlertFunction{rule}"] if rule == "TrailTampering" else [])


def test_the_functions_have_the_time_that_their_waits_need() -> None:
    timeouts = {name: STACK.resource(name).properties["Timeout"] for name in ("UserEventFunction", "AlertFunction")}
    # A lease is waited for up to 30 seconds, and SNS tries five times.
    assert timeouts == {"UserEventFunction": 60, "AlertFunction": 60}
