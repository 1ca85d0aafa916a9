"""The events that start a sweep."""

from dataclasses import replace

import pytest

from mfa_guard.core.sweep_request import SweepNotUnderstood, SweepRequest, next_round, parse_sweep_request

EVENT = {"id": "e-1", "source": "mfa-guard", "detail-type": "Sweep requested", "detail": {}}


def test_the_schedule_and_an_administrator_send_the_same_event() -> None:
    assert parse_sweep_request(EVENT) == SweepRequest("e-1", audit=False, round=1, sweep="e-1")


def test_an_event_without_detail_is_the_first_round() -> None:
    assert parse_sweep_request({key: EVENT[key] for key in ("id", "source", "detail-type")}).round == 1


@pytest.mark.parametrize("audit", [True, False])
@pytest.mark.parametrize("scheduled", [True, False])
def test_the_next_round_is_of_the_same_sweep(audit: bool, scheduled: bool) -> None:
    request = SweepRequest("e-1", audit=audit, round=3, sweep="e-0", scheduled=scheduled)
    assert parse_sweep_request({**EVENT, "detail": next_round(request)}) == replace(request, round=4)


def test_only_the_schedule_makes_a_sweep_scheduled() -> None:
    assert parse_sweep_request({**EVENT, "detail": {"scheduled": True}}).scheduled
    assert not parse_sweep_request({**EVENT, "detail": {"scheduled": "yes"}}).scheduled


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
        {**EVENT, "detail": {"sweep": ""}},
        {**EVENT, "detail": {"sweep": 1}},
    ],
)
def test_anything_else_is_not_understood(event: object) -> None:
    with pytest.raises(SweepNotUnderstood):
        parse_sweep_request(event)
