"""Alerts: which resource was changed, how severe that is, and what to do."""

import pytest

from mfa_guard.core.alerts import parse_alert
from mfa_guard.core.cloudtrail import EventNotUnderstood
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from support.factories import detail

ROOT = {"type": "Root", "accountId": "111122223333"}


@pytest.mark.parametrize(
    ("source", "event", "request_parameters", "what", "target"),
    [
        ("iam", "CreatePolicyVersion", {"policyArn": "arn:p"}, "enforcement policy", "arn:p"),
        ("iam", "AttachGroupPolicy", {"groupName": "g", "policyArn": "arn:p"}, "enforcement group", "g"),
        ("iam", "AttachRolePolicy", {"roleName": "r", "policyArn": "arn:p"}, "role", "r"),
        ("events", "DisableRule", {"name": "r"}, "rule", "r"),
        ("events", "RemoveTargets", {"rule": "r", "ids": ["t"]}, "rule", "r"),
        ("scheduler", "DeleteSchedule", {"name": "s"}, "schedule", "s"),
        ("lambda", "UpdateFunctionCode20150331v2", {"functionName": "f"}, "function", "f"),
        ("lambda", "PutResourcePolicy", {"resourceArn": "arn:f"}, "function", "arn:f"),
        ("lambda", "CreateEventSourceMapping20150331", {"functionName": "f"}, "function", "f"),
        ("lambda", "UpdateEventSourceMapping20150331", {"uUID": "1", "functionName": "f"}, "event source mapping", "1"),
        ("lambda", "DeleteEventSourceMapping20150331", {"uuid": "1"}, "event source mapping", "1"),
        ("cloudcontrolapi", "UpdateResource", {"typeName": "t", "identifier": "i"}, "resource", "i"),
        ("sqs", "StartMessageMoveTask", {"sourceArn": "arn:q"}, "dead-letter queue", "arn:q"),
        ("monitoring", "PutAlarmMuteRule", {"name": "n", "muteTargets": {"alarmNames": ["a"]}}, "alarm", "a"),
        ("sns", "Unsubscribe", {"subscriptionArn": "arn:t:1"}, "topic", "arn:t:1"),
        ("sqs", "PurgeQueue", {"queueUrl": "https://q"}, "dead-letter queue", "https://q"),
        ("monitoring", "DeleteAlarms", {"alarmNames": ["a", "b"]}, "alarm", "a, b"),
        ("dynamodb", "DeleteTable", {"tableName": "t"}, "table", "t"),
        ("cloudtrail", "PutEventSelectors", {"trailName": "t"}, "trail", "t"),
    ],
)
def test_tampering_names_the_changed_resource(
    source: str, event: str, request_parameters: dict[str, object], what: str, target: str
) -> None:
    alert = parse_alert(detail(event, request_parameters, eventSource=f"{source}.amazonaws.com"))
    assert (alert.watched.resource, alert.target, alert.watched.kind) == (what, target, NoticeKind.TAMPERING)
    assert alert.watched.severity in {Severity.HIGH, Severity.CRITICAL}


def test_enabling_a_rule_again_is_medium() -> None:
    alert = parse_alert(detail("EnableRule", {"name": "r"}, eventSource="events.amazonaws.com"))
    assert (alert.watched.kind, alert.severity, alert.target) == (NoticeKind.TAMPERING, Severity.MEDIUM, "r")


@pytest.mark.parametrize(
    "request_parameters",
    [{"muteTargets": "all"}, {"muteTargets": {"alarmNames": [7]}}, {"muteTargets": {}}, {"alarmNames": []}],
)
def test_alarms_that_are_not_named_are_not_understood(request_parameters: dict[str, object]) -> None:
    with pytest.raises(EventNotUnderstood):
        parse_alert(detail("PutAlarmMuteRule", request_parameters, eventSource="monitoring.amazonaws.com"))


def test_a_new_virtual_device_names_no_user() -> None:
    alert = parse_alert(detail("CreateVirtualMFADevice", {"virtualMFADeviceName": "alice"}))
    assert (alert.watched.kind, alert.targets) == (NoticeKind.UNASSIGNED_DEVICES, ())


@pytest.mark.parametrize(
    ("event", "source", "request_parameters", "through"),
    [
        ("PutRule", "events", {"name": "r"}, True),
        ("StopLogging", "cloudtrail", {"name": "t"}, True),
        ("UpdateStack", "cloudformation", {"stackName": "s"}, False),
        ("ConsoleLogin", "signin", {}, False),
        ("CreateVirtualMFADevice", "iam", {}, False),
    ],
)
def test_only_tampering_can_be_a_change_of_the_own_stack(
    event: str, source: str, request_parameters: dict[str, object], through: bool
) -> None:
    record = detail(event, request_parameters, eventSource=f"{source}.amazonaws.com")
    assert not parse_alert(record).through_cloudformation
    record["sourceIPAddress"] = "cloudformation.amazonaws.com"
    assert parse_alert(record).through_cloudformation is through


def test_a_change_of_the_stack_is_not_tampering() -> None:
    alert = parse_alert(detail("UpdateStack", {"stackName": "mfa-guard"}, eventSource="cloudformation.amazonaws.com"))
    assert (alert.watched.kind, alert.target) == (NoticeKind.STACK_CHANGE, "mfa-guard")


@pytest.mark.parametrize("used", ["Yes", "No", None])
def test_roots_sign_in_is_critical_and_says_whether_mfa_was_used(used: str | None) -> None:
    record = detail("ConsoleLogin", requestParameters=None, eventSource="signin.amazonaws.com", userIdentity=ROOT)
    if used:
        record["additionalEventData"] = {"MFAUsed": used}
    alert = parse_alert(record)
    assert (alert.watched.kind, alert.watched.severity) == (NoticeKind.ROOT_SIGN_IN, Severity.CRITICAL)
    assert alert.mfa_used == used


@pytest.mark.parametrize("used", [True, ["Yes"], {}])
def test_a_value_that_cloudtrail_does_not_write_is_none(used: object) -> None:
    record = detail("ConsoleLogin", {}, eventSource="signin.amazonaws.com", additionalEventData={"MFAUsed": used})
    assert parse_alert(record).mfa_used is None


@pytest.mark.parametrize(
    ("source", "request_parameters"),
    [("s3.amazonaws.com", {"name": "x"}), ("iam.amazonaws.com", {}), ("events.amazonaws.com", {"name": 7})],
)
def test_a_record_that_names_no_watched_resource_is_not_understood(
    source: str, request_parameters: dict[str, object]
) -> None:
    with pytest.raises(EventNotUnderstood):
        parse_alert(detail("Anything", request_parameters, eventSource=source))
