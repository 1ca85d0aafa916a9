"""Every part of the enforcement policy matters: take one away, or weaken it, and a row of the request table fails.

A part is a statement, or an action, a resource or a condition of one. Each is removed by itself and weakened by
itself. To weaken is to let more through: a grant comes to cover more, a denial less. A statement's only action or
resource is removed with the statement, and what a denial lists is weakened by removing it.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Final

import pytest

from mfa_guard_cli.policy.evaluator import Document, Request, evaluate, parse_policy
from mfa_guard_cli.policy.requests import ACCOUNT, DEPLOYMENTS, ROWS, Deployment, Row, Switch

Statement = dict[str, object]
# An element of a statement and one of its items, and the same with the statement's Sid before it.
Item = tuple[str, str]
Part = tuple[str, str, str]

ITSELF: Final[Item] = ("", "")

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
# A denial that binds the one kind of credentials, or the other, is half a denial.
HALVES: Final = {"long-term keys alone": "true", "sessions alone": "false"}
OTHER_OPERATOR: Final = {"Bool": "BoolIfExists", "BoolIfExists": "Bool"}
OTHER_VALUE: Final = {"true": "false", "false": "true"}


ELEMENTS: Final = ("Action", "NotAction", "Resource", "NotResource")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A policy with one change.

    Attributes:
        name: which statement, and what changed in it.
        removes: the parts that are gone.
        weakens: the parts that let more through.
    """

    name: str
    document: Document
    removes: frozenset[Part] = frozenset()
    weakens: frozenset[Part] = frozenset()


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one statement; its parts by element and item, the statement itself being an empty element."""

    name: str
    statement: Statement
    removes: frozenset[Item] = frozenset()
    weakens: frozenset[Item] = frozenset()


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


@pytest.fixture(params=[each for each in DEPLOYMENTS if each.partition == "aws"], ids=str)
def deployment(request: pytest.FixtureRequest) -> Deployment:
    chosen = request.param
    assert isinstance(chosen, Deployment)
    return chosen


def test_every_mutant_makes_a_row_fail(deployment: Deployment, documents: Mapping[Deployment, Document]) -> None:
    rows = [(row, row.request(deployment)) for row in ROWS if row.holds_in(deployment)]
    mutants = list(_mutants(documents[deployment]))
    survivors = [mutant.name for mutant in mutants if not _noticed(mutant, rows)]
    assert sorted(survivors) == sorted(_equivalents(deployment))
    assert len(mutants) - len(survivors) >= 50


def test_every_part_is_removed_and_weakened_and_both_are_noticed(
    deployment: Deployment, documents: Mapping[Deployment, Document]
) -> None:
    rows = [(row, row.request(deployment)) for row in ROWS if row.holds_in(deployment)]
    excused = _equivalents(deployment)
    counted = [each for each in _mutants(documents[deployment]) if each.name in excused or _noticed(each, rows)]
    parts = {
        (str(statement["Sid"]), *item)
        for statement in map(_spelt_out, _list(documents[deployment]["Statement"]))
        for item in (ITSELF, *_items(statement))
    }
    assert parts == {part for mutant in counted for part in mutant.removes}
    assert parts == {part for mutant in counted for part in mutant.weakens}


def _equivalents(deployment: Deployment) -> list[str]:
    return [each.name for each in EQUIVALENTS if each.passwords in {None, deployment.passwords}]


def _noticed(mutant: Mutant, rows: list[tuple[Row, Request]]) -> bool:
    policy = parse_policy(mutant.document)
    return any(evaluate(row.policies(policy), request) is not row.expected for row, request in rows)


def _mutants(document: Document) -> Iterator[Mutant]:
    version = document["Version"]
    statements = [_spelt_out(statement) for statement in _list(document["Statement"])]
    yield Mutant("the version that knows no variables", {"Version": "2008-10-17", "Statement": statements})
    for index, statement in enumerate(statements):
        sid = str(statement["Sid"])
        before, after = statements[:index], statements[index + 1 :]
        gone = {ITSELF, *(item for item in _items(statement) if _alone(statement, item))}
        yield Mutant(f"{sid}: removed", {"Version": version, "Statement": [*before, *after]}, _of(sid, gone))
        for change in _changes(statement):
            changed = {"Version": version, "Statement": [*before, change.statement, *after]}
            yield Mutant(f"{sid}: {change.name}", changed, _of(sid, change.removes), _of(sid, change.weakens))


def _of(sid: str, items: Iterable[Item]) -> frozenset[Part]:
    return frozenset((sid, *item) for item in items)


def _items(statement: Statement) -> Iterator[Item]:
    """Yield the actions, the resources and the conditions of a statement."""
    for element in ELEMENTS:
        yield from ((element, str(item)) for item in _list(statement.get(element, [])))
    conditions = statement.get("Condition", {})
    assert isinstance(conditions, Mapping)
    yield from (("Condition", f"{operator} {key}") for operator, keys in conditions.items() for key in keys)


def _alone(statement: Statement, item: Item) -> bool:
    return item[0] in ELEMENTS and len(_list(statement[item[0]])) == 1


def _spelt_out(statement: object) -> Statement:
    """Return a statement whose actions and resources are lists, each statement's own."""
    assert isinstance(statement, Mapping)
    return {name: _list(value) if name in ELEMENTS else deepcopy(value) for name, value in statement.items()}


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else [value]


