"""docs/cli.md is what the program says of itself, and shells complete its commands."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mfa_guard_cli.reference import reference
from support.factories import ROOT_OF_THE_PROJECT

PROGRAM = str(Path(sys.executable).with_name("mfa-guard"))


def test_the_page_is_current() -> None:
    page = (ROOT_OF_THE_PROJECT / "docs" / "cli.md").read_text("utf-8")
    assert page == reference(), "docs/cli.md is not what the program says; run: make docs"


@pytest.mark.parametrize("command", ["status", "exempt add", "dead-letters redrive", "replay"])
def test_every_command_has_its_section_whatever_group_it_is_in(command: str) -> None:
    assert f" mfa-guard {command}\n\n```text\nmfa-guard {command} [OPTIONS]" in reference()


def run(*words: str, **environment: str) -> str:
    own = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run([PROGRAM, *words], env=own | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("mfa-guard st", {"status", "stop", "start"}), ("mfa-guard exempt ", {"list", "add", "remove"})],
)
def test_bash_completes_commands(typed: str, offered: set[str]) -> None:
    count = str(len(typed.split()) - (not typed.endswith(" ")))
    printed = run(_MFA_GUARD_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=count)
    assert set(printed.split()) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed(shell: str) -> None:
    printed = run(_MFA_GUARD_COMPLETE=f"source_{shell}")
    assert "_MFA_GUARD_COMPLETE" in printed


def test_help_starts_without_what_only_some_commands_need() -> None:
    code = (
        "import sys, mfa_guard_cli.main as m\n"
        "heavy = {'boto3', 'botocore.client', 'yaml', 'rich', 'moto', 'aws_lambda_powertools', 'samtranslator'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
