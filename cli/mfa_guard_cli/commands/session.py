"""`mfa-guard session`: temporary credentials with MFA for the AWS CLI, the SDKs and any other program."""

from typing import Annotated

import typer

from mfa_guard_cli.common.options import Profile, Region
from mfa_guard_cli.user.credential_output import Shell


def session(
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[--] COMMAND", help="Run a command with the session: mfa-guard session -- COMMAND"),
    ] = None,
    *,
    export: Annotated[
        bool,
        typer.Option("--export", help='Print lines for a shell to evaluate: eval "$(mfa-guard session --export)"'),
    ] = False,
    shell: Annotated[Shell, typer.Option("--shell", help="Shell that --export prints lines for.")] = "sh",
    write_profile: Annotated[
        str | None,
        typer.Option(
            "--write-profile",
            metavar="NAME",
            help="Write the session to the shared credentials file as a profile, for aws --profile NAME.",
        ),
    ] = None,
    credential_process: Annotated[
        bool,
        typer.Option(
            "--credential-process",
            help="Print the JSON that AWS SDKs expect, for a credential_process setting in ~/.aws/config. Uses"
            " --profile, else the key in the environment, else the default profile, but never AWS_PROFILE.",
        ),
    ] = False,
    device: Annotated[
        str | None,
        typer.Option("--device", help="MFA device, by name or serial number. Needed if several devices make codes."),
    ] = None,
    token: Annotated[
        str | None, typer.Option("--token", metavar="CODE", help="The MFA code. - reads it from standard input.")
    ] = None,
    token_command: Annotated[
        str | None,
        typer.Option("--token-command", metavar="LINE", help="Shell command line that prints the MFA code."),
    ] = None,
    duration: Annotated[
        int | None,
        typer.Option("--duration", metavar="SECONDS", help="900 to 129600. Default: 43200, which is 12 hours."),
    ] = None,
    role_arn: Annotated[
        str | None, typer.Option("--role-arn", help="Assume this role with the session, for one hour at most.")
    ] = None,
    role_session_name: Annotated[
        str | None,
        typer.Option(
            "--role-session-name", help="Name of the role session. Default: your user name.", show_default=False
        ),
    ] = None,
    cache: Annotated[
        bool | None,
        typer.Option(
            "--cache/--no-cache",
            help="Keep the session in a private file until it ends. Default: only with --credential-process.",
            show_default=False,
        ),
    ] = None,
    renew: Annotated[bool, typer.Option("--renew", help="Get a new session even if the cache has one.")] = False,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Get a session with MFA.

    Passes the session to a command, a shell, a profile or an SDK: choose one of the options below. Finds your MFA
    device and asks for its code on the terminal. With COMMAND, the exit code is the command's.
    """
    from mfa_guard_cli.user.session import Destination, SessionOptions, provide_session

    provide_session(
        SessionOptions(
            profile=profile,
            region=region,
            device=device,
            token=token,
            token_command=token_command,
            duration=duration,
            role_arn=role_arn,
            role_session_name=role_session_name,
            cache=credential_process if cache is None else cache,
            renew=renew,
        ),
        Destination(
            command=command or (),
            shell=shell if export else None,  # nosec B604 # the name of a shell, not subprocess's flag
            profile=write_profile,
            credential_process=credential_process,
        ),
    )
