"""`mfa-guard-local demo`: the guard's story, told on the local account."""

import io
import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from mfa_guard_emulator.commands.local import NEEDED


def demo(
    *,
    brief: Annotated[bool, typer.Option("--brief", help="Leave the mails' texts out.")] = False,
    logs: Annotated[bool, typer.Option("--logs", help="Show what the functions print: logs and metrics.")] = False,
) -> None:
    """Tell the guard's story: real API calls to the stack in local accounts of its own.

    No account, no Docker, no network. Exit codes: 0 every step ended as the story says, 1 one did not, 2 the story
    could not begin.
    """
    if missing := [module for module in NEEDED if find_spec(module) is None]:
        typer.echo(f"The demo needs {', '.join(missing)}; run it from a checkout with: make demo", err=True)
        raise typer.Exit(2)
    # Only this command pays for moto, and the others must run without it.
    from mfa_guard_cli.stack.template import load_template
    from mfa_guard_emulator.aws.resources import AccountError
    from mfa_guard_emulator.demo.play import play
    from mfa_guard_emulator.demo.report import Reporter, new_console
    from mfa_guard_emulator.demo.scenarios import SCENARIOS

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        failed = play(SCENARIOS, load_template(), Reporter(new_console(), brief=brief, logs=logs))
    except AccountError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    if failed:
        raise typer.Exit(1)
