"""The caller's identity, read from the ARN that sts:GetCallerIdentity returns.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns
    arn:aws:iam::ACCOUNT:root
    arn:aws:iam::ACCOUNT:user/PATH/NAME
    arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION
    arn:aws:sts::ACCOUNT:federated-user/NAME
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mfa_guard.core.mail.console_urls import console_url, sign_in_url


class Principal(StrEnum):
    """The kind of principal that calls."""

    USER = "IAM user"
    ROOT = "root user"
    ROLE = "role"
    FEDERATED = "federated user"
    OTHER = "unknown"


_PRINCIPALS: Final[Mapping[str, Principal]] = {
    "user": Principal.USER,
    "root": Principal.ROOT,
    "assumed-role": Principal.ROLE,
    "federated-user": Principal.FEDERATED,
}


@dataclass(frozen=True)
class Identity:
    """The caller. `name` is the user's name without path, the role's name, or `root`."""

    principal: Principal
    name: str
    arn: str
    account: str
    partition: str

    @property
    def security_page(self) -> str:
        """Return the console page with the user's own MFA devices."""
        return console_url(self.partition, "iam/home#/security_credentials")

    @property
    def sign_in_page(self) -> str:
        """Return the page where the account's users sign in."""
        return sign_in_url(self.partition, self.account)


def identity(arn: str) -> Identity:
    """Return the identity of an ARN. An ARN of an unknown kind has the principal OTHER."""
    _, partition, _, _, account, resource = (arn.split(":", 5) + [""] * 6)[:6]
    kind, _, rest = resource.partition("/")
    principal = _PRINCIPALS.get(kind, Principal.OTHER)
    name = rest.partition("/")[0] if principal is Principal.ROLE else rest.rpartition("/")[2]
    return Identity(principal, name or kind, arn, account, partition or "aws")
