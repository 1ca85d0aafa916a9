"""`mfa-guard enroll`: give oneself a virtual MFA device, with nothing but the own access key."""

from pathlib import Path
from typing import Annotated

import typer

from mfa_guard_cli.common.options import Profile, Region


def enroll(
    *,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", help="Name of the device; by default your user name, or with a number.", show_default=False
        ),
    ] = None,
    qr: Annotated[bool, typer.Option("--qr/--no-qr", help="Show the QR code on the terminal.")] = True,
    show_secret: Annotated[
        bool, typer.Option("--show-secret", help="Show the secret at once; s at the prompt shows it too.")
    ] = False,
    save_qr: Annotated[
        Path | None, typer.Option("--save-qr", metavar="FILE", help="Save the QR code as .png or .svg, for you alone.")
    ] = None,
    save_secret: Annotated[
        Path | None, typer.Option("--save-secret", metavar="FILE", help="Save the secret, for you alone.")
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="NAME", help="Go on with a device of an earlier try that your app has."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you want another device.")] = False,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Enroll an authenticator app: make a virtual MFA device, show its QR code, and enable it with two codes.

    Works while the enforcement policy blocks you, with your access key alone. The secret is shown on the terminal only,
    and is written to no file unless you name one. Exit codes: 0 enrolled, 2 wrong use, 3 AWS said no, 130 interrupted.
    """
    # Half a second, which --help does not need.
    from mfa_guard_cli.common.aws_session import open_session
    from mfa_guard_cli.user.account import Account
    from mfa_guard_cli.user.enrollment import Wish, checked, enroll
    from mfa_guard_cli.user.terminal import LazyTerminal

    wish = checked(Wish(name, resume, qr, show_secret, save_qr, save_secret, another=yes))
    terminal = LazyTerminal(otherwise="Run mfa-guard enroll where you can answer.").opened()
    device = enroll(Account(open_session(profile, region)), wish, terminal)
    terminal.say(f"\nEnrolled: {device.serial}")
    terminal.say("Console: sign out, and in again with a code.")
    terminal.say("Command line: wait for a new code (these two are used up), then mfa-guard session -- COMMAND")
