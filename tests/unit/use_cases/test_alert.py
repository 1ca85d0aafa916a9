"""An alert is sent once, over a topic that its cause cannot silence."""

import pytest

from mfa_guard.core.alerts import parse_alert
from mfa_guard.use_cases.alert import AlertDependencies, notify_of_alert
from support.factories import detail, settings
from support.fakes import FakeAccount

NOTICES = settings().notices_topic_arn
OPERATIONS = settings().operations_topic_arn


def notify(account: FakeAccount, record: dict[str, object]) -> bool:
    dependencies = AlertDependencies(account.leases, account.notifier, account.telemetry, account.clock)
    return notify_of_alert(parse_alert(record), settings(), dependencies)


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
