"""A change of the own stack causes no notice about its parts, and the same calls without it cause one each."""

import json
from datetime import timedelta

import pytest

from mfa_guard.core.alerts import parse_alert
from mfa_guard.use_cases.alert import notify_of_alert
from mfa_guard_cli.stack.event_pattern import index
from mfa_guard_cli.stack.template import load_template
from support.alert_fakes import FakeStackHistory, alert_dependencies
from support.cloudformation import OPERATIONS, Fields, Step, steps
from support.factories import NOW, envelope, settings
from support.fakes import FakeAccount

STACK = load_template().render(
    parameters={"AlertEmail": "a@example.com", "OperationsEmail": "o@example.com", "DeactivateKeysAfterDays": "30"}
)
ROUTE = index(STACK.rules())
BEGAN = NOW - timedelta(hours=1)


def matching(step: Step) -> list[Fields]:
    """Return the records that invoke AlertFunction."""
    return [
        record for record in step.records if any("AlertFunction" in rule.functions for rule in ROUTE(envelope(record)))
    ]


def notified(record: Fields, history: FakeStackHistory) -> bool:
    account = FakeAccount()
    chosen = settings(notices_topic_arn=str(STACK.resolve({"Ref": "NoticesTopic"})))
    return notify_of_alert(parse_alert(record), chosen, alert_dependencies(account, stack=history))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_on_the_whole_stack_causes_no_notice_of_tampering(operation: str) -> None:
    done = list(steps(STACK, operation, BEGAN))
    records = [record for step in done for record in matching(step)]
    assert len(records) >= 40
    history = FakeStackHistory([event for step in done for event in step.events])
    assert [record["eventName"] for record in records if notified(record, history)] == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_same_calls_by_another_stack_are_all_reported(operation: str) -> None:
    done = list(steps(STACK, operation, BEGAN))
    # The own stack did the same a day before, and changes its dashboard and its policies' digests right now.
    before = steps(STACK, operation, BEGAN - timedelta(days=1))
    now = [event for step in done if step.resource.type == "AWS::CloudWatch::Dashboard" for event in step.events]
    history = FakeStackHistory([*(event for step in before for event in step.events), *now])
    records = [record for step in done for record in matching(step)]
    assert [record["eventName"] for record in records if not notified(record, history)] == []


def test_every_kind_of_watched_resource_is_changed_by_these_operations() -> None:
    parsed = [
        parse_alert(each)
        for operation in OPERATIONS
        for step in steps(STACK, operation, BEGAN)
        for each in matching(step)
    ]
    assert {alert.watched.resource for alert in parsed} == {
        "alarm",
        "dead-letter queue",
        "enforcement group",
        "enforcement policy",
        "event source mapping",
        "function",
        "role",
        "rule",
        "schedule",
        "table",
        "topic",
    }


def test_the_function_may_read_the_events_of_its_own_stack_and_of_no_other() -> None:
    [statement] = [
        each
        for each in STACK.role_statements("AlertFunctionRole")
        if "cloudformation:DescribeStackEvents" in json.dumps(each["Action"])
    ]
    assert statement["Resource"] == STACK.environment("AlertFunction")["STACK_ID"]
