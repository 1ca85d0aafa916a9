"""Every part of the enforcement policy matters: take one away, or weaken it, and a row of the request table fails."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Final

import pytest

from policy.evaluator import Document, Request, evaluate, parse_policy
from policy.requests import ACCOUNT, DEPLOYMENTS, ROWS, Deployment, Row, Switch

Statement = dict[str, object]

OWN: Final = "${aws:username}"

# What a careless exemption might add to the actions that work without MFA.
CARELESS_EXEMPTIONS: Final = (
    "*",
    "iam:*",
    "iam:Create*",
    "iam:Enable*",
    "iam:Get*",
    "iam:List*",
    "iam:CreateAccessKey",
    "iam:CreateLoginProfile",
    "iam:DeactivateMFADevice",
    "iam:DeleteVirtualMFADevice",
    "iam:ListAccessKeys",
    "iam:ListUsers",
    "iam:UpdateLoginProfile",
    "s3:*",
    "sts:*",
    "sts:AssumeRole",
    "sts:GetFederationToken",
)
OTHER_OPERATOR: Final = {"Bool": "BoolIfExists", "BoolIfExists": "Bool"}
OTHER_VALUE: Final = {"true": "false", "false": "true"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A policy with one change.

    Attributes:
        name: which statement, and what changed in it.
    """

    name: str
    document: Document


@dataclass(frozen=True, slots=True)
class Equivalent:
    """A mutant that decides every possible request as the policy does.

    Attributes:
        name: the mutant's.
        why: why no request can tell.
        passwords: the one value of AllowPasswordChangeWithoutMfa under which it is equivalent; None for both.
    """

    name: str
    why: str
    passwords: Switch | None = None


EQUIVALENTS: Final = (
    Equivalent(
        "AllowRemovingOwnDeviceWhenSignedInWithMFA: Bool aws:MultiFactorAuthPresent becomes BoolIfExists",
        "only long-term keys lack the aws:MultiFactorAuthPresent key, and the block denies them both actions",
    ),
    Equivalent(
        "BlockMostAccessUnlessSignedInWithMFA: BoolIfExists aws:ViaAWSService becomes Bool",
        "every request carries the aws:ViaAWSService key (User Guide, page reference_policies_condition-keys)",
    ),
    Equivalent(
        "BlockActingOnOthersUnlessSignedInWithMFA: Action without iam:ChangePassword",
        "the block denies changing a password without MFA already, and no service forwards that call",
        passwords="no",
    ),
)


@pytest.mark.parametrize("deployment", [each for each in DEPLOYMENTS if each.partition == "aws"], ids=str)
def test_every_mutant_makes_a_row_fail(deployment: Deployment, documents: Mapping[Deployment, Document]) -> None:
    rows = [(row, row.request(deployment)) for row in ROWS if row.holds_in(deployment)]
    mutants = list(_mutants(documents[deployment]))
    survivors = [mutant.name for mutant in mutants if not _noticed(mutant, rows)]
    equivalents = [each.name for each in EQUIVALENTS if each.passwords in {None, deployment.passwords}]
    assert sorted(survivors) == sorted(equivalents)
    assert len(mutants) - len(survivors) >= 50


def _noticed(mutant: Mutant, rows: list[tuple[Row, Request]]) -> bool:
    policy = parse_policy(mutant.document)
    return any(evaluate(row.policies(policy), request) is not row.expected for row, request in rows)


def _mutants(document: Document) -> Iterator[Mutant]:
    statements = [_spelt_out(statement) for statement in _list(document["Statement"])]
    yield Mutant("the version that knows no variables", {"Version": "2008-10-17", "Statement": statements})
    for index, statement in enumerate(statements):
        rest = [statements[:index], statements[index + 1 :]]
        yield Mutant(
            f"{statement['Sid']}: removed", {"Version": document["Version"], "Statement": [*rest[0], *rest[1]]}
        )
        for change, changed in _changes(statement):
            changed_statements = [*rest[0], changed, *rest[1]]
            yield Mutant(
                f"{statement['Sid']}: {change}", {"Version": document["Version"], "Statement": changed_statements}
            )


def _spelt_out(statement: object) -> Statement:
    """Return a statement whose actions and resources are lists, each statement's own."""
    assert isinstance(statement, Mapping)
    lists = ("Action", "NotAction", "Resource", "NotResource")
    return {name: _list(value) if name in lists else deepcopy(value) for name, value in statement.items()}


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else [value]


def _changes(statement: Statement) -> Iterator[tuple[str, Statement]]:
    """Yield what changes, and the statement so changed."""
    for element in ("Action", "NotAction", "Resource", "NotResource"):
        listed = [str(item) for item in _list(statement.get(element, []))]
        for index, item in enumerate(listed):
            others = [*listed[:index], *listed[index + 1 :]]
            if others:
                yield f"{element} without {item}", statement | {element: others}
            for other in _other_resources(item) if element.endswith("Resource") else (f"{item.partition(':')[0]}:*",):
                yield f"{element} {item} becomes {other}", statement | {element: [*others, other]}
    if "NotAction" in statement:
        for action in CARELESS_EXEMPTIONS:
            yield f"NotAction with {action}", statement | {"NotAction": [*_list(statement["NotAction"]), action]}
    if "NotResource" in statement:
        without = {name: value for name, value in statement.items() if name != "NotResource"}
        yield "NotResource becomes every resource", without | {"Resource": ["*"]}
    yield from _changed_conditions(statement)


def _other_resources(resource: str) -> Iterator[str]:
    """Yield resources that say more than this one, or less where this one must say much."""
    others = {
        "*",
        resource.replace(f"/{OWN}", f"/*{OWN}"),
        resource.replace(OWN, f"{OWN}*"),
        resource.replace(OWN, "*"),
        resource.replace(f":{ACCOUNT}:", ":*:"),
        resource.replace("arn:aws:", "arn:*:"),
        resource.replace("mfa/*", f"mfa/{OWN}"),
        resource if resource != "*" else f"arn:aws:iam::{ACCOUNT}:*",
    }
    yield from sorted(others - {resource})


def _changed_conditions(statement: Statement) -> Iterator[tuple[str, Statement]]:
    conditions = statement.get("Condition", {})
    assert isinstance(conditions, dict)
    for operator, keys in conditions.items():
        for key, value in keys.items():
            without = {name: dict(tests) for name, tests in conditions.items()}
            del without[operator][key]
            without = {name: tests for name, tests in without.items() if tests}
            yield f"without {operator} {key}", statement | {"Condition": without}
            flipped = without | {operator: without.get(operator, {}) | {key: OTHER_VALUE[str(value).lower()]}}
            yield f"{operator} {key} the other way", statement | {"Condition": flipped}
            if operator in OTHER_OPERATOR:
                other = OTHER_OPERATOR[operator]
                swapped = without | {other: without.get(other, {}) | {key: value}}
                yield f"{operator} {key} becomes {other}", statement | {"Condition": swapped}
