"""The terminal of the process, or none."""

import subprocess
import sys

_ASK = """
from mfa_guard_cli.user.terminal import LazyTerminal
terminal = LazyTerminal("Do something else.")
print(terminal.open_if_any())
terminal.show("shown")
terminal.open()
"""


def test_without_a_terminal_lines_go_to_standard_error_and_questions_are_wrong_use() -> None:
    code = f"import sys; sys.path = {sys.path!r}; {_ASK}"
    # A session of its own has no controlling terminal, even at a desk.
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, start_new_session=True, check=False
    )
    assert ran.stdout == "None\n"
    assert ran.stderr.startswith("shown\n")
    assert "WrongUse: There is no terminal to ask for the code. Do something else." in ran.stderr
