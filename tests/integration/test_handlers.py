"""The handlers as Lambda calls them, on moto, with the rendered environment."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from mfa_guard.adapters.cloudformation import strict_opener
from mfa_guard.composition.teardown import response_sender
from mfa_guard.core.cloudtrail import EventNotUnderstood
from mfa_guard.core.errors import NotVisibleYet
from mfa_guard.core.settings import SettingsError
from mfa_guard.handlers import alert, user_event
from mfa_guard_cli.stack.template import Stack
from support.account import Account
from support.aws import Context, Faults, ruled_by
from support.factories import detail, envelope
from support.fakes import FakeClock

Printed = Callable[[], list[dict[str, object]]]


@pytest.fixture
def alice(account: Account) -> str:  # noqa: ARG001 - the user lives in the account
    iam = boto3.client("iam")
    iam.create_user(UserName="alice")
    iam.create_login_profile(UserName="alice", Password="Not-a-secret-1")
    return "alice"


def created() -> dict[str, object]:
    return envelope(detail("CreateUser", eventTime=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")))


def mails(account: Account, stack: Stack, topic: str = "NoticesTopic") -> list[str]:
    sent = account.sns.topics[str(stack.resolve({"Ref": topic}))].sent_notifications
    return [str(subject) for _, _, subject, *_ in sent]


def attached() -> list[str]:
    policies = boto3.client("iam").list_attached_user_policies(UserName="alice")["AttachedPolicies"]
    return [policy["PolicyName"] for policy in policies]


def metric_names(lines: list[dict[str, object]]) -> set[str]:
    return {
        name
        for line in lines
        if "_aws" in line
        for name in line
        if name.startswith(("Users", "Notices", "Enf", "Dup", "Events"))
    }


@pytest.mark.usefixtures("alice")
class TestUserEvent:
    def test_a_new_user_is_enforced_tagged_and_mailed(self, account: Account, stack: Stack, context: Context) -> None:
        answer = user_event.lambda_handler(created(), context)
        assert answer == {"standing": "enforced", "actions": ["enforce", "mark"], "notice": "noncompliant"}
        assert attached() == ["EnrollMFADeviceThenSignInAgain"]
        tags = {tag["Key"]: tag["Value"] for tag in boto3.client("iam").list_user_tags(UserName="alice")["Tags"]}
        assert tags["mfa-guard:status"] == "noncompliant"
        assert mails(account, stack) == ["HIGH: alice has no MFA device"]

    def test_it_counts_and_logs_what_it_did_without_names_in_dimensions(
        self, context: Context, printed: Printed
    ) -> None:
        event = created()
        user_event.lambda_handler(event, context)
        lines = printed()
        assert metric_names(lines) >= {"UsersEnforced", "UsersMarkedNoncompliant", "NoticesSent"}
        [log] = [line for line in lines if line.get("message") == "Remediated"]
        assert (log["subject"], log["actor"], log["event_name"]) == (
            "user/alice",
            "role/Admin/bob@example.com",
            "CreateUser",
        )
        assert log["event_id"] == event["detail"]["eventID"]  # type: ignore[index]
        assert log["actions"] == ["enforce", "mark"]
        metrics = json.dumps([line["_aws"] for line in lines if "_aws" in line])
        assert "alice" not in metrics

    def test_a_second_delivery_does_nothing_and_is_counted(
        self, account: Account, stack: Stack, context: Context, printed: Printed, faults: Faults
    ) -> None:
        event = created()
        first = user_event.lambda_handler(event, context)
        printed()
        faults.made.clear()
        assert user_event.lambda_handler({**event, "id": "another-delivery"}, context) == first
        assert faults.made == ["PutItem"]
        assert "DuplicateEvents" in metric_names(printed())
        assert len(mails(account, stack)) == 1

    @pytest.mark.parametrize("refused", ["PutItem", "UpdateItem", "BatchGetItem"])
    def test_without_the_state_table_it_continues_and_logs(
        self, account: Account, stack: Stack, context: Context, printed: Printed, faults: Faults, refused: str
    ) -> None:
        faults.failing = {refused: "ResourceNotFoundException"}
        user_event.lambda_handler(created(), context)
        assert attached() == ["EnrollMFADeviceThenSignInAgain"]
        assert len(mails(account, stack)) == 1
        assert any("able unreachable" in str(line.get("message")) for line in printed())

    def test_a_forged_event_with_a_genuine_id_makes_the_genuine_event_no_duplicate(
        self, context: Context, printed: Printed
    ) -> None:
        genuine = created()
        record = genuine["detail"]
        assert isinstance(record, dict)
        # The forger names a user who is gone, so that nothing is done under the genuine id.
        changes = {"requestParameters": {"userName": "gone"}, "eventTime": "2026-01-01T00:00:00Z"}
        forged = {**genuine, "detail": record | changes}
        user_event.lambda_handler(forged, context)
        assert attached() == []
        printed()
        user_event.lambda_handler(genuine, context)
        assert attached() == ["EnrollMFADeviceThenSignInAgain"]
        assert "DuplicateEvents" not in metric_names(printed())

    def test_the_order_of_the_fields_makes_no_other_event(self, context: Context, printed: Printed) -> None:
        event = created()
        record = event["detail"]
        assert isinstance(record, dict)
        user_event.lambda_handler(event, context)
        printed()
        user_event.lambda_handler({**event, "detail": dict(reversed(record.items()))}, context)
        assert "DuplicateEvents" in metric_names(printed())

    def test_without_the_exemption_table_it_does_nothing(self, context: Context, faults: Faults) -> None:
        # When the read fails, it must not look as if no user were exempt.
        faults.failing = dict.fromkeys(("BatchGetItem", "GetItem"), "ResourceNotFoundException")
        with pytest.raises(Exception, match="ResourceNotFoundException"):
            user_event.lambda_handler(created(), context)
        assert attached() == []

    def test_a_failure_is_not_stored_so_that_a_retry_runs(
        self, account: Account, stack: Stack, context: Context, faults: Faults
    ) -> None:
        event = created()
        faults.failing = {"Publish": "InternalError"}
        with pytest.raises(Exception, match="InternalError"):
            user_event.lambda_handler(event, context)
        assert attached() == ["EnrollMFADeviceThenSignInAgain"]
        faults.failing = {}
        user_event.lambda_handler(event, context)
        assert mails(account, stack) == ["HIGH: alice has no MFA device"]

    @pytest.mark.parametrize("failing", ["PutItem", "DeleteItem"])
    def test_the_function_raises_its_own_error_when_the_table_fails_too(
        self, context: Context, faults: Faults, failing: str
    ) -> None:
        faults.failing = {"AttachUserPolicy": "AccessDenied", failing: "InternalServerError"}
        with pytest.raises(Exception, match="AccessDenied"):
            user_event.lambda_handler(created(), context)

    def test_throttling_and_denial_raise(self, context: Context, faults: Faults) -> None:
        for code in ("Throttling", "AccessDenied"):
            faults.failing = {"GetUser": code}
            with pytest.raises(Exception, match=code):
                user_event.lambda_handler(created(), context)


@pytest.mark.usefixtures("account")
class TestFailures:
    @pytest.mark.parametrize(
        "event",
        [
            {},
            {"detail": None},
            {"detail": ["x"]},
            envelope(detail("CreateUser", {})),
            envelope(detail("CreateUser") | {"eventID": None}),
            envelope(detail("DeleteUser")),
            [],
        ],
    )
    def test_an_event_that_is_not_understood_is_counted_logged_and_raised(
        self, event: object, context: Context, printed: Printed
    ) -> None:
        with pytest.raises(EventNotUnderstood):
            user_event.lambda_handler(event, context)
        lines = printed()
        assert "EventsNotUnderstood" in metric_names(lines)
        assert [line for line in lines if line.get("message") == "Event not understood"]

    @pytest.mark.parametrize("field", ["eventID", "sourceIPAddress", "userAgent", "id"])
    def test_the_text_of_an_event_in_a_log_line_is_bounded(
        self, context: Context, printed: Printed, field: str
    ) -> None:
        root = detail("EnableMFADevice", {"userName": "AWS ROOT USER"})
        event = envelope(root if field == "id" else root | {field: "x" * 300_000})
        user_event.lambda_handler(event | ({"id": "x" * 300_000} if field == "id" else {}), context)
        assert all(len(json.dumps(line)) < 10_000 for line in printed())

    def test_a_user_who_never_appears_is_gone_after_forty_seconds(self, context: Context) -> None:
        clock = FakeClock(datetime.now(UTC))
        with ruled_by(clock):
            started = clock.now()
            assert user_event.lambda_handler(created(), context)["standing"] == "gone"
            assert clock.now() - started == timedelta(seconds=40)

    def test_what_iam_does_not_show_yet_raises(self, context: Context) -> None:
        boto3.client("iam").create_user(UserName="alice")
        request = {"userName": "alice", "serialNumber": "arn:aws:iam::111122223333:mfa/phone"}
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with ruled_by(FakeClock(datetime.now(UTC))), pytest.raises(NotVisibleYet):
            user_event.lambda_handler(envelope(detail("EnableMFADevice", request, eventTime=now)), context)

    def test_a_wrong_setting_raises_and_names_the_variable(
        self, context: Context, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MODE", "maybe")
        with pytest.raises(SettingsError, match="MODE"):
            user_event.lambda_handler(created(), context)

    def test_the_log_keys_of_one_event_are_not_in_the_log_of_the_next(self, context: Context, printed: Printed) -> None:
        root = detail("EnableMFADevice", {"userName": "AWS ROOT USER"})
        user_event.lambda_handler(envelope(root), context)
        printed()
        with pytest.raises(EventNotUnderstood):
            user_event.lambda_handler({}, context)
        assert all("subject" not in line for line in printed())


class TestAlert:
    def test_tampering_is_mailed_once(self, account: Account, stack: Stack, context: Context, printed: Printed) -> None:
        event = envelope(detail("StopLogging", {"name": "main"}, eventSource="cloudtrail.amazonaws.com"))
        assert alert.lambda_handler(event, context) == {"notice": "tampering"}
        alert.lambda_handler(event, context)
        assert mails(account, stack) == ["CRITICAL: StopLogging on the trail main in us-east-1"]
        assert metric_names(printed()) >= {"NoticesSent", "DuplicateEvents"}

    def test_tampering_with_the_notice_topic_is_mailed_by_the_operations_topic(
        self, account: Account, stack: Stack, context: Context
    ) -> None:
        topic = stack.resolve({"Ref": "NoticesTopic"})
        event = envelope(detail("DeleteTopic", {"topicArn": topic}, eventSource="sns.amazonaws.com"))
        alert.lambda_handler(event, context)
        assert mails(account, stack) == []
        assert mails(account, stack, "OperationsTopic") == ["HIGH: DeleteTopic on mfa-guard's topic"]

    def test_without_a_reason_for_a_notice_it_says_so(
        self, account: Account, stack: Stack, context: Context, printed: Printed
    ) -> None:
        event = envelope(detail("CreateVirtualMFADevice", {"virtualMFADeviceName": "alice"}))
        assert alert.lambda_handler(event, context) == {"notice": None}
        assert mails(account, stack) == []
        assert "No notice is due" in [line.get("message") for line in printed()]

    def test_a_topic_that_fails_raises(self, context: Context, faults: Faults) -> None:
        faults.failing = {"Publish": "InternalError"}
        event = envelope(detail("StopLogging", {"name": "main"}, eventSource="cloudtrail.amazonaws.com"))
        with pytest.raises(Exception, match="InternalError"):
            alert.lambda_handler(event, context)


def test_responses_to_cloudformation_are_sent_without_following_redirects() -> None:
    composed, strict = vars(response_sender()._opener), vars(strict_opener())
    assert {type(each) for each in composed["handlers"]} == {type(each) for each in strict["handlers"]}


class TestSummaries:
    def test_a_message_of_the_queue_sends_what_waits(
        self, account: Account, stack: Stack, context: Context, printed: Printed
    ) -> None:
        line = "2026-03-01T12:00:00Z HIGH: alice has no MFA device (event 1)"
        account.clients.dynamodb.put_item(
            TableName=stack.physical_id("StateTable"),
            Item={"id": {"S": "window#noncompliant"}, "held#1772366400#AIDA1#1": {"S": line}},
        )
        message = {"eventSource": "aws:sqs", "body": '{"kind": "noncompliant"}'}
        assert alert.lambda_handler({"Records": [message]}, context) == {"notice": "summary", "sent": 1}
        assert mails(account, stack) == ["HIGH: 1 more notice: noncompliant"]
        assert alert.lambda_handler({"Records": [message]}, context)["sent"] == 0
        assert "NoticesSent" in metric_names(printed())

    def test_a_message_that_the_guard_did_not_write_raises(self, account: Account, context: Context) -> None:  # noqa: ARG002
        with pytest.raises(EventNotUnderstood):
            alert.lambda_handler({"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}, context)
