"""The terminal at which a person sits, whatever standard input and output are used for."""

import io
import os
import shutil
import sys
from collections.abc import Mapping
from typing import Final, TextIO

from mfa_guard_cli.common.errors import WrongUse

_INPUT: Final = "CONIN$" if sys.platform == "win32" else "/dev/tty"
_OUTPUT: Final = "CONOUT$" if sys.platform == "win32" else "/dev/tty"
_WIDTH: Final = 80


class Hangup(WrongUse):
    """Nobody answers any more: end of input."""

    def __init__(self) -> None:
        super().__init__("Nobody answered.")


class Terminal:
    """Says and asks something on a terminal."""

    def __init__(self, reader: TextIO, writer: TextIO, environment: Mapping[str, str] = os.environ) -> None:
        self._reader = reader
        self._writer = writer
        self._environment = environment

    def say(self, text: str = "") -> None:
        """Print a line."""
        self._writer.write(f"{text}\n")
        self._writer.flush()

    def ask(self, question: str) -> str:
        """Return what a person types, which is shown as it is typed.

        Raises Hangup at the end of input, and KeyboardInterrupt.
        """
        self._writer.write(question)
        self._writer.flush()
        answer = self._reader.readline()
        if not answer:
            raise Hangup
        return answer.strip()

    @property
    def columns(self) -> int:
        """How many columns it has."""
        try:
            return os.get_terminal_size(self._writer.fileno()).columns or _WIDTH
        except (OSError, io.UnsupportedOperation):
            return shutil.get_terminal_size((_WIDTH, 24)).columns

    @property
    def coloured(self) -> bool:
        """Whether escape sequences for colours are wanted; https://no-color.org."""
        return not self._environment.get("NO_COLOR") and self._environment.get("TERM") != "dumb"

    def can_show(self, text: str) -> bool:
        """Tell whether it has the characters of a text."""
        try:
            text.encode(self._writer.encoding or "utf-8")
        except UnicodeEncodeError:
            return False
        return True


class LazyTerminal:
    """The terminal of this process, opened when somebody is to be asked."""

    def __init__(self, otherwise: str) -> None:
        """Take the sentence that says what to do where there is no terminal."""
        self._opened: Terminal | None = None
        self._otherwise = otherwise

    def opened(self) -> Terminal:
        """Return the terminal.

        Raises WrongUse where there is none: in cron, in CI, in an editor.
        """
        if self._opened is None:
            try:
                # Open as long as the process.
                reader = open(_INPUT, errors="replace")  # noqa: PTH123, SIM115
                writer = open(_OUTPUT, "w", errors="replace")  # noqa: PTH123, SIM115
            except OSError as error:
                raise WrongUse(f"There is no terminal here to ask for the code. {self._otherwise}") from error
            self._opened = Terminal(reader, writer)
        return self._opened

    def if_any(self) -> Terminal | None:
        """Return the terminal, or None where there is none."""
        try:
            return self.opened()
        except WrongUse:
            return None

    def tell(self, text: str) -> None:
        """Tell a person something: on the terminal, else on standard error."""
        if terminal := self.if_any():
            terminal.say(text)
        else:
            sys.stderr.write(f"{text}\n")
