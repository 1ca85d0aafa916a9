"""`mfa-guard stop` and `start`: exactly what the stop switched off is switched on again."""

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


def test_what_acts_on_users_is_off_and_the_rest_goes_on(deployed: Deployed) -> None:
    before = schedule(deployed)
    told = deployed.json("stop", "--yes")
    assert off(deployed) == ACTING
    assert schedule(deployed) == before | {"State": "DISABLED"}
    assert told["back"] == ["mfa-guard start"]


def test_a_stop_and_a_start_leave_everything_as_it_was(deployed: Deployed) -> None:
    rules, planned = deployed.rule_states(), schedule(deployed)
    deployed.run("stop", "--yes")
    assert deployed.run("start", "--yes").exit_code == 0
    assert (deployed.rule_states(), schedule(deployed)) == (rules, planned)
    assert "Nothing that a stop switched off is off" in deployed.run("start", "--yes").stdout


def test_what_was_off_before_stays_off(deployed: Deployed) -> None:
    deployed.account.clients.events.disable_rule(Name="mfa-guard-tags-changed")
    deployed.run("stop", "--yes")
    result = deployed.run("start", "--yes")
    assert result.exit_code == 0
    assert off(deployed) == {"mfa-guard-tags-changed"}
    assert "Stays off, as no mfa-guard stop switched it off: rule mfa-guard-tags-changed (disabled)" in result.stdout
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
    told = deployed.json("stop", "--yes", exit_code=3)
    assert "schedule mfa-guard-sweep" in str(told["failed"])
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


def test_a_stop_that_was_ended_by_hand_is_over(deployed: Deployed) -> None:
    ended = {"since": "2020-01-01T00:00:00Z", "by": "nadia", "switches": [["rule", name] for name in sorted(ACTING)]}
    deployed.account.clients.dynamodb.put_item(
        TableName=deployed.account.stack.physical_id("StateTable"),
        Item={"id": {"S": "emergency-stop"}, "stopped": {"S": json.dumps(ended)}},
    )
    assert deployed.json("stop", "--yes")["stopped_since"] != "2020-01-01T00:00:00Z"
    assert deployed.json("status", exit_code=1)["stopped_by"] == "arn:aws:iam::111122223333:user/carol"


def test_what_cannot_be_remembered_is_switched_off_all_the_same(deployed: Deployed) -> None:
    deployed.account.clients.events.disable_rule(Name="mfa-guard-tags-changed")
    deployed.failing = {"PutItem": "AccessDeniedException", "GetItem": "AccessDeniedException"}
    told = deployed.json("stop", "--yes", exit_code=3)
    assert off(deployed) == ACTING
    assert "could not be remembered, so that start needs --all: AWS refused PutItem" in str(told["failed"])
    assert (told["back"], "Off before: rule mfa-guard-tags-changed." in str(told["notes"])) == (
        ["mfa-guard start --all"],
        True,
    )


def test_a_record_that_nobody_understands_does_not_hinder_a_stop(deployed: Deployed) -> None:
    table = deployed.account.stack.physical_id("StateTable")
    deployed.account.clients.dynamodb.put_item(
        TableName=table, Item={"id": {"S": "emergency-stop"}, "stopped": {"S": "{"}}
    )
    assert deployed.run("stop", "--yes").exit_code == 0
    assert deployed.run("start", "--yes").exit_code == 0
    assert off(deployed) == set()


def test_whoever_may_not_read_the_concurrency_may_start_all_the_same(deployed: Deployed) -> None:
    deployed.run("stop", "--yes")
    deployed.failing = {"GetFunctionConcurrency": "AccessDeniedException"}
    assert deployed.run("start", "--yes").exit_code == 0
    assert off(deployed) == set()


def test_status_says_that_it_is_stopped_since_when_and_by_whom(deployed: Deployed) -> None:
    deployed.run("stop", "--yes")
    found = deployed.json("status", exit_code=1)
    assert (found["running"], found["stopped_by"]) == (False, "arn:aws:iam::111122223333:user/carol")
    switched = found["off"]
    assert isinstance(switched, list)
    assert {each["name"] for each in switched} == ACTING | {SCHEDULE}


def test_a_stop_by_the_paste_is_ended_with_all_alone(deployed: Deployed) -> None:
    for name in ACTING - {"mfa-guard-sweep-requested"}:
        deployed.account.clients.events.disable_rule(Name=name)
    deployed.concurrency = 0
    result = deployed.run("start", "--yes")
    assert (result.exit_code, "SweepFunction (concurrency 0)" in result.stdout) == (1, True)
    assert len(off(deployed)) == 5
    assert deployed.run("start", "--all", "--yes").exit_code == 0
    assert off(deployed) == set()
    assert "DeleteFunctionConcurrency" in deployed.made


def test_a_record_that_nobody_understands_is_no_ground_for_anything(deployed: Deployed) -> None:
    deployed.run("stop", "--yes")
    table = deployed.account.stack.physical_id("StateTable")
    for broken in ("{", "[]", '{"since": "now", "by": "x", "switches": []}'):
        deployed.account.clients.dynamodb.put_item(
            TableName=table, Item={"id": {"S": "emergency-stop"}, "stopped": {"S": broken}}
        )
        result = deployed.run("start", "--yes")
        assert (result.exit_code, "start with --all" in result.stderr) == (2, True)
    assert deployed.run("start", "--all", "--yes").exit_code == 0


def test_a_rule_that_is_gone_is_named_and_does_not_hinder(deployed: Deployed) -> None:
    deployed.account.clients.events.remove_targets(
        Rule="mfa-guard-tags-changed", Ids=[each["Id"] for each in _targets(deployed)]
    )
    deployed.account.clients.events.delete_rule(Name="mfa-guard-tags-changed")
    deployed.run("stop", "--yes")
    result = deployed.run("start", "--yes")
    assert (result.exit_code, "rule mfa-guard-tags-changed (gone)" in result.stdout) == (0, True)


def _targets(deployed: Deployed) -> list[dict[str, str]]:
    found = deployed.account.clients.events.list_targets_by_rule(Rule="mfa-guard-tags-changed")["Targets"]
    return [{"Id": each["Id"]} for each in found]


class TestWhatWasMissed:
    @pytest.fixture
    def stopped(self, deployed: Deployed) -> Deployed:
        deployed.run("stop", "--yes")
        return deployed

    def test_events_that_would_have_woken_the_guard_are_counted_by_its_rules(self, stopped: Deployed) -> None:
        events = ROOT_OF_THE_PROJECT / "events"
        stopped.history = [
            json.loads((events / f"{name}.json").read_text("utf-8"))["detail"]
            for name in ("create-user", "create-user-failed", "delete-user", "deactivate-mfa-device")
        ]
        text = stopped.run("start", "--yes").stdout
        assert "Missed: 2 events (1 CreateUser, 1 DeactivateMFADevice), about " in text
        assert "To catch up, a sweep reports whom it would bind: mfa-guard sweep" in text

    def test_nothing_missed_is_said_with_its_limit(self, stopped: Deployed) -> None:
        text = stopped.run("start", "--yes").stdout
        assert "Missed: nothing, as far as CloudTrail's event history shows by now." in text

    def test_a_history_that_may_not_be_read_is_no_reason_not_to_start(self, stopped: Deployed) -> None:
        stopped.failing = {"LookupEvents": "AccessDeniedException"}
        result = stopped.run("start", "--yes")
        assert (result.exit_code, "CloudTrail's event history does not say what was missed" in result.stdout) == (
            0,
            True,
        )
