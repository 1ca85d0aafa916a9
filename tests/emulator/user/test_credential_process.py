"""The AWS CLI gets its credentials from `mfa-guard session --credential-process`, with as few codes as possible."""

import json
import stat
from pathlib import Path
from subprocess import CompletedProcess

import pexpect
import pytest

from support.workstation import Workstation

CALL = ("aws", "--profile", "mfa", "iam", "list-roles")
PROCESS = "mfa-guard session --credential-process"


@pytest.fixture
def desk(dora: Workstation) -> Workstation:
    """Return a user whose codes come from a program, which records that it was asked."""
    (dora.home / "app").write_text(f"#!/bin/sh\necho asked >> {dora.home}/asked\ncat {dora.home}/code\n")
    (dora.home / "app").chmod(0o755)
    dora.configure(f"[profile mfa]\ncredential_process = {PROCESS} --token-command {dora.home}/app\n")
    show_code(dora)
    return dora


def show_code(workstation: Workstation) -> None:
    (workstation.home / "code").write_text(workstation.code())


def obtain(workstation: Workstation, *options: str) -> CompletedProcess[str]:
    """Get credentials as the AWS CLI does, but in the test's process."""
    return workstation.call(*PROCESS.split()[1:], *options, "--token-command", str(workstation.home / "app"))


def times_asked(workstation: Workstation) -> int:
    file = workstation.home / "asked"
    return file.read_text().count("asked") if file.exists() else 0


def cached(workstation: Workstation) -> Path:
    (file,) = (workstation.home / ".cache" / "mfa-guard").glob("*.json")
    return file


def test_the_aws_cli_works_with_it_and_asks_once(desk: Workstation) -> None:
    assert "explicit deny" in desk.run("aws", "iam", "list-roles").stderr
    for _ in range(2):
        ran = desk.run(*CALL)
        assert ran.returncode == 0, ran.stderr
    assert times_asked(desk) == 1


def test_a_profile_in_the_environment_does_not_recurse(desk: Workstation) -> None:
    ran = desk.run("aws", "iam", "list-roles", AWS_PROFILE="mfa")
    assert ran.returncode == 0, ran.stderr


def test_standard_output_has_the_json_and_nothing_else(desk: Workstation) -> None:
    ran = desk.run(*PROCESS.split(), "--token-command", str(desk.home / "app"))
    printed = json.loads(ran.stdout)
    assert set(printed) == {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
    assert printed["Version"] == 1
    assert ran.stderr == ""


def test_two_at_once_ask_once(desk: Workstation) -> None:
    (desk.home / "app").write_text(f"#!/bin/sh\necho asked >> {desk.home}/asked\nsleep 2\ncat {desk.home}/code\n")
    running = [desk.start(*CALL) for _ in range(2)]
    for process in running:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert times_asked(desk) == 1


def test_a_user_types_the_code_although_the_cli_holds_every_stream(dora: Workstation) -> None:
    dora.configure(f"[profile mfa]\ncredential_process = {PROCESS}\n")
    child = dora.spawn(f"{' '.join(CALL)} > out 2> err")
    child.expect("MFA code of")
    child.sendline(dora.code())
    child.expect(pexpect.EOF)
    assert "Roles" in (dora.home / "out").read_text()
    assert (dora.home / "err").read_text() == ""


def test_a_refused_code_is_an_error_of_the_cli(desk: Workstation) -> None:
    (desk.home / "code").write_text("000000")
    ran = desk.run(*CALL)
    assert ran.returncode != 0
    assert "AWS did not accept the code" in ran.stderr
    assert "Traceback" not in ran.stderr


class TestCache:
    def test_it_is_private(self, desk: Workstation) -> None:
        assert obtain(desk).returncode == 0
        assert stat.S_IMODE(cached(desk).stat().st_mode) == 0o600
        assert stat.S_IMODE(cached(desk).parent.stat().st_mode) == 0o700

    @pytest.mark.parametrize("content", ["{", '{"version": 1}'])
    def test_a_broken_entry_is_replaced(self, desk: Workstation, content: str) -> None:
        assert obtain(desk).returncode == 0
        cached(desk).write_text(content)
        show_code(desk)
        assert obtain(desk).returncode == 0
        assert times_asked(desk) == 2

    def test_an_entry_that_ends_soon_is_replaced(self, desk: Workstation) -> None:
        assert obtain(desk).returncode == 0
        entry = json.loads(cached(desk).read_text())
        entry["expiration"] = entry["made"]
        cached(desk).write_text(json.dumps(entry))
        show_code(desk)
        assert obtain(desk).returncode == 0
        assert times_asked(desk) == 2

    def test_another_key_does_not_get_it(self, desk: Workstation) -> None:
        assert obtain(desk).returncode == 0
        iam = desk.account.iam
        key = iam.create_access_key(desk.name)
        (desk.home / ".aws" / "credentials").write_text(
            f"[default]\naws_access_key_id = {key.access_key_id}\naws_secret_access_key = {key.secret_access_key}\n"
        )
        show_code(desk)
        assert obtain(desk).returncode == 0
        assert times_asked(desk) == 2

    def test_without_it_every_process_asks(self, desk: Workstation) -> None:
        for _ in range(2):
            show_code(desk)
            obtain(desk, "--no-cache")
        assert times_asked(desk) == 2
        assert not (desk.home / ".cache").exists()

    def test_a_folder_that_cannot_be_used_is_one_sentence(self, desk: Workstation) -> None:
        (desk.home / ".cache").write_text("")
        ran = desk.call(*PROCESS.split()[1:], "--token", "123456")
        assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
        assert "--no-cache" in ran.stderr


class TestItself:
    def test_a_profile_that_calls_itself_is_refused(self, dora: Workstation) -> None:
        dora.configure(f"[profile loop]\ncredential_process = {PROCESS} --profile loop\n")
        ran = dora.run("aws", "--profile", "loop", "iam", "list-roles")
        assert ran.returncode != 0
        assert "gets its credentials from mfa-guard itself" in ran.stderr

    def test_a_circle_through_another_program_ends(self, dora: Workstation) -> None:
        # A wrapper hides whose process it is.
        (dora.home / "wrapper").write_text(f"#!/bin/sh\nexec {PROCESS} --profile circle\n")
        (dora.home / "wrapper").chmod(0o755)
        dora.configure(f"[profile circle]\ncredential_process = {dora.home}/wrapper\n")
        ran = dora.run(*PROCESS.split(), "--profile", "circle")
        assert ran.returncode != 0
        assert "gets its credentials from mfa-guard itself" in ran.stderr
        assert "Traceback" not in ran.stderr
