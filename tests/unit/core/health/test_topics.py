"""Who receives the notices and alarms, and who may publish them."""

import copy

import pytest

from mfa_guard.core.health.checks import Verdict
from mfa_guard.core.health.readings import Subscription, Subscriptions, Unread
from support.factories import ACCOUNT
from support.health import DENIED, EMAIL, POLICIES, SETTINGS, check, checks

FILTERED = Subscription("https", filtered=True)
UNREAD = Subscription("email", filtered=DENIED)
NOTICES = SETTINGS.notices_topic_arn
EMPTY: dict[str, object] = {topic: {} for topic in POLICIES}


@pytest.mark.parametrize("topic", ["notices", "operations"])
class TestSubscriptions:
    def test_one_that_gets_every_message_is_enough(self, topic: str) -> None:
        found = check(f"{topic} topic", Subscriptions((EMAIL, EMAIL, UNREAD), 3))
        assert (found.verdict, found.reason) == (Verdict.FINE, "Confirmed subscriptions: email 3.")

    def test_protocols_are_shown(self, topic: str) -> None:
        found = check(f"{topic} topic", Subscriptions((Subscription("sqs", filtered=False), EMAIL), 0))
        assert found.reason == "Confirmed subscriptions: email 1, sqs 1."

    def test_a_filter_beside_one_that_gets_every_message_is_advice(self, topic: str) -> None:
        found = check(f"{topic} topic", Subscriptions((EMAIL, FILTERED), 0))
        assert (found.label, found.reason) == (
            "advice",
            "Confirmed subscriptions: email 1, https 1. Of these, 1 with a filter policy.",
        )

    def test_filters_on_all_of_them_are_a_problem(self, topic: str) -> None:
        found = check(f"{topic} topic", Subscriptions((FILTERED, FILTERED), 0))
        assert (found.label, found.reason) == (
            "problem",
            "Every confirmed subscription has a filter policy, which discards messages: https 2.",
        )
        assert found.advice == (
            "Check that another subscription, without a filter policy, reaches a person. To remove a filter policy: "
            "aws sns set-subscription-attributes --attribute-name FilterPolicy --attribute-value '{}' "
            "--subscription-arn ARN"
        )

    def test_it_is_not_certain_if_the_only_one_that_may_get_all_cannot_be_read(self, topic: str) -> None:
        found = check(f"{topic} topic", Subscriptions((FILTERED, UNREAD), 0))
        assert (found.verdict, DENIED.reason in found.reason) == (Verdict.CANNOT_VERIFY, True)

    @pytest.mark.parametrize(
        ("pending", "reason"),
        [
            (0, "The topic has no subscription."),
            (2, "No subscription is confirmed. Subscriptions that wait for confirmation: 2."),
        ],
    )
    def test_a_topic_without_a_confirmed_subscription_is_a_problem(self, topic: str, pending: int, reason: str) -> None:
        found = check(f"{topic} topic", Subscriptions((), pending))
        assert (found.verdict, found.reason) == (Verdict.PROBLEM, reason)
        assert found.advice.endswith(f"--topic-arn arn:aws:sns:us-east-1:{ACCOUNT}:{topic}")


class TestPolicies:
    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("Effect", "Allow"),
            ("Principal", {"AWS": "*", "Service": "x"}),
            ("Action", "sns:Subscribe"),
            ("Condition", {}),
        ],
    )
    def test_another_statement_is_a_problem_that_names_it(self, key: str, value: object) -> None:
        policies = copy.deepcopy(POLICIES)
        policies[NOTICES]["Statement"][0][key] = value  # type: ignore[index]
        found = check("topic policies", policies)
        assert (found.verdict, found.reason) == (
            Verdict.PROBLEM,
            "Topic policies that are not what the stack deployed: that of notices in OnlyTheGuardPublishes.",
        )
        assert found.advice.startswith("Others may publish forged notices")

    def test_a_statement_more_is_a_problem(self) -> None:
        policies = copy.deepcopy(POLICIES)
        policies[NOTICES]["Statement"].append({"Effect": "Allow", "Principal": "*", "Action": "sns:Publish"})  # type: ignore[index]
        found = check("topic policies", policies)
        assert "that of notices in a statement without Sid" in found.reason

    def test_the_id_of_a_deleted_role_in_place_of_its_arn_is_a_problem(self) -> None:
        policies = copy.deepcopy(POLICIES)
        policies[SETTINGS.operations_topic_arn]["Statement"][0]["Principal"] = {"AWS": "AROAEXAMPLE"}  # type: ignore[index]
        found = check("topic policies", policies)
        assert found.reason.endswith("that of operations in AlertFunctionPublishes.")

    def test_both_are_named(self) -> None:
        found = check("topic policies", EMPTY)
        assert "that of notices in OnlyTheGuardPublishes; that of operations in" in found.reason

    def test_one_that_cannot_be_read_hides_no_change_of_the_other(self) -> None:
        found = check("topic policies", {**POLICIES, NOTICES: DENIED})
        assert (found.verdict, DENIED.reason in found.reason) == (Verdict.CANNOT_VERIFY, True)
        assert check("topic policies", {**EMPTY, NOTICES: DENIED}).verdict is Verdict.PROBLEM

    def test_one_that_was_not_read_is_unverifiable(self) -> None:
        found = check("topic policies", {})
        assert found.verdict is Verdict.CANNOT_VERIFY

    def test_without_a_listing_of_the_stack_they_are_unverifiable(self) -> None:
        assert checks(resources=Unread("no"))["topic policies"].reason.endswith("deployed: no.")
