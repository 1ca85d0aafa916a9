"""`mfa-guard enroll`, `session` and `doctor` in this process, against moto."""

import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from typer.testing import CliRunner, Result

from mfa_guard_cli.common.errors import AwsError
from mfa_guard_cli.main import app
from mfa_guard_cli.user import session as session_module
from mfa_guard_cli.user.account import Account, CodeRefused, NameTaken, NotAllowed
from mfa_guard_cli.user.devices import Device
from mfa_guard_cli.user.terminal import EndOfInput, LazyTerminal, Terminal
from support.user import GUARD, client_error, denied

CODE = "123456"


@dataclass
class User:
    """A user with an access key in the default profile, and what their terminal shows."""

    session: boto3.Session
    home: Path
    shown: io.StringIO = field(default_factory=io.StringIO)

    def run(self, *words: str) -> Result:
        # A process ends with its environment, to which the program adds the profile that waits.
        with patch.dict(os.environ):
            return CliRunner().invoke(app, words, catch_exceptions=False)

    def enroll(self, name: str = "alice") -> str:
        """Give the user an MFA device, and return its serial number."""
        iam = self.session.client("iam")
        serial = iam.create_virtual_mfa_device(VirtualMFADeviceName=name)["VirtualMFADevice"]["SerialNumber"]
        iam.enable_mfa_device(
            UserName="alice", SerialNumber=serial, AuthenticationCode1=CODE, AuthenticationCode2="654321"
        )
        return str(serial)

    def devices(self) -> list[str]:
        return [
            each["SerialNumber"] for each in self.session.client("iam").list_mfa_devices(UserName="alice")["MFADevices"]
        ]


@pytest.fixture
def alice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[User]:
    monkeypatch.setattr(LazyTerminal, "open_if_any", lambda _: None)
    with mock_aws():
        iam = boto3.client("iam", region_name="us-east-1")
        iam.create_user(UserName="alice")
        key = iam.create_access_key(UserName="alice")["AccessKey"]
        credentials = tmp_path / "credentials"
        credentials.write_text(
            f"[default]\naws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = {key['SecretAccessKey']}\n"
        )
        own = {
            "HOME": str(tmp_path),
            "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MFA_GUARD_"))}
        with patch.dict(os.environ, inherited | own, clear=True):
            yield User(boto3.Session(), tmp_path)


