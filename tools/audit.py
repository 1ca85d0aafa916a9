"""Ask the Python advisory database about pinned requirements, and fail for a known vulnerability.

What the database does not answer about is printed and fails only with `--require`, which CI uses: at a desk without a
network nothing was found out, and that is no finding.
"""

import json
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict


@dataclass(frozen=True)
class Report:
    """What the database said: packages without a known vulnerability, with one, and those it did not answer about."""

    clean: tuple[str, ...] = ()
    vulnerable: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()

    def failed(self, *, required: bool) -> bool:
        """Say whether this is a failure; `required`: silence is one."""
        return bool(self.vulnerable) or (required and bool(self.unanswered))

    def lines(self, file: str) -> tuple[str, ...]:
        """Return what a person should read."""
        return (
            f"{file}: {len(self.clean)} packages without a known vulnerability",
            *(f"{file}: VULNERABLE: {each}" for each in self.vulnerable),
            *(
                [f"{file}: NOT CHECKED: {len(self.unanswered)}, such as {self.unanswered[0]}"]
                if self.unanswered
                else []
            ),
        )


class Vulnerability(TypedDict):
    """One entry of the database, as far as it is told."""

    id: str
    fix_versions: list[str]


class Dependency(TypedDict, total=False):
    """What pip-audit says of one package: `vulns`, or why it has nothing to say."""

    name: str
    version: str
    vulns: list[Vulnerability]
    skip_reason: str


def parse(answer: str) -> Report:
    """Return the report in pip-audit's JSON; raises ValueError for what is no JSON."""
    dependencies: list[Dependency] = json.loads(answer)["dependencies"]
    return Report(
        clean=tuple(each["name"] for each in dependencies if each.get("vulns") == []),
        vulnerable=tuple(_vulnerable(each) for each in dependencies if each.get("vulns")),
        unanswered=tuple(f"{each['name']} ({each['skip_reason']})" for each in dependencies if "skip_reason" in each),
    )


def _vulnerable(dependency: Dependency) -> str:
    found = dependency["vulns"]
    routes = (f"{each['id']}, mended in {' or '.join(each['fix_versions']) or 'no version'}" for each in found)
    return f"{dependency['name']} {dependency['version']}: {'; '.join(routes)}"


def audit(file: Path) -> Report:
    """Ask about every package of a requirements file with hashes."""
    command = ["pip-audit", "--requirement", str(file), "--disable-pip", "--require-hashes", "--format", "json"]
    done = subprocess.run(  # noqa: S603 - no shell, and nothing of it comes from outside
        [*command, "--progress-spinner", "off"], capture_output=True, text=True, check=False
    )
    try:
        return parse(done.stdout)
    except ValueError:
        # It printed no report: it could not reach the database, or read the file.
        last = next(iter(reversed(done.stderr.strip().splitlines())), f"pip-audit ended with {done.returncode}")
        return Report(unanswered=(last,))


def main(arguments: Sequence[str]) -> int:
    """Audit the files, print what was found, and return the exit code."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--require", action="store_true", help="fail for what could not be checked as well")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args(arguments)
    reports = {str(file): audit(file) for file in options.files}
    for file, report in reports.items():
        print("\n".join(report.lines(file)))
    return int(any(report.failed(required=options.require) for report in reports.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
