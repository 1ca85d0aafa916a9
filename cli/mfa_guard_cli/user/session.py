"""Get a session and pass it to its destination: a command, a shell, a profile or an SDK."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.user.account import Account
from mfa_guard_cli.user.cache import Cache, cache_folder
from mfa_guard_cli.user.codes import CodeSource, code_from_command, code_from_option, typed_code
from mfa_guard_cli.user.credential_output import Shell, credential_process_json, shell_lines
from mfa_guard_cli.user.credential_source import access_key_id, check_target_profile, location_variables, open_source
from mfa_guard_cli.user.credentials import Credentials, checked_duration, checked_role
from mfa_guard_cli.user.credentials_file import CredentialsFile, checked_name, credentials_path
from mfa_guard_cli.user.obtain_session import SessionDependencies, SessionRequest, obtain
from mfa_guard_cli.user.run_command import find_command, run
from mfa_guard_cli.user.session_environment import command_environment, session_variables
from mfa_guard_cli.user.terminal import LazyTerminal

if TYPE_CHECKING:
    import boto3


@dataclass(frozen=True)
class SessionOptions:
    """The options about the session. `duration` is in seconds. `cache`: keep the session in the cache."""

    profile: str | None
    region: str | None
    device: str | None
    token: str | None
    token_command: str | None
    duration: int | None
    role_arn: str | None
    role_session_name: str | None
    cache: bool
    renew: bool


@dataclass(frozen=True)
class Destination:
    """Where the session goes. Exactly one field must be set.

    `shell`: print lines for this shell. `profile`: write this profile. `credential_process`: print JSON for an SDK.
    """

    command: Sequence[str] = ()
    shell: Shell | None = None
    profile: str | None = None
    credential_process: bool = False

    def check(self) -> None:
        """Raise WrongUse, or NoSuchCommand, for a destination that cannot get a session."""
        chosen = [bool(self.command), self.shell is not None, self.profile is not None, self.credential_process]
        if not any(chosen):
            raise WrongUse(
                "Choose where the session goes: -- COMMAND, --export, --write-profile NAME or --credential-process;"
                " mfa-guard session --help explains them."
            )
        if sum(chosen) > 1:
            raise WrongUse(
                "A session has one destination; give only one of -- COMMAND, --export, --write-profile and"
                " --credential-process."
            )
        if self.command:
            find_command(self.command[0])
        if self.profile is not None:
            CredentialsFile(credentials_path()).check(checked_name(self.profile))


def provide_session(options: SessionOptions, destination: Destination) -> None:
    """Get a session, and pass it to its destination. Exits with the command's exit code if there is a command.

    Checks everything that it can check before it uses a code. Raises ProgramError, and botocore's errors.
    """
    if options.token is not None and options.token_command is not None:
        raise WrongUse("Give --token or --token-command, but not both.")
    destination.check()
    role = checked_role(options.role_arn, options.role_session_name)
    request = SessionRequest(options.device, checked_duration(options.duration), role, options.renew)
    source = open_source(
        options.profile,
        options.region,
        inherit_profile=not destination.credential_process,
        environment=os.environ,
    )
    if destination.profile is not None:
        check_target_profile(source, destination.profile)
    credentials = _obtain(source, request, options)
    _deliver(credentials, destination, source, options.region)


def _obtain(source: "boto3.Session", request: SessionRequest, options: SessionOptions) -> Credentials:
    terminal = LazyTerminal(hint="Give the code with --token or --token-command.")
    dependencies = SessionDependencies(
        codes=_code_source(options, terminal),
        terminal=terminal.open_if_any,
        show=terminal.show,
        now=lambda: datetime.now(UTC),
        cache=Cache(cache_folder()) if options.cache else None,
    )
    return obtain(Account(source), access_key_id(source), request, dependencies)


def _code_source(options: SessionOptions, terminal: LazyTerminal) -> CodeSource:
    if options.token is not None:
        return code_from_option(options.token)
    if options.token_command is not None:
        return code_from_command(options.token_command)
    return typed_code(terminal.open)


def _deliver(credentials: Credentials, destination: Destination, source: "boto3.Session", region: str | None) -> None:
    if destination.credential_process:
        sys.stdout.write(f"{credential_process_json(credentials)}\n")
        return
    if destination.profile is not None:
        CredentialsFile(credentials_path()).write(destination.profile, credentials)
        until = f"{credentials.expiration:%Y-%m-%d %H:%M:%S}"
        typer.echo(f"Profile {destination.profile} in {credentials_path()} is valid until {until} UTC.")
        return
    variables = session_variables(credentials, location_variables(source, region, os.environ))
    if destination.shell is not None:
        sys.stdout.write(f"{shell_lines(destination.shell, variables)}\n")
        return
    raise typer.Exit(run(destination.command, command_environment(os.environ, variables)))
