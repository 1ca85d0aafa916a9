"""Compare policies and settings by their meaning, as far as AWS normalizes what it stores."""

import json
from collections.abc import Mapping
from typing import Final

from mfa_guard.core.health.readings import Fields
from mfa_guard.core.sanitize import sanitize


def policy_differences(actual: object, expected: object) -> tuple[str, ...]:
    """Return the names of the statements that differ, or what differs besides; nothing for the same meaning.

    IAM and SNS ignore the order of a list, and treat a single value as a list of one. They show the unique id of a
    principal that was deleted, such as AROA..., in place of its ARN. This counts as a difference, because a new
    principal of the same name is not allowed.
    """
    found, wanted = _canonical(actual), _canonical(expected)
    if found == wanted:
        return ()
    one, other = _statements(actual), _statements(expected)
    named = sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
    return tuple(sanitize(name, 60) for name in named) or ("the document",)


def _statements(document: object) -> Mapping[str, object]:
    statements = document.get("Statement", ()) if isinstance(document, Mapping) else ()
    return {
        str(each.get("Sid", "a statement without Sid")): _canonical(each)
        for each in (statements if isinstance(statements, list) else [statements])
        if isinstance(each, Mapping)
    }


def _canonical(value: object) -> object:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return {key: _canonical(_principal(key, each)) for key, each in value.items()}
        case [single]:
            return _canonical(single)
        case list():
            return sorted(map(_canonical, value), key=lambda each: json.dumps(each, sort_keys=True))
        case _:
            return value


def _principal(key: str, value: object) -> object:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    return {"AWS": "*"} if key == "Principal" and value == "*" else value


def target_difference(actual: Fields, expected: Fields) -> str | None:
    """Return the first setting of a target of EventBridge or its Scheduler that differs, or None.

    The id has no effect. EventBridge may show the default retries, which the template leaves out.
    """
    one, other = _effective(actual), _effective(expected)
    return next((name for name in sorted({*one, *other}) if one.get(name) != other.get(name)), None)


# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_RetryPolicy.html
_DEFAULT_RETRIES: Final[Fields] = {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}


def _effective(target: Fields) -> Fields:
    return {
        name: value
        for name, value in target.items()
        if name != "Id" and not (name == "RetryPolicy" and value == _DEFAULT_RETRIES)
    }


def difference(actual: Fields, expected: Fields) -> str | None:
    """Return the first of the expected settings that differs, or None."""
    return next((name for name, value in expected.items() if actual.get(name) != value), None)
