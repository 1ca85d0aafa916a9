"""`mfa-guard enroll`: enroll your own virtual MFA device with your access key."""

from pathlib import Path
from typing import Annotated

import typer

from mfa_guard_cli.common.options import Profile, Region


def enroll(
    *,
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            help="Name of the device. Default: your user name, with a number if that name is taken.",
            show_default=False,
        ),
    ] = None,
    qr: Annotated[bool, typer.Option("--qr/--no-qr", help="Show the QR code on the terminal.")] = True,
    show_secret: Annotated[
        bool, typer.Option("--show-secret", help="Show the secret at once. Typing s at the prompt shows it too.")
    ] = False,
    save_qr: Annotated[
        Path | None,
        typer.Option(
            "--save-qr", metavar="FILE", help="Save the QR code as a .png or .svg file that only you can read."
        ),
    ] = None,
    save_secret: Annotated[
        Path | None,
        typer.Option("--save-secret", metavar="FILE", help="Save the secret to a file that only you can read."),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume", metavar="NAME", help="Continue with a device that an earlier attempt created and your app has."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether to enroll another device.")] = False,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Enroll an authenticator app.

    Creates a virtual MFA device, shows its QR code, and enables the device with two codes from your app. Works while
    the enforcement policy applies to you, and needs only your access key. The secret appears on the terminal only; it
    is written to a file only if you name one. Exit code 130: interrupted.
    """
    from mfa_guard_cli.user.enrollment import EnrollmentOptions, enroll_caller

    options = EnrollmentOptions(name, resume, qr, show_secret, save_qr, save_secret, another=yes)
    enroll_caller(options, profile, region)
