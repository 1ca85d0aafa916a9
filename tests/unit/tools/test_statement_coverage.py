"""The floor under the statement coverage of the command line and the emulator."""

import pytest

import statement_coverage
from statement_coverage import Totals, main, percent


@pytest.mark.parametrize(("covered", "statements", "share"), [(0, 4, 0), (1, 4, 25), (4, 4, 100), (0, 0, 0)])
def test_the_share_of_statements_that_ran(covered: int, statements: int, share: float) -> None:
    assert percent({"covered_lines": covered, "num_statements": statements}) == share


@pytest.mark.parametrize(("second", "code"), [(95, 0), (94, 1)])
def test_each_folder_must_reach_the_floor(monkeypatch: pytest.MonkeyPatch, second: int, code: int) -> None:
    found = {"cli": Totals(covered_lines=100, num_statements=100)}
    found["emulator"] = Totals(covered_lines=second, num_statements=100)
    monkeypatch.setattr(statement_coverage, "measured", found.__getitem__)
    assert main(["95", "cli", "emulator"]) == code
