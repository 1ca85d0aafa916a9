"""What a row of the request table is: a caller with credentials, a request, and the decision that must result."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

from mfa_guard.core.partitions import PARTITIONS
from mfa_guard_cli.policy.evaluator import Decision, Policy, Request

Switch = Literal["yes", "no"]

ACCOUNT: Final = "111122223333"
OTHER_ACCOUNT: Final = "444455556666"
HOME_REGIONS: Final[Mapping[str, str]] = {each.name: each.home_region for each in PARTITIONS}
SWITCHES: Final[tuple[Switch, ...]] = ("yes", "no")


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where a stack is deployed, and the two parameters that change its enforcement policy.

    Attributes:
        partition: the partition of the stack.
        passwords: the parameter AllowPasswordChangeWithoutMfa.
        keys: the parameter AllowEnrollmentWithAccessKeys.
    """

    partition: str
    passwords: Switch
    keys: Switch

    def parameters(self) -> dict[str, str]:
        """Return the template's parameters that change the policy."""
        return {"AllowPasswordChangeWithoutMfa": self.passwords, "AllowEnrollmentWithAccessKeys": self.keys}

    def __str__(self) -> str:
        return f"{self.partition}-passwords-{self.passwords}-keys-{self.keys}"


DEPLOYMENTS: Final = tuple(
    Deployment(partition, passwords, keys) for partition, passwords, keys in product(HOME_REGIONS, SWITCHES, SWITCHES)
)


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller.

    Attributes:
        name: the user name; None for a role session, which has none.
        grants: the other policies of the caller.
        enforced: whether the enforcement policy is one of the caller's policies.
    """

    name: str | None
    grants: tuple[Policy, ...] = ()
    enforced: bool = True


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials that the caller signs the request with.

    Attributes:
        name: a short description.
        signed_in_with_mfa: the value of aws:MultiFactorAuthPresent; None if the request does not have that key.
        forwarded: whether an AWS service makes the request with the caller's identity (aws:ViaAWSService).
        through_mcp: whether one of AWS's MCP servers makes the request with the caller's identity
            (aws:ViaAWSMCPService).
    """

    name: str
    signed_in_with_mfa: Literal["true", "false"] | None
    forwarded: bool = False
    through_mcp: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One request, and the decision that the caller's policies must make about it.

    Attributes:
        resource: an ARN with {partition}, {region} and {account} in it, or `*`.
        why: the reason, as a phrase.
        passwords: the value of AllowPasswordChangeWithoutMfa that the row is for; None for both.
        keys: the value of AllowEnrollmentWithAccessKeys that the row is for; None for both.
        partition: the partition that the row is for; None for all.
    """

    caller: Caller
    credentials: Credentials
    action: str
    resource: str
    expected: Decision
    why: str
    passwords: Switch | None = None
    keys: Switch | None = None
    partition: str | None = None

    def holds_in(self, deployment: Deployment) -> bool:
        """Return whether the row is for a deployment."""
        return (
            self.passwords in {None, deployment.passwords}
            and self.keys in {None, deployment.keys}
            and self.partition in {None, deployment.partition}
        )

    def request(self, deployment: Deployment) -> Request:
        """Return the request in the account of a deployment."""
        context = {"aws:ViaAWSService": str(self.credentials.forwarded).lower()}
        if self.caller.name is not None:
            context["aws:username"] = self.caller.name
        if self.credentials.signed_in_with_mfa is not None:
            context["aws:MultiFactorAuthPresent"] = self.credentials.signed_in_with_mfa
        if self.credentials.through_mcp:
            # AWS documents the key for requests of MCP servers only.
            context["aws:ViaAWSMCPService"] = "true"
        region = HOME_REGIONS[deployment.partition]
        resource = self.resource.format(partition=deployment.partition, region=region, account=ACCOUNT)
        return Request(self.action, resource, context)

    def policies(self, enforcement_policy: Policy) -> tuple[Policy, ...]:
        """Return the caller's policies, given the enforcement policy."""
        return (*self.caller.grants, enforcement_policy) if self.caller.enforced else self.caller.grants

    def __str__(self) -> str:
        switches = [f"{name}={value}" for name, value in (("passwords", self.passwords), ("keys", self.keys)) if value]
        about = [*switches, *([self.partition] if self.partition else [])]
        request = f"{self.caller.name or 'role'}, {self.credentials.name}: {self.action} {self.resource}"
        return f"{self.why} [{' '.join([request, *about])}]"
