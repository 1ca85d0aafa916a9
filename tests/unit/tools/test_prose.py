"""`make prose` refuses the words that the project does not use, and says what to write instead."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def found(file: Path, text: str) -> list[str]:
    """Return what `make prose` says about a file with this text, without the file's name."""
    file.write_text(text, "utf-8")
    command = [str(Path(sys.executable).with_name("codespell")), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    lines = done.stdout.splitlines()
    assert (done.returncode != 0) == bool(lines), done.stderr
    return [line.removeprefix(f"{file}:") for line in lines]


REFUSED = """
    he him his himself she her herself whoever whomever whom nobody somebody mend mends mended mending
    enrol enrols enrolment colour organisation behaviour honour cancelled licence recognise authorised centre
    Whoever Nobody MENDED nobody's recieve
"""


def test_every_refused_word_is_named_with_its_line_and_a_replacement(tmp_path: Path) -> None:
    words = REFUSED.split()
    lines = found(tmp_path / "page.md", "\n".join(words))
    assert [int(line.partition(":")[0]) for line in lines] == list(range(1, len(words) + 1))
    assert all(line.partition(" ==> ")[2] for line in lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("An event says whom to look at.", "1: whom ==> who, the user that, the administrators that"),
        ("A device of yours.", "1: of yours ==> your, as in: your device"),
        ("Users\nenrol a device.", "2: enrol ==> enroll"),
    ],
)
def test_a_finding_says_what_to_write_instead(tmp_path: Path, text: str, said: str) -> None:
    assert said in found(tmp_path / "page.md", text)[0]


@pytest.mark.parametrize("name", ["page.md", "module.py", "template.yaml", "page.html", ".github.yml"])
def test_every_kind_of_file_is_read(tmp_path: Path, name: str) -> None:
    assert found(tmp_path / name, "# It tells nobody.") == ["1: nobody ==> no one, no user, no administrator"]


@pytest.mark.parametrize(
    "text",
    [
        "Users enroll a device; they are in the organization. A color, a behavior, a canceled request.",
        "Is this key yours?",
        "The operation ends as `CANCELLED`, says AWS.",
        "See https://example.com/behaviour/whom.",
        "See [its record](for-somebody-else.json), or --mended.",
        "def told_nobody(his_tags: Tags) -> None: ...",
        'status = "CANCELLED"  # codespell:ignore',
        "history, the theme, amends, a whomp, shells",
    ],
)
def test_american_prose_quotes_and_names_in_code_pass(tmp_path: Path, text: str) -> None:
    assert found(tmp_path / "module.py", text) == []
