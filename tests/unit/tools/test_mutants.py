"""`make mutants` fails for each mutant that no test notices, and each line that mutmut leaves alone says why."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mfa_guard import core

Make = Callable[..., subprocess.CompletedProcess[str]]
Program = Callable[[str, str], Path]

TIMEOUT = "    mfa_guard.core.text.x_safe__mutmut_1: timeout"
ALIVE = "mfa_guard.core.text.x_safe__mutmut_2"


def mutmut(program: Program, results: str) -> None:
    """Put a mutmut in place that runs, and then does `results`."""
    script = f"case $1 in run) mkdir mutants ;; results) {results} ;; esac"
    program(".tools/mutants/bin/mutmut", script)


def test_a_run_that_kills_every_mutant_passes(make: Make, program: Program) -> None:
    mutmut(program, f"echo '{TIMEOUT}'")
    assert make("mutants").returncode == 0


@pytest.mark.parametrize("status", ["survived", "no tests", "not checked", "suspicious", "segfault"])
def test_every_other_mutant_is_listed_and_fails(make: Make, program: Program, status: str) -> None:
    mutmut(program, f"echo '{TIMEOUT}'; echo '    {ALIVE}: {status}'")
    done = make("mutants")
    assert done.returncode != 0
    assert f"{ALIVE}: {status}" in done.stdout
    assert TIMEOUT not in done.stdout


def test_a_list_that_cannot_be_had_fails(make: Make, program: Program) -> None:
    mutmut(program, "exit 1")
    assert make("mutants").returncode != 0


def test_every_pragma_gives_a_reason() -> None:
    sources = Path(core.__file__).parent.rglob("*.py")
    pragmas = [line.strip() for file in sources for line in file.read_text("utf-8").splitlines() if "no mutate" in line]
    assert [line for line in pragmas if not re.search(r"# pragma: no mutate: [A-Z].+\.$", line)] == []
