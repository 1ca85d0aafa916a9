"""README is short, and its local commands run as printed."""

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text("utf-8")
MOST_LINES: Final = 180
DEMO_LINES: Final = 150
PATIENCE_SECONDS: Final = 180

_BLOCK: Final = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Commands before this heading need no AWS account.
LOCAL_BLOCKS: Final[list[str]] = _BLOCK.findall(README.partition("\n## Deploy\n")[0])
DEMO: Final = "make demo\n"
# Runs until Ctrl-C.
LOCAL: Final = "make local\n"


def shell(block: str) -> "subprocess.CompletedProcess[str]":
    """Run a block as a person would who pastes it into a new shell at the root of the checkout."""
    # The tests' own environment is not the person's.
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("COV", "MAKE", "MFLAGS", "VIRTUAL"))
    }
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def test_it_has_at_most_180_lines() -> None:
    assert len(README.splitlines()) <= MOST_LINES


def test_the_first_two_commands_are_the_demo_and_the_local_account() -> None:
    assert LOCAL_BLOCKS[:2] == [DEMO, LOCAL]


def test_the_demo_is_short_and_its_last_line_names_the_page_it_wrote() -> None:
    page = ROOT / "demo.html"
    page.unlink(missing_ok=True)
    ran = shell(DEMO)
    lines = ran.stdout.splitlines()
    assert ran.returncode == 0, ran.stdout[-2_000:] + ran.stderr[-2_000:]
    assert len(lines) <= DEMO_LINES
    assert "demo.html" in lines[-1]
    assert page.is_file()


def test_the_local_account_starts_and_ends_with_ctrl_c() -> None:
    process = subprocess.Popen(
        ["bash", "-c", LOCAL],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        shown = ""
        for line in process.stdout:
            shown += line
            if "http://localhost:" in line:
                break
        else:
            pytest.fail(shown)
    finally:
        # Ctrl-C reaches every process of the terminal.
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize("block", [block for block in LOCAL_BLOCKS if block not in {DEMO, LOCAL}])
def test_every_other_local_command_runs(block: str) -> None:
    ran = shell(block)
    assert ran.returncode == 0, ran.stdout[-2_000:] + ran.stderr[-2_000:]


def test_every_program_is_on_the_path_that_readme_activates() -> None:
    assert "source .venv/bin/activate" in README
    assert ".venv/bin/mfa-guard" not in README
