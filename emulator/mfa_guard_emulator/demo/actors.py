"""Who acts in a scenario: people and programs, each with its own credentials, address and client."""

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from mfa_guard_emulator.aws.callers import Caller, Callers

_BROWSER: Final = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36"
)
_CLI: Final = "aws-cli/2.31.9 md/awscrt#0.27.6 ua/2.1 os/linux lang/python#3.13.7"
_BOTO3: Final = "Boto3/1.40.30 md/Botocore#1.40.30 ua/2.1 os/linux lang/python#3.13.7"


class _Kind(Enum):
    CONSOLE = auto()
    KEY = auto()
    ROLE = auto()
    ROOT = auto()


@dataclass(frozen=True)
class Actor:
    """A person or a program. `name` is a user's name or a role's ARN, `session` the name of the role session."""

    kind: _Kind
    name: str
    address: str
    user_agent: str
    session: str = ""
    mfa: bool = False
    from_console: bool = False

    def caller(self, callers: Callers) -> Caller:
        """Return the identity in AWS; raises CredentialsRefused or KeyError when there is no such role or user."""
        if self.kind is _Kind.ROLE:
            found = callers.role_session(self.name, self.session)
        elif self.kind is _Kind.ROOT:
            found = callers.root_session(mfa=self.mfa, from_console=True)
        elif self.kind is _Kind.KEY:
            found = callers.key_caller(self.name)
        else:
            found = callers.user_session(self.name, mfa=self.mfa, from_console=True)
        return replace(found, from_console=self.from_console, address=self.address, user_agent=self.user_agent)


def console_user(name: str, *, mfa: bool, address: str) -> Actor:
    """Return an IAM user who signed in to the console."""
    return Actor(_Kind.CONSOLE, name, address, _BROWSER, mfa=mfa, from_console=True)


def key_user(name: str, *, address: str) -> Actor:
    """Return a program that uses a long-term access key of an IAM user."""
    return Actor(_Kind.KEY, name, address, _CLI)


def role_session(role_arn: str, session: str, *, from_console: bool, address: str) -> Actor:
    """Return a session of an assumed role."""
    agent = _BROWSER if from_console else _BOTO3
    return Actor(_Kind.ROLE, role_arn, address, agent, session=session, from_console=from_console)


def root_user(*, address: str) -> Actor:
    """Return the root user in the console."""
    return Actor(_Kind.ROOT, "root", address, _BROWSER, from_console=True)
