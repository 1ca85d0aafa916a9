"""What the stack deployed: from the function's environment, and as a digest of the policy's meaning."""

import json

import pytest

from mfa_guard.core.health.deployed import Deployed, parse_deployed, policy_digest
from mfa_guard.core.settings import SettingsError
from support.factories import ACCOUNT, settings

FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:guard-2-UserEventFunction"
ALERT_FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:guard-2-AlertFunction"
DOCUMENT = {
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "Own", "Effect": "Allow", "Action": "iam:GetUser", "Resource": f"arn:aws:iam::{ACCOUNT}:user/x"},
        {
            "Sid": "Block",
            "Effect": "Deny",
            "NotAction": ["iam:GetUser", "iam:ChangePassword"],
            "Resource": "*",
            "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
        },
    ],
}
SWEEP_ENVIRONMENT = {
    "STACK_NAME": "guard-2",
    "NAME_PREFIX": "guard",
    "POLICY_DIGEST": "0123abcd",
    "RULE_NAMES": "guard-2-new-credentials,guard-2-root-sign-in",
    "RULE_TARGETS": f"{FUNCTION},{ALERT_FUNCTION}",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/1/dead",
}
SWEEP_FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:guard-2-SweepFunction"


class TestDeployed:
    def test_the_functions_environment_says_what_was_deployed(self) -> None:
        assert parse_deployed(SWEEP_ENVIRONMENT, settings(group_name="g"), SWEEP_FUNCTION) == Deployed(
            settings=settings(group_name="g"),
            stack_name="guard-2",
            name_prefix="guard",
            policy_digest="0123abcd",
            rules=("guard-2-new-credentials", "guard-2-root-sign-in"),
            functions=(FUNCTION, ALERT_FUNCTION, SWEEP_FUNCTION),
            queue_url="https://sqs.us-east-1.amazonaws.com/1/dead",
        )

    @pytest.mark.parametrize("name", SWEEP_ENVIRONMENT)
    def test_a_missing_variable_is_named(self, name: str) -> None:
        environment = {**SWEEP_ENVIRONMENT, name: ""}
        with pytest.raises(SettingsError, match=f"^The environment variable {name} is missing or empty\\.$"):
            parse_deployed(environment, settings(), SWEEP_FUNCTION)


def digest(document: object, account: str = ACCOUNT, partition: str = "aws") -> str:
    return policy_digest(document, account=account, partition=partition)


class TestPolicyDigest:
    def test_it_is_the_same_in_every_account_and_partition(self) -> None:
        text = json.dumps(DOCUMENT)
        elsewhere = json.loads(text.replace("arn:aws:iam::111122223333:", "arn:aws-cn:iam::444455556666:"))
        assert digest(elsewhere, "444455556666", "aws-cn") == digest(DOCUMENT)

    def test_arns_of_another_account_are_not_the_own_accounts(self) -> None:
        assert digest(DOCUMENT, "444455556666") != digest(DOCUMENT)

    def test_a_document_that_contains_the_placeholder_does_not_imitate_another(self) -> None:
        forged = json.loads(json.dumps(DOCUMENT).replace(f"arn:aws:iam::{ACCOUNT}:", "§"))
        assert digest(forged) != digest(DOCUMENT)

    def test_order_and_single_values_make_no_difference(self) -> None:
        own, block = DOCUMENT["Statement"]
        same = {
            "Statement": [
                {**block, "NotAction": ["iam:ChangePassword", "iam:GetUser"], "Resource": ["*"]},  # type: ignore[dict-item]
                {**own, "Action": ["iam:GetUser"]},  # type: ignore[dict-item]
            ],
            "Version": "2012-10-17",
        }
        assert digest(same) == digest(DOCUMENT)

    @pytest.mark.parametrize("document", [None, "text", [], {}, [None, 1, {"a": []}]])
    def test_a_document_that_is_no_policy_has_another_digest(self, document: object) -> None:
        assert digest(document) not in {digest(DOCUMENT), digest("other")}

    def test_a_boolean_equals_its_text(self) -> None:
        as_text = {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}}
        as_truth = {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": False}}}
        assert digest(as_truth) == digest(as_text)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"Deny"', '"Allow"'),
            ("BoolIfExists", "Bool"),
            ('"false"', '"true"'),
            ('"iam:ChangePassword"', '"iam:ChangePassword", "s3:*"'),
            ('"NotAction"', '"Action"'),
            ("user/x", "user/*"),
            ("2012-10-17", "2008-10-17"),
        ],
    )
    def test_every_change_of_meaning_changes_the_digest(self, old: str, new: str) -> None:
        text = json.dumps(DOCUMENT)
        assert text.count(old) >= 1
        assert digest(json.loads(text.replace(old, new))) != digest(DOCUMENT)
