"""Check how many statements of a package the tests ran: python tools/statement_coverage.py 95 cli emulator.

Reads the coverage data that pytest left. Branches do not count here; `coverage report` checks them for src.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import TypedDict


class Totals(TypedDict):
    """The part of coverage's JSON report that counts statements."""

    covered_lines: int
    num_statements: int


def percent(totals: Totals) -> float:
    """Return the share of statements that ran, in percent; 0 when there are no statements to run."""
    return 100 * totals["covered_lines"] / totals["num_statements"] if totals["num_statements"] else 0.0


def measured(folder: str) -> Totals:
    """Return the totals of the files below `folder`. Raises CalledProcessError when coverage has no data for them."""
    command = [
        sys.executable,
        "-m",
        "coverage",
        "json",
        "--quiet",
        "--fail-under=0",
        f"--include={folder}/*",
        "-o",
        "-",
    ]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - no shell
    totals: Totals = json.loads(report)["totals"]
    return totals


def main(arguments: Sequence[str]) -> int:
    """Print each folder's share; return 1 when one is below the floor that the first argument gives."""
    floor, *folders = arguments
    shares = {folder: percent(measured(folder)) for folder in folders}
    for folder, share in shares.items():
        print(f"{folder}: {share:.1f} % of statements ran; at least {floor} % must.")
    return 1 if min(shares.values()) < float(floor) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
