"""docs/proof.md names a test for each claim, and each test is in the file that it names."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[2] / "docs" / "proof.md"

# A name of a test or of a group of rows, the file that defines it, or a reference to the file before.
_CITED: Final = re.compile(
    r"`(?P<name>test_\w+|Test\w+|[A-Z]+(?:_[A-Z]+)*)`|\]\((?P<file>[^)]+)\)|(?P<same>the same file)"
)


def proofs() -> list[str]:
    """Return the second cell of every row of a claim."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    return [cells[1] for cells in rows if cells[0] not in {"Claim", "---"}]


def cited() -> Iterator[tuple[str, Path]]:
    """Yield each name with the file that the page names after it."""
    file = PAGE
    for proof in proofs():
        names = []
        for found in _CITED.finditer(proof):
            if found["name"]:
                names.append(found["name"])
                continue
            file = (PAGE.parent / found["file"]).resolve() if found["file"] else file
            yield from ((name, file) for name in names)
            names = []
        assert names == [], f"no file is named after {names}"


def defined(file: Path) -> set[str]:
    """Return the functions, classes and constants of a module."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def test_every_test_is_defined_in_the_file_named_after_it() -> None:
    names = list(cited())
    assert len(names) > 30
    assert [(name, str(file)) for name, file in names if name not in defined(file)] == []


def test_every_claim_has_a_test() -> None:
    assert len(proofs()) > 40
    assert [proof for proof in proofs() if not _CITED.search(proof)] == []


def test_every_file_exists() -> None:
    files = [found["file"] for proof in proofs() for found in _CITED.finditer(proof) if found["file"]]
    assert [file for file in files if not (PAGE.parent / file).exists()] == []
