"""`mfa-guard-local sweep`: run the sweep's schedule now."""

import typer

from mfa_guard_emulator.commands.options import Port
from mfa_guard_emulator.console.client import post
from mfa_guard_emulator.endpoint import DEFAULT_PORT


def sweep(*, port: Port = DEFAULT_PORT) -> None:
    """Run the sweep's schedule now.

    It needs a local account that runs.
    """
    post(port, "sweep", {})
    typer.echo("The schedule invoked SweepFunction. If the sweep finds news, it sends a digest.")
