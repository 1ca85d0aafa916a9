"""`mfa-guard enforce` uses the stack's route, shows what stops working, and drops an exemption only on request."""

from collections.abc import Iterator

import pytest

from mfa_guard_cli.stack.template import Stack
from support.account import open_account
from support.deployed import Deployed, deploy


def test_the_policy_is_attached_and_can_be_undone(deployed: Deployed) -> None:
    deployed.user(device=True)
    outcome = deployed.json("enforce", "alice", "--yes")
    assert deployed.policies_of() == {deployed.policy}
    assert outcome["undo"] == ["mfa-guard release alice"]


@pytest.fixture
def through_the_group(
    stack: Stack,
    fresh_clients: None,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Deployed]:
    parameters = {"EnforceThrough": "group", "ExemptPathPrefixes": "/machines/"}
    with open_account(stack.template.render(parameters=parameters)) as account:
        yield deploy(account, monkeypatch)


def test_the_route_is_the_stacks(through_the_group: Deployed) -> None:
    through_the_group.user()
    through_the_group.run("enforce", "alice", "--yes")
    assert through_the_group.groups_of() == {through_the_group.group}
    assert through_the_group.policies_of() == set()


def test_what_would_stop_working_is_shown_first(deployed: Deployed) -> None:
    deployed.user()
    key = deployed.key()
    result = deployed.run("enforce", "alice")
    assert result.exit_code == 2
    assert f"Access keys in use that stop working without MFA: {key} (last used " in result.stderr
    assert "alice has no MFA device" in result.stderr
    assert deployed.policies_of() == set()


def test_the_caller_is_named(deployed: Deployed) -> None:
    assert "This is you." in deployed.run("enforce", "carol").stderr


def test_an_exempt_user_is_enforced_only_on_request(deployed: Deployed) -> None:
    user_id = deployed.user()
    deployed.exempt(user_id)
    result = deployed.run("enforce", "alice", "--yes")
    assert result.exit_code == 2
    assert result.stderr.endswith("to delete the exemption and enforce: mfa-guard enforce alice --drop-exemption\n")
    assert (deployed.policies_of(), bool(deployed.record(user_id))) == (set(), True)
    assert deployed.run("enforce", "alice", "--drop-exemption", "--yes").exit_code == 0
    assert (deployed.policies_of(), deployed.record(user_id)) == ({deployed.policy}, None)


def test_control_characters_of_a_record_are_escaped(deployed: Deployed) -> None:
    deployed.exempt(deployed.user(), reason="x\x1b[2J\ny")
    result = deployed.run("enforce", "alice", "--yes")
    assert (result.exit_code, len(result.stderr.splitlines()), "\x1b" in result.stderr) == (2, 1, False)


def test_an_enforced_user_loses_only_the_exemption(deployed: Deployed) -> None:
    user_id = deployed.user(enforced=True)
    deployed.exempt(user_id)
    outcome = deployed.json("enforce", "alice", "--drop-exemption", "--yes")
    assert outcome["done"] == ["The exemption of alice was deleted.", "alice was enforced already."]
    assert deployed.record(user_id) is None


def test_an_enforced_user_is_not_changed(deployed: Deployed) -> None:
    deployed.user(in_group=True)
    result = deployed.run("enforce", "alice", "--yes")
    assert (result.exit_code, result.stdout) == (0, "alice is enforced already; nothing was changed.\n")
    assert deployed.policies_of() == set()


def test_an_exempt_path_cannot_be_overruled(through_the_group: Deployed) -> None:
    through_the_group.user(path="/machines/")
    result = through_the_group.run("enforce", "alice", "--drop-exemption", "--yes")
    assert (result.exit_code, "the guard would release the user again" in result.stderr) == (2, True)


def test_with_the_quota_used_up_the_other_route_is_used(deployed: Deployed) -> None:
    deployed.user()
    for number in range(10):
        arn = deployed.account.clients.iam.create_policy(
            PolicyName=f"p{number}",
            PolicyDocument='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}',
        )["Policy"]["Arn"]
        deployed.account.iam.attach_user_policy(arn, "alice")
    outcome = deployed.json("enforce", "alice", "--yes")
    assert deployed.groups_of() == {deployed.group}
    assert "the IAM quota for the usual route" in str(outcome["done"])


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchEntity"])
def test_an_error_of_iam_is_a_failed_request(deployed: Deployed, code: str) -> None:
    deployed.user()
    deployed.failing = {"AttachUserPolicy": code}
    result = deployed.run("enforce", "alice", "--yes")
    assert (result.exit_code, result.stdout) == (3, "")
