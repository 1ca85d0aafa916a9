"""Where codes come from."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.user.codes import as_code, code_from_command, code_from_option, typed_code
from mfa_guard_cli.user.terminal import EndOfInput
from support.user import APP, typing


@pytest.mark.parametrize("text", ["123456", " 123456\n", "123 456", "123-456"])
def test_six_digits_are_a_code_however_an_app_groups_them(text: str) -> None:
    assert as_code(text) == "123456"


@pytest.mark.parametrize("text", ["", "12345", "1234567", "12345a", "١٢٣٤٥٦", "123456 123456"])
def test_anything_else_is_none(text: str) -> None:
    assert as_code(text) is None


class TestTyped:
    def test_a_person_is_asked_for_the_code_of_the_device(self) -> None:
        terminal, shown = typing("123456")
        assert typed_code(lambda: terminal).read(APP.serial) == "123456"
        assert APP.serial in shown.getvalue()

    def test_a_slip_is_asked_again(self) -> None:
        terminal, _ = typing("12345", "123456")
        assert typed_code(lambda: terminal).read(APP.serial) == "123456"

    def test_three_slips_are_enough(self) -> None:
        terminal, _ = typing("1", "2", "3", "123456")
        with pytest.raises(WrongUse, match="six digits"):
            typed_code(lambda: terminal).read(APP.serial)

    def test_the_end_of_input_ends_it(self) -> None:
        terminal, _ = typing()
        with pytest.raises(EndOfInput):
            typed_code(lambda: terminal).read(APP.serial)


class TestGiven:
    def test_the_code_is_taken_as_it_is(self) -> None:
        assert code_from_option("123 456").read(APP.serial) == "123456"

    def test_what_is_no_code_is_refused_without_repeating_it(self) -> None:
        with pytest.raises(WrongUse) as refused:
            code_from_option("hunter2").read(APP.serial)
        assert "hunter2" not in str(refused.value)

    @pytest.fixture
    def pipe(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
        reading, writing = os.pipe()
        with os.fdopen(reading) as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            yield writing

    def test_a_dash_reads_one_line_and_leaves_the_rest_to_the_command(self, pipe: int) -> None:
        os.write(pipe, b"123456\nfor the command")
        os.close(pipe)
        assert code_from_option("-").read(APP.serial) == "123456"
        assert os.read(os.sys.stdin.fileno(), 100) == b"for the command"  # type: ignore[attr-defined]

    def test_an_empty_standard_input_is_no_code(self, pipe: int) -> None:
        os.close(pipe)
        with pytest.raises(WrongUse, match="Standard input"):
            code_from_option("-").read(APP.serial)


class TestFromCommand:
    @pytest.mark.parametrize(
        "line",
        [
            "echo 123456",
            "echo 'Amazon Web Services:alice@111122223333    123456'",
            "echo '123 456'",
            "printf 'otp\\n123456\\n' | tail -n 1",
            "echo 123456; echo 123456",
            'printf \'{"totp": "123456"}\'',
        ],
    )
    def test_the_one_code_in_the_output_is_found(self, line: str) -> None:
        assert code_from_command(line).read(APP.serial) == "123456"

    @pytest.mark.parametrize(
        ("line", "why"),
        [
            ("true", "no code"),
            ("echo abc123456def", "no code"),
            ("echo 1234567", "no code"),
            ("echo 111122223333", "no code"),
            ("echo 123456 654321", "2 different codes"),
        ],
    )
    def test_anything_but_one_code_is_refused(self, line: str, why: str) -> None:
        with pytest.raises(WrongUse, match=why):
            code_from_command(line).read(APP.serial)

    def test_a_command_that_fails_is_refused_with_its_exit_code(self) -> None:
        with pytest.raises(WrongUse, match="exit code 7"):
            code_from_command("echo 123456; exit 7").read(APP.serial)

    def test_what_it_printed_never_gets_into_the_error(self) -> None:
        with pytest.raises(WrongUse) as refused:
            code_from_command("echo hunter2 111111 222222").read(APP.serial)
        assert not {"hunter2", "111111"} & set(str(refused.value).split())

    def test_its_standard_error_is_shown(self, capfd: pytest.CaptureFixture[str]) -> None:
        code_from_command("echo Touch your key >&2; echo 123456").read(APP.serial)
        assert capfd.readouterr().err == "Touch your key\n"

    def test_a_command_that_does_not_end_is_given_up_even_when_its_child_holds_the_pipe(self) -> None:
        began = time.monotonic()
        with pytest.raises(WrongUse, match="did not end within"):
            code_from_command("sleep 20 & sleep 20; true", patience=0.2).read(APP.serial)
        assert time.monotonic() - began < 10

    def test_it_gets_no_input_where_there_is_no_terminal(self, tmp_path: Path) -> None:
        assert code_from_command("read -t 1 line </dev/null; echo 123456").read(str(tmp_path)) == "123456"
