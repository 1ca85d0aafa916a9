"""`mfa-guard-local env`: print the variables with which a shell calls the local account."""

import shlex
from typing import Annotated

import typer

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_emulator.commands.options import Port
from mfa_guard_emulator.console.client import KEYS, UNSET, endpoint, environment
from mfa_guard_emulator.endpoint import DEFAULT_PORT


def env(
    caller: Annotated[str, typer.Argument(help="administrator or root.")] = "administrator",
    *,
    port: Port = DEFAULT_PORT,
) -> None:
    """Print the variables that make a shell call the local account.

    Example: eval "$(mfa-guard-local env)"
    """
    if caller not in KEYS:
        raise WrongUse(
            f"There is no key for {caller!a}; use administrator or root. "
            "Create the key of another user with: aws iam create-access-key"
        )
    for name, value in environment(endpoint(port), caller).items():
        typer.echo(f"export {name}={shlex.quote(value)}")
    typer.echo(UNSET)
