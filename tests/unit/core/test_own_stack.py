"""A call belongs to the own stack only if the stack's events show a change of the resource at the time of the call."""

import json
from datetime import datetime, timedelta

import pytest

from mfa_guard.core.alerts import Alert, parse_alert
from mfa_guard.core.own_stack import StackEvent, changed_by_own_stack
from support.factories import NOW, detail

RULE = "mfa-guard-new-credentials"


def event(status: str, seconds: float, *, physical_id: str = RULE, **changes: object) -> StackEvent:
    fields = {"logical_id": "Rule", "type": "AWS::Events::Rule", "properties": "", **changes}
    return StackEvent(at=NOW + timedelta(seconds=seconds), status=status, physical_id=physical_id, **fields)  # type: ignore[arg-type]


def call(request: dict[str, object] | None = None, *, name: str = "PutRule", source: str = "events") -> Alert:
    return parse_alert(detail(name, request or {"name": RULE}, eventSource=f"{source}.amazonaws.com"))


def changed(*happened: StackEvent, alert: Alert | None = None, at: datetime = NOW) -> bool:
    """Ask about a call at NOW; the events are given in the order in which they happened."""
    return changed_by_own_stack(reversed(happened), alert or call(), at)


@pytest.mark.parametrize("operation", ["CREATE", "UPDATE", "DELETE", "UPDATE_ROLLBACK"])
@pytest.mark.parametrize("end", ["COMPLETE", "FAILED"])
def test_a_call_between_the_beginning_and_the_end_of_a_change_belongs_to_it(operation: str, end: str) -> None:
    assert changed(event(f"{operation}_IN_PROGRESS", -60), event(f"{operation}_{end}", 60))


def test_a_change_that_is_still_running_covers_the_call() -> None:
    assert changed(event("UPDATE_IN_PROGRESS", -60))


@pytest.mark.parametrize(
    ("began", "ended"),
    [(31, 40), (-100, -31), (40, 50)],
)
def test_a_change_before_or_after_the_call_does_not_cover_it(began: float, ended: float) -> None:
    assert not changed(event("UPDATE_IN_PROGRESS", began), event("UPDATE_COMPLETE", ended))


@pytest.mark.parametrize(("began", "ended"), [(30, 40), (-100, -30)])
def test_clocks_may_differ_by_half_a_minute(began: float, ended: float) -> None:
    assert changed(event("UPDATE_IN_PROGRESS", began), event("UPDATE_COMPLETE", ended))


def test_an_earlier_and_a_later_change_do_not_cover_the_time_between_them() -> None:
    assert not changed(
        event("UPDATE_IN_PROGRESS", -300),
        event("UPDATE_COMPLETE", -290),
        event("UPDATE_IN_PROGRESS", 300),
        event("UPDATE_COMPLETE", 310),
    )


def test_a_change_that_began_more_than_fifteen_minutes_before_is_not_believed() -> None:
    assert not changed(event("UPDATE_IN_PROGRESS", -901))
    assert changed(event("UPDATE_IN_PROGRESS", -900))


def test_the_event_that_is_too_old_ends_the_reading() -> None:
    def events() -> object:
        yield event("UPDATE_IN_PROGRESS", -1000)
        raise AssertionError("It read on.")

    assert not changed_by_own_stack(events(), call(), NOW)  # type: ignore[arg-type]


def test_the_first_event_of_a_creation_has_no_id_yet() -> None:
    initiated = event("CREATE_IN_PROGRESS", 100)
    assert changed(event("CREATE_IN_PROGRESS", -1, physical_id=""), initiated, event("CREATE_COMPLETE", 110))
    assert not changed(event("CREATE_IN_PROGRESS", -1, physical_id=""))


