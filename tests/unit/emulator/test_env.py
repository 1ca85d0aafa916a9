"""The variables that make a shell call the local account."""

import os
import subprocess

import pytest
from typer.testing import CliRunner

from mfa_guard_emulator.main import app


def environment_after(printed: str) -> dict[str, str]:
    """Return the environment of a shell that had other credentials, after it ran what the command printed."""
    earlier = ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")
    before = {"PATH": os.environ["PATH"], **dict.fromkeys(earlier, "earlier")}
    ran = subprocess.run(["/bin/sh", "-c", f"{printed}env"], env=before, capture_output=True, text=True, check=True)
    pairs = (line.partition("=") for line in ran.stdout.splitlines())
    return {name: value for name, _, value in pairs if name.startswith("AWS_")}


@pytest.mark.parametrize(
    ("words", "port", "key"),
    [
        ([], 4747, "AKIAIOSFODNN7EXAMPLE"),
        (["root", "--port", "5000"], 5000, "AKIAI44QH8DHBEXAMPLE"),
    ],
)
def test_a_shell_calls_the_local_account_whatever_credentials_it_had(words: list[str], port: int, key: str) -> None:
    found = environment_after(CliRunner().invoke(app, ["env", *words]).stdout)
    assert found.pop("AWS_SECRET_ACCESS_KEY")
    assert found == {
        "AWS_ENDPOINT_URL": f"http://localhost:{port}",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": key,
    }


def test_another_user_has_no_key_to_print() -> None:
    result = CliRunner().invoke(app, ["env", "alice"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("There is no key for 'alice'; use administrator or root.")
