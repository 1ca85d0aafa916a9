"""Whether a permissions boundary keeps a user from enrolling an MFA device.

A boundary allows only what one of its Allow statements covers and no Deny statement does. This module answers for a
console session without MFA, in which a user enrolls the first device. It knows no condition but MFA: an Allow with
another condition counts, and a Deny with another condition does not.
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from mfa_guard.core.settings import Settings
from mfa_guard.core.user import UserState

Statement: TypeAlias = Mapping[str, object]

_MFA: Final = "aws:multifactorauthpresent"
_MFA_OPERATORS: Final = frozenset({"bool", "boolifexists"})


def keeps_from_enrolling(document: Mapping[str, object], state: UserState, settings: Settings) -> bool:
    """Tell whether a boundary with the policy `document` keeps the user from enrolling a virtual MFA device."""
    account = f"arn:{settings.partition}:iam::{settings.account}"
    needed = {
        "iam:CreateVirtualMFADevice": f"{account}:mfa/{state.name}",
        "iam:EnableMFADevice": f"{account}:user{state.path}{state.name}",
    }
    return not all(_allows(document, action, resource, state) for action, resource in needed.items())


def _allows(document: Mapping[str, object], action: str, resource: str, state: UserState) -> bool:
    covering = [each for each in _statements(document) if _covers(each, action, resource, state)]
    denied = any(each.get("Effect") == "Deny" and _applies_without_mfa(each, unknown=False) for each in covering)
    allowed = any(each.get("Effect") == "Allow" and _applies_without_mfa(each, unknown=True) for each in covering)
    return allowed and not denied


def _statements(document: Mapping[str, object]) -> Iterator[Statement]:
    found = document.get("Statement")
    yield from (each for each in (found if isinstance(found, list) else [found]) if isinstance(each, Mapping))


def _covers(statement: Statement, action: str, resource: str, state: UserState) -> bool:
    return _matches(statement, "Action", action.lower(), state) and _matches(statement, "Resource", resource, state)


def _matches(statement: Statement, element: str, value: str, state: UserState) -> bool:
    """Tell whether `value` is among what the element, or its opposite such as NotAction, names."""
    opposite = f"Not{element}"
    patterns = _texts(statement.get(element, statement.get(opposite)))
    if element == "Action":
        patterns = [pattern.lower() for pattern in patterns]
    named = any(_pattern(pattern, state).fullmatch(value) for pattern in patterns)
    return named != (opposite in statement)


def _texts(value: object) -> list[str]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]


def _pattern(pattern: str, state: UserState) -> re.Pattern[str]:
    text = pattern.replace("${aws:username}", state.name).replace("${aws:userid}", state.id)
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _applies_without_mfa(statement: Statement, *, unknown: bool) -> bool:
    """Tell whether the statement applies to a console session without MFA; `unknown` if another condition decides."""
    conditions = statement.get("Condition")
    if not isinstance(conditions, Mapping) or not conditions:
        return True
    verdicts = [
        _condition(operator, key, values, unknown=unknown)
        for operator, pairs in conditions.items()
        if isinstance(pairs, Mapping)
        for key, values in pairs.items()
    ]
    return all(verdicts)


def _condition(operator: str, key: str, values: object, *, unknown: bool) -> bool:
    if key.lower() != _MFA or operator.lower() not in _MFA_OPERATORS:
        return unknown
    return "false" in {str(each).lower() for each in (values if isinstance(values, list) else [values])}
