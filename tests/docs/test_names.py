"""The documentation names only files, links and code that exist."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from mfa_guard_cli.stack.template import load_template

ROOT: Final = Path(__file__).parents[2]
# Decisions and changes also name what was replaced.
HISTORY: Final = {"CHANGELOG.md", "docs/decisions.md"}

# Names of other programs that no code here uses.
OF_OTHERS: Final = frozenset({"aws_iam_policy_attachment"})

_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_FENCE: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_CODE: Final = re.compile(r"`([^`\n]+)`")
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
_PATH: Final = re.compile(r"(?:[\w.{},-]+/)+[\w.{},-]+\.(?:py|yaml|toml|json|md|j2)")
# Names that only code has: with an underscore inside or in front, or in CamelCase.
_NAME: Final = re.compile(r"\b(?:_[A-Za-z]\w*|[A-Za-z]\w*_\w+|[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+)\b")


@cache
def tracked() -> tuple[str, ...]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(listed.stdout.split())


PAGES: Final = [name for name in tracked() if name.endswith(".md")]


@cache
def words_of_the_code() -> frozenset[str]:
    suffixes = (".py", ".yaml", ".yml", ".toml", ".json", ".js", ".j2", "Makefile")
    texts = ((ROOT / name).read_text("utf-8") for name in tracked() if name.endswith(suffixes))
    words = {word for text in texts for word in re.findall(r"\w+", text)}
    # SAM makes the logical ids of rules out of two words.
    rules = {rule.logical_id for rule in load_template().render().rules()}
    return frozenset(words | rules | {Path(name).stem for name in tracked()})


def text_of(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text("utf-8")))
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "") for heading in headings)
    return {re.sub(r"[^\w\- ]", "", each.strip().lower()).replace(" ", "-") for each in plain}


def code_in(page: str) -> Iterator[str]:
    yield from _CODE.findall(_FENCE.sub("", text_of(page)))


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    broken = []
    for link in _LINK.findall(_FENCE.sub("", text_of(page))):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", [page for page in PAGES if page not in HISTORY])
def test_every_file_in_backticks_exists(page: str) -> None:
    names = tracked()
    paths = [path for code in code_in(page) if _PATH.fullmatch(code) for path in expanded(code)]
    # A path may begin anywhere below the root, such as core/plan.py. NAME stands for a file that the reader adds.
    missing = [path for path in paths if not any(f"/{name}".endswith(f"/{path}") for name in names)]
    assert [path for path in missing if "NAME" not in path and not path.startswith(".")] == []


def expanded(code: str) -> Iterator[str]:
    """Yield the paths that `a/{b,c}.py` stands for."""
    if (found := re.search(r"\{([^{}]*)\}", code)) is None:
        yield code
        return
    for choice in found[1].split(","):
        yield from expanded(code[: found.start()] + choice.strip() + code[found.end() :])


@pytest.mark.parametrize("page", [page for page in PAGES if page not in HISTORY])
def test_every_name_in_backticks_is_in_the_code(page: str) -> None:
    known = words_of_the_code()
    words = {word for code in code_in(page) for word in _NAME.findall(code) if not code.startswith(("http", "arn:"))}
    assert sorted(words - known - OF_OTHERS) == []
