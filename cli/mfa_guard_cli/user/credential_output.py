"""Print credentials: for an SDK, or for a shell."""

import json
import shlex
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

from mfa_guard_cli.user.credentials import Credentials
from mfa_guard_cli.user.session_environment import CONFLICTING, expiration_text

Shell: TypeAlias = Literal["sh", "fish", "powershell"]


def credential_process_json(credentials: Credentials) -> str:
    """Return what a credential_process prints.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
    """
    return json.dumps(
        {
            "Version": 1,
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "SessionToken": credentials.session_token,
            "Expiration": expiration_text(credentials),
        }
    )


def shell_lines(shell: Shell, variables: Mapping[str, str]) -> str:
    """Return lines for a shell to evaluate."""
    assign, unset = _SYNTAX[shell]
    return "\n".join(
        [*(unset.format(name) for name in CONFLICTING), *(assign(name, variables[name]) for name in variables)]
    )


def _sh(name: str, value: str) -> str:
    return f"export {name}={shlex.quote(value)}"


def _fish(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"set -gx {name} '{escaped}'"


def _powershell(name: str, value: str) -> str:
    escaped = value.replace("'", "''")
    return f"$Env:{name} = '{escaped}'"


_SYNTAX: Final[Mapping[Shell, tuple[Callable[[str, str], str], str]]] = {
    "sh": (_sh, "unset {}"),
    "fish": (_fish, "set -e {}"),
    "powershell": (_powershell, "Remove-Item Env:{} -ErrorAction SilentlyContinue"),
}
