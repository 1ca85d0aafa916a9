"""`mfa-guard-local sign-in`: sign a user in to the console."""

from typing import Annotated

import typer

from mfa_guard_emulator.commands.options import Port
from mfa_guard_emulator.console.client import post
from mfa_guard_emulator.endpoint import DEFAULT_PORT


def sign_in(
    user: Annotated[str, typer.Argument(help="root, or the name of an IAM user.")] = "root",
    *,
    mfa: Annotated[bool, typer.Option("--mfa", help="Sign in with an MFA code.")] = False,
    port: Port = DEFAULT_PORT,
) -> None:
    """Sign root or a user in to the console.

    It needs a local account that runs.
    """
    post(port, "sign-in", {"user": "" if user == "root" else user, "mfa": mfa})
    typer.echo(f"{user} signed in {'with' if mfa else 'without'} MFA.")
