"""`mfa-guard session`: MFA-authenticated temporary credentials for the CLI, the SDKs and any other program."""

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mfa_guard_cli.common.errors import WRONG_USE, WrongUse
from mfa_guard_cli.common.options import Profile, Region
from mfa_guard_cli.user.credential_output import Shell, credential_process, environment_with, export, variables

if TYPE_CHECKING:
    import boto3

    from mfa_guard_cli.user.credentials import Credentials
    from mfa_guard_cli.user.obtain_session import Wish

_WAYS_OUT: Final = """\
Say where the session shall go:
  mfa-guard session -- COMMAND           run one command with it
  eval "$(mfa-guard session --export)"   use it in this shell
  mfa-guard session --write-profile mfa  write it to the credentials file, then: aws --profile mfa ...
  credential_process = mfa-guard session --credential-process --profile PROFILE
                                         in a profile of ~/.aws/config: SDKs and CLI get it by themselves"""


def session(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[--] COMMAND", help="Run a command with the session.")
    ] = None,
    *,
    export_: Annotated[bool, typer.Option("--export", help="Print lines for a shell to evaluate.")] = False,
    shell: Annotated[Shell, typer.Option("--shell", help="Whose lines --export prints.")] = Shell.SH,
    write_profile: Annotated[
        str | None,
        typer.Option("--write-profile", metavar="NAME", help="Write it to the shared credentials file as a profile."),
    ] = None,
    process: Annotated[
        bool,
        typer.Option(
            "--credential-process",
            help="Print what a credential_process prints, and nothing else. Uses --profile; else the key in the"
            " environment, or the default profile; never AWS_PROFILE.",
        ),
    ] = False,
    device: Annotated[
        str | None, typer.Option("--device", help="MFA device, by serial number or name; needed where several fit.")
    ] = None,
    token: Annotated[
        str | None, typer.Option("--token", metavar="CODE", help="The code; - reads it from standard input.")
    ] = None,
    token_command: Annotated[
        str | None,
        typer.Option("--token-command", metavar="LINE", help="Shell command line that prints the code."),
    ] = None,
    duration: Annotated[
        int | None,
        typer.Option("--duration", metavar="SECONDS", help="900 to 129600; by default 43200, which is 12 hours."),
    ] = None,
    role_arn: Annotated[
        str | None, typer.Option("--role-arn", help="Assume a role with the session, for one hour at most.")
    ] = None,
    role_session_name: Annotated[
        str | None, typer.Option("--role-session-name", help="By default your user name.", show_default=False)
    ] = None,
    cache: Annotated[
        bool | None,
        typer.Option(
            "--cache/--no-cache",
            help="Keep the session in a private file until it ends. By default only for --credential-process.",
            show_default=False,
        ),
    ] = None,
    renew: Annotated[bool, typer.Option("--renew", help="Make a new session although the cache has one.")] = False,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Get a session that was made with MFA, and hand it to a command, a shell, a profile or an SDK.

    Finds your MFA device, and asks for its code on the terminal. Exit codes: 0 done, 2 wrong use, 3 AWS said no; with
    COMMAND, the command's own.
    """
    _need_one_way(bool(command), export_, write_profile is not None, process)
    if token is not None and token_command is not None:
        raise WrongUse("The code comes from --token or from --token-command, not from both.")
    # Half a second, which --help and wrong use do not need.
    from mfa_guard_cli.user.credential_source import open_source, refuse_as_target, whereabouts
    from mfa_guard_cli.user.credentials import checked_duration, checked_role
    from mfa_guard_cli.user.credentials_file import CredentialsFile, checked_name, credentials_path
    from mfa_guard_cli.user.obtain_session import Wish
    from mfa_guard_cli.user.run_command import find_command, run

    wish = Wish(device, checked_duration(duration), checked_role(role_arn, role_session_name), renew)
    # What can be refused is refused before a code is used up.
    if command:
        find_command(command[0])
    if write_profile is not None:
        CredentialsFile(credentials_path()).check(checked_name(write_profile))
    source = open_source(profile, region, inherit_profile=not process, environment=os.environ)
    if write_profile is not None:
        refuse_as_target(source, write_profile)
    credentials = _obtain(source, wish, token, token_command, cached=process if cache is None else cache)

    if process:
        sys.stdout.write(f"{credential_process(credentials)}\n")
        return
    if write_profile is not None:
        CredentialsFile(credentials_path()).write(write_profile, credentials)
        until = f"{credentials.expiration:%Y-%m-%d %H:%M:%S}"
        typer.echo(f"Profile {write_profile} in {credentials_path()} works until {until} UTC.")
        return
    environment = variables(credentials, whereabouts(source, region, os.environ))
    if export_:
        sys.stdout.write(f"{export(shell, environment)}\n")
    elif command:
        raise typer.Exit(run(command, environment_with(os.environ, environment)))


def _need_one_way(*ways: bool) -> None:
    if not any(ways):
        typer.echo(_WAYS_OUT, err=True)
        raise typer.Exit(WRONG_USE)
    if sum(ways) > 1:
        raise WrongUse("A session goes one way: --credential-process, --export, --write-profile, or to a command.")


def _obtain(
    source: "boto3.Session", wish: "Wish", token: str | None, token_command: str | None, *, cached: bool
) -> "Credentials":
    from mfa_guard_cli.user.account import Account
    from mfa_guard_cli.user.cache import Cache, cache_folder
    from mfa_guard_cli.user.codes import from_command, given, typed
    from mfa_guard_cli.user.credential_source import access_key_id
    from mfa_guard_cli.user.obtain_session import Surroundings, obtain
    from mfa_guard_cli.user.terminal import LazyTerminal

    terminal = LazyTerminal(otherwise="Give it with --token, or name a --token-command.")
    if token is not None:
        codes = given(token)
    elif token_command is not None:
        codes = from_command(token_command)
    else:
        codes = typed(terminal.opened)
    around = Surroundings(
        codes=codes,
        terminal=terminal.if_any,
        tell=terminal.tell,
        now=lambda: datetime.now(UTC),
        cache=Cache(cache_folder()) if cached else None,
    )
    return obtain(Account(source), access_key_id(source), wish, around)
