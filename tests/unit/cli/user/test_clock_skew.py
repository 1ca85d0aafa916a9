"""How far the clock is off."""

from datetime import UTC, datetime, timedelta

import pytest

from mfa_guard_cli.user.clock_skew import hint, in_words, skew

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Mon, 23 Nov 2026 12:00:00 GMT", 0),
        ("Mon, 23 Nov 2026 11:59:00 GMT", 60),
        ("Mon, 23 Nov 2026 12:10:00 GMT", -600),
    ],
)
def test_the_date_header_tells_the_difference(date: str, seconds: int) -> None:
    assert skew({"date": date}, NOON) == timedelta(seconds=seconds)


@pytest.mark.parametrize("headers", [{}, {"date": ""}, {"date": "yesterday"}, {"date": "Mon, 23 Nov 2026 12:00:00"}])
def test_without_a_date_nothing_is_known(headers: dict[str, str]) -> None:
    assert skew(headers, NOON) is None


@pytest.mark.parametrize(
    ("seconds", "words"), [(60, "60 s ahead of AWS"), (-600, "600 s behind AWS"), (0, "right"), (1, "right")]
)
def test_it_is_said_in_words(seconds: int, words: str) -> None:
    assert in_words(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(("seconds", "said"), [(30, False), (31, True), (-31, True), (0, False)])
def test_codes_suffer_beyond_thirty_seconds(seconds: int, said: bool) -> None:
    assert bool(hint(timedelta(seconds=seconds))) is said
    assert not hint(None)
