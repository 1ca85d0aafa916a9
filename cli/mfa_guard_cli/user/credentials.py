"""Temporary credentials, and how long each kind of them can last.

https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from mfa_guard.core.cloudtrail import NAME_CHARACTER
from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.user.identity import Identity, Principal

# Seconds.
MINIMUM: Final = 900
MAXIMUM: Final = 129_600
MAXIMUM_OF_ROOT: Final = 3_600
# A role that is assumed with temporary credentials is role chaining.
MAXIMUM_OF_ROLE: Final = 3_600
DEFAULT: Final = 43_200

_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]+")
_SESSION_NAME: Final = re.compile(NAME_CHARACTER + "{2,64}")


@dataclass(frozen=True)
class Credentials:
    """Temporary credentials. `expiration` is in UTC, with a time zone."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expiration: datetime


@dataclass(frozen=True)
class Role:
    """A role to assume with the session. Without `session_name`, the session has the caller's name."""

    arn: str
    session_name: str | None = None


def checked_duration(seconds: int | None) -> int | None:
    """Return the requested duration. Raises WrongUse if GetSessionToken does not accept it."""
    if seconds is not None and not MINIMUM <= seconds <= MAXIMUM:
        raise WrongUse(
            f"--duration must be from {MINIMUM} to {MAXIMUM} seconds (15 minutes to 36 hours), but it is {seconds}."
        )
    return seconds


def session_duration(requested: int | None, caller: Identity) -> int:
    """Return how long the caller's session lasts. Raises WrongUse if that is too long for the root user."""
    if caller.principal is not Principal.ROOT:
        return requested or DEFAULT
    if requested and requested > MAXIMUM_OF_ROOT:
        raise WrongUse(f"A session of the root user can last {MAXIMUM_OF_ROOT} seconds at most, not {requested}.")
    return requested or MAXIMUM_OF_ROOT


def checked_role(arn: str | None, session_name: str | None) -> Role | None:
    """Return the requested role. Raises WrongUse if STS would refuse its ARN or the name of its session."""
    if arn is None:
        if session_name is not None:
            raise WrongUse("--role-session-name needs --role-arn.")
        return None
    if not _ROLE.fullmatch(arn):
        raise WrongUse("--role-arn must be the ARN of a role, such as arn:aws:iam::111122223333:role/Deployer.")
    if session_name is not None and not _SESSION_NAME.fullmatch(session_name):
        raise WrongUse("--role-session-name must have 2 to 64 letters, digits and characters of _+=,.@-.")
    return Role(arn, session_name)


def role_session_name(role: Role, caller: Identity) -> str:
    """Return the name of the role's session. The default is the caller's name, so that CloudTrail shows the caller."""
    name = role.session_name or caller.name
    return name if _SESSION_NAME.fullmatch(name) else f"{name}-mfa"
