"""The in-process account has what the template declares, under the names in the template, or reports what is wrong."""

import os
from dataclasses import replace

import boto3
import pytest
from botocore.exceptions import ClientError

from mfa_guard_cli.stack.template import Resource, Stack
from mfa_guard_emulator.aws.resources import AccountError
from support.account import Account, open_account
from support.upkeep import create_baseline


class _Changed(Stack):
    """A stack with an additional property on one resource."""

    def resource(self, logical_id: str) -> Resource:
        found = super().resource(logical_id)
        if logical_id != "DeadLetterQueue":
            return found
        return replace(found, properties={**found.properties, "FifoQueue": True})


def test_the_policy_is_the_templates(account: Account, stack: Stack) -> None:
    iam = account.clients.iam
    arn = f"arn:aws:iam::{stack.account}:policy/EnrollMFADeviceThenSignInAgain"
    document = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"]
    assert document == stack.policy_document("EnforcementPolicy")


def test_the_group_has_only_the_enforcement_policy(account: Account) -> None:
    attached = account.clients.iam.list_attached_group_policies(GroupName="mfa-guard-enforced")["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == ["EnrollMFADeviceThenSignInAgain"]


def test_both_tables_have_the_keys_in_the_template(account: Account, stack: Stack) -> None:
    keys = {}
    for logical_id in ("StateTable", "ExemptionsTable"):
        table = account.clients.dynamodb.describe_table(TableName=stack.physical_id(logical_id))["Table"]
        keys[logical_id] = [(each["AttributeName"], each["KeyType"]) for each in table["KeySchema"]]
    assert keys == {"StateTable": [("id", "HASH")], "ExemptionsTable": [("user_id", "HASH")]}


def test_every_rule_is_there_and_enabled(account: Account, stack: Stack) -> None:
    create_baseline(account)
    states = {rule.name: account.clients.events.describe_rule(Name=rule.name)["State"] for rule in stack.rules()}
    assert set(states.values()) == {"ENABLED"}


def test_the_schedule_is_there_and_enabled(account: Account, stack: Stack) -> None:
    create_baseline(account)
    schedule = account.clients.any("scheduler").get_schedule(Name=stack.physical_id("SweepFunctionDaily"))
    assert schedule["State"] == "ENABLED"


def test_the_exemption_table_has_a_stream(account: Account, stack: Stack) -> None:
    table = account.clients.dynamodb.describe_table(TableName=stack.physical_id("ExemptionsTable"))["Table"]
    assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


def test_addresses_are_subscribed(stack: Stack) -> None:
    parameters = {"AlertEmail": "alerts@example.com", "OperationsEmail": "operations@example.com"}
    with open_account(stack.template.render(parameters=parameters)) as account:
        listed = account.clients.sns.list_subscriptions()["Subscriptions"]
    topics = {each["Endpoint"]: each["TopicArn"] for each in listed}
    assert topics == {
        "alerts@example.com": stack.resolve({"Ref": "NoticesTopic"}),
        "operations@example.com": stack.resolve({"Ref": "OperationsTopic"}),
    }


def test_an_unsupported_property_is_an_error(stack: Stack) -> None:
    changed = _Changed(stack.template, stack.account, stack.region, stack.name, stack.parameters)
    with (
        pytest.raises(AccountError, match="DeadLetterQueue has FifoQueue, which the local account does not support"),
        open_account(changed),
    ):
        pass


def test_the_developers_own_aws_settings_have_no_effect(monkeypatch: pytest.MonkeyPatch, stack: Stack) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("POWERTOOLS_IDEMPOTENCY_DISABLED", "true")
    with open_account(stack):
        assert boto3.client("sts").get_caller_identity()["Account"] == stack.account
        assert "POWERTOOLS_IDEMPOTENCY_DISABLED" not in os.environ
    assert os.environ["AWS_PROFILE"] == "production"


def test_the_caller_is_the_administrator(account: Account, stack: Stack) -> None:
    caller = account.session.client("sts").get_caller_identity()
    assert caller["Arn"] == f"arn:aws:iam::{stack.account}:user/carol"


def test_two_accounts_one_after_the_other_share_nothing(stack: Stack) -> None:
    with open_account(stack) as one:
        one.clients.iam.create_user(UserName="alice")
    with open_account(stack) as other, pytest.raises(ClientError, match="NoSuchEntity"):
        other.clients.iam.get_user(UserName="alice")
