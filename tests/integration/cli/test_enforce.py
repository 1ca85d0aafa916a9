"""`mfa-guard enforce` binds in the stack's way, shows what stops, and drops an exemption only when told."""

from collections.abc import Iterator

import pytest

from mfa_guard_cli.stack.template import Stack
from support.account import open_account
from support.deployed import Deployed, deploy


def test_the_policy_is_attached_and_the_way_back_told(deployed: Deployed) -> None:
    deployed.user(device=True)
    told = deployed.json("enforce", "alice", "--yes")
    assert deployed.policies_of() == {deployed.policy}
    assert told["back"] == ["mfa-guard release alice"]


@pytest.fixture
def through_the_group(
    stack: Stack,
    fresh_clients: None,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Deployed]:
    parameters = {"EnforceThrough": "group", "ExemptPathPrefixes": "/machines/"}
    with open_account(stack.template.render(parameters=parameters)) as account:
        yield deploy(account, monkeypatch)


def test_in_the_stacks_way(through_the_group: Deployed) -> None:
    through_the_group.user()
    through_the_group.run("enforce", "alice", "--yes")
    assert through_the_group.groups_of() == {through_the_group.group}
    assert through_the_group.policies_of() == set()


def test_what_would_stop_is_shown_first(deployed: Deployed) -> None:
    deployed.user()
    key = deployed.key()
    result = deployed.run("enforce", "alice")
    assert result.exit_code == 2
    assert f"Access keys in use that stop working without MFA: {key} (last used " in result.stderr
    assert "alice has no MFA device" in result.stderr
    assert deployed.policies_of() == set()


def test_oneself_is_named(deployed: Deployed) -> None:
    assert "This is you." in deployed.run("enforce", "carol").stderr


def test_an_exempt_user_is_left_alone_unless_told(deployed: Deployed) -> None:
    user_id = deployed.user()
    deployed.exempt(user_id)
    result = deployed.run("enforce", "alice", "--yes")
    assert result.exit_code == 2
    assert result.stderr.endswith("to delete that and enforce: mfa-guard enforce alice --drop-exemption\n")
    assert (deployed.policies_of(), bool(deployed.record(user_id))) == (set(), True)
    assert deployed.run("enforce", "alice", "--drop-exemption", "--yes").exit_code == 0
    assert (deployed.policies_of(), deployed.record(user_id)) == ({deployed.policy}, None)


def test_a_records_words_cannot_steer_the_terminal(deployed: Deployed) -> None:
    deployed.exempt(deployed.user(), reason="x\x1b[2J\ny")
    result = deployed.run("enforce", "alice", "--yes")
    assert (result.exit_code, len(result.stderr.splitlines()), "\x1b" in result.stderr) == (2, 1, False)


def test_whoever_is_bound_and_exempt_loses_the_exemption_only(deployed: Deployed) -> None:
    user_id = deployed.user(bound=True)
    deployed.exempt(user_id)
    told = deployed.json("enforce", "alice", "--drop-exemption", "--yes")
    assert told["done"] == ["The exemption of alice is deleted.", "alice was bound already."]
    assert deployed.record(user_id) is None


def test_whoever_is_bound_already_is_left_alone(deployed: Deployed) -> None:
    deployed.user(in_group=True)
    result = deployed.run("enforce", "alice", "--yes")
    assert (result.exit_code, result.stdout) == (0, "alice is bound already; nothing was changed.\n")
    assert deployed.policies_of() == set()


def test_a_path_that_exempts_cannot_be_overruled(through_the_group: Deployed) -> None:
    through_the_group.user(path="/machines/")
    result = through_the_group.run("enforce", "alice", "--drop-exemption", "--yes")
    assert (result.exit_code, "the guard would release again" in result.stderr) == (2, True)


def test_a_full_quota_takes_the_other_way_and_says_so(deployed: Deployed) -> None:
    deployed.user()
    for number in range(10):
        arn = deployed.account.clients.iam.create_policy(
            PolicyName=f"p{number}",
            PolicyDocument='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}',
        )["Policy"]["Arn"]
        deployed.account.iam.attach_user_policy(arn, "alice")
    told = deployed.json("enforce", "alice", "--yes")
    assert deployed.groups_of() == {deployed.group}
    assert "IAM's quota is full" in str(told["done"])


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchEntity"])
def test_what_cannot_be_done_is_aws_said_no(deployed: Deployed, code: str) -> None:
    deployed.user()
    deployed.failing = {"AttachUserPolicy": code}
    result = deployed.run("enforce", "alice", "--yes")
    assert (result.exit_code, result.stdout) == (3, "")
