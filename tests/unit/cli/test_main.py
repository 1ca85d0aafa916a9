"""What every start of the program pays for."""

import subprocess
import sys

import pytest

# Each takes 50 ms and more, so that only the command that needs it imports it.
HEAVY = ("boto3", "botocore.session", "configupdater", "filelock", "jinja2", "moto", "rich.table", "segno")


@pytest.mark.parametrize("arguments", [["--help"], ["session", "--help"], ["enroll", "--help"], ["doctor", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = f"""
import sys
sys.path = {sys.path!r}
from mfa_guard_cli.main import app
try:
    app({arguments!r}, prog_name="mfa-guard")
except SystemExit:
    print([name for name in {HEAVY!r} if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("\n[]\n")
