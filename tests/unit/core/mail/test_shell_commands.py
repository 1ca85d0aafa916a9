"""The commands do what they say when a shell runs them: a recorder replaces `aws`."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.exemption import Exemption, parse_exemption
from mfa_guard.core.mail.shell_commands import (
    activate_command,
    cli_command,
    enable_rule_command,
    enforce_again_command,
    enforce_command,
    exempt_command,
    remove_device_command,
    undo_command,
)
from support.factories import GROUP, NOW, POLICY, settings, state

CALLER = "arn:aws:sts::111122223333:assumed-role/Admin/bob"


@pytest.fixture
def shell(tmp_path: Path) -> Path:
    """Return a folder whose `aws` records its arguments, and fails for the service named in FAIL_ON."""
    (tmp_path / "aws").write_text(
        "#!/bin/sh\n"
        f'if [ "$1" = sts ]; then echo {CALLER}; exit 0; fi\n'
        'for argument in "$@"; do printf "%s\\n" "$argument"; done >> "$RECORD"\n'
        'echo --- >> "$RECORD"\n'
        '[ "$1" != "$FAIL_ON" ]\n'
    )
    (tmp_path / "aws").chmod(0o755)
    return tmp_path


def calls(shell: Path, command: str, fail_on: str = "") -> list[list[str]]:
    record = shell / "record"
    environment = {"PATH": f"{shell}:{os.environ['PATH']}", "RECORD": str(record), "FAIL_ON": fail_on}
    subprocess.run(["/bin/bash", "-c", command], env=environment, check=False)
    return [block.splitlines() for block in record.read_text().split("---\n") if block]


def test_the_exemption_is_one_that_the_guard_accepts(shell: Path) -> None:
    [put] = calls(shell, exempt_command(state(), settings(), NOW, "a build machine"))
    assert put[:6] == ["dynamodb", "put-item", "--region", "us-east-1", "--table-name", "exemptions"]
    item = {key: value["S"] for key, value in json.loads(put[7]).items()}
    parsed = parse_exemption(item, "AIDAEXAMPLE", NOW)
    assert isinstance(parsed, Exemption)
    assert parsed.in_force(NOW)
    assert parsed.created_by == CALLER


def test_the_undo_exempts_first_and_then_releases_by_every_route(shell: Path) -> None:
    put, detach, leave = calls(
        shell, undo_command(state(), (AttachmentRoute.DIRECT, AttachmentRoute.GROUP), settings(), NOW)
    )
    assert put[:2] == ["dynamodb", "put-item"]
    assert detach == ["iam", "detach-user-policy", "--user-name", "alice", "--policy-arn", POLICY]
    assert leave == ["iam", "remove-user-from-group", "--user-name", "alice", "--group-name", GROUP]


def test_the_user_is_released_only_if_the_exemption_is_recorded(shell: Path) -> None:
    assert len(calls(shell, undo_command(state(), (AttachmentRoute.DIRECT,), settings(), NOW), fail_on="dynamodb")) == 1


def test_a_name_that_looks_like_an_option_stays_a_name(shell: Path) -> None:
    [attach] = calls(shell, enforce_command(state(name="-rf"), settings()))
    assert attach == ["iam", "attach-user-policy", "--user-name=-rf", "--policy-arn", POLICY]


def test_enforcing_follows_the_route_of_the_stack(shell: Path) -> None:
    [join] = calls(shell, enforce_command(state(), settings(enforce_through=AttachmentRoute.GROUP)))
    assert join == ["iam", "add-user-to-group", "--user-name", "alice", "--group-name", GROUP]


def test_enforcing_again_deletes_the_exemption_before_it_enforces(shell: Path) -> None:
    delete, attach = calls(shell, enforce_again_command(state(), settings()))
    assert delete[:6] == ["dynamodb", "delete-item", "--region", "us-east-1", "--table-name", "exemptions"]
    assert json.loads(delete[7]) == {"user_id": {"S": "AIDAEXAMPLE"}}
    assert attach[:2] == ["iam", "attach-user-policy"]


@pytest.mark.parametrize("serial", ["arn:aws:iam::111122223333:mfa/phone", "x'; rm -rf / #", "$(id)", "-x"])
def test_a_devices_serial_stays_one_argument_whatever_it_holds(shell: Path, serial: str) -> None:
    [call] = calls(shell, remove_device_command(state(), serial))
    given = call[4].removeprefix("--serial-number=") if len(call) == 5 else call[5]
    assert given == serial


def test_a_rule_is_enabled_by_its_name(shell: Path) -> None:
    [call] = calls(shell, enable_rule_command("mfa-guard-mfa-devices", settings()) or "")
    assert call == ["events", "enable-rule", "--region", "us-east-1", "--name", "mfa-guard-mfa-devices"]


@pytest.mark.parametrize("name", ["mfa-guard; reboot", "a\nTO UNDO\nreboot", "$(id)", "x" * 65, "", "r\n"])
def test_a_name_that_no_rule_can_have_gets_no_command(name: str) -> None:
    assert enable_rule_command(name, settings()) is None


@pytest.mark.parametrize(
    ("key", "command"),
    [
        ("undo", "mfa-guard release alice"),
        ("enforce_again", "mfa-guard enforce alice --drop-exemption"),
        ("exempt", "mfa-guard exempt add alice --owner OWNER --reason REASON"),
        ("enforce", "mfa-guard enforce alice"),
    ],
)
def test_mfa_guard_has_a_command_that_does_the_same(key: str, command: str) -> None:
    assert cli_command(key, "alice", settings()) == command


@pytest.mark.parametrize("key", ["remove_device", "enable_rule"])
def test_mfa_guard_has_no_command_for_the_others(key: str) -> None:
    assert cli_command(key, "alice", settings()) is None


def test_the_mfa_guard_command_names_another_stack_and_region() -> None:
    chosen = settings(stack_name="guard-2", notices_topic_arn="arn:aws-us-gov:sns:us-gov-west-1:111122223333:n")
    assert cli_command("undo", "alice", chosen) == ("mfa-guard release alice --stack guard-2 --region us-gov-west-1")


def test_a_name_that_looks_like_an_option_stays_a_name_for_mfa_guard() -> None:
    assert cli_command("enforce_again", "-rf", settings()) == "mfa-guard enforce --drop-exemption -- -rf"


def test_an_access_key_is_activated(shell: Path) -> None:
    [call] = calls(shell, activate_command(state(name="-rf"), "AKIAEXAMPLE1"))
    assert call == [
        "iam",
        "update-access-key",
        "--user-name=-rf",
        "--access-key-id",
        "AKIAEXAMPLE1",
        "--status",
        "Active",
    ]
