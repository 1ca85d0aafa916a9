"""The functions and the reader of the exemption table's stream, compared with what the stack deployed."""

from dataclasses import replace

import pytest

from mfa_guard.core.health.checks import Verdict
from mfa_guard.core.health.readings import ExemptionStream, Fields, Function, Unread
from support.health import (
    ALERT,
    DENIED,
    DEPLOYED,
    FUNCTIONS,
    LAMBDA,
    MAPPING,
    QUEUE,
    STREAM,
    TEARDOWN,
    USER_EVENT,
    check,
    checks,
)


def function(name: str) -> Function:
    found = FUNCTIONS[name]
    assert isinstance(found, Function)
    return found


USERS = function(USER_EVENT)
INVOCATION = USERS.invocation or {}
ELSEWHERE = {"OnFailure": {"Destination": f"{QUEUE}-2"}}


class TestFunctions:
    @pytest.mark.parametrize(
        ("changed", "why"),
        [
            (replace(USERS, concurrency=0), "is switched off (concurrency 0)"),
            (replace(USERS, concurrency=1), "has the concurrency 1 instead of none"),
            (replace(USERS, invocation=None), "has no configuration for failed events"),
            (
                replace(USERS, invocation={**INVOCATION, "DestinationConfig": ELSEWHERE}),
                f"sends failed events to {QUEUE}-2",
            ),
            (replace(USERS, invocation={**INVOCATION, "DestinationConfig": {}}), "sends failed events to nowhere"),
            (replace(USERS, invocation={**INVOCATION, "MaximumRetryAttempts": 0}), "has another MaximumRetryAttempts"),
            (
                replace(USERS, invocation={**INVOCATION, "MaximumEventAgeInSeconds": 60}),
                "has another MaximumEventAgeInSeconds",
            ),
        ],
    )
    def test_each_change_is_a_problem_that_says_what_differs(self, changed: Function, why: str) -> None:
        found = check("functions", {**FUNCTIONS, USER_EVENT: changed})
        assert (found.verdict, found.reason) == (
            Verdict.PROBLEM,
            f"Functions that do not work as deployed: {USER_EVENT} {why}.",
        )
        assert "mfa-guard start --all" in found.advice
        assert "delete-function-concurrency --region us-east-1" in found.advice

    def test_a_destination_where_the_stack_has_none_is_a_problem(self) -> None:
        teardown = function(TEARDOWN)
        changed = replace(teardown, invocation={**(teardown.invocation or {}), "DestinationConfig": ELSEWHERE})
        found = check("functions", {**FUNCTIONS, TEARDOWN: changed})
        assert f"{TEARDOWN} sends failed events to {QUEUE}-2" in found.reason

    @pytest.mark.parametrize(
        ("concurrency", "reason"),
        [
            (5, None),
            (None, "has the concurrency none instead of 5"),
            (4, "has the concurrency 4 instead of 5"),
            (0, "is switched off (concurrency 0)"),
        ],
    )
    def test_the_concurrency_that_the_stack_reserves(self, concurrency: int | None, reason: str | None) -> None:
        reserved = replace(DEPLOYED, max_concurrency=5)
        found = checks(reserved, functions={**FUNCTIONS, USER_EVENT: replace(USERS, concurrency=concurrency)})
        assert found["functions"].verdict is (Verdict.PROBLEM if reason else Verdict.FINE)
        assert reason is None or found["functions"].reason.endswith(f"{USER_EVENT} {reason}.")

    def test_it_is_reserved_for_no_other_function(self) -> None:
        changed = replace(function(TEARDOWN), concurrency=5)
        found = checks(replace(DEPLOYED, max_concurrency=5), functions={**FUNCTIONS, TEARDOWN: changed})
        assert f"{TEARDOWN} has the concurrency 5 instead of none" in found["functions"].reason

    def test_a_function_that_was_deleted_is_a_problem(self) -> None:
        gone = Unread("Function not found", missing=True)
        found = check("functions", {**FUNCTIONS, USER_EVENT: gone})
        assert (found.verdict, f"{USER_EVENT}: Function not found" in found.reason) == (Verdict.PROBLEM, True)

    def test_one_that_cannot_be_read_hides_no_change_of_another(self) -> None:
        assert check("functions", {**FUNCTIONS, USER_EVENT: DENIED}).verdict is Verdict.CANNOT_VERIFY
        found = check("functions", {USER_EVENT: replace(USERS, concurrency=0), TEARDOWN: DENIED})
        assert found.verdict is Verdict.PROBLEM

    def test_one_that_was_not_read_is_unverifiable(self) -> None:
        assert check("functions", {USER_EVENT: USERS}).verdict is Verdict.CANNOT_VERIFY


