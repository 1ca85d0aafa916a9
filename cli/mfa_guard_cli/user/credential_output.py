"""How credentials leave: for an SDK, for a shell, for a command."""

import json
import shlex
from collections.abc import Callable, Mapping
from datetime import UTC
from enum import StrEnum
from typing import Final

from mfa_guard_cli.user.credentials import Credentials
from mfa_guard_cli.user.recursion import MARK

# What would be preferred to, or mixed up with, the three variables. AWS_SECURITY_TOKEN is an old name of
# AWS_SESSION_TOKEN, and botocore prefers it.
_IN_THE_WAY: Final = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SECURITY_TOKEN")


class Shell(StrEnum):
    """A family of shells."""

    SH = "sh"
    FISH = "fish"
    POWERSHELL = "powershell"


def credential_process(credentials: Credentials) -> str:
    """Return what a credential_process prints.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
    """
    return json.dumps(
        {
            "Version": 1,
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "SessionToken": credentials.session_token,
            "Expiration": _expiration(credentials),
        }
    )


def variables(credentials: Credentials, whereabouts: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment variables of a session, and those that say where it is used."""
    return {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
        "AWS_CREDENTIAL_EXPIRATION": _expiration(credentials),
        **whereabouts,
    }


def environment_with(given: Mapping[str, str], set_: Mapping[str, str]) -> Mapping[str, str]:
    """Return an environment for a command: without profiles, with the session's variables."""
    left_out = (*_IN_THE_WAY, MARK)
    return {name: value for name, value in given.items() if name not in left_out} | dict(set_)


def export(shell: Shell, set_: Mapping[str, str]) -> str:
    """Return lines for a shell to evaluate."""
    line, unset = _LINES[shell]
    return "\n".join([*(unset.format(name) for name in _IN_THE_WAY), *(line(name, set_[name]) for name in set_)])


def _sh(name: str, value: str) -> str:
    return f"export {name}={shlex.quote(value)}"


def _fish(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"set -gx {name} '{escaped}'"


def _powershell(name: str, value: str) -> str:
    escaped = value.replace("'", "''")
    return f"$Env:{name} = '{escaped}'"


_LINES: Final[Mapping[Shell, tuple[Callable[[str, str], str], str]]] = {
    Shell.SH: (_sh, "unset {}"),
    Shell.FISH: (_fish, "set -e {}"),
    Shell.POWERSHELL: (_powershell, "Remove-Item Env:{} -ErrorAction SilentlyContinue"),
}


def _expiration(credentials: Credentials) -> str:
    return credentials.expiration.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
