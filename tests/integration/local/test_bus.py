"""The bus does what EventBridge and Lambda do: rules as deployed, retries, and the dead-letter queue."""

import json
from collections.abc import Mapping

import pytest

from mfa_guard.core.cloudtrail import actor_of
from mfa_guard_cli.local.account import Account
from mfa_guard_cli.local.scene import Scene
from mfa_guard_cli.local.story import CAROL, NADIA
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
