"""What a user can do now, according to IAM's policy simulator.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.core.sanitize import sanitize
from mfa_guard_cli.common.errors import is_denied

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_iam.type_defs import ContextEntryTypeDef, EvaluationResultTypeDef

# How a user can sign a request, and the value of aws:MultiFactorAuthPresent. A long-term access key does not send that
# key at all, which is not the same as "false".
CONTEXTS: Final[Mapping[str, str | None]] = {"access_key": None, "console_without_mfa": "false", "with_mfa": "true"}

# Actions that tell users apart: what most users' permissions allow, and what the enforcement policy allows or denies.
_ANY_RESOURCE: Final = "*"
_OWN_USER: Final = "own user"
_OWN_DEVICE: Final = "own device"
_ACTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    _ANY_RESOURCE: ("s3:ListAllMyBuckets", "ec2:DescribeInstances", "iam:ListUsers", "sts:GetSessionToken"),
    _OWN_USER: ("iam:GetUser", "iam:ChangePassword", "iam:EnableMFADevice", "iam:DeactivateMFADevice"),
    _OWN_DEVICE: ("iam:CreateVirtualMFADevice",),
}


@dataclass(frozen=True)
class Simulated:
    """An action, and IAM's decision in each of CONTEXTS."""

    action: str
    decisions: Mapping[str, str]


@dataclass(frozen=True)
class Unavailable:
    """IAM did not simulate. `reason` is a sentence."""

    reason: str


def simulate(client: "IAMClient", name: str, path: str, account: str, partition: str) -> list[Simulated] | Unavailable:
    """Return what the user can do now with an access key, in a console session without MFA, and with MFA."""
    arn = f"arn:{partition}:iam::{account}:user{path}{name}"
    resources = {_ANY_RESOURCE: "*", _OWN_USER: arn, _OWN_DEVICE: f"arn:{partition}:iam::{account}:mfa/{name}"}
    decisions: dict[str, dict[str, str]] = {}
    try:
        for context, mfa in CONTEXTS.items():
            for target, actions in _ACTIONS.items():
                found = _decisions(client, arn, actions, resources[target], _entries(name, mfa))
                for action, decision in found.items():
                    decisions.setdefault(action, {})[context] = decision
    except ClientError as error:
        return Unavailable(_reason(error))
    except BotoCoreError as error:
        return Unavailable(f"IAM's policy simulator cannot be reached: {error}")
    return [Simulated(action, by_context) for action, by_context in decisions.items()]


def _entries(name: str, mfa: str | None) -> "list[ContextEntryTypeDef]":
    values = {"aws:username": ("string", name), "aws:ViaAWSService": ("boolean", "false")}
    if mfa is not None:
        values["aws:MultiFactorAuthPresent"] = ("boolean", mfa)
    # The type of the kind is a list of literals; IAM itself refuses any other.
    return [
        {"ContextKeyName": key, "ContextKeyType": kind, "ContextKeyValues": [value]}  # type: ignore[typeddict-item]
        for key, (kind, value) in values.items()
    ]


def _decisions(
    client: "IAMClient", arn: str, actions: tuple[str, ...], resource: str, entries: "list[ContextEntryTypeDef]"
) -> dict[str, str]:
    pages = client.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=arn, ActionNames=list(actions), ResourceArns=[resource], ContextEntries=entries
    )
    return {each["EvalActionName"]: _decision(each) for page in pages for each in page["EvaluationResults"]}


def _decision(result: "EvaluationResultTypeDef") -> str:
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
    if is_denied(error):
        return f"You have no permission for IAM's policy simulator (iam:SimulatePrincipalPolicy): {message}"
    return f"IAM's policy simulator is not available here: {code}, {message}"
