"""The program as a whole: its help, its documentation, its start and its completion."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mfa_guard_cli.main import app
from support.factories import ROOT_OF_THE_PROJECT

PROGRAM = str(Path(sys.executable).with_name("mfa-guard"))
# Each takes tens of milliseconds to import, so only the commands that need it import it.
HEAVY = (
    "aws_lambda_powertools",
    "boto3",
    "botocore.client",
    "botocore.session",
    "configupdater",
    "filelock",
    "jinja2",
    "moto",
    "rich",
    "samtranslator",
    "segno",
    "yaml",
)
COMMANDS = (
    ["preview"],
    ["replay"],
    ["enroll"],
    ["session"],
    ["doctor"],
    ["status"],
    ["explain"],
    ["exempt", "list"],
    ["exempt", "add"],
    ["exempt", "remove"],
    ["release"],
    ["enforce"],
    ["sweep"],
    ["dead-letters", "list"],
    ["dead-letters", "redrive"],
    ["stop"],
    ["start"],
)


def test_docs_cli_md_is_current() -> None:
    generate = [sys.executable, "-m", "typer", "mfa_guard_cli.main", "utils", "docs", "--name", "mfa-guard"]
    generated = subprocess.run(generate, capture_output=True, text=True, check=True).stdout
    page = (ROOT_OF_THE_PROJECT / "docs" / "cli.md").read_text("utf-8")
    assert page.strip() == generated.strip(), "docs/cli.md is not current; run: make docs"


def test_help_imports_nothing_heavy() -> None:
    helps = [[*command, "--help"] for command in COMMANDS]
    code = f"""
import sys
sys.path = {sys.path!r}
from mfa_guard_cli.main import app
for arguments in {helps!r}:
    try:
        app(arguments, prog_name="mfa-guard")
    except SystemExit as ended:
        assert not ended.code, arguments
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("\n[]\n")


def test_without_a_command_the_program_shows_all_commands_and_the_exit_codes() -> None:
    shown = CliRunner().invoke(app, []).output
    for name, *_ in COMMANDS:
        assert f"\n  {name} " in shown
    assert "Exit codes: 0 " in shown


def complete(**variables: str) -> str:
    """Run the program as a shell does to complete a command line."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run([PROGRAM], env=inherited | variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("mfa-guard st", {"status", "stop", "start"}), ("mfa-guard exempt ", {"list", "add", "remove"})],
)
def test_bash_completes_commands(typed: str, offered: set[str]) -> None:
    count = str(len(typed.split()) - (not typed.endswith(" ")))
    printed = complete(_MFA_GUARD_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=count)
    assert set(printed.split()) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed(shell: str) -> None:
    assert "_MFA_GUARD_COMPLETE" in complete(_MFA_GUARD_COMPLETE=f"source_{shell}")
