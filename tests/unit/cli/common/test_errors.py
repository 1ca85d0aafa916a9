"""Whatever the configuration, the environment and the streams hold, an end is one sentence and an exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mfa_guard_cli.common.group import prepare_streams
from mfa_guard_cli.main import app

KEY = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-real-secret"}
PROGRAM = "import sys; from mfa_guard_cli.main import app; app(sys.argv[1:], prog_name='mfa-guard')"


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def run(*words: str, **environment: str) -> tuple[int, str]:
    """Return the exit code and what is on standard error."""
    ran = CliRunner().invoke(app, words, env=environment, catch_exceptions=False)
    return ran.exit_code, ran.stderr


def run_with(redirected: str, *words: str) -> tuple[int, str]:
    """Do the same in a process whose streams are as a shell makes them."""
    shell = ["/bin/sh", "-c", f'"$@" {redirected}', "sh"]
    ran = subprocess.run([*shell, sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=False)
    return ran.returncode, ran.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("credential_process = /no/such/program", "No such file or directory: '/no/such/program'"),
        ("credential_process = echo 'a-secret", "No closing quotation"),
        ("credential_process = echo a-secret", "JSONDecodeError"),
        ("credential_process = echo []", "AttributeError"),
        ("max_attempts = often", "invalid literal"),
        ("region = us east", "Provided region_name 'us east' doesn't match a supported format."),
        ("retry_mode = often", '"mode": "often"'),
        ("role_arn = arn:aws:iam::111122223333:role/x\nsource_profile = nobody", 'source_profile "nobody"'),
        ("login_session = arn:aws:iam::111122223333:user/x", "aws configure export-credentials"),
        ("no section and no setting", "Unable to parse config file"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_wrong_use(tmp_path: Path, settings: str, said: str) -> None:
    file = tmp_path / "config"
    keys = "" if "credential_process" in settings else "\n".join(f"{name.lower()} = {KEY[name]}" for name in KEY)
    file.write_text(f"[default]\n{settings}\n{'' if '_arn' in settings or 'login' in settings else keys}\n")
    code, told = run("doctor", AWS_CONFIG_FILE=str(file))
    assert said in told
    assert "a-secret" not in told
    assert (code, told.count("\n")) == (2, 1)


@pytest.mark.parametrize("endpoint", ["garbage", "http://"])
def test_an_endpoint_that_is_none_is_wrong_use(endpoint: str) -> None:
    code, told = run("doctor", AWS_ENDPOINT_URL=endpoint, **KEY)
    assert f"Invalid endpoint: {endpoint}" in told
    assert (code, told.count("\n")) == (2, 1)


def test_a_proxy_that_does_not_answer_is_told_as_an_aws_out_of_reach() -> None:
    there = {"HTTPS_PROXY": "http://localhost:1", "NO_PROXY": "", "AWS_MAX_ATTEMPTS": "1"}
    code, told = run("doctor", **there, **KEY)
    assert told == (
        'AWS cannot be reached: Failed to connect to proxy URL: "http://localhost:1". Check the network and --region.\n'
    )
    assert code == 3


def test_a_profile_that_is_not_there_is_told_in_whole_sentences() -> None:
    code, told = run("doctor", "--profile", "nobody")
    assert told == (
        "The config profile (nobody) could not be found. aws configure list-profiles shows those there are.\n"
    )
    assert code == 2


def test_only_who_writes_a_profile_needs_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    assert "no access key" in run("session", "--export")[1]
    assert "no home folder" in run("session", "--write-profile", "mfa")[1]


EVENTS = str(Path(__file__).parents[4] / "events")


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_closed_standard_output_takes_what_is_printed(form: str) -> None:
    assert run_with(">&- </dev/null", "replay", EVENTS, "--format", form) == (0, "")


def test_a_full_disk_is_told_in_one_sentence() -> None:
    code, told = run_with(">/dev/full </dev/null", "replay", EVENTS)
    assert told == "The system refused something: No space left on device.\n"
    assert code == 2


def test_a_closed_standard_input_is_an_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    prepare_streams()
    with sys.stdin as opened:
        assert (opened.isatty(), opened.read()) == (False, "")
