"""Dead letters: handed over at most twice, only to the guard's own functions, and whatever stays is reported."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from mfa_guard.core.dead_letters import QueueMessage
from mfa_guard.core.errors import AccessDenied, AwsRequestFailed
from mfa_guard.core.settings import Mode
from mfa_guard.use_cases.sweep.dead_letters import Handover, hand_over_dead_letters
from support.factories import NOW, detail, envelope, settings
from support.fakes import ALERT_FUNCTION, SWEEP_FUNCTION, USER_FUNCTION, FakeAccount
from support.sweeps import SCHEDULED, compliant_user, digest, run

EVENT = envelope(detail("CreateUser"))
REQUEST = {"id": "x", "source": "mfa-guard", "detail-type": "Sweep requested", "detail": {"scheduled": True}}
BATCH = {
    "streamArn": "arn:aws:dynamodb:us-east-1:111122223333:table/exemptions/stream/2026",
    "shardId": "shard-1",
    "startSequenceNumber": "1",
    "endSequenceNumber": "2",
    "batchSize": 2,
}


def message(body: object, number: int = 1, **attributes: str) -> QueueMessage:
    return QueueMessage(str(number), json.dumps(body), attributes, NOW, f"receipt-{number}")


def of_rule(function: str = USER_FUNCTION, event: object = EVENT, number: int = 1) -> QueueMessage:
    return message(event, number, TARGET_ARN=function, ERROR_CODE="SDK_CLIENT_ERROR")


def of_function(function: str = USER_FUNCTION, event: object = EVENT, number: int = 1) -> QueueMessage:
    context = {"functionArn": f"{function}:$LATEST", "condition": "RetriesExhausted"}
    return message({"requestContext": context, "requestPayload": event}, number)


def of_stream(number: int = 1) -> QueueMessage:
    return message({"requestContext": {"functionArn": ALERT_FUNCTION}, "DDBStreamBatchInfo": BATCH}, number)


def of_schedule(number: int = 1) -> QueueMessage:
    return message(REQUEST, number, TARGET_ARN=SWEEP_FUNCTION, SCHEDULE_ARN="arn:...", ERROR_CODE="THROTTLED")


def account_with(*messages: QueueMessage) -> FakeAccount:
    account = FakeAccount()
    account.dead_letters.messages = list(messages)
    return account


def hand_over(account: FakeAccount) -> Handover:
    return hand_over_dead_letters(account.sweep_dependencies)


@pytest.mark.parametrize("letter", [of_rule(), of_function()])
def test_an_event_is_handed_over_to_its_function_and_deleted(letter: QueueMessage) -> None:
    account = account_with(letter)
    handover = hand_over(account)
    assert account.dead_letters.invoked == [(USER_FUNCTION, EVENT)]
    assert account.dead_letters.messages == []
    assert (handover.handed_over, handover.left) == (1, 0)


def test_a_batch_of_the_stream_is_read_again() -> None:
    account = account_with(of_stream())
    account.dead_letters.stream["shard-1"] = {"Records": [{"eventID": "1"}]}
    hand_over(account)
    assert account.dead_letters.invoked == [(ALERT_FUNCTION, {"Records": [{"eventID": "1"}]})]


def test_a_batch_that_the_stream_no_longer_has_stays_and_is_reported() -> None:
    account = account_with(of_stream())
    handover = hand_over(account)
    assert (account.dead_letters.invoked, handover.left) == ([], 1)
    assert "no longer has the records" in handover.lines[-1]


@pytest.mark.parametrize("letter", [of_schedule(), of_function(SWEEP_FUNCTION, REQUEST)])
def test_a_request_for_a_sweep_is_what_this_sweep_is(letter: QueueMessage) -> None:
    account = account_with(letter)
    hand_over(account)
    assert (account.dead_letters.invoked, account.dead_letters.messages) == ([], [])


def test_a_payload_is_handed_over_twice_and_then_stays() -> None:
    account = account_with()
    for number in range(1, 4):
        # A message that fails again has a new id, and may come from another sender.
        letter = of_rule(number=number) if number == 1 else of_function(number=number)
        account.dead_letters.messages = [letter]
        handover = hand_over(account)
    assert len(account.dead_letters.invoked) == 2
    assert handover.left == 1
    assert "handed over twice, and failed again. RetriesExhausted" in handover.lines[-1]
    assert account.dead_letters.hidden == set()


@pytest.mark.parametrize(
    "forged",
    [
        of_rule("arn:aws:lambda:us-east-1:111122223333:function:another"),
        of_function("arn:aws:lambda:us-east-1:999999999999:function:mfa-guard-UserEvent"),
        # Only a sweep's own requests are what a sweep is.
        of_function(SWEEP_FUNCTION),
        # Records of the stream come from the stream.
        of_function(ALERT_FUNCTION, {"Records": [{"eventID": "forged"}]}),
        of_rule(ALERT_FUNCTION, {"source": "x", "detail": "text"}),
        message("text"),
        message({}),
    ],
)
def test_a_forged_message_invokes_nothing_and_is_reported(forged: QueueMessage) -> None:
    account = account_with(forged)
    handover = hand_over(account)
    assert (account.dead_letters.invoked, account.dead_letters.messages) == ([], [forged])
    assert handover.left == 1


def test_one_bad_message_does_not_stop_the_others() -> None:
    account = account_with(message("text", 1), of_rule(number=2))
    assert hand_over(account).handed_over == 1
    assert [each.id for each in account.dead_letters.messages] == ["1"]


@pytest.mark.parametrize("call", ["receive", "may_hand_over", "invoke", "delete", "records", "unhide"])
def test_a_failure_is_reported_and_the_sweep_goes_on(call: str) -> None:
    account = account_with(of_stream(), of_rule(number=2))
    account.iam.users["ann"] = compliant_user("ann", attached=False)
    account.dead_letters.stream["shard-1"] = {"Records": [{}]}
    account.dead_letters.refusing[call] = AccessDenied("AccessDenied: no")
    run(account)
    assert account.iam.users["ann"].attached
    assert "AccessDenied: no" in str(digest(account)["sections"]["dead_letters"]["lines"])


def test_without_the_count_nothing_is_handed_over() -> None:
    account = account_with(of_rule())
    account.dead_letters.refusing["may_hand_over"] = AwsRequestFailed("EndpointConnectionError: down")
    assert hand_over(account).left == 1
    assert account.dead_letters.invoked == []


def test_when_it_takes_too_long_the_rest_waits_for_the_next_sweep() -> None:
    account = account_with(*(of_rule(number=number, event={**EVENT, "id": str(number)}) for number in range(10)))
    invoke = account.dead_letters.invoke

    def slow(function: str, event: object) -> None:
        account.clock.sleep(20)
        invoke(function, event)  # type: ignore[arg-type]

    account.dead_letters.invoke = slow  # type: ignore[method-assign]
    handover = hand_over(account)
    assert len(account.dead_letters.messages) == 6
    assert "6 wait for the next sweep" in handover.lines
    assert account.dead_letters.hidden == set()


def test_in_mode_audit_events_are_handed_over_too() -> None:
    account = account_with(of_rule())
    run(account, settings(mode=Mode.AUDIT))
    assert len(account.dead_letters.invoked) == 1


def test_what_stays_is_urgent_news_only_when_its_count_changes() -> None:
    account = account_with(message("text"))
    run(account, request=SCHEDULED)
    account.clock.sleep(3600)
    assert not run(account, request=replace(SCHEDULED, id="2", sweep="2")).mailed
    account.dead_letters.messages += [message("more", 2)]
    account.clock.sleep(timedelta(hours=1).total_seconds())
    assert run(account, request=replace(SCHEDULED, id="3", sweep="3")).mailed
