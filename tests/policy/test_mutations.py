"""Every part of the enforcement policy is necessary: without it, or with it weakened, a row of the request table fails.

A part is a statement, or one of its actions, resources, or conditions. The tests remove and weaken one part at a time.
A weaker allow statement allows more, and a weaker deny statement denies less. The only action or resource of a
statement is removed with the statement. The actions and resources of a deny statement are weakened by their removal.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Final

import pytest

from mfa_guard_cli.policy.evaluator import Document, Request, evaluate, parse_policy
from mfa_guard_cli.policy.requests import ROWS
from mfa_guard_cli.policy.row import ACCOUNT, DEPLOYMENTS, Deployment, Row, Switch

Statement = dict[str, object]
# An element of a statement and one of its items. A part begins with the Sid of the statement.
Item = tuple[str, str]
Part = tuple[str, str, str]

ITSELF: Final[Item] = ("", "")

OWN: Final = "${aws:username}"

# Actions that a careless change might except from the block.
CARELESS_EXCEPTIONS: Final = (
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
# A deny statement that applies to one kind of credentials only.
HALVES: Final = {"long-term keys only": "true", "sessions only": "false"}
OTHER_OPERATOR: Final = {"Bool": "BoolIfExists", "BoolIfExists": "Bool"}
OTHER_VALUE: Final = {"true": "false", "false": "true"}


ELEMENTS: Final = ("Action", "NotAction", "Resource", "NotResource")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A policy with one change.

    Attributes:
        name: the statement and its change.
        removes: the removed parts.
        weakens: the weakened parts.
    """

    name: str
    document: Document
    removes: frozenset[Part] = frozenset()
    weakens: frozenset[Part] = frozenset()


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one statement. The parts are an element and an item; the statement itself has an empty element."""

    name: str
    statement: Statement
    removes: frozenset[Item] = frozenset()
    weakens: frozenset[Item] = frozenset()


@dataclass(frozen=True, slots=True)
class Equivalent:
    """A mutant that decides every possible request as the policy does.

    Attributes:
        name: the name of the mutant.
        why: why no request can tell it from the policy.
        passwords: the value of AllowPasswordChangeWithoutMfa with which it is equivalent; None for both.
    """

    name: str
    why: str
    passwords: Switch | None = None


EQUIVALENTS: Final = (
    Equivalent(
        "AllowRemovingOwnDeviceWhenSignedInWithMFA: Bool aws:MultiFactorAuthPresent becomes BoolIfExists",
        "only long-term keys lack the aws:MultiFactorAuthPresent key, and the block denies both actions to them",
    ),
    Equivalent(
        "BlockMostAccessUnlessSignedInWithMFA: BoolIfExists aws:ViaAWSService becomes Bool",
        "every request carries the aws:ViaAWSService key (User Guide, page reference_policies_condition-keys)",
    ),
    Equivalent(
        "BlockActingOnOthersUnlessSignedInWithMFA: Action without iam:ChangePassword",
        "the block already denies changing a password without MFA, and no service forwards that call",
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
    survivors = [mutant.name for mutant in mutants if not _makes_a_row_fail(mutant, rows)]
    assert sorted(survivors) == sorted(_equivalents(deployment))
    assert len(mutants) - len(survivors) >= 50


def test_for_every_part_its_removal_and_its_weakening_make_a_row_fail(
    deployment: Deployment, documents: Mapping[Deployment, Document]
) -> None:
    rows = [(row, row.request(deployment)) for row in ROWS if row.holds_in(deployment)]
    equivalents = _equivalents(deployment)
    counted = [
        each for each in _mutants(documents[deployment]) if each.name in equivalents or _makes_a_row_fail(each, rows)
    ]
    parts = {
        (str(statement["Sid"]), *item)
        for statement in map(_with_lists, _list(documents[deployment]["Statement"]))
        for item in (ITSELF, *_items(statement))
    }
    assert parts == {part for mutant in counted for part in mutant.removes}
    assert parts == {part for mutant in counted for part in mutant.weakens}


def _equivalents(deployment: Deployment) -> list[str]:
    return [each.name for each in EQUIVALENTS if each.passwords in {None, deployment.passwords}]


def _makes_a_row_fail(mutant: Mutant, rows: list[tuple[Row, Request]]) -> bool:
    policy = parse_policy(mutant.document)
    return any(evaluate(row.policies(policy), request) is not row.expected for row, request in rows)


def _mutants(document: Document) -> Iterator[Mutant]:
    version = document["Version"]
    statements = [_with_lists(statement) for statement in _list(document["Statement"])]
    yield Mutant("the version that does not support variables", {"Version": "2008-10-17", "Statement": statements})
    for index, statement in enumerate(statements):
        sid = str(statement["Sid"])
        before, after = statements[:index], statements[index + 1 :]
        removed = {ITSELF, *(item for item in _items(statement) if _is_only(statement, item))}
        yield Mutant(f"{sid}: removed", {"Version": version, "Statement": [*before, *after]}, _of(sid, removed))
        for change in _changes(statement):
            changed = {"Version": version, "Statement": [*before, change.statement, *after]}
            yield Mutant(f"{sid}: {change.name}", changed, _of(sid, change.removes), _of(sid, change.weakens))


def _of(sid: str, items: Iterable[Item]) -> frozenset[Part]:
    return frozenset((sid, *item) for item in items)


def _items(statement: Statement) -> Iterator[Item]:
    """Yield the actions, the resources, and the conditions of a statement."""
    for element in ELEMENTS:
        yield from ((element, str(item)) for item in _list(statement.get(element, [])))
    conditions = statement.get("Condition", {})
    assert isinstance(conditions, Mapping)
    yield from (("Condition", f"{operator} {key}") for operator, keys in conditions.items() for key in keys)


def _is_only(statement: Statement, item: Item) -> bool:
    return item[0] in ELEMENTS and len(_list(statement[item[0]])) == 1


def _with_lists(statement: object) -> Statement:
    """Return a copy of a statement in which actions and resources are lists."""
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
        for action in CARELESS_EXCEPTIONS:
            excepting = statement | {"NotAction": [*_list(statement["NotAction"]), action]}
            yield Change(f"NotAction with {action}", excepting, weakens=frozenset({ITSELF}))
    if "NotResource" in statement:
        without = {name: value for name, value in statement.items() if name != "NotResource"}
        yield Change("NotResource becomes every resource", without | {"Resource": ["*"]})
    yield from _changed_conditions(statement)


def _weakened(statement: Statement) -> Iterator[Change]:
    """Yield changes that weaken the statement as a whole."""
    itself = frozenset({ITSELF})
    if statement["Effect"] == "Allow":
        yield Change("allows all of IAM", statement | {"Action": ["iam:*"]}, weakens=itself)
        return
    for name, absent in HALVES.items():
        conditions = statement["Condition"]
        assert isinstance(conditions, Mapping)
        narrowed = {**conditions, "Null": {"aws:MultiFactorAuthPresent": absent}}
        if narrowed != conditions:
            yield Change(f"denies {name}", statement | {"Condition": narrowed}, weakens=itself)


def _changed_item(statement: Statement, element: str, others: list[str], item: str) -> Iterator[Change]:
    part = frozenset({(element, item)})
    denies = statement["Effect"] == "Deny"
    if others:
        # A deny statement denies what it lists, and does not deny what it lists as an exception.
        weaker = part if denies and element in {"Action", "Resource"} else frozenset()
        yield Change(f"{element} without {item}", statement | {element: others}, removes=part, weakens=weaker)
    wider = [f"{item.partition(':')[0]}:*"] if element.endswith("Action") else list(_other_resources(item))
    for other in wider:
        # A wider pattern weakens an allow statement and an exception. A narrower pattern weakens a deny statement.
        looser = not denies or element.startswith("Not") or item == "*"
        changed = statement | {element: [*others, other]}
        yield Change(f"{element} {item} becomes {other}", changed, weakens=part if looser else frozenset())


def _other_resources(resource: str) -> Iterator[str]:
    """Yield wider resources than this one, and a narrower one for `*`."""
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
            # An allow statement without its condition allows more. A deny statement with the opposite condition stops
            # denying what it denied.
            yield Change(
                f"without {operator} {key}",
                statement | {"Condition": without},
                removes=part,
                weakens=frozenset() if denies else part,
            )
            flipped = without | {operator: without.get(operator, {}) | {key: OTHER_VALUE[str(value).lower()]}}
            yield Change(f"{operator} {key} with the opposite value", statement | {"Condition": flipped}, weakens=part)
            if operator in OTHER_OPERATOR:
                other = OTHER_OPERATOR[operator]
                swapped = without | {other: without.get(other, {}) | {key: value}}
                yield Change(f"{operator} {key} becomes {other}", statement | {"Condition": swapped}, weakens=part)
