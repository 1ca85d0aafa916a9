"""Confirmation before a change."""

import io
import sys

import pytest

from mfa_guard_cli.common.confirm import confirm
from mfa_guard_cli.common.errors import WRONG_USE, WrongUse


class Keyboard(io.StringIO):
    """A terminal, and what the user types on it."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("typed", ["y\n", "Y\n", "yes\n"])
def test_the_question_is_on_standard_error_alone(
    typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Keyboard(typed))
    confirm("Stop the guard?", yes=False)
    assert capsys.readouterr() == ("", "Stop the guard? [y/N]: ")


@pytest.mark.parametrize("typed", ["n\n", "\n", "", "yesterday\n"])
def test_without_agreement_the_command_ends_as_wrong_use(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Keyboard(typed))
    with pytest.raises(WrongUse, match=r"nothing was changed\.$") as ended:
        confirm("Stop the guard?", yes=False)
    assert ended.value.exit_code == WRONG_USE


def test_without_a_terminal_yes_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(WrongUse, match="--yes"):
        confirm("Stop the guard?", yes=False)
    confirm("Stop the guard?", yes=True)
