"""A command that runs with a session."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mfa_guard_cli.user.run_command import NoSuchCommand, NotExecutable, find_command, run

_ALONE = (
    "import sys; from mfa_guard_cli.user.run_command import run; sys.exit(run(sys.argv[1:], {'PATH': '/bin:/usr/bin'}))"
)


def start(*command: str) -> subprocess.Popen[bytes]:
    """Run a command in a process of its own, which is what gets the signals."""
    path = os.pathsep.join(each for each in sys.path if each)
    return subprocess.Popen(
        [sys.executable, "-c", _ALONE, *command], env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE
    )


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_its_exit_code_is_returned(code: int) -> None:
    with start("sh", "-c", f"exit {code}") as process:
        assert process.wait() == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_the_end_by_a_signal_is_128_and_its_number(number: signal.Signals) -> None:
    with start("sh", "-c", f"kill -{number} $$; sleep 5") as process:
        assert process.wait() == 128 + number


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_passed_on(number: signal.Signals) -> None:
    with start("sh", "-c", "trap 'exit 9' TERM HUP; echo ready; while :; do sleep 0.1; done") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.wait(10) == 9


def test_an_interrupt_of_the_terminal_is_the_commands_to_decide() -> None:
    with start("sh", "-c", "trap 'echo stopping' INT; echo ready; sleep 0.5; exit 3") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 3


def test_the_command_does_not_inherit_that_signals_are_ignored() -> None:
    with start("sh", "-c", "kill -INT $$; echo survived") as process:
        assert process.wait() == 128 + signal.SIGINT


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_what_nohup_or_a_shell_ignores_stays_ignored(number: signal.Signals) -> None:
    ignored = signal.signal(number, signal.SIG_IGN)
    try:
        process = start("sh", "-c", f"kill -{number.value} $$; echo survived")
    finally:
        signal.signal(number, ignored)
    assert process.communicate()[0] == b"survived\n"


def test_it_gets_the_environment_and_nothing_else() -> None:
    with start("env") as process:
        out, _ = process.communicate()
    assert [line for line in out.decode().split() if not line.startswith(("PATH", "LC_CTYPE"))] == []


def test_a_command_that_is_not_there_is_127_as_in_a_shell() -> None:
    with pytest.raises(NoSuchCommand, match="nowhere was not found") as refused:
        find_command("nowhere")
    assert refused.value.exit_code == 127


def test_it_runs_in_this_process_too() -> None:
    previous = [(number, signal.getsignal(number)) for number in (1, 2, 3, 15)]
    try:
        assert run(["sh", "-c", "exit 5"], {"PATH": "/bin:/usr/bin"}) == 5
        assert run(["sh", "-c", "kill -TERM $$"], {"PATH": "/bin:/usr/bin"}) == 128 + signal.SIGTERM
    finally:
        for number, handler in previous:
            signal.signal(number, handler)


def test_a_command_that_cannot_be_run_is_126(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    previous = [(number, signal.getsignal(number)) for number in (1, 2, 3, 15)]
    try:
        with pytest.raises(NotExecutable) as refused:
            run([str(broken)], {})
    finally:
        for number, handler in previous:
            signal.signal(number, handler)
    assert refused.value.exit_code == 126
