"""What every start of the program pays for."""

import subprocess
import sys

import pytest

# Each takes 50 ms and more, so that only the command that needs it imports it.
HEAVY = ("boto3", "botocore.session", "configupdater", "filelock", "jinja2", "moto", "rich.table", "segno")
COMMANDS = ((), ("session",), ("enroll",), ("doctor",), ("preview",))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_heavy(command: tuple[str, ...]) -> None:
    code = f"""
import sys
sys.path = {sys.path!r}
from mfa_guard_cli.main import app
try:
    app({[*command, "--help"]!r}, prog_name="mfa-guard")
except SystemExit:
    print([name for name in {HEAVY!r} if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("\n[]\n")
