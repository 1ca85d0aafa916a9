"""`mfa-guard-local demo`: play the demo's scenarios in local accounts."""

from pathlib import Path
from typing import Annotated, Final

import typer

# Written into the current folder.
_PAGE: Final = Path("demo.html")


def demo(
    *,
    full: Annotated[
        bool, typer.Option("--full", help="Print the events, the users, the mails and the metrics of every step.")
    ] = False,
    logs: Annotated[
        bool, typer.Option("--logs", help="Also print the output of the functions; implies --full.")
    ] = False,
) -> None:
    """Play 35 steps against the stack, in local accounts.

    The steps are real API calls, and the accounts end with the demo. It prints what the guard decides in each step,
    and writes demo.html into the current folder. It needs no AWS account, no Docker and no network.

    Exit codes: 0 every step ended as expected, 1 a step did not, 2 the demo could not start.
    """
    # A command imports what it needs when it is called, because moto takes half a second.
    from mfa_guard_cli.common.errors import WrongUse
    from mfa_guard_cli.common.page_file import check_page_file, write_page
    from mfa_guard_cli.stack.template import load_template
    from mfa_guard_emulator.aws.resources import AccountError
    from mfa_guard_emulator.console.terminal import new_console
    from mfa_guard_emulator.demo.full_report import FullReporter
    from mfa_guard_emulator.demo.page import GENERATOR, page
    from mfa_guard_emulator.demo.play import play
    from mfa_guard_emulator.demo.scenarios import SCENARIOS
    from mfa_guard_emulator.demo.summary_report import SummaryReporter
    from mfa_guard_emulator.functions.runtime import NotBuilt

    check_page_file(_PAGE, GENERATOR)
    console = new_console()
    reporter = FullReporter(console, logs=logs) if full or logs else SummaryReporter(console)
    try:
        played = play(SCENARIOS, load_template(), reporter)
    except (AccountError, NotBuilt) as error:
        raise WrongUse(str(error)) from error
    write_page(_PAGE, page(played), GENERATOR)
    typer.echo(f"For the steps, the users and the mails, open {_PAGE}")
    if played.failed:
        raise typer.Exit(1)
