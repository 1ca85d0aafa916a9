"""Policies are compared by their meaning."""

import json

import pytest

from mfa_guard.core.health.comparison import difference, policy_differences, target_difference

DOCUMENT = {
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "Own", "Effect": "Allow", "Action": "iam:GetUser", "Resource": "arn:aws:iam::111122223333:user/x"},
        {
            "Sid": "Block",
            "Effect": "Deny",
            "NotAction": ["iam:GetUser", "iam:ChangePassword"],
            "Resource": "*",
            "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
        },
    ],
}


class TestPolicies:
    def test_order_and_single_values_make_no_difference(self) -> None:
        own, block = DOCUMENT["Statement"]
        same = {
            "Statement": [
                {**block, "NotAction": ["iam:ChangePassword", "iam:GetUser"], "Resource": ["*"]},  # type: ignore[dict-item]
                {**own, "Action": ["iam:GetUser"]},  # type: ignore[dict-item]
            ],
            "Version": "2012-10-17",
        }
        assert policy_differences(same, DOCUMENT) == ()

    @pytest.mark.parametrize("document", [None, "text", [], {}, [None, 1, {"a": []}]])
    def test_a_document_that_is_no_policy_differs_in_everything(self, document: object) -> None:
        assert policy_differences(document, DOCUMENT) == ("Block", "Own")

    def test_a_boolean_equals_its_text(self) -> None:
        as_text = {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}}
        as_truth = {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": False}}}
        assert policy_differences(as_truth, as_text) == ()

    def test_everyone_is_written_in_two_ways(self) -> None:
        one, other = {"Principal": "*"}, {"Principal": {"AWS": "*"}}
        assert policy_differences(one, other) == ()
        assert policy_differences({"Resource": "*"}, {"Resource": {"AWS": "*"}}) == ("the document",)

    @pytest.mark.parametrize(
        ("old", "new", "differs"),
        [
            ('"Deny"', '"Allow"', "Block"),
            ("BoolIfExists", "Bool", "Block"),
            ('"false"', '"true"', "Block"),
            ('"iam:ChangePassword"', '"iam:ChangePassword", "s3:*"', "Block"),
            ('"NotAction"', '"Action"', "Block"),
            ("user/x", "user/*", "Own"),
            ("2012-10-17", "2008-10-17", "the document"),
        ],
    )
    def test_every_change_of_meaning_is_a_difference_with_a_name(self, old: str, new: str, differs: str) -> None:
        text = json.dumps(DOCUMENT)
        assert text.count(old) >= 1
        assert policy_differences(json.loads(text.replace(old, new)), DOCUMENT) == (differs,)

    def test_a_statement_more_or_less_is_named(self) -> None:
        own, block = DOCUMENT["Statement"]
        assert policy_differences({**DOCUMENT, "Statement": own}, DOCUMENT) == ("Block",)
        more = {**DOCUMENT, "Statement": [own, block, {"Effect": "Allow"}, {"Sid": "x" * 61, "Effect": "Allow"}]}
        assert policy_differences(more, DOCUMENT) == ("a statement without Sid", f"{'x' * 57}...")

    def test_a_second_statement_with_the_same_name_is_a_difference(self) -> None:
        own, block = DOCUMENT["Statement"]
        assert policy_differences({**DOCUMENT, "Statement": [{"Sid": "Own"}, own, block]}, DOCUMENT) == (
            "the document",
        )


def test_a_target_without_differences() -> None:
    defaults = {"RetryPolicy": {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}}
    assert target_difference({"Arn": "a", "Id": "1", **defaults}, {"Arn": "a", "Id": "2"}) is None
    assert target_difference({"Arn": "a", "Z": 1, "B": 2}, {"Arn": "a"}) == "B"
    assert target_difference({}, {"Arn": "a"}) == "Arn"


def test_settings_beside_the_expected_ones_do_not_matter() -> None:
    assert difference({"a": 1, "b": 2}, {"a": 1}) is None
    assert difference({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == "b"
    assert difference({}, {"c": None}) is None