def _changes(statement: Statement) -> Iterator[Change]:
    yield from _weakened(statement)
    for element in ELEMENTS:
        items = [str(item) for item in _list(statement.get(element, []))]
        for index, item in enumerate(items):
            yield from _changed_item(statement, element, [*items[:index], *items[index + 1 :]], item)
    if "NotAction" in statement:
        for action in CARELESS_EXEMPTIONS:
            exempting = statement | {"NotAction": [*_list(statement["NotAction"]), action]}
            yield Change(f"NotAction with {action}", exempting, weakens=frozenset({ITSELF}))
    if "NotResource" in statement:
        without = {name: value for name, value in statement.items() if name != "NotResource"}
        yield Change("NotResource becomes every resource", without | {"Resource": ["*"]})
    yield from _changed_conditions(statement)


def _weakened(statement: Statement) -> Iterator[Change]:
    """Yield the statement as a whole letting more through."""
    itself = frozenset({ITSELF})
    if statement["Effect"] == "Allow":
        yield Change("grants all of IAM", statement | {"Action": ["iam:*"]}, weakens=itself)
        return
    for name, absent in HALVES.items():
        conditions = statement["Condition"]
        assert isinstance(conditions, Mapping)
        narrowed = {**conditions, "Null": {"aws:MultiFactorAuthPresent": absent}}
        if narrowed != conditions:
            yield Change(f"binds {name}", statement | {"Condition": narrowed}, weakens=itself)


def _changed_item(statement: Statement, element: str, others: list[str], item: str) -> Iterator[Change]:
    part = frozenset({(element, item)})
    denies = statement["Effect"] == "Deny"
    if others:
        # What a denial lists is what it denies; what it lists as an exception is what it spares.
        weaker = part if denies and element in {"Action", "Resource"} else frozenset()
        yield Change(f"{element} without {item}", statement | {element: others}, removes=part, weakens=weaker)
    wider = [f"{item.partition(':')[0]}:*"] if element.endswith("Action") else list(_other_resources(item))
    for other in wider:
        # A wider pattern lets more through where it grants or spares, and for a denial a narrower one does.
        looser = not denies or element.startswith("Not") or item == "*"
        changed = statement | {element: [*others, other]}
        yield Change(f"{element} {item} becomes {other}", changed, weakens=part if looser else frozenset())


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


def _changed_conditions(statement: Statement) -> Iterator[Change]:
    conditions = statement.get("Condition", {})
    assert isinstance(conditions, dict)
    denies = statement["Effect"] == "Deny"
    for operator, keys in conditions.items():
        for key, value in keys.items():
            part = frozenset({("Condition", f"{operator} {key}")})
            without = {name: dict(tests) for name, tests in conditions.items()}
            del without[operator][key]
            without = {name: tests for name, tests in without.items() if tests}
            # A grant without its condition grants more. A denial whose condition holds for others lets the first go.
            yield Change(
                f"without {operator} {key}",
                statement | {"Condition": without},
                removes=part,
                weakens=frozenset() if denies else part,
            )
            flipped = without | {operator: without.get(operator, {}) | {key: OTHER_VALUE[str(value).lower()]}}
            yield Change(f"{operator} {key} the other way", statement | {"Condition": flipped}, weakens=part)
            if operator in OTHER_OPERATOR:
                other = OTHER_OPERATOR[operator]
                swapped = without | {other: without.get(other, {}) | {key: value}}
                yield Change(f"{operator} {key} becomes {other}", statement | {"Condition": swapped}, weakens=part)
