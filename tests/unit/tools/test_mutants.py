"""What no test notices is told with its reason, and neither a gap nor a run that was cut short is published."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

import mutants
from mutants import Change, NotGood, Run, checked, page, parse_reasons, read, unused

# As mutmut writes it: the function that is called, then the original and each mutant under names of their own.
MUTATED = '''\
@_mutmut_mutated(mutants_x_limit__mutmut)
def limit(length: int) -> bool:
    """Tell whether it fits."""
    return length <= 9 | 1


def x_limit__mutmut_orig(length: int) -> bool:
    """Tell whether it fits."""
    return length <= 9 | 1


def x_limit__mutmut_1(length: int) -> bool:
    """Tell whether it fits."""
    return length < 9 | 1


class Box:
    def xǁBoxǁopen__mutmut_orig(
        self,
        by: str = "x",
    ) -> str:
        return by

    def xǁBoxǁopen__mutmut_1(
        self,
        by: str = "XXxXX",
    ) -> str:
        return by
'''
FUNCTION, METHOD = "guard.core.text.x_limit__mutmut_1", "guard.core.text.xǁBoxǁopen__mutmut_1"
LIMIT = Change("guard.core.text", "limit", "return length <= 9 | 1", "return length < 9 | 1")
OPEN = Change("guard.core.text", "Box.open", 'by: str = "x",', 'by: str = "XXxXX",')


def mutated(root: Path, codes: Mapping[str, int | None]) -> Path:
    """Write what mutmut leaves of a run that ended in `codes`, and return the folder."""
    folder = root / "mutants"
    file = folder / "src" / "guard" / "core" / "text.py"
    file.parent.mkdir(parents=True)
    file.write_text(MUTATED, "utf-8")
    file.with_name("text.py.meta").write_text(json.dumps({"exit_code_by_key": codes}), "utf-8")
    return folder


def killed(count: int) -> dict[str, int | None]:
    return {f"guard.core.text.x_limit__mutmut_{100 + number}": 1 for number in range(count)}


def test_survivors_are_named_by_function_and_change(tmp_path: Path) -> None:
    assert read(mutated(tmp_path, {FUNCTION: 0, METHOD: 0} | killed(3))) == Run(5, (OPEN, LIMIT))


@pytest.mark.parametrize("code", [0, 33, 5, 35, 34, -9, -11])
def test_what_nobody_tests_or_nobody_understands_is_not_noticed(tmp_path: Path, code: int) -> None:
    assert read(mutated(tmp_path, {FUNCTION: code})).killed == 0


@pytest.mark.parametrize("code", [1, 3, 36, -24])
def test_a_test_that_fails_or_does_not_end_has_noticed(tmp_path: Path, code: int) -> None:
    assert read(mutated(tmp_path, {FUNCTION: code})) == Run(1, ())


@pytest.mark.parametrize("codes", [{}, {FUNCTION: None}, {FUNCTION: 1, METHOD: 2}])
def test_a_run_that_did_not_come_to_its_end_is_none(tmp_path: Path, codes: Mapping[str, int | None]) -> None:
    with pytest.raises(NotGood, match="did not come to try every mutant"):
        read(mutated(tmp_path, codes))


def test_95_percent_are_enough_and_less_is_not() -> None:
    reasons = {LIMIT: "It is never hit.", OPEN: "Nobody opens it."}
    checked(Run(20, (LIMIT,)), reasons)
    with pytest.raises(NotGood, match=r"^The tests notice 18 of 19 mutants, less than 95 %\.$"):
        checked(Run(19, (LIMIT,)), reasons)


def test_a_survivor_without_a_reason_is_named() -> None:
    with pytest.raises(NotGood) as refused:
        checked(Run(1000, (LIMIT, OPEN)), {OPEN: "Nobody opens it."})
    assert str(refused.value) == (
        "A test should notice, or tools/mutants.toml explain, 1 mutants: guard.core.text.limit (return length <= 9 | 1 "
        "-> return length < 9 | 1)."
    )


def test_a_reason_for_nothing_is_named() -> None:
    assert unused(Run(1000, (LIMIT,)), [LIMIT, OPEN]) == (OPEN,)


def test_the_page_counts_without_rounding_up_and_gives_every_reason() -> None:
    text = page(Run(9999, (LIMIT,)), {LIMIT: "It is never hit.", OPEN: "Nobody opens it."})
    assert "| 9,999 | 9,998 | 99.9 % | 1 |" in text
    assert (
        r"| `text` | `limit` | `` - return length <= 9 \| 1 ``<br>`` + return length < 9 \| 1 `` | It is never hit. |"
    ) in text.splitlines()
    assert "Nobody opens it." not in text


REASONS = """\
[[survivor]]
module = "guard.core.text"
function = "limit"
line = "return length <= 9 | 1"
becomes = "return length < 9 | 1"
reason = "It is never hit."
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a reason for LIMIT."""
    for folder in ("docs", "tools"):
        (tmp_path / folder).mkdir()
    (tmp_path / "tools" / "mutants.toml").write_text(REASONS, "utf-8")
    return tmp_path


def test_a_good_run_is_written_down(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mutated(project, {FUNCTION: 0} | killed(99))
    assert mutants.main(project) == 0
    assert "It is never hit." in (project / "docs" / "mutants.md").read_text("utf-8")
    assert capsys.readouterr().err == ""


def test_a_reason_that_fits_nothing_any_more_is_said(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mutated(project, killed(99))
    assert mutants.main(project) == 0
    assert "tools/mutants.toml explains what is alive no longer: guard.core.text.limit" in capsys.readouterr().err


def test_a_gap_fails_and_is_not_written_down(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mutated(project, {METHOD: 0} | killed(99))
    assert mutants.main(project) == 1
    assert "guard.core.text.Box.open" in capsys.readouterr().err
    assert not (project / "docs" / "mutants.md").exists()


def test_the_projects_own_reasons_are_sentences_about_its_core() -> None:
    reasons = parse_reasons((mutants.ROOT / mutants.REASONS).read_text("utf-8"))
    assert all(reason.endswith(".") for reason in reasons.values())
    for change in reasons:
        source = (mutants.ROOT / "src" / f"{change.module.replace('.', '/')}.py").read_text("utf-8")
        assert " ".join(change.line.split()) in " ".join(source.split()), change
