"""What a user can do now, by IAM's own simulation of his policies.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.core.sanitize import sanitize

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_iam.type_defs import ContextEntryTypeDef, EvaluationResultTypeDef

_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException"})

# How somebody may come. A long-term access key does not carry the key at all, which is another thing than "false".
CONTEXTS: Final[Mapping[str, str | None]] = {"access_key": None, "console_without_mfa": "false", "with_mfa": "true"}

# Telling ones: what everybody else's rights give, and what the enforcement policy leaves open or closes.
_ANYWHERE: Final = "*"
_ONESELF: Final = "himself"
_DEVICE: Final = "a device"
_PROBES: Final[Mapping[str, tuple[str, ...]]] = {
    _ANYWHERE: ("s3:ListAllMyBuckets", "ec2:DescribeInstances", "iam:ListUsers", "sts:GetSessionToken"),
    _ONESELF: ("iam:GetUser", "iam:ChangePassword", "iam:EnableMFADevice", "iam:DeactivateMFADevice"),
    _DEVICE: ("iam:CreateVirtualMFADevice",),
}


@dataclass(frozen=True)
class Simulated:
    """One action, and by the names of CONTEXTS what IAM says to it."""

    action: str
    answers: Mapping[str, str]


@dataclass(frozen=True)
class Unavailable:
    """IAM did not simulate; one sentence."""

    reason: str


def simulate(client: "IAMClient", name: str, path: str, account: str, partition: str) -> list[Simulated] | Unavailable:
    """Return what the user may do now with an access key, in a console session without MFA, and with MFA."""
    arn = f"arn:{partition}:iam::{account}:user{path}{name}"
    resources = {_ANYWHERE: "*", _ONESELF: arn, _DEVICE: f"arn:{partition}:iam::{account}:mfa/{name}"}
    answers: dict[str, dict[str, str]] = {}
    try:
        for context, mfa in CONTEXTS.items():
            for target, actions in _PROBES.items():
                for action, answer in _ask(client, arn, actions, resources[target], _entries(name, mfa)).items():
                    answers.setdefault(action, {})[context] = answer
    except ClientError as error:
        return Unavailable(_reason(error))
    except BotoCoreError as error:
        return Unavailable(f"IAM's simulation cannot be reached: {error}")
    return [Simulated(action, by_context) for action, by_context in answers.items()]


def _entries(name: str, mfa: str | None) -> "list[ContextEntryTypeDef]":
    given = {"aws:username": ("string", name), "aws:ViaAWSService": ("boolean", "false")}
    if mfa is not None:
        given["aws:MultiFactorAuthPresent"] = ("boolean", mfa)
    return [
        {"ContextKeyName": key, "ContextKeyType": kind, "ContextKeyValues": [value]}  # type: ignore[typeddict-item]
        for key, (kind, value) in given.items()
    ]


def _ask(
    client: "IAMClient", arn: str, actions: tuple[str, ...], resource: str, entries: "list[ContextEntryTypeDef]"
) -> dict[str, str]:
    pages = client.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=arn, ActionNames=list(actions), ResourceArns=[resource], ContextEntries=entries
    )
    return {each["EvalActionName"]: _answer(each) for page in pages for each in page["EvaluationResults"]}


def _answer(result: "EvaluationResultTypeDef") -> str:
    if result["EvalDecision"] == "allowed":
        return "allowed"
    if not result.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True):
        return "not allowed by the organization"
    if not result.get("PermissionsBoundaryDecisionDetail", {}).get("AllowedByPermissionsBoundary", True):
        return "not allowed by the permissions boundary"
    if result["EvalDecision"] == "implicitDeny":
        return "not allowed by any policy"
    policies = sorted(
        {sanitize(each.get("SourcePolicyId", "a policy"), 80) for each in result.get("MatchedStatements", [])}
    )
    return f"denied by {', '.join(policies)}" if policies else "denied"


def _reason(error: ClientError) -> str:
    code, message = error.response["Error"]["Code"], sanitize(error.response["Error"].get("Message", ""), 300)
    if code in _DENIED:
        return f"You may not ask IAM's simulation (iam:SimulatePrincipalPolicy): {message}"
    return f"IAM's simulation is not available here: {code}, {message}"