class TestExemptionStream:
    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"State": "Disabled"}, "the event source mapping is Disabled"),
            ({"State": "Disabling"}, "the event source mapping is Disabling"),
            ({"State": "Deleting"}, "the event source mapping is Deleting"),
            ({"EventSourceArn": f"{STREAM}-2"}, "the event source mapping reads another stream than the table's"),
            ({"FilterCriteria": {"Filters": [{"Pattern": "{}"}]}}, "the event source mapping has filter criteria"),
            ({"MaximumRetryAttempts": 0}, "the event source mapping has another MaximumRetryAttempts"),
            ({"FunctionArn": f"{LAMBDA}other"}, "the event source mapping invokes other"),
            ({"FunctionArn": f"{LAMBDA}{ALERT}:1"}, f"the event source mapping invokes {ALERT}:1"),
            ({"DestinationConfig": {}}, "the event source mapping sends failed records to nowhere"),
            ({"DestinationConfig": ELSEWHERE}, f"the event source mapping sends failed records to {QUEUE}-2"),
            ({"BatchSize": 1}, "the event source mapping has another BatchSize"),
            ({"BisectBatchOnFunctionError": False}, "the event source mapping has another BisectBatchOnFunctionError"),
            ({"MaximumRecordAgeInSeconds": 60}, "the event source mapping has another MaximumRecordAgeInSeconds"),
        ],
    )
    def test_each_change_is_a_problem_that_says_what_differs(self, change: Fields, why: str) -> None:
        found = check("exemption changes", ExemptionStream(STREAM, {**MAPPING, **change}))
        assert (found.verdict, found.reason) == (
            Verdict.PROBLEM,
            f"Changes of exemptions do not reach AlertFunction as deployed: {why}.",
        )
        assert "mfa-guard exempt list" in found.advice

    def test_a_stream_that_is_off_is_a_problem(self) -> None:
        found = check("exemption changes", ExemptionStream(None, MAPPING))
        assert found.reason.endswith("as deployed: the table's stream is off.")

    def test_all_changes_are_named(self) -> None:
        changed = {**MAPPING, "State": "Disabled", "FunctionArn": f"{LAMBDA}other"}
        found = check("exemption changes", ExemptionStream(STREAM, changed))
        assert found.reason.endswith("is Disabled; the event source mapping invokes other.")

    @pytest.mark.parametrize("state", ["Creating", "Enabling", "Updating"])
    def test_a_mapping_that_is_being_changed_is_unverifiable(self, state: str) -> None:
        found = check("exemption changes", ExemptionStream(STREAM, {**MAPPING, "State": state}))
        assert (found.verdict, found.reason) == (Verdict.CANNOT_VERIFY, f"The event source mapping is {state}.")

    def test_without_the_stacks_resources_a_mapping_that_is_off_is_still_found(self) -> None:
        off = ExemptionStream(STREAM, {**MAPPING, "State": "Disabled"})
        assert checks(resources=DENIED, exemption_stream=off)["exemption changes"].verdict is Verdict.PROBLEM

    def test_retries_that_lambda_does_not_show_are_the_default(self) -> None:
        shown = {name: value for name, value in MAPPING.items() if name != "MaximumRetryAttempts"}
        assert check("exemption changes", ExemptionStream(STREAM, shown)).verdict is Verdict.FINE
