"""`mfa-guard start`: end an emergency stop."""

from typing import Annotated

import typer

from mfa_guard_cli.common.options import AsFormat, Yes, stack_command
from mfa_guard_cli.common.stack_location import StackLocation


@stack_command
def start(
    *,
    enable_all: Annotated[
        bool, typer.Option("--all", help="Enable all that is disabled, also what mfa-guard stop did not disable.")
    ] = False,
    location: StackLocation,
    output_format: AsFormat = "table",
    yes: Yes = False,
) -> None:
    """Start the guard again after a stop.

    Enables what mfa-guard stop disabled, and reports the events that the guard missed. Exit code 1: something is
    disabled that mfa-guard stop did not disable.
    """
    from mfa_guard_cli.admin.emergency_stop import start_guard

    start_guard(location, output_format, enable_all=enable_all, yes=yes)
