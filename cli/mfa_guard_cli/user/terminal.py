"""The terminal of the user, whatever standard input and output are used for."""

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


class EndOfInput(WrongUse):
    """The terminal was closed, or the user typed the end of input."""

    def __init__(self) -> None:
        super().__init__("The input ended before it was complete; run the command again.")


class Terminal:
    """Prints text to a terminal and reads answers from it."""

    def __init__(self, reader: TextIO, writer: TextIO, environment: Mapping[str, str] = os.environ) -> None:
        self._reader = reader
        self._writer = writer
        self._environment = environment

    def show(self, text: str = "") -> None:
        """Print a line."""
        self._writer.write(f"{text}\n")
        self._writer.flush()

    def ask(self, question: str) -> str:
        """Return what the user types. The terminal shows it.

        Raises EndOfInput and KeyboardInterrupt.
        """
        self._writer.write(question)
        self._writer.flush()
        answer = self._reader.readline()
        if not answer:
            raise EndOfInput
        return answer.strip()

    @property
    def columns(self) -> int:
        """Return the number of columns."""
        try:
            return os.get_terminal_size(self._writer.fileno()).columns or _WIDTH
        except (OSError, io.UnsupportedOperation):
            return shutil.get_terminal_size((_WIDTH, 24)).columns

    @property
    def has_colors(self) -> bool:
        """Return whether the user wants escape sequences for colors; https://no-color.org."""
        return not self._environment.get("NO_COLOR") and self._environment.get("TERM") != "dumb"

    def can_show(self, text: str) -> bool:
        """Return whether the terminal has all characters of a text."""
        try:
            text.encode(self._writer.encoding or "utf-8")
        except UnicodeEncodeError:
            return False
        return True


class LazyTerminal:
    """The terminal of this process, opened when it is needed."""

    def __init__(self, hint: str) -> None:
        """Take the sentence that says what to do without a terminal."""
        self._terminal: Terminal | None = None
        self._hint = hint

    def open(self) -> Terminal:
        """Return the terminal.

        Raises WrongUse if there is none, as in cron, in CI or in an editor.
        """
        if self._terminal is None:
            try:
                # Open as long as the process.
                reader = open(_INPUT, errors="replace")  # noqa: PTH123, SIM115
                writer = open(_OUTPUT, "w", errors="replace")  # noqa: PTH123, SIM115
            except OSError as error:
                raise WrongUse(f"There is no terminal to ask for the code. {self._hint}") from error
            self._terminal = Terminal(reader, writer)
        return self._terminal

    def open_if_any(self) -> Terminal | None:
        """Return the terminal, or None if there is none."""
        try:
            return self.open()
        except WrongUse:
            return None

    def show(self, text: str) -> None:
        """Print a line to the terminal, or to standard error if there is none."""
        if terminal := self.open_if_any():
            terminal.show(text)
        else:
            sys.stderr.write(f"{text}\n")
