"""A valid exemption has all fields, ends within a year, and belongs to one user id."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from mfa_guard.core.exemption import Exemption, MalformedExemption, parse_exemption
from support.factories import NOW

ITEM = {
    "user_id": "AIDA1",
    "user_name": "alice",
    "owner": "platform team",
    "reason": "build machine",
    "created_by": "arn:aws:iam::111122223333:user/bob",
    "expires_at": "2026-04-01T00:00:00Z",
}


def problem(item: Mapping[str, object]) -> str:
    parsed = parse_exemption(item, "AIDA1", NOW)
    assert isinstance(parsed, MalformedExemption)
    return parsed.problem


def test_a_valid_record_exempts() -> None:
    parsed = parse_exemption(ITEM, "AIDA1", NOW)
    assert isinstance(parsed, Exemption)
    assert parsed.in_force(NOW)
    assert (parsed.owner, parsed.reason) == ("platform team", "build machine")


@pytest.mark.parametrize("field", sorted(ITEM))
@pytest.mark.parametrize("broken", [None, "", "  ", 7])
def test_a_missing_or_empty_field_is_named(field: str, broken: object) -> None:
    item: dict[str, object] = {key: value for key, value in ITEM.items() if key != field}
    if broken is not None:
        item[field] = broken
    assert field in problem(item)


@pytest.mark.parametrize(
    "time",
    [
        "2026-04-01",
        "soon",
        "2026-04-01T00:00:00",
        "2026-04-01T00:00:00+02:00",
        "1775001600",
        "2026-4-1T0:0:0Z",
        "\uff12\uff10\uff12\uff16-04-01T00:00:00Z",
    ],
)
def test_an_end_in_another_format_does_not_exempt(time: str) -> None:
    assert "expires_at" in problem(ITEM | {"expires_at": time})


def test_a_record_of_another_user_does_not_exempt() -> None:
    assert "another user" in problem(ITEM | {"user_id": "AIDA2"})


def test_the_end_is_at_most_a_year_ahead() -> None:
    assert isinstance(parse_exemption(ITEM | {"expires_at": "2027-03-01T12:00:00Z"}, "AIDA1", NOW), Exemption)
    assert "365 days" in problem(ITEM | {"expires_at": "2027-03-01T12:00:01Z"})


def test_it_is_not_in_force_at_its_end() -> None:
    parsed = parse_exemption(ITEM | {"expires_at": "2026-03-01T12:00:00Z"}, "AIDA1", NOW)
    assert isinstance(parsed, Exemption)
    assert not parsed.in_force(NOW)
    assert parsed.in_force(NOW - timedelta(seconds=1))
