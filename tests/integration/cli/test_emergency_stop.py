"""`mfa-guard stop` and `start`: a start enables exactly what the stop disabled."""

import json

import pytest

from support.deployed import Deployed
from support.factories import ROOT_OF_THE_PROJECT

ACTING = {
    "mfa-guard-new-credentials",
    "mfa-guard-mfa-devices",
    "mfa-guard-enforcement-removed",
    "mfa-guard-tags-changed",
    "mfa-guard-user-renamed",
    "mfa-guard-access-changed",
    "mfa-guard-sign-ins",
    "mfa-guard-sweep-requested",
}
SCHEDULE = "mfa-guard-sweep"


def off(deployed: Deployed) -> set[str]:
    return {name for name, state in deployed.rule_states().items() if state == "DISABLED"}


def schedule(deployed: Deployed) -> dict[str, object]:
    found = dict(deployed.account.clients.any("scheduler").get_schedule(Name=SCHEDULE))
    for changing in ("ResponseMetadata", "LastModificationDate"):
        found.pop(changing, None)
    return found


def test_what_acts_on_users_is_disabled_and_nothing_else(deployed: Deployed) -> None:
    before = schedule(deployed)
    outcome = deployed.json("stop", "--yes")
    assert off(deployed) == ACTING
    assert schedule(deployed) == before | {"State": "DISABLED"}
    assert outcome["undo"] == ["mfa-guard start"]


def test_a_stop_and_a_start_leave_everything_as_it_was(deployed: Deployed) -> None:
    rules, planned = deployed.rule_states(), schedule(deployed)
    deployed.run("stop", "--yes")
    assert deployed.run("start", "--yes").exit_code == 0
    assert (deployed.rule_states(), schedule(deployed)) == (rules, planned)
    assert "Nothing that mfa-guard stop disabled is still disabled" in deployed.run("start", "--yes").stdout


def test_what_was_disabled_before_stays_disabled(deployed: Deployed) -> None:
    deployed.account.clients.events.disable_rule(Name="mfa-guard-tags-changed")
    deployed.run("stop", "--yes")
    result = deployed.run("start", "--yes")
    assert result.exit_code == 0
    assert off(deployed) == {"mfa-guard-tags-changed"}
    assert "Not disabled by mfa-guard stop, so not enabled: rule mfa-guard-tags-changed (disabled)" in result.stdout
    assert deployed.run("start", "--all", "--yes").exit_code == 0
    assert off(deployed) == set()


def test_without_yes_nothing_is_changed(deployed: Deployed) -> None:
    result = deployed.run("stop")
    assert result.exit_code == 2
    assert "  schedule mfa-guard-sweep\n" in result.stderr
    assert off(deployed) == set()


def test_a_second_stop_changes_nothing_and_says_since_when(deployed: Deployed) -> None:
    deployed.run("stop", "--yes")
    result = deployed.run("stop", "--yes")
    assert (result.exit_code, result.stdout.startswith("The guard is stopped already since ")) == (0, True)
    assert "user/carol" in result.stdout


def test_a_stop_that_failed_half_way_is_finished_by_the_next_and_ended_as_one(deployed: Deployed) -> None:
    deployed.failing = {"UpdateSchedule": "AccessDeniedException"}
    outcome = deployed.json("stop", "--yes", exit_code=3)
    assert "schedule mfa-guard-sweep" in str(outcome["failed"])
    assert off(deployed) == ACTING
    deployed.failing = {}
    assert deployed.run("stop", "--yes").exit_code == 0
    assert schedule(deployed)["State"] == "DISABLED"
    deployed.run("start", "--yes")
    assert (off(deployed), schedule(deployed)["State"]) == (set(), "ENABLED")


def test_a_start_that_failed_half_way_is_finished_by_the_next(deployed: Deployed) -> None:
    deployed.run("stop", "--yes")
    deployed.failing = {"UpdateSchedule": "AccessDeniedException"}
    assert deployed.run("start", "--yes").exit_code == 3
    deployed.failing = {}
    assert deployed.run("start", "--yes").exit_code == 0
    assert schedule(deployed)["State"] == "ENABLED"


def test_a_stop_that_was_ended_by_hand_is_no_longer_in_force(deployed: Deployed) -> None:
    ended = {"since": "2020-01-01T00:00:00Z", "by": "nadia", "invokers": [["rule", name] for name in sorted(ACTING)]}
    deployed.account.clients.dynamodb.put_item(
        TableName=deployed.account.stack.physical_id("StateTable"),
        Item={"id": {"S": "stop#emergency"}, "stopped": {"S": json.dumps(ended)}},
    )
    assert deployed.json("stop", "--yes")["stopped_since"] != "2020-01-01T00:00:00Z"
    assert deployed.json("status", exit_code=1)["stopped_by"] == "arn:aws:iam::111122223333:user/carol"