@pytest.mark.parametrize(
    "other",
    [
        event("UPDATE_IN_PROGRESS", -1, physical_id="mfa-guard-mfa-devices"),
        event("UPDATE_IN_PROGRESS", -1, type="AWS::CloudWatch::Alarm"),
        event("DELETE_SKIPPED", -1),
        event("UPDATE_COMPLETE", 1),
        event("UPDATE_IN_PROGRESS", -1, physical_id="", properties="{not JSON"),
        event("UPDATE_IN_PROGRESS", -1, physical_id=""),
    ],
)
def test_an_event_about_something_else_is_none_of_this_change(other: StackEvent) -> None:
    assert not changed(other)


@pytest.mark.parametrize(
    ("source", "name", "request_parameters", "resource", "physical_id", "properties"),
    [
        (
            "lambda",
            "AddPermission20150331v2",
            {"functionName": "arn:aws:lambda:us-east-1:111122223333:function:guard-Alert:live"},
            "AWS::Lambda::Permission",
            "guard-Permission-1",
            {"FunctionName": "guard-Alert", "Principal": "events.amazonaws.com", "Count": 1, "None": None},
        ),
        (
            "lambda",
            "DeleteFunction20150331",
            {"functionName": "111122223333:function:f"},
            "AWS::Lambda::Function",
            "f",
            {},
        ),
        (
            "lambda",
            "UpdateEventSourceMapping20150331",
            {"uUID": "14E0DB71"},
            "AWS::Lambda::EventSourceMapping",
            "14e0db71",
            {},
        ),
        (
            "sns",
            "SetTopicAttributes",
            {"topicArn": "arn:aws:sns:us-east-1:111122223333:notices"},
            "AWS::SNS::TopicPolicy",
            "guard-Policy-1",
            {"Topics": ["arn:aws:sns:us-east-1:111122223333:notices"]},
        ),
        (
            "sqs",
            "SetQueueAttributes",
            {"queueUrl": "https://sqs.us-east-1.amazonaws.com/111122223333/dead"},
            "AWS::SQS::Queue",
            "https://queue.amazonaws.com/111122223333/dead",
            {},
        ),
        ("iam", "PutRolePolicy", {"roleName": "TEARDOWN"}, "AWS::IAM::Policy", "invoke", {"Roles": ["Teardown"]}),
        (
            "iam",
            "DeletePolicyVersion",
            {"policyArn": "arn:aws:iam::111122223333:policy/Enroll"},
            "AWS::IAM::ManagedPolicy",
            "arn:aws:iam::111122223333:policy/Enroll",
            {},
        ),
        ("monitoring", "DeleteAlarms", {"alarmNames": ["a"]}, "AWS::CloudWatch::Alarm", "a", {}),
    ],
)
def test_names_arns_and_urls_of_one_resource_are_equal(
    source: str,
    name: str,
    request_parameters: dict[str, object],
    resource: str,
    physical_id: str,
    properties: dict[str, object],
) -> None:
    alert = call(request_parameters, name=name, source=source)
    text = json.dumps(properties)
    assert changed(
        event("UPDATE_IN_PROGRESS", -1, type=resource, physical_id=physical_id, properties=text), alert=alert
    )


def test_every_target_of_a_call_must_be_changed() -> None:
    alert = call({"alarmNames": ["a", "b"]}, name="DeleteAlarms", source="monitoring")
    one = event("DELETE_IN_PROGRESS", -2, type="AWS::CloudWatch::Alarm", physical_id="a", logical_id="A")
    two = event("DELETE_IN_PROGRESS", -1, type="AWS::CloudWatch::Alarm", physical_id="b", logical_id="B")
    assert not changed(one, alert=alert)
    assert changed(one, two, alert=alert)


def test_a_trail_never_belongs_to_the_own_stack() -> None:
    alert = call({"name": "main"}, name="StopLogging", source="cloudtrail")
    assert not changed(event("UPDATE_IN_PROGRESS", -1, type="AWS::CloudTrail::Trail", physical_id="main"), alert=alert)


def test_a_target_without_a_name_is_not_the_resource_without_an_id() -> None:
    assert not changed(event("UPDATE_IN_PROGRESS", -1, physical_id=""), alert=call({"name": "mfa-guard:"}))
