"""Run a command with a session, as if the user had run it directly."""

import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Final

from mfa_guard_cli.common.errors import ProgramError
from mfa_guard_cli.common.output import printable

# https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_08_02
_NOT_FOUND: Final = 127
_NOT_EXECUTABLE: Final = 126
_BY_SIGNAL: Final = 128
# A terminal sends these to the command too, and the command decides what they mean.
_SHARED: Final = ("SIGINT", "SIGQUIT")
_FORWARDED: Final = ("SIGTERM", "SIGHUP")


class NoSuchCommand(ProgramError):
    """The command does not exist."""

    exit_code = _NOT_FOUND


class NotExecutable(ProgramError):
    """The command cannot be run."""

    exit_code = _NOT_EXECUTABLE


def find_command(name: str) -> str:
    """Return the path of a command. Raises NoSuchCommand."""
    if found := shutil.which(name):
        return found
    raise NoSuchCommand(f"The command {printable(name)} was not found; check its name and PATH.")


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Return the exit code of a command, or 128 plus the signal's number if a signal ended it. Raises NotExecutable."""
    executable = find_command(command[0])
    running: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def forward(number: int, _: FrameType | None) -> None:
        if not running:
            early.append(number)
        for process in running:
            process.send_signal(number)

    def leave(_: int, __: FrameType | None) -> None:
        """Do nothing. This is a handler because a child process would inherit an ignored signal."""

    for names, handler in ((_SHARED, leave), (_FORWARDED, forward)):
        for name in names:
            number = getattr(signal, name, None)
            # The command inherits what is ignored already, as by nohup.
            if number and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, handler)
    try:
        process = subprocess.Popen(  # noqa: S603 - the user asks to run it
            command, executable=executable, env=environment
        )
    except OSError as error:
        raise NotExecutable(f"{printable(command[0])} cannot be run: {error.strerror or error}.") from error
    running.append(process)
    for number in early:
        process.send_signal(number)
    code = process.wait()
    return _BY_SIGNAL - code if code < 0 else code
