"""What wakes a sweep, and what is news for the next."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mfa_guard.core.sweep_request import (
    SweepMemory,
    SweepNotUnderstood,
    SweepRequest,
    digest_is_due,
    next_round,
    parse_sweep_request,
)
from support.factories import NOW

EVENT = {"id": "e-1", "source": "mfa-guard", "detail-type": "Sweep requested", "detail": {}}
KNOWN = SweepMemory(mailed_at=NOW, pending=frozenset({"p"}), problems=frozenset({"q"}))


def test_the_schedule_and_an_administrator_send_the_same_event() -> None:
    assert parse_sweep_request(EVENT) == SweepRequest("e-1", audit=False, round=1)


def test_an_event_without_detail_is_one_too() -> None:
    assert parse_sweep_request({key: EVENT[key] for key in ("id", "source", "detail-type")}).round == 1


def test_a_round_goes_on_with_the_next_in_the_same_mode() -> None:
    request = SweepRequest("e-1", audit=True, round=3)
    assert parse_sweep_request({**EVENT, "detail": next_round(request)}) == replace(request, round=4)


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        {**EVENT, "source": "aws.iam"},
        {**EVENT, "detail-type": "Sweep"},
        {**EVENT, "detail": "all"},
        {**EVENT, "id": ""},
        {**EVENT, "id": None},
        {**EVENT, "detail": {"mode": "all"}},
        {**EVENT, "detail": {"mode": ["audit"]}},
        {**EVENT, "detail": {"round": 0}},
        {**EVENT, "detail": {"round": True}},
        {**EVENT, "detail": {"round": "2"}},
    ],
)
def test_anything_else_is_not_understood(event: object) -> None:
    with pytest.raises(SweepNotUnderstood):
        parse_sweep_request(event)


@pytest.mark.parametrize(
    ("before", "changed", "pending", "problems", "days", "news"),
    [
        (SweepMemory(), 0, frozenset(), frozenset(), 0, True),
        (KNOWN, 0, frozenset({"p"}), frozenset({"q"}), 1, False),
        (KNOWN, 0, frozenset(), frozenset(), 1, False),
        (KNOWN, 1, frozenset(), frozenset(), 1, True),
        (KNOWN, 0, frozenset({"p", "new"}), frozenset(), 1, True),
        (KNOWN, 0, frozenset(), frozenset({"new"}), 1, True),
        (replace(KNOWN, not_tagged=("bad: reason",)), 0, frozenset(), frozenset(), 1, True),
        (KNOWN, 0, frozenset(), frozenset(), 7, True),
    ],
)
def test_news(
    before: SweepMemory, changed: int, pending: frozenset[str], problems: frozenset[str], days: int, news: bool
) -> None:
    assert digest_is_due(before, changed, pending, problems, NOW + timedelta(days=days)) is news