@pytest.fixture
def types(alice: User, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that sets what the user types on a terminal."""

    def set_lines(*lines: str) -> None:
        terminal = Terminal(io.StringIO("".join(f"{line}\n" for line in lines)), alice.shown, {"TERM": "dumb"})
        monkeypatch.setattr(LazyTerminal, "open", lambda _: terminal)
        monkeypatch.setattr(LazyTerminal, "open_if_any", lambda _: terminal)

    return set_lines


class TestDoctor:
    def test_if_nothing_is_wrong_the_exit_code_is_0(self, alice: User) -> None:
        serial = alice.enroll()
        result = alice.run("doctor")
        assert result.exit_code == 0
        assert "Identity     arn:aws:iam::123456789012:user/alice" in result.stdout
        assert f"{serial} (authenticator app)" in result.stdout

    def test_a_cause_is_exit_code_1_and_json_has_the_next_step(
        self, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def deny(_: Account) -> None:
            raise denied(GUARD)

        monkeypatch.setattr(Account, "probe", deny)
        result = alice.run("doctor", "--format", "json")
        assert result.exit_code == 1
        found = json.loads(result.stdout)
        assert (found["denied_by"], found["mfa"], found["devices"]) == (GUARD, "no", [])
        assert "mfa-guard enroll" in found["next"]

    def test_what_is_unknown_is_shown_as_unknown(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(_: Account) -> None:
            raise client_error("InvalidClientTokenId", operation="GetCallerIdentity")

        monkeypatch.setattr(Account, "whoami_and_skew", unknown)
        result = alice.run("doctor")
        assert result.exit_code == 1
        assert result.stdout.count("unknown") == 4


class TestEnroll:
    def test_a_device_is_created_and_enabled(self, alice: User, types: Callable[..., None]) -> None:
        types("s", CODE, "654321")
        assert alice.run("enroll").exit_code == 0
        assert alice.devices() == ["arn:aws:iam::123456789012:mfa/alice"]
        shown = alice.shown.getvalue()
        assert "Secret: " in shown
        assert "mfa-guard session -- COMMAND" in shown

    def test_options_that_cannot_work_are_wrong_use(self, alice: User) -> None:
        assert alice.run("enroll", "--name", "with space").exit_code == 2
        assert alice.devices() == []


class TestSession:
    def test_a_shell_gets_lines_to_evaluate(self, alice: User) -> None:
        alice.enroll()
        result = alice.run("session", "--token", CODE, "--export", "--shell", "fish")
        assert result.exit_code == 0
        assert "set -gx AWS_SESSION_TOKEN " in result.stdout

    def test_an_sdk_gets_json_and_the_session_stays_in_the_cache(self, alice: User) -> None:
        alice.enroll()
        arguments = ("session", "--credential-process", "--token-command", f"echo {CODE}")
        first, second = alice.run(*arguments), alice.run(*arguments)
        assert json.loads(first.stdout)["Version"] == 1
        assert first.stdout == second.stdout

    def test_a_profile_is_written(self, alice: User) -> None:
        alice.enroll()
        result = alice.run("session", "--token", CODE, "--write-profile", "mfa")
        assert result.exit_code == 0
        assert result.stdout.startswith("Profile mfa in ")
        assert "[mfa]" in (alice.home / "credentials").read_text()

    def test_a_command_runs_with_it_and_gives_the_exit_code(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        alice.enroll()
        got: dict[str, str] = {}

        def run(command: list[str], environment: dict[str, str]) -> int:
            assert command == ["true", "--flag"]
            got.update(environment)
            return 7

        monkeypatch.setattr(session_module, "run", run)
        assert alice.run("session", "--token", CODE, "--", "true", "--flag").exit_code == 7
        assert got["AWS_SESSION_TOKEN"]

    def test_a_user_types_the_code(self, alice: User, types: Callable[..., None]) -> None:
        serial = alice.enroll()
        types(CODE)
        assert alice.run("session", "--export").exit_code == 0
        assert alice.shown.getvalue() == f"MFA code of {serial}: "

    def test_a_role_is_assumed_with_it(self, alice: User) -> None:
        alice.enroll()
        arn = alice.session.client("iam").create_role(RoleName="Reader", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        result = alice.run("session", "--token", CODE, "--role-arn", arn, "--export")
        assert result.exit_code == 0

    @pytest.mark.parametrize(
        ("words", "named"),
        [
            ([], "--credential-process"),
            (["--export", "--credential-process"], "only one of"),
            (["--export", "--token", CODE, "--token-command", "x"], "--token-command"),
            (["--export", "--duration", "899"], "--duration"),
        ],
    )
    def test_options_that_cannot_work_are_wrong_use(self, alice: User, words: list[str], named: str) -> None:
        result = alice.run("session", *words)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
        assert named in result.stderr


class TestAccount:
    """The requests themselves, and what their errors become."""

    @pytest.fixture
    def failing(self, alice: User) -> Callable[[ClientError], Account]:  # noqa: ARG002 - the session is alice's
        """Return a function that returns an account in which one operation fails with an error."""

        def make(error: ClientError) -> Account:
            session = boto3.Session()
            code = error.response["Error"]["Code"]
            # botocore's stubs have the class as an instance.
            error_class: type[ClientError] = session.client("iam").exceptions.from_code(code)  # type: ignore[assignment]

            def fail(**_: object) -> None:
                raise error_class(error.response, error.operation_name)

            session.events.register(f"before-call.*.{error.operation_name}", fail)
            return Account(session)

        return make

    def test_devices_are_listed_created_and_deleted(self, alice: User) -> None:
        account = Account(alice.session)
        serial = alice.enroll()
        new = account.create_device("phone")
        assert [each.serial for each in account.devices(account.whoami())] == [serial]
        assert {(each.device.name, each.assigned) for each in account.virtual_devices()} == {
            ("alice", True),
            ("phone", False),
        }
        assert account.delete_device(new.device)
        assert not account.delete_device(new.device)

    def test_a_name_that_exists_is_taken(self, alice: User) -> None:
        Account(alice.session).create_device("phone")
        with pytest.raises(NameTaken):
            Account(alice.session).create_device("phone")

    def test_the_probe_is_a_request(self, alice: User) -> None:
        Account(alice.session).probe()

    @pytest.mark.parametrize(
        ("operation", "call"),
        [
            ("ListMFADevices", lambda account: account.devices(account.whoami())),
            ("ListVirtualMFADevices", lambda account: account.virtual_devices()),
            ("CreateVirtualMFADevice", lambda account: account.create_device("phone")),
            (
                "EnableMFADevice",
                lambda account: account.enable_device("alice", Device("GAHT12345678"), (CODE, "654321")),
            ),
        ],
    )
    def test_a_denied_request_is_not_allowed(
        self, failing: Callable[[ClientError], Account], operation: str, call: Callable[[Account], object]
    ) -> None:
        with pytest.raises(NotAllowed) as refused:
            call(failing(client_error("AccessDenied", operation=operation)))
        assert refused.value.denial is not None

    def test_codes_that_iam_refuses_can_be_tried_again(self, failing: Callable[[ClientError], Account]) -> None:
        account = failing(client_error("InvalidAuthenticationCode", operation="EnableMFADevice"))
        with pytest.raises(CodeRefused, match="did not accept these codes"):
            account.enable_device("alice", Device("GAHT12345678"), (CODE, "654321"))

    @pytest.mark.parametrize(
        ("message", "expected", "fragment"),
        [
            ("MultiFactorAuthentication failed with invalid MFA one time pass code.", CodeRefused, "next code"),
            ("MultiFactorAuthentication failed, unable to validate MFA code.", AwsError, "mfa-guard doctor"),
            ("Something else", ClientError, "Something else"),
        ],
    )
    def test_a_code_that_sts_refuses_is_told_apart_from_other_errors(
        self, failing: Callable[[ClientError], Account], message: str, expected: type[Exception], fragment: str
    ) -> None:
        account = failing(client_error("AccessDenied", message, operation="GetSessionToken"))
        with pytest.raises(expected, match=fragment) as refused:
            account.session(Device("GAHT12345678"), CODE, 900)
        assert type(refused.value) is expected or expected is ClientError


class TestTerminal:
    def test_it_is_opened_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "in").write_text("yes\n")
        monkeypatch.setattr("mfa_guard_cli.user.terminal._INPUT", str(tmp_path / "in"))
        monkeypatch.setattr("mfa_guard_cli.user.terminal._OUTPUT", str(tmp_path / "out"))
        lazy = LazyTerminal(hint="unused")
        lazy.show("Hello.")
        assert lazy.open() is lazy.open_if_any()
        assert lazy.open().ask("Continue? ") == "yes"
        with pytest.raises(EndOfInput):
            lazy.open().ask("Again? ")
        assert (tmp_path / "out").read_text() == "Hello.\nContinue? Again? "
        assert lazy.open().columns == 80
        for file in (lazy.open()._reader, lazy.open()._writer):
            file.close()

    def test_without_a_terminal_lines_go_to_standard_error(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("mfa_guard_cli.user.terminal._INPUT", str(tmp_path / "missing"))
        LazyTerminal(hint="unused").show("Hello.")
        assert capsys.readouterr().err == "Hello.\n"


def test_sessions_of_the_default_duration_last_twelve_hours(alice: User) -> None:
    account = Account(alice.session)
    credentials = account.session(Device(alice.enroll()), CODE, 43_200)
    assert credentials.expiration.utcoffset() == timedelta()
