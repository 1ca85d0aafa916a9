"""The rules and the schedule, compared with what the stack deployed."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mfa_guard.core.emergency_stop import RecordedStop
from mfa_guard.core.health.checks import Verdict
from mfa_guard.core.health.readings import Fields, Rule, Unread
from support.health import (
    CONTENT,
    DENIED,
    DEPLOYED,
    LAMBDA,
    QUEUE,
    RESOURCES,
    RULES,
    SCHEDULE,
    USER_EVENT,
    check,
    checks,
)

NAME = "mfa-guard-new-users"
USERS = RULES[NAME]
TARGET = USERS.targets[0]
RESTORE = (
    " To restore what was deleted or changed, create a change set for the stack mfa-guard with --deployment-mode "
    "REVERT_DRIFT and the previous value of every parameter. CloudTrail shows who made the change."
)
STOP = RecordedStop(
    (("rule", NAME), ("schedule", "mfa-guard-sweep")),
    datetime(2026, 11, 24, 12, tzinfo=UTC),
    "arn:aws:iam::111122223333:user/admin",
)
STOPPED = "An emergency stop was recorded at 2026-11-24T12:00:00Z by arn:aws:iam::111122223333:user/admin."


class TestRules:
    @pytest.mark.parametrize(
        ("rule", "why"),
        [
            (None, "does not exist"),
            (replace(USERS, state="DISABLED"), "is DISABLED"),
            (replace(USERS, state="x" * 41), f"is {'x' * 37}.."),
            (replace(USERS, pattern=None), "has another pattern"),
            (replace(USERS, pattern={"source": ["aws.never"]}), "has another pattern"),
            (replace(USERS, pattern={**(USERS.pattern or {}), "account": ["x"]}), "has another pattern"),
            (replace(USERS, targets=()), f"does not invoke {USER_EVENT}"),
            (replace(USERS, targets=({**TARGET, "Arn": f"{LAMBDA}{USER_EVENT}-2"},)), f"does not invoke {USER_EVENT}"),
            (replace(USERS, targets=({**TARGET, "Input": "{}"},)), f"invokes {USER_EVENT} with another Input"),
            (
                replace(USERS, targets=({**TARGET, "RetryPolicy": {"MaximumRetryAttempts": 0}},)),
                f"invokes {USER_EVENT} with another RetryPolicy",
            ),
            (
                replace(USERS, targets=({"Id": "1", "Arn": TARGET["Arn"]},)),
                f"invokes {USER_EVENT} with another DeadLetterConfig",
            ),
        ],
    )
    def test_each_change_is_a_problem_that_says_what_differs(self, rule: Rule | None, why: str) -> None:
        rules = {key: value for key, value in (RULES | {NAME: rule}).items() if value}
        found = check("rules", rules)
        assert (found.verdict, found.reason) == (Verdict.PROBLEM, f"Rules that do not work: {NAME} {why}.")
        assert found.advice == (
            "mfa-guard does not see some events. If this is an emergency stop, mfa-guard start ends it. Otherwise "
            f"enable each disabled rule with aws events enable-rule --region us-east-1 --name NAME.{RESTORE}"
        )

    @pytest.mark.parametrize(
        "rule",
        [
            replace(USERS, state="ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"),
            replace(USERS, targets=({**TARGET, "Id": "another"},)),
            replace(
                USERS,
                targets=({**TARGET, "RetryPolicy": {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}},),
            ),
            # The same target twice works, as long as one of them is as deployed.
            replace(USERS, targets=({**TARGET, "Id": "2", "Input": "{}"}, TARGET)),
        ],
    )
    def test_what_makes_no_difference_is_fine(self, rule: Rule) -> None:
        assert check("rules", RULES | {NAME: rule}).verdict is Verdict.FINE

    def test_the_order_in_a_pattern_counts_because_in_numeric_it_does(self) -> None:
        pattern = {"source": ["aws.iam"], "detail": {"n": [{"numeric": [">", 0, "<", 5]}]}}
        content = replace(CONTENT, resources={**CONTENT.resources, "UserEventFunctionNewUsers": _with_pattern(pattern)})
        deployed = replace(DEPLOYED, content=content)
        other = {"source": ["aws.iam"], "detail": {"n": [{"numeric": ["<", 0, ">", 5]}]}}
        assert checks(deployed, rules=RULES | {NAME: replace(USERS, pattern=pattern)})["rules"].verdict is Verdict.FINE
        found = checks(deployed, rules=RULES | {NAME: replace(USERS, pattern=other)})["rules"]
        assert found.verdict is Verdict.PROBLEM

    def test_a_name_that_equals_a_part_of_a_pattern_makes_no_difference(self) -> None:
        deployed = replace(DEPLOYED, name_prefix="aws.iam", stack_name="aws.iam")
        rules = {name.replace("mfa-guard-", "aws.iam-"): rule for name, rule in RULES.items()}
        assert checks(deployed, rules=rules)["rules"].verdict is Verdict.FINE

    def test_a_disabled_rule_is_found_although_the_stack_cannot_be_listed(self) -> None:
        found = checks(rules=RULES | {NAME: replace(USERS, state="DISABLED")}, resources=DENIED)["rules"]
        assert (found.verdict, found.reason) == (Verdict.PROBLEM, f"Rules that do not work: {NAME} is DISABLED.")

    def test_a_resource_that_the_stack_lacks_makes_the_rules_unverifiable(self) -> None:
        without = {name: each for name, each in RESOURCES.items() if name != "AlertFunctionRole"}
        found = checks(resources=without)["rules"]
        assert (found.verdict, found.reason) == (
            Verdict.CANNOT_VERIFY,
            "The rules cannot be compared with what the stack deployed: The stack mfa-guard has no resource "
            "AlertFunctionRole.",
        )

    def test_another_rule_with_the_prefix_is_advice(self) -> None:
        found = check("rules", RULES | {"mfa-guard-b": Rule("DISABLED", None, ()), "mfa-guard-a": USERS})
        assert (found.verdict, found.label) == (Verdict.PROBLEM, "advice")
        assert found.reason == (
            "The stack's rules work. mfa-guard-a is not the stack's; mfa-guard-b is not the stack's."
        )
        assert found.advice.startswith("A rule that begins with mfa-guard- may send to the dead-letter queue")

    def test_another_target_beside_the_functions_is_advice(self) -> None:
        found = check("rules", RULES | {NAME: replace(USERS, targets=(TARGET, {"Id": "2", "Arn": QUEUE}))})
        assert (found.label, found.reason) == (
            "advice",
            f"The stack's rules work. {NAME} also invokes {QUEUE}.",
        )

    def test_a_problem_comes_before_advice(self) -> None:
        rules = {"mfa-guard-other": USERS, NAME: USERS}
        found = check("rules", rules)
        assert (found.label, found.reason) == (
            "problem",
            "Rules that do not work: mfa-guard-role-tampering does not exist.",
        )

    def test_a_rule_under_a_condition_is_expected_if_the_stack_has_it(self) -> None:
        conditional = {**CONTENT.resources["UserEventFunctionNewUsers"], "Condition": "HasHub"}
        content = replace(CONTENT, resources={**CONTENT.resources, "UserEventFunctionNewUsers": conditional})
        deployed = replace(DEPLOYED, content=content)
        without = {name: rule for name, rule in RULES.items() if name != NAME}
        assert checks(deployed, rules=without)["rules"].verdict is Verdict.FINE
        assert checks(deployed, rules=without, resources=DENIED)["rules"].verdict is Verdict.CANNOT_VERIFY
        deployed_rule = {**RESOURCES, "UserEventFunctionNewUsers": RESOURCES["AlertFunction"]}
        assert checks(deployed, rules=without, resources=deployed_rule)["rules"].verdict is Verdict.PROBLEM

    def test_many_are_counted(self) -> None:
        rules = {f"UserEventFunction{n}": CONTENT.resources["UserEventFunctionNewUsers"] for n in range(20)}
        deployed = replace(DEPLOYED, content=replace(CONTENT, resources={**CONTENT.resources, **rules}))
        assert checks(deployed, rules={})["rules"].reason.endswith("; and 16 more.")


class TestEmergencyStop:
    def test_rules_that_it_disabled_are_a_problem_with_its_own_advice(self) -> None:
        disabled = RULES | {NAME: replace(USERS, state="DISABLED")}
        found = checks(rules=disabled, stop=STOP)["rules"]
        assert (found.verdict, found.reason) == (
            Verdict.PROBLEM,
            f"{STOPPED} Rules that do not work: {NAME} is DISABLED.",
        )
        assert found.advice == "mfa-guard start ends the emergency stop, and reports what the guard missed."

    @pytest.mark.parametrize(
        "rules",
        [
            RULES | {name: replace(rule, state="DISABLED") for name, rule in RULES.items()},
            RULES | {NAME: replace(USERS, pattern={})},
        ],
    )
    def test_it_does_not_explain_what_it_did_not_disable(self, rules: dict[str, Rule]) -> None:
        found = checks(rules=rules, stop=STOP)["rules"]
        assert (found.verdict, "emergency stop was recorded" in found.reason) == (Verdict.PROBLEM, False)
        assert "CloudTrail shows who" in found.advice

    def test_a_record_of_it_alone_is_no_problem(self) -> None:
        assert checks(stop=STOP)["rules"].verdict is Verdict.FINE

    def test_the_schedule_that_it_disabled(self) -> None:
        found = checks(schedule={**SCHEDULE, "State": "DISABLED"}, stop=STOP)["schedule"]
        assert found.reason == f"{STOPPED} The schedule mfa-guard-sweep is DISABLED."
        changed = checks(schedule={**SCHEDULE, "ScheduleExpression": "rate(1 day)"}, stop=STOP)["schedule"]
        assert "emergency stop was recorded" not in changed.reason

    def test_a_record_that_cannot_be_read_changes_no_verdict(self) -> None:
        found = checks(schedule={**SCHEDULE, "State": "DISABLED"}, stop=DENIED)["schedule"]
        assert (found.verdict, found.reason) == (Verdict.PROBLEM, "The schedule mfa-guard-sweep is DISABLED.")


class TestSchedule:
    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"State": "DISABLED"}, "is DISABLED"),
            ({"ScheduleExpression": "rate(365 days)"}, "has another ScheduleExpression: rate(365 days)"),
            ({"ScheduleExpressionTimezone": "Asia/Tokyo"}, "has another ScheduleExpressionTimezone: Asia/Tokyo"),
            ({"EndDate": "2026-01-01"}, "has another EndDate: 2026-01-01"),
            ({"StartDate": "2099-01-01"}, "has another StartDate: 2099-01-01"),
            (
                {"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1440}},
                "has another FlexibleTimeWindow",
            ),
            ({"Target": {**SCHEDULE["Target"], "Arn": QUEUE}}, "has a target with another Arn"),  # type: ignore[dict-item]
            ({"Target": {**SCHEDULE["Target"], "Input": '{"a":1}'}}, "has a target with another Input"),  # type: ignore[dict-item]
            (
                {"Target": {**SCHEDULE["Target"], "RetryPolicy": {"MaximumRetryAttempts": 0}}},  # type: ignore[dict-item]
                "has a target with another RetryPolicy",
            ),
            ({"Target": None}, "has a target with another Arn"),
        ],
    )
    def test_each_change_is_a_problem_that_says_what_differs(self, change: Fields, why: str) -> None:
        found = check("schedule", {**SCHEDULE, **change})
        assert (found.verdict, found.reason) == (Verdict.PROBLEM, f"The schedule mfa-guard-sweep {why}.")
        assert found.advice.startswith("Sweeps do not start as deployed.")

    def test_a_deleted_schedule_is_a_problem(self) -> None:
        found = check("schedule", Unread("Schedule mfa-guard-sweep does not exist.", missing=True))
        assert found.verdict is Verdict.PROBLEM

    def test_a_disabled_schedule_is_found_although_the_stack_cannot_be_listed(self) -> None:
        found = checks(schedule={**SCHEDULE, "State": "DISABLED"}, resources=DENIED)["schedule"]
        assert found.verdict is Verdict.PROBLEM


def _with_pattern(pattern: Fields) -> Fields:
    rule = CONTENT.resources["UserEventFunctionNewUsers"]
    return {**rule, "Properties": {**rule["Properties"], "EventPattern": pattern}}  # type: ignore[dict-item]
