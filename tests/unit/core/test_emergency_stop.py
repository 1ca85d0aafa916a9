"""The record of an emergency stop."""

import json
from datetime import UTC, datetime

import pytest

from mfa_guard.core.emergency_stop import RecordedStop, StopNotUnderstood, dump_stop, parse_stop

STOP = RecordedStop(
    (("rule", "mfa-guard-new-users"), ("schedule", "mfa-guard-sweep")),
    datetime(2026, 11, 24, 12, tzinfo=UTC),
    "arn:aws:iam::111122223333:user/admin",
)
TEXT = (
    '{"invokers": [["rule", "mfa-guard-new-users"], ["schedule", "mfa-guard-sweep"]], '
    '"since": "2026-11-24T12:00:00Z", "by": "arn:aws:iam::111122223333:user/admin"}'
)


def test_a_record_is_read_as_it_was_written() -> None:
    assert dump_stop(STOP) == TEXT
    assert parse_stop(TEXT) == STOP
    assert STOP.names == {"mfa-guard-new-users", "mfa-guard-sweep"}


@pytest.mark.parametrize(
    "changed",
    [
        {"since": "yesterday"},
        {"since": None},
        {"invokers": None},
        {"invokers": ["rule"]},
        {"invokers": [["rule"]]},
    ],
)
def test_another_record_is_not_understood(changed: dict[str, object]) -> None:
    with pytest.raises(StopNotUnderstood):
        parse_stop(json.dumps({**json.loads(TEXT), **changed}))


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"invokers": [], "since": "2026-11-24T12:00:00Z"}'])
def test_a_text_that_is_no_record_is_not_understood(text: str) -> None:
    with pytest.raises(StopNotUnderstood):
        parse_stop(text)
