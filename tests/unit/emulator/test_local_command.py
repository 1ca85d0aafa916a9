"""What makes a shell call the local account."""

import os
import subprocess

from typer.testing import CliRunner

from mfa_guard_emulator.commands.local import UNSET
from mfa_guard_emulator.main import app


def test_nothing_that_a_shell_had_is_preferred_to_the_local_account() -> None:
    printed = CliRunner().invoke(app, ["env"]).stdout
    earlier = ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")
    had = {**os.environ, **dict.fromkeys(earlier, "earlier")}
    ran = subprocess.run(["/bin/sh", "-c", f"{printed}env"], env=had, capture_output=True, text=True, check=True)
    names = {line.partition("=")[0] for line in ran.stdout.splitlines()}
    assert names.isdisjoint(earlier)
    assert {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID"} <= names
    assert UNSET in printed
