"""`mfa-guard sweep`: request a sweep of the whole account."""

from typing import Annotated

import typer

from mfa_guard_cli.common.options import AsFormat, Yes, stack_command
from mfa_guard_cli.common.stack_location import StackLocation


@stack_command
def sweep(
    *,
    audit: Annotated[bool, typer.Option("--audit", help="Report only, also if the stack's Mode changes users.")] = (
        False
    ),
    location: StackLocation,
    output_format: AsFormat = "table",
    yes: Yes = False,
) -> None:
    """Request a sweep of the whole account.

    The sweep runs in AWS and sends a digest if there is news. Asks for confirmation if the sweep may change users: in
    Mode events those in scope, in Mode all every user, and with --audit none.
    """
    from mfa_guard_cli.admin.sweep import request_sweep

    request_sweep(location, output_format, audit=audit, yes=yes)
