"""Whatever the configuration, the environment and the streams hold, an error is one sentence and an exit code."""

import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from typer.testing import CliRunner

from mfa_guard_cli.common.errors import AwsError, as_program_error
from mfa_guard_cli.common.group import prepare_streams
from mfa_guard_cli.main import app

KEY = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-real-secret"}
PROGRAM = "import sys; from mfa_guard_cli.main import app; app(sys.argv[1:], prog_name='mfa-guard')"
EVENTS = str(Path(__file__).parents[4] / "events")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def run(*words: str, **environment: str) -> tuple[int, str]:
    """Return the exit code and standard error."""
    # A process ends with its environment, to which the program adds the profile that waits.
    with patch.dict(os.environ):
        ran = CliRunner().invoke(app, words, env=environment, catch_exceptions=False)
    return ran.exit_code, ran.stderr


def run_with(redirection: str, *words: str) -> tuple[int, str]:
    """Return the same for a process whose streams a shell redirects."""
    shell = ["/bin/sh", "-c", f'"$@" {redirection}', "sh"]
    ran = subprocess.run([*shell, sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=False)
    return ran.returncode, ran.stderr


@pytest.mark.parametrize(
    ("settings", "fragment"),
    [
        ("credential_process = /no/such/program", "No such file or directory: '/no/such/program'"),
        ("credential_process = echo 'a-secret", "No closing quotation"),
        ("credential_process = echo a-secret", "JSONDecodeError"),
        ("credential_process = echo []", "AttributeError"),
        ("max_attempts = often", "invalid literal"),
        ("region = us east", "Provided region_name 'us east' doesn't match a supported format."),
        ("retry_mode = often", '"mode": "often"'),
        ("role_arn = arn:aws:iam::111122223333:role/x\nsource_profile = missing", 'source_profile "missing"'),
        ("login_session = arn:aws:iam::111122223333:user/x", "aws configure export-credentials"),
        ("no section and no setting", "Unable to parse config file"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_wrong_use(tmp_path: Path, settings: str, fragment: str) -> None:
    file = tmp_path / "config"
    keys = "" if "credential_process" in settings else "\n".join(f"{name.lower()} = {KEY[name]}" for name in KEY)
    file.write_text(f"[default]\n{settings}\n{'' if '_arn' in settings or 'login' in settings else keys}\n")
    code, error = run("doctor", AWS_CONFIG_FILE=str(file))
    assert fragment in error
    assert "a-secret" not in error
    assert (code, error.count("\n")) == (2, 1)


@pytest.mark.parametrize("endpoint", ["garbage", "http://"])
def test_a_malformed_endpoint_is_wrong_use(endpoint: str) -> None:
    code, error = run("doctor", AWS_ENDPOINT_URL=endpoint, **KEY)
    assert f"Invalid endpoint: {endpoint}" in error
    assert (code, error.count("\n")) == (2, 1)


def test_a_proxy_that_does_not_answer_means_that_aws_cannot_be_reached() -> None:
    proxy = {"HTTPS_PROXY": "http://localhost:1", "NO_PROXY": "", "AWS_MAX_ATTEMPTS": "1"}
    code, error = run("doctor", **proxy, **KEY)
    assert error == (
        'AWS cannot be reached: Failed to connect to proxy URL: "http://localhost:1". Check the network and --region.\n'
    )
    assert code == 3


def test_a_missing_profile_is_wrong_use_and_the_error_shows_how_to_list_profiles() -> None:
    code, error = run("doctor", "--profile", "missing")
    assert error.startswith("The config profile (missing) could not be found. ")
    assert "aws configure list-profiles" in error
    assert (code, error.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("code", "message", "fragment"),
    [
        ("ExpiredToken", "The token has expired", "mfa-guard session"),
        ("InvalidClientTokenId", "The token is invalid.", "check --profile"),
        ("AccessDenied", "not authorized with an explicit deny", "mfa-guard doctor"),
        ("AccessDenied", "not authorized", "AccessDenied, not authorized."),
        ("Throttling", "", "failed: Throttling."),
    ],
)
def test_an_error_of_aws_is_a_sentence_with_the_next_step(code: str, message: str, fragment: str) -> None:
    error = as_program_error(ClientError({"Error": {"Code": code, "Message": message}}, "ListUsers"))
    assert isinstance(error, AwsError)
    assert str(error).startswith(f"The AWS request ListUsers failed: {code}")
    assert fragment in str(error)


def test_an_unknown_error_of_botocore_is_named() -> None:
    assert str(as_program_error(BotoCoreError())) == "BotoCoreError: An unspecified error occurred."


def test_only_a_profile_needs_a_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", no_home)
    assert "no access key" in run("session", "--export")[1]
    assert "no home folder" in run("session", "--write-profile", "mfa")[1]


@pytest.mark.parametrize("output_format", ["table", "json"])
def test_a_closed_standard_output_is_no_error(output_format: str) -> None:
    assert run_with(">&- </dev/null", "replay", EVENTS, "--format", output_format) == (0, "")


def test_a_full_disk_is_one_sentence() -> None:
    code, error = run_with(">/dev/full </dev/null", "replay", EVENTS)
    assert error == "The operating system reported an error: No space left on device.\n"
    assert code == 2


def test_a_defect_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_: object) -> None:
        raise KeyError("defect")

    monkeypatch.setattr("mfa_guard_cli.stack.replay.replay_files", defect)
    with pytest.raises(KeyError, match="defect"):
        run("replay", EVENTS)


def test_a_closed_standard_input_is_an_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    prepare_streams()
    with sys.stdin as opened:
        assert (opened.isatty(), opened.read()) == (False, "")
