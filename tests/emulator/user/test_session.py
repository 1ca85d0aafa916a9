"""`mfa-guard session`: processes, a pseudo-terminal, and codes that are validated as STS does it."""

import json
import signal
import stat
import subprocess

import pexpect
import pytest

from support.workstation import EVERYTHING, EnforcedAccount, Workstation, new_workstation

SHOW = ("--", "sh", "-c", 'echo "$AWS_ACCESS_KEY_ID $AWS_SESSION_TOKEN"')


def session(
    workstation: Workstation, *arguments: str, standard_input: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return workstation.run("mfa-guard", "session", *arguments, standard_input=standard_input, **environment)


def call_session(workstation: Workstation, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the test's process."""
    return workstation.call("session", *arguments, **environment)


def one_sentence(ran: subprocess.CompletedProcess[str], exit_code: int) -> str:
    """Return the error of a command that failed as expected."""
    assert (ran.returncode, ran.stdout) == (exit_code, "")
    assert ran.stderr.count("\n") == 1
    assert "Traceback" not in ran.stderr
    return ran.stderr


class TestCommand:
    def test_a_blocked_user_works_with_it(self, dora: Workstation) -> None:
        assert "explicit deny" in dora.run("aws", "iam", "list-roles").stderr
        ran = session(dora, "--token", dora.code(), "--", "aws", "iam", "list-roles", "--query", "Roles[0].RoleName")
        assert ran.returncode == 0, ran.stderr

    @pytest.mark.parametrize("code", [0, 3, 77])
    def test_its_exit_code_is_the_commands(self, dora: Workstation, code: int) -> None:
        assert call_session(dora, "--token", dora.code(), "--", "sh", "-c", f"exit {code}").returncode == code

    def test_the_end_by_a_signal_is_128_and_its_number(self, dora: Workstation) -> None:
        ran = session(dora, "--token", dora.code(), "--", "sh", "-c", "kill -TERM $$")
        assert ran.returncode == 128 + signal.SIGTERM

    def test_its_options_are_its_own(self, dora: Workstation) -> None:
        ran = session(dora, "--token", dora.code(), "echo", "--profile", "x", "--help", "--", "y")
        assert ran.stdout == "--profile x --help -- y\n"

    def test_it_gets_no_profile_and_nothing_is_kept(self, dora: Workstation) -> None:
        line = 'env | grep ^AWS | cut -d= -f1 | sort; echo "profile=$AWS_PROFILE"'
        ran = session(dora, "--token", dora.code(), "--", "sh", "-c", line, AWS_PROFILE="default")
        assert "profile=\n" in ran.stdout
        assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} <= set(ran.stdout.split())
        assert not (dora.home / ".cache").exists()

    def test_a_missing_command_uses_no_code(self, dora: Workstation) -> None:
        code = dora.code()
        assert "nowhere was not found" in one_sentence(call_session(dora, "--token", code, "--", "nowhere"), 127)
        assert call_session(dora, "--token", code, "--", "true").returncode == 0


class TestCodes:
    def test_one_is_used_once(self, dora: Workstation) -> None:
        code = dora.code()
        assert call_session(dora, "--token", code, "--", "true").returncode == 0
        assert "already used" in one_sentence(call_session(dora, "--token", code, *SHOW), 3)

    @pytest.mark.parametrize("off", [60, -60, 3600])
    def test_those_of_a_clock_that_is_off_are_refused(self, dora: Workstation, off: int) -> None:
        assert "did not accept the code" in one_sentence(call_session(dora, "--token", dora.code(off=off), *SHOW), 3)

    def test_standard_input_gives_one_and_the_rest_to_the_command(self, dora: Workstation) -> None:
        ran = session(dora, "--token", "-", "--", "cat", standard_input=f"{dora.code()}\nfor the command\n")
        assert ran.stdout == "for the command\n"

    def test_a_pipeline_gives_one(self, dora: Workstation) -> None:
        line = f"printf 'otp: %s\\n' {dora.code()} | sed s/otp//"
        assert call_session(dora, "--token-command", line, "--", "true").returncode == 0

    def test_a_user_types_one_although_input_and_output_are_redirected(self, dora: Workstation) -> None:
        child = dora.spawn("echo in | mfa-guard session -- cat > out 2> err")
        child.expect(f"MFA code of arn:.*mfa/{dora.name}: ")
        child.sendline("000000")
        child.expect("did not accept the code")
        child.expect("MFA code of")
        child.sendline(dora.code())
        child.expect(pexpect.EOF)
        assert (dora.home / "out").read_text() == "in\n"
        assert (dora.home / "err").read_text() == ""

    def test_ctrl_c_at_the_prompt_runs_nothing(self, dora: Workstation) -> None:
        child = dora.spawn("exec mfa-guard session -- touch ran")
        child.expect("MFA code of")
        child.sendintr()
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 130
        assert not (dora.home / "ran").exists()

    def test_without_a_terminal_the_other_sources_are_named(self, dora: Workstation) -> None:
        assert "--token-command" in one_sentence(session(dora, *SHOW), 2)


class TestDevices:
    def test_without_one_enrolling_is_next(self, alice: Workstation) -> None:
        assert "mfa-guard enroll" in one_sentence(call_session(alice, *SHOW), 2)

    def test_several_are_chosen_among_on_a_terminal(self, dora: Workstation) -> None:
        dora.enable_device(f"{dora.name}-phone")
        child = dora.spawn("exec mfa-guard session -- echo done")
        child.expect("Which one")
        child.sendline("2")
        child.expect(f"mfa/{dora.name}-phone: ")
        child.sendline(dora.code())
        child.expect("done")

    def test_several_are_named_without_a_terminal(self, dora: Workstation) -> None:
        dora.enable_device(f"{dora.name}-phone")
        assert f"mfa/{dora.name}-phone" in one_sentence(session(dora, *SHOW), 2)
        ran = call_session(dora, "--device", f"{dora.name}-phone", "--token", dora.code(), "--", "true")
        assert ran.returncode == 0


class TestWriteProfile:
    def test_the_aws_cli_uses_it(self, dora: Workstation) -> None:
        before = (dora.home / ".aws" / "credentials").read_text()
        ran = call_session(dora, "--token", dora.code(), "--write-profile", "mfa")
        assert ran.returncode == 0
        assert "Profile mfa in " in ran.stdout
        assert dora.run("aws", "--profile", "mfa", "iam", "list-roles").returncode == 0
        after = dora.home / ".aws" / "credentials"
        assert after.read_text().startswith(before)
        assert stat.S_IMODE(after.stat().st_mode) == 0o600

    @pytest.mark.parametrize("spoil", ["read-only", "broken"])
    def test_a_file_that_cannot_be_written_uses_no_code_and_loses_nothing(self, dora: Workstation, spoil: str) -> None:
        file = dora.home / ".aws" / "credentials"
        if spoil == "broken":
            (dora.home / "other").write_text(f"{file.read_text()}a line that is no setting\n")
        else:
            (dora.home / "other").write_text(file.read_text())
            (dora.home / "other").chmod(0o400)
        before = (dora.home / "other").read_text()
        code = dora.code()
        ran = call_session(
            dora, "--token", code, "--write-profile", "mfa", AWS_SHARED_CREDENTIALS_FILE=str(dora.home / "other")
        )
        said = one_sentence(ran, 2)
        assert "left as it" in said
        assert (dora.home / "other").read_text() == before
        assert call_session(dora, "--token", code, "--", "true").returncode == 0

    def test_the_access_key_is_never_overwritten(self, dora: Workstation) -> None:
        assert "long-term access key" in one_sentence(call_session(dora, "--write-profile", "default"), 2)


class TestExport:
    def test_a_shell_that_evaluates_it_works_with_it(self, dora: Workstation) -> None:
        line = f'eval "$(mfa-guard session --token {dora.code()} --export)" && aws iam list-roles'
        assert dora.run("sh", "-c", line).returncode == 0

    def test_a_session_is_no_source_of_another(self, dora: Workstation) -> None:
        line = f'eval "$(mfa-guard session --token {dora.code()} --export)"; mfa-guard session -- true'
        assert "already holds a session" in one_sentence(dora.run("sh", "-c", line), 2)

    def test_a_failure_prints_nothing_to_evaluate(self, dora: Workstation) -> None:
        one_sentence(call_session(dora, "--token", "000000", "--export"), 3)


class TestRole:
    @pytest.fixture
    def role(self, enforced_account: EnforcedAccount, dora: Workstation) -> str:
        made = enforced_account.account.iam.create_role(f"{dora.name}-role", "{}", "/", "", "", [], "3600")
        return str(made.arn)

    def test_it_is_assumed_with_the_session(self, dora: Workstation, role: str) -> None:
        ran = session(dora, "--token", dora.code(), "--role-arn", role, "--", "aws", "sts", "get-caller-identity")
        assert json.loads(ran.stdout)["Arn"].endswith(f":assumed-role/{dora.name}-role/{dora.name}")

    def test_a_key_alone_could_not(self, dora: Workstation, role: str) -> None:
        ran = dora.run("aws", "sts", "assume-role", "--role-arn", role, "--role-session-name", "dora")
        assert "explicit deny" in ran.stderr

    def test_its_session_may_have_a_name(self, dora: Workstation, role: str) -> None:
        asked = ("--role-arn", role, "--role-session-name", "deploy")
        ran = session(dora, "--token", dora.code(), *asked, "--", "aws", "sts", "get-caller-identity")
        assert json.loads(ran.stdout)["Arn"].endswith("/deploy")


class TestWrongUse:
    def test_without_a_destination_the_destinations_are_named(self, dora: Workstation) -> None:
        said = one_sentence(call_session(dora), 2)
        for option in ("-- COMMAND", "--export", "--write-profile", "--credential-process"):
            assert option in said

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--export", "--credential-process"),
            ("--export", "--", "true"),
            ("--token", "123456", "--token-command", "x", "--export"),
            ("--duration", "899", "--export"),
            ("--duration", "129601", "--export"),
            ("--role-arn", "Deployer", "--export"),
            ("--role-session-name", "x", "--export"),
            ("--write-profile", "a b"),
            ("--profile", "nowhere", "--export"),
            ("--token", "12345", "--export"),
        ],
    )
    def test_it_is_one_sentence(self, dora: Workstation, arguments: tuple[str, ...]) -> None:
        one_sentence(call_session(dora, *arguments), 2)

    def test_a_response_that_is_not_of_aws_is_one_sentence(self, dora: Workstation) -> None:
        endpoint = f"{dora.account.endpoint}/_mfa-guard"
        ran = call_session(dora, "--token", "123456", "--export", AWS_ENDPOINT_URL=endpoint)
        assert "The response cannot be read" in one_sentence(ran, 3)

    def test_what_does_not_answer_is_one_sentence(self, dora: Workstation) -> None:
        ran = call_session(
            dora, "--token", "123456", "--export", AWS_ENDPOINT_URL="http://localhost:1", AWS_MAX_ATTEMPTS="1"
        )
        assert "cannot be reached" in one_sentence(ran, 3)


def test_a_user_with_a_path_gets_a_session(enforced_account: EnforcedAccount, dora: Workstation) -> None:
    user = enforced_account.account.iam.users[dora.name]
    user.path = "/division/team/"
    assert call_session(dora, "--token", dora.code(), "--", "true").returncode == 0


def test_an_inactive_key_is_one_sentence(enforced_account: EnforcedAccount, dora: Workstation) -> None:
    enforced_account.account.iam.users[dora.name].access_keys[0].status = "Inactive"
    assert "does not exist or is not active" in one_sentence(call_session(dora, "--token", "123456", "--export"), 3)


def test_an_exempt_user_can_have_one_too(enforced_account: EnforcedAccount, dora: Workstation) -> None:
    other = dora.home / "other"
    other.mkdir()
    free = new_workstation(enforced_account, other, f"free-{dora.name}", enforce=False, grants=[EVERYTHING])
    free.enable_device()
    assert session(free, "--token", free.code(), "--", "aws", "iam", "list-roles").returncode == 0