def test_without_a_record_the_guard_is_stopped_too(deployed: Deployed) -> None:
    deployed.account.clients.events.disable_rule(Name="mfa-guard-tags-changed")
    deployed.failing = {"PutItem": "AccessDeniedException", "GetItem": "AccessDeniedException"}
    outcome = deployed.json("stop", "--yes", exit_code=3)
    assert off(deployed) == ACTING
    assert "The AWS request PutItem failed" in str(outcome["failed"])
    assert "Disabled before: rule mfa-guard-tags-changed." in str(outcome["notes"])
    assert outcome["undo"] == ["mfa-guard start --all"]


def test_a_malformed_record_does_not_prevent_a_stop(deployed: Deployed) -> None:
    table = deployed.account.stack.physical_id("StateTable")
    deployed.account.clients.dynamodb.put_item(
        TableName=table, Item={"id": {"S": "stop#emergency"}, "stopped": {"S": "{"}}
    )
    assert deployed.run("stop", "--yes").exit_code == 0
    assert deployed.run("start", "--yes").exit_code == 0
    assert off(deployed) == set()


def test_without_permission_to_read_the_concurrency_the_guard_can_be_started(deployed: Deployed) -> None:
    deployed.run("stop", "--yes")
    deployed.failing = {"GetFunctionConcurrency": "AccessDeniedException"}
    assert deployed.run("start", "--yes").exit_code == 0
    assert off(deployed) == set()


def test_status_shows_the_stop_and_its_author(deployed: Deployed) -> None:
    deployed.run("stop", "--yes")
    found = deployed.json("status", exit_code=1)
    assert (found["running"], found["stopped_by"]) == (False, "arn:aws:iam::111122223333:user/carol")
    switched = found["off"]
    assert isinstance(switched, list)
    assert {each["name"] for each in switched} == ACTING | {SCHEDULE}


def test_a_stop_with_the_aws_cli_needs_all(deployed: Deployed) -> None:
    for name in ACTING - {"mfa-guard-sweep-requested"}:
        deployed.account.clients.events.disable_rule(Name=name)
    deployed.concurrency = 0
    result = deployed.run("start", "--yes")
    assert (result.exit_code, "SweepFunction (concurrency 0)" in result.stdout) == (1, True)
    assert len(off(deployed)) == 7
    assert deployed.run("start", "--all", "--yes").exit_code == 0
    assert off(deployed) == set()
    assert "DeleteFunctionConcurrency" in deployed.made


def test_a_malformed_record_enables_nothing(deployed: Deployed) -> None:
    deployed.run("stop", "--yes")
    table = deployed.account.stack.physical_id("StateTable")
    for broken in ("{", "[]", '{"since": "now", "by": "x", "invokers": []}'):
        deployed.account.clients.dynamodb.put_item(
            TableName=table, Item={"id": {"S": "stop#emergency"}, "stopped": {"S": broken}}
        )
        result = deployed.run("start", "--yes")
        assert (result.exit_code, "mfa-guard start --all" in result.stderr) == (2, True)
    assert deployed.run("start", "--all", "--yes").exit_code == 0


def test_a_missing_rule_is_named_and_prevents_nothing(deployed: Deployed) -> None:
    deployed.account.clients.events.remove_targets(
        Rule="mfa-guard-tags-changed", Ids=[each["Id"] for each in _targets(deployed)]
    )
    deployed.account.clients.events.delete_rule(Name="mfa-guard-tags-changed")
    deployed.run("stop", "--yes")
    result = deployed.run("start", "--yes")
    assert (result.exit_code, "rule mfa-guard-tags-changed (missing)" in result.stdout) == (0, True)


def _targets(deployed: Deployed) -> list[dict[str, str]]:
    found = deployed.account.clients.events.list_targets_by_rule(Rule="mfa-guard-tags-changed")["Targets"]
    return [{"Id": each["Id"]} for each in found]


class TestWhatWasMissed:
    @pytest.fixture
    def stopped(self, deployed: Deployed) -> Deployed:
        deployed.run("stop", "--yes")
        return deployed

    def test_events_that_would_have_invoked_the_guard_are_counted_by_its_rules(self, stopped: Deployed) -> None:
        events = ROOT_OF_THE_PROJECT / "events"
        stopped.history = [
            json.loads((events / f"{name}.json").read_text("utf-8"))["detail"]
            for name in ("create-user", "create-user-failed", "delete-user", "deactivate-mfa-device")
        ]
        text = stopped.run("start", "--yes").stdout
        assert "Missed: 2 events (1 CreateUser, 1 DeactivateMFADevice), about " in text
        assert "request a sweep, which enforces users in scope, and reports the others: mfa-guard sweep\n" in text

    def test_no_missed_event_is_a_sentence_with_its_limit(self, stopped: Deployed) -> None:
        text = stopped.run("start", "--yes").stdout
        assert "Missed: no events, as far as CloudTrail's event history shows so far." in text

    def test_without_permission_for_the_event_history_the_guard_can_be_started(self, stopped: Deployed) -> None:
        stopped.failing = {"LookupEvents": "AccessDeniedException"}
        result = stopped.run("start", "--yes")
        assert (result.exit_code, "could not be read from CloudTrail's event history" in result.stdout) == (
            0,
            True,
        )
