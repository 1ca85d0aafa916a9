"""Temporary credentials, and what each kind of them may last.

https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.user.identity import Identity, Principal

SHORTEST: Final = 900
LONGEST: Final = 129_600
LONGEST_OF_ROOT: Final = 3_600
# A role assumed with temporary credentials is a chained one.
LONGEST_OF_ROLE: Final = 3_600
USUAL: Final = 43_200

_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]+")
_SESSION_NAME: Final = re.compile(r"[A-Za-z0-9_+=,.@-]{2,64}")


@dataclass(frozen=True)
class Credentials:
    """Temporary credentials; `expiration` is aware, in UTC."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expiration: datetime


@dataclass(frozen=True)
class Role:
    """A role to assume with the session. `session_name` None: the caller's name."""

    arn: str
    session_name: str | None = None


def checked_duration(seconds: int | None) -> int | None:
    """Return the duration that was asked for. Raises WrongUse outside of what GetSessionToken takes."""
    if seconds is not None and not SHORTEST <= seconds <= LONGEST:
        raise WrongUse(f"--duration takes {SHORTEST} to {LONGEST} seconds (15 minutes to 36 hours), not {seconds}.")
    return seconds


def session_duration(asked: int | None, caller: Identity) -> int:
    """Return how long the caller's session shall last. Raises WrongUse when it is too long for root."""
    if caller.principal is not Principal.ROOT:
        return asked or USUAL
    if asked and asked > LONGEST_OF_ROOT:
        raise WrongUse(f"A session of the root user lasts {LONGEST_OF_ROOT} seconds at most, not {asked}.")
    return asked or LONGEST_OF_ROOT


def checked_role(arn: str | None, session_name: str | None) -> Role | None:
    """Return the role that was asked for. Raises WrongUse when its ARN or the session's name cannot be one."""
    if arn is None:
        if session_name is not None:
            raise WrongUse("--role-session-name needs --role-arn.")
        return None
    if not _ROLE.fullmatch(arn):
        raise WrongUse("--role-arn takes a role's ARN, such as arn:aws:iam::111122223333:role/Deployer.")
    if session_name is not None and not _SESSION_NAME.fullmatch(session_name):
        raise WrongUse("--role-session-name takes 2 to 64 letters, digits and characters of _+=,.@- only.")
    return Role(arn, session_name)


def role_session_name(role: Role, caller: Identity) -> str:
    """Return the name of the role's session: the caller's, so that CloudTrail shows who it is."""
    name = role.session_name or caller.name
    return name if _SESSION_NAME.fullmatch(name) else f"{name}-mfa"
