"""Run a target of the project's Makefile in an empty folder, with programs of the test's own."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

Make = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that runs a target in `tmp_path`, where what the target installs first counts as installed."""
    installed = [tmp_path / ".venv" / ".dev", tmp_path / ".tools" / ".mutants"]
    for each in installed:
        each.parent.mkdir()
        each.touch()
    options = [f"--old-file={each.relative_to(tmp_path)}" for each in installed]
    # Without what a `make test` around this one hands down.
    environment = {
        name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}
    }

    def run(target: str, *variables: str) -> subprocess.CompletedProcess[str]:
        command = ["make", "--directory", str(tmp_path), "--file", str(ROOT / "Makefile"), *options, target, *variables]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    return run


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str, str], Path]:
    """Return a function that writes a shell script below `tmp_path`."""

    def write(path: str, script: str) -> Path:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
        file.chmod(0o755)
        return file

    return write
