"""The sources of MFA codes. This program never computes a code, so that the second factor stays separate."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.common.output import printable
from mfa_guard_cli.user.terminal import Terminal

_CODE: Final = re.compile(r"[0-9]{6}")
_CODE_IN_TEXT: Final = re.compile(r"(?<!\w)[0-9]{6}(?!\w)")
# Seconds, since the user may have to touch a key or unlock a vault.
_PATIENCE: Final = 120.0
_ATTEMPTS: Final = 3


@dataclass(frozen=True)
class CodeSource:
    """Where codes come from. `read` returns a code of a device, by serial number.

    `can_retry`: after a refused code, `read` can return another one.
    """

    read: Callable[[str], str]
    can_retry: bool = False


def as_code(text: str) -> str | None:
    """Return the six digits of a text, which can be grouped as apps show them, or None."""
    digits = re.sub(r"[ \u00a0-]", "", text.strip())
    return digits if _CODE.fullmatch(digits) else None


def typed_code(open_terminal: Callable[[], Terminal]) -> CodeSource:
    """Return the source that asks the user. It opens the terminal when a code is needed."""

    def read(serial: str) -> str:
        terminal = open_terminal()
        for _ in range(_ATTEMPTS):
            answer = terminal.ask(f"MFA code of {printable(serial)}: ")
            if code := as_code(answer):
                return code
            terminal.show("A code has six digits.")
        raise WrongUse("You typed no code of six digits; run the command again.")

    return CodeSource(read, can_retry=True)


def code_from_option(text: str) -> CodeSource:
    """Return the source for the code in --token, or on standard input if it is `-`."""

    def read(_: str) -> str:
        if code := as_code(_read_line() if text == "-" else text):
            return code
        raise WrongUse(f"{'Standard input' if text == '-' else '--token'} must be a code of six digits.")

    return CodeSource(read)


def code_from_command(command: str, *, patience: float = _PATIENCE) -> CodeSource:
    """Return the source that runs a command and finds the only code in its output.

    The command is a line for the shell, as git's aliases are, so pipelines work. It comes from the user's own command
    line or configuration. It can read from the terminal, and its standard error is shown. No error message quotes its
    output.
    """

    def read(_: str) -> str:
        output = _run(command, patience)
        codes = {as_code(output)} - {None} or set(_CODE_IN_TEXT.findall(output))
        if len(codes) != 1:
            found = "no code" if not codes else f"{len(codes)} different codes"
            raise WrongUse(f"The --token-command printed {found} of six digits; it must print one.")
        return str(codes.pop())

    return CodeSource(read)


def _read_line() -> str:
    # Byte by byte, because the rest of standard input belongs to the command that gets the session.
    line = b""
    while (byte := os.read(sys.stdin.fileno(), 1)) not in (b"", b"\n"):
        line += byte
    return line.decode(errors="replace")


def _run(command: str, patience: float) -> str:
    try:
        keyboard = open("/dev/tty", "rb")  # noqa: SIM115, PTH123 - closed below; a vault can ask there
    except OSError:
        keyboard = None
    try:
        process = subprocess.Popen(  # noqa: S602  # nosec B602 - the user's own command, see code_from_command
            command, shell=True, stdin=keyboard or subprocess.DEVNULL, stdout=subprocess.PIPE
        )
    finally:
        if keyboard:
            keyboard.close()
    try:
        output, _ = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired as error:
        process.kill()
        # Do not wait for the end of the output: a child process of the command can hold the pipe open.
        if process.stdout:
            process.stdout.close()
        process.wait()
        raise WrongUse(
            f"The --token-command did not end within {patience:.0f} seconds; run it by itself to see why."
        ) from error
    if process.returncode:
        raise WrongUse(f"The --token-command ended with exit code {process.returncode}; run it by itself to see why.")
    return output.decode(errors="replace")
