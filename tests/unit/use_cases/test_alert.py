"""An alert is sent once, over a topic that its cause cannot silence."""

from datetime import timedelta
from typing import Any

import pytest

from mfa_guard.core.alerts import parse_alert
from mfa_guard.core.errors import AccessDenied, AwsRequestFailed
from mfa_guard.core.own_stack import StackEvent
from mfa_guard.core.times import utc_text
from mfa_guard.core.trails import KnownTrails
from mfa_guard.use_cases.alert import notify_of_alert
from support.alert_fakes import FakeStackHistory, FakeTrails, alert_dependencies
from support.factories import NOW, detail, settings
from support.fakes import FakeAccount
from support.messages import data

NOTICES = settings().notices_topic_arn
OPERATIONS = settings().operations_topic_arn


def notify(account: FakeAccount, record: dict[str, object]) -> bool:
    return notify_of_alert(parse_alert(record), settings(), alert_dependencies(account))


@pytest.mark.parametrize("target", [{"topicArn": NOTICES}, {"subscriptionArn": f"{NOTICES}:0000-1"}])
def test_tampering_with_the_notice_topic_goes_to_the_operations_topic(target: dict[str, object]) -> None:
    account = FakeAccount()
    notify(account, detail("SetTopicAttributes", target, eventSource="sns.amazonaws.com"))
    assert (len(account.notifier.sent), len(account.notifier.operations_sent)) == (0, 1)


@pytest.mark.parametrize(
    ("source", "target"), [("sns", {"topicArn": OPERATIONS}), ("events", {"name": "mfa-guard-new-credentials"})]
)
def test_everything_else_goes_to_the_notice_topic(source: str, target: dict[str, object]) -> None:
    account = FakeAccount()
    notify(account, detail("DeleteTopic", target, eventSource=f"{source}.amazonaws.com"))
    assert (len(account.notifier.sent), len(account.notifier.operations_sent)) == (1, 0)


def test_a_repeated_event_is_reported_once_and_two_events_twice() -> None:
    account = FakeAccount()
    record = detail("DisableRule", {"name": "r"}, eventSource="events.amazonaws.com")
    assert [notify(account, record), notify(account, record)] == [True, False]
    assert notify(account, detail("DisableRule", {"name": "r"}, eventSource="events.amazonaws.com"))


CHANGED = {"name": "mfa-guard-new-credentials"}


def through_cloudformation(**changes: object) -> dict[str, object]:
    record = detail("PutRule", CHANGED, eventSource="events.amazonaws.com", eventTime=utc_text(NOW))
    return {**record, "sourceIPAddress": "cloudformation.amazonaws.com", **changes}


def own(seconds: float = -1) -> StackEvent:
    """Return the own stack's event about the change."""
    at = NOW + timedelta(seconds=seconds)
    return StackEvent(at, "Rule", "AWS::Events::Rule", "UPDATE_IN_PROGRESS", CHANGED["name"], "{}")


def summary(account: FakeAccount) -> str:
    [notice] = account.notifier.sent
    return str(data(notice)["summary"])


