"""Where the six digits come from. This program never computes them: the second factor stays a second one."""

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
# Seconds: somebody may have to touch a key or to unlock a vault.
_PATIENCE: Final = 120.0
_TRIES: Final = 3


@dataclass(frozen=True)
class CodeSource:
    """Gives a code of a device, by its serial number; `again` when a refused code is worth asking for another."""

    take: Callable[[str], str]
    again: bool = False


def as_code(text: str) -> str | None:
    """Return the six digits of a text, which may be grouped as apps show them; None when it is something else."""
    digits = re.sub(r"[ \u00a0-]", "", text.strip())
    return digits if _CODE.fullmatch(digits) else None


def typed(terminal: Callable[[], Terminal]) -> CodeSource:
    """Return the source that asks a person; the terminal is opened when a code is needed."""

    def take(serial: str) -> str:
        opened = terminal()
        for _ in range(_TRIES):
            answer = opened.ask(f"MFA code of {printable(serial)}: ")
            if code := as_code(answer):
                return code
            opened.say("A code has six digits.")
        raise WrongUse("No code of six digits was typed.")

    return CodeSource(take, again=True)


def given(text: str) -> CodeSource:
    """Return the source for a code on the command line, or on standard input where it is `-`."""

    def take(_: str) -> str:
        if code := as_code(_line_of_input() if text == "-" else text):
            return code
        raise WrongUse(f"{'Standard input' if text == '-' else '--token'} is no code of six digits.")

    return CodeSource(take)


def from_command(command: str, *, patience: float = _PATIENCE) -> CodeSource:
    """Return the source that runs a command and finds the one code in what it prints.

    The command is a line for the shell, as with git's aliases, so pipelines work; it comes from the user's own command
    line or configuration. It reads from the terminal, and its standard error is shown. What it printed never gets into
    an error.
    """

    def take(_: str) -> str:
        output = _run(command, patience)
        codes = {as_code(output)} - {None} or set(_CODE_IN_TEXT.findall(output))
        if len(codes) != 1:
            found = "no code" if not codes else f"{len(codes)} different codes"
            raise WrongUse(f"The --token-command printed {found} of six digits; it must print one.")
        return str(codes.pop())

    return CodeSource(take)


def _line_of_input() -> str:
    # Byte by byte: what follows belongs to the command that gets the session.
    line = b""
    while (byte := os.read(sys.stdin.fileno(), 1)) not in (b"", b"\n"):
        line += byte
    return line.decode(errors="replace")


def _run(command: str, patience: float) -> str:
    try:
        keyboard = open("/dev/tty", "rb")  # noqa: SIM115, PTH123 - closed below; a vault may ask there
    except OSError:
        keyboard = None
    try:
        process = subprocess.Popen(  # noqa: S602  # nosec B602 - the user's own command, see from_command
            command, shell=True, stdin=keyboard or subprocess.DEVNULL, stdout=subprocess.PIPE
        )
    finally:
        if keyboard:
            keyboard.close()
    try:
        output, _ = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired as error:
        process.kill()
        # The end of its output is not waited for: what it started may hold the pipe open.
        if process.stdout:
            process.stdout.close()
        process.wait()
        raise WrongUse(f"The --token-command did not end within {patience:.0f} seconds.") from error
    if process.returncode:
        raise WrongUse(f"The --token-command ended with exit code {process.returncode}.")
    return output.decode(errors="replace")
