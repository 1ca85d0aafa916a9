"""The QR code on a terminal and as a picture."""

import io
import re
from pathlib import Path

import pytest
import segno

from mfa_guard_cli.user.identity import identity
from mfa_guard_cli.user.qr import otpauth_uri, qr_image, terminal_qr
from mfa_guard_cli.user.terminal import Terminal
from support.user import ALICE, SEED

URI = otpauth_uri(SEED, "alice", ALICE)
# As long as IAM lets a user's and a device's name be.
LONGEST = otpauth_uri(SEED, "n" * 64, identity(f"arn:aws:iam::111122223333:user/{'n' * 64}"))
_MODULES = {" ": "00", "▀": "10", "▄": "01", "█": "11"}


def terminal(encoding: str = "utf-8", **environment: str) -> Terminal:
    return Terminal(io.StringIO(), io.TextIOWrapper(io.BytesIO(), encoding=encoding), environment)


def light_modules(text: str) -> list[str]:
    """Return the rows of modules, light ones as 1, that lines of half blocks show."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).split("\n")
    return ["".join(_MODULES[each][half] for each in line) for line in lines for half in (0, 1)]


@pytest.mark.parametrize("uri", [URI, LONGEST])
@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_the_terminal_shows_the_modules_of_the_code_light_on_dark(uri: str, environment: dict[str, str]) -> None:
    shown = terminal_qr(uri, terminal(**environment))
    assert shown is not None
    rows = light_modules(shown)
    code = segno.make(uri, error="l", boost_error=False, micro=False)
    expected = ["".join("0" if dark else "1" for dark in row) for row in code.matrix_iter(border=2)]
    assert rows[: len(expected)] == expected


@pytest.mark.parametrize("uri", [URI, LONGEST])
def test_it_fits_into_eighty_columns(uri: str) -> None:
    shown = terminal_qr(uri, terminal(NO_COLOR="1"))
    assert shown is not None
    assert max(map(len, shown.split("\n"))) <= 80


def test_colors_are_set_and_reset_on_every_line() -> None:
    shown = terminal_qr(URI, terminal())
    assert shown is not None
    assert all(line.startswith("\x1b[38;5;231;48;5;16m") and line.endswith("\x1b[0m") for line in shown.split("\n"))


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colors_there_is_no_escape_sequence(environment: dict[str, str]) -> None:
    assert "\x1b" not in str(terminal_qr(URI, terminal(**environment)))


def test_a_terminal_without_the_characters_gets_none() -> None:
    assert terminal_qr(URI, terminal(encoding="latin-1")) is None


def test_a_narrow_terminal_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Terminal, "columns", 40)
    assert terminal_qr(URI, terminal()) is None


def test_the_code_holds_what_an_authenticator_app_expects() -> None:
    # https://github.com/google/google-authenticator/wiki/Key-Uri-Format
    label = "Amazon%20Web%20Services:alice@111122223333"
    assert otpauth_uri(SEED, "alice", ALICE) == f"otpauth://totp/{label}?secret={SEED}&issuer=Amazon%20Web%20Services"


def test_names_cannot_change_what_the_code_says() -> None:
    assert "secret=STOLEN" not in otpauth_uri(SEED, "a?secret=STOLEN&x", ALICE)


@pytest.mark.parametrize(("name", "begins"), [("qr.png", b"\x89PNG"), ("qr.PNG", b"\x89PNG"), ("qr.svg", b"<?xml")])
def test_a_picture_is_of_the_kind_that_its_name_says(name: str, begins: bytes) -> None:
    assert qr_image(URI, Path(name)).startswith(begins)
