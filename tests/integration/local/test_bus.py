"""The bus does what EventBridge, Scheduler and Lambda do: rules as deployed, retries, and the dead-letter queue."""

import json
from collections.abc import Mapping

import pytest

from mfa_guard.core.cloudtrail import actor_of
from mfa_guard_cli.local.account import Account
from mfa_guard_cli.local.bus import woken
from mfa_guard_cli.local.changes import Changes
from mfa_guard_cli.local.events_chapter import CAROL, NADIA
from mfa_guard_cli.local.scene import Scene
from mfa_guard_cli.local.trail import delivered
from mfa_guard_cli.template import Fields, Stack

IAM = "iam.amazonaws.com"


@pytest.fixture
def scene(account: Account) -> Scene:
    return Scene(account)


def letters(scene: Scene, stack: Stack) -> list[dict[str, object]]:
    url = str(stack.resolve({"Ref": "DeadLetterQueue"}))
    messages = scene.account.clients.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def doing(envelope: Fields) -> tuple[object, str | None]:
    """Return which call an envelope is about, and who made it."""
    detail = envelope["detail"]
    assert isinstance(detail, Mapping)
    return detail["eventName"], actor_of(detail).name


def test_a_failing_function_is_tried_three_times_and_its_event_kept(scene: Scene, stack: Stack) -> None:
    scene.trail.write(NADIA, IAM, "CreateLoginProfile")
    [event] = scene.trail.take()
    [invocation] = scene.bus.deliver(event).invocations
    assert [type(attempt.error).__name__ for attempt in invocation.attempts] == ["EventNotUnderstood"] * 3
    assert invocation.failed
    [letter] = letters(scene, stack)
    arn = f"arn:aws:lambda:us-east-1:111122223333:function:{stack.physical_id('UserEventFunction')}"
    request, answer = letter["requestContext"], letter["responsePayload"]
    assert letter["version"] == "1.0"
    assert letter["requestPayload"] == event
    assert isinstance(request, dict)
    assert request["functionArn"] == f"{arn}:$LATEST"
    assert request["condition"] == "RetriesExhausted"
    assert request["approximateInvokeCount"] == 3
    assert letter["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    assert isinstance(answer, dict)
    assert answer["errorType"] == "EventNotUnderstood"
    assert answer["errorMessage"] == "CreateLoginProfile does not say which user it is about."


def test_a_retry_that_succeeds_ends_the_attempts(scene: Scene, stack: Stack) -> None:
    with scene.trail.acting(CAROL):
        scene.iam.create_user(UserName="erin")
    [event] = scene.trail.take()
    scene.account.lag.hide("erin", reads=1)
    [invocation] = scene.bus.deliver(event).invocations
    assert [attempt.error is None for attempt in invocation.attempts] == [False, True]
    assert not invocation.failed
    assert letters(scene, stack) == []


@pytest.mark.parametrize("gone", ["disabled", "deleted"])
def test_a_rule_that_somebody_took_away_matches_nothing(scene: Scene, stack: Stack, gone: str) -> None:
    events = scene.account.session.client("events")
    name = stack.physical_id("UserEventFunctionNewCredentials")
    {"disabled": events.disable_rule, "deleted": events.delete_rule}[gone](Name=name)
    with scene.trail.acting(CAROL):
        scene.iam.create_user(UserName="erin")
    [event] = scene.trail.take()
    assert scene.bus.deliver(event).invocations == ()


def test_a_repeated_delivery_has_its_own_id_and_the_same_record(scene: Scene) -> None:
    with scene.trail.acting(CAROL):
        scene.iam.create_user(UserName="erin")
    [event] = scene.trail.take()
    again = delivered(event)
    assert again["id"] != event["id"]
    assert again["detail"] == event["detail"]


def test_what_a_function_writes_is_its_roles_doing(scene: Scene, stack: Stack) -> None:
    with scene.trail.acting(CAROL):
        scene.iam.create_user(UserName="erin")
    [event] = scene.trail.take()
    scene.bus.deliver(event)
    role = stack.physical_id("UserEventFunctionRole")
    assert [doing(envelope) for envelope in scene.trail.take()] == [("AttachUserPolicy", role), ("TagUser", role)]


REQUEST = {"Source": "mfa-guard", "DetailType": "Sweep requested", "Detail": "{}"}
RECORD = {
    "user_id": "AIDAEXAMPLE",
    "user_name": "ci",
    "owner": "platform",
    "reason": "build machine",
    "created_by": "bob",
    "expires_at": "2099-01-01T00:00:00Z",
}


def put(scene: Scene, stack: Stack, **changes: str) -> None:
    scene.account.clients.dynamodb.put_item(
        TableName=stack.physical_id("ExemptionsTable"),
        Item={name: {"S": value} for name, value in (RECORD | changes).items()},
    )


def delete(scene: Scene, stack: Stack, user_id: str) -> None:
    scene.account.clients.dynamodb.delete_item(
        TableName=stack.physical_id("ExemptionsTable"), Key={"user_id": {"S": user_id}}
    )


class TestSweeps:
    def test_whoever_asks_wakes_the_sweep(self, scene: Scene) -> None:
        with scene.trail.acting(CAROL):
            scene.account.clients.events.put_events(Entries=[REQUEST])  # type: ignore[list-item]
        [event] = scene.trail.take()
        [invocation] = scene.bus.deliver(event).invocations
        assert (invocation.rule, invocation.function) == ("SweepFunctionSweepRequested", "SweepFunction")
        assert not invocation.failed

    def test_the_schedule_sends_an_id_of_its_own_each_time(self, scene: Scene) -> None:
        first, second = scene.bus.fire("SweepFunctionDaily"), scene.bus.fire("SweepFunctionDaily")
        assert {**first.envelope, "id": ""} == {
            "id": "",
            "source": "mfa-guard",
            "detail-type": "Sweep requested",
            "detail": {},
        }
        ids = [str(each.envelope["id"]) for each in (first, second)]
        assert len(set(ids)) == 2
        assert not [each for each in ids if "<" in each]
        assert [each.function for each in first.invocations] == ["SweepFunction"]

    def test_a_disabled_schedule_wakes_nobody(self, scene: Scene, stack: Stack) -> None:
        given = dict(stack.resource("SweepFunctionDaily").properties)
        scene.account.session.client("scheduler").update_schedule(**given, State="DISABLED")
        assert scene.bus.fire("SweepFunctionDaily").invocations == ()

    def test_what_only_cloudformation_invokes_is_left_out(self, stack: Stack) -> None:
        assert woken(stack) == ("UserEventFunction", "AlertFunction", "SweepFunction")


class TestTheExemptionTablesStream:
    def test_records_have_the_shape_that_lambda_passes(self, scene: Scene, stack: Stack) -> None:
        changes = Changes(scene.account)
        put(scene, stack)
        put(scene, stack, owner="security")
        delete(scene, stack, "AIDAEXAMPLE")
        added, changed, removed = changes.unread()
        assert [each["eventName"] for each in (added, changed, removed)] == ["INSERT", "MODIFY", "REMOVE"]
        assert changed["eventSource"] == "aws:dynamodb"
        assert changed["eventSourceARN"] == stack.resolve({"Fn::GetAtt": ["ExemptionsTable", "StreamArn"]})
        stream = changed["dynamodb"]
        assert isinstance(stream, Mapping)
        assert (stream["Keys"], stream["StreamViewType"]) == ({"user_id": {"S": "AIDAEXAMPLE"}}, "NEW_AND_OLD_IMAGES")
        assert (stream["OldImage"]["owner"], stream["NewImage"]["owner"]) == ({"S": "platform"}, {"S": "security"})
        assert abs(stream["ApproximateCreationDateTime"] - scene.account.clock.now().timestamp()) < 60
        assert changes.unread() == ()

    def test_they_come_in_batches_as_the_stack_has_them(self, scene: Scene, stack: Stack) -> None:
        changes = Changes(scene.account)
        for number in range(12):
            put(scene, stack, user_id=f"AIDA{number}")
        deliveries = scene.bus.deliver_changes(changes.unread())
        batches = [each.envelope["Records"] for each in deliveries]
        assert [len(batch) for batch in batches if isinstance(batch, list)] == [10, 2]
        woke = {(each.rule, each.function) for delivery in deliveries for each in delivery.invocations}
        assert woke == {("AlertFunctionExemptionChanged", "AlertFunction")}
        assert len(scene.inbox.unread()) == 12

    def test_a_record_that_makes_no_sense_is_the_only_one_to_be_put_aside(self, scene: Scene, stack: Stack) -> None:
        changes = Changes(scene.account)
        for number in range(3):
            put(scene, stack, user_id=f"AIDA{number}")
        first, second, third = changes.unread()
        bad = {**second, "eventName": "UPSET"}
        deliveries = scene.bus.deliver_changes([first, bad, third])
        kept = [each.invocations[0] for each in deliveries if each.invocations[0].dead_letter]
        assert [len(each.attempts) for each in kept] == [3]
        assert len(scene.inbox.unread()) == 2
        [letter] = letters(scene, stack)
        where = letter["DDBStreamBatchInfo"]
        assert isinstance(where, dict)
        assert isinstance(second["dynamodb"], Mapping)
        assert (where["startSequenceNumber"], where["batchSize"]) == (second["dynamodb"]["SequenceNumber"], 1)
        assert where["streamArn"] == stack.resolve({"Fn::GetAtt": ["ExemptionsTable", "StreamArn"]})
        assert "requestPayload" not in letter