class TestCloudFormation:
    def handle(self, history: FakeStackHistory, record: dict[str, object]) -> FakeAccount:
        account = FakeAccount()
        notify_of_alert(parse_alert(record), settings(), alert_dependencies(account, stack=history))
        return account

    def test_a_change_by_the_own_stack_is_quiet(self) -> None:
        account = self.handle(FakeStackHistory([own()]), through_cloudformation())
        assert account.notifier.sent == []
        assert account.clock.time == NOW

    def test_a_change_by_another_stack_is_reported(self) -> None:
        account = self.handle(FakeStackHistory([own(-400)]), through_cloudformation(eventTime="2026-03-01T11:00:00Z"))
        assert "mfa-guard's own stack did not change the resource at that time" in summary(account)

    def test_an_event_of_the_stack_that_is_listed_late_is_waited_for(self) -> None:
        account = self.handle(FakeStackHistory(late=[own()]), through_cloudformation())
        assert account.notifier.sent == []
        assert account.clock.time - NOW == timedelta(seconds=15)

    def test_an_older_call_is_looked_up_once(self) -> None:
        history = FakeStackHistory(late=[own(-60)])
        account = self.handle(history, through_cloudformation(eventTime=utc_text(NOW - timedelta(seconds=15))))
        assert (history.readings, len(account.notifier.sent)) == (1, 1)

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (AwsRequestFailed("Throttling: Rate exceeded"), "(Throttling: Rate exceeded)."),
            (AccessDenied("AccessDenied: no.\nreally."), "(AccessDenied: no.?really.)."),
        ],
    )
    def test_a_call_that_cannot_be_looked_up_is_reported(self, error: Exception, reason: str) -> None:
        account = self.handle(FakeStackHistory([own()], failing=error), through_cloudformation())
        assert f"could not check whether its own stack is the reason {reason}" in summary(account)

    def test_other_callers_are_reported_without_a_look(self) -> None:
        history = FakeStackHistory([own()])
        account = self.handle(history, through_cloudformation(sourceIPAddress="192.0.2.1"))
        assert (history.readings, len(account.notifier.sent)) == (0, 1)

    def test_a_change_of_the_stack_itself_is_always_reported(self) -> None:
        record = through_cloudformation(
            eventName="UpdateStack",
            eventSource="cloudformation.amazonaws.com",
            requestParameters={"stackName": "mfa-guard"},
        )
        history = FakeStackHistory([own()])
        account = self.handle(history, record)
        assert (history.readings, len(account.notifier.sent)) == (0, 1)

    @pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
    def test_a_forged_time_is_reported(self, time: str) -> None:
        account = self.handle(FakeStackHistory([own(-4000)]), through_cloudformation(eventTime=time))
        assert len(account.notifier.sent) == 1


class TestTrails:
    HOME = "arn:aws:cloudtrail:eu-west-1:111122223333:trail/"

    def handle(self, name: str, event: str = "StopLogging", **request_parameters: object) -> dict[str, Any]:
        account = FakeAccount()
        known = KnownTrails(frozenset({f"{self.HOME}main"}), frozenset({f"{self.HOME}audit"}), NOW)
        record = detail(
            event,
            {"name": name, **request_parameters},
            eventSource="cloudtrail.amazonaws.com",
            awsRegion="eu-west-1",
        )
        notify_of_alert(parse_alert(record), settings(), alert_dependencies(account, trails=FakeTrails(known)))
        return data(account.notifier.sent[0])

    def test_a_trail_that_feeds_the_guard_is_critical_and_the_command_starts_it(self) -> None:
        found = self.handle("main")
        assert found["severity"] == "critical"
        assert '"main" in eu-west-1' in found["summary"]
        assert "receives IAM's events through this trail" in found["summary"]
        command = "aws cloudtrail start-logging --region eu-west-1 --name main"
        assert found["commands"] == {"start_logging": command}

    def test_any_other_trail_is_medium(self) -> None:
        assert self.handle("audit")["severity"] == "medium"

    def test_what_the_call_sets_is_named(self) -> None:
        found = self.handle("main", "UpdateTrail", includeGlobalServiceEvents=False)
        assert "The call sets: includeGlobalServiceEvents = false." in found["summary"]
        assert found["commands"] == {}

    def test_a_forged_name_makes_no_command(self) -> None:
        assert self.handle("main; reboot")["commands"] == {}

    def test_without_a_memory_a_trail_is_critical(self) -> None:
        account = FakeAccount()
        record = detail("DeleteTrail", {"name": "audit"}, eventSource="cloudtrail.amazonaws.com")
        notify_of_alert(parse_alert(record), settings(), alert_dependencies(account))
        assert data(account.notifier.sent[0])["severity"] == "critical"
