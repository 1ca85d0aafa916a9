"""SECURITY.md names only tests, rows and attacks that exist, and names one for every defense."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from mfa_guard_cli.policy import requests
from mfa_guard_cli.policy.row import Row
from roles import attacks
from roles.attacks import Attack

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text("utf-8")
FIXTURES = {"obeying_their_roles"}


def defined() -> Iterator[str]:
    """Yield the names of all tests and of their classes."""
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield node.name


def tables() -> Iterator[list[str]]:
    """Yield the cells of every row of the tables with a column `Shown by`."""
    in_table = False
    for before, line in pairwise(PAGE.splitlines()):
        if line.startswith("| ---"):
            in_table = before.rstrip().endswith("Shown by |")
        elif not line.startswith("|"):
            in_table = False
        elif in_table:
            yield [cell.strip() for cell in line.strip("|").split("|")]


def listed(word: str) -> set[str]:
    """Return the names in capitals that follow a word such as `rows`."""
    lists = re.findall(rf"\b{word}\s+((?:`[A-Z_]+`(?:,\s+)?)+)", PAGE)
    return {name for each in lists for name in re.findall(r"`([A-Z_]+)`", each)}


def test_every_test_that_it_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+|Test[A-Z]\w*)`", PAGE)) | FIXTURES
    assert len(named) > 70
    assert named - set(defined()) == set()


def test_every_group_of_rows_and_attacks_that_it_names_exists() -> None:
    rows, against = listed("rows"), listed("attacks")
    assert {"STAYING_ENFORCED", "REMOVING_A_DEVICE"} <= rows
    assert {"PRIVILEGE_ESCALATION", "EXEMPTIONS"} <= against
    assert all(isinstance(each, Row) for name in rows for each in getattr(requests, name))
    assert all(isinstance(each, Attack) for name in against for each in getattr(attacks, name))


def test_every_name_in_capitals_is_a_group_or_a_status_of_the_stack() -> None:
    statuses = {"DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"}
    assert set(re.findall(r"`([A-Z_]{3,})`", PAGE)) - statuses == listed("rows") | listed("attacks")


def test_every_defense_has_a_proof() -> None:
    defenses = list(tables())
    assert len(defenses) > 30
    assert [cells for cells in defenses if len(cells) != 3 or "`" not in cells[2]] == []


def test_every_linked_file_exists() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", PAGE)
    assert [link for link in links if not (ROOT / link).exists()] == []
