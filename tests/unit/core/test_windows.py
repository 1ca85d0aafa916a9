"""Which notices may wait for a summary, and which messages end a window."""

from itertools import product

import pytest

from mfa_guard.core.cloudtrail import EventNotUnderstood
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard.core.summary_request import is_queue_batch, parse_summary_kinds
from mfa_guard.core.windows import may_wait

HIGH_THAT_WAIT = {NoticeKind.NONCOMPLIANT, NoticeKind.NEW_CREDENTIAL}


@pytest.mark.parametrize(("kind", "severity"), list(product(NoticeKind, Severity)))
def test_low_and_medium_notices_wait_and_of_the_high_ones_two_kinds(kind: NoticeKind, severity: Severity) -> None:
    waits = severity in {Severity.LOW, Severity.MEDIUM} or (severity is Severity.HIGH and kind in HIGH_THAT_WAIT)
    assert may_wait(kind, severity) == waits


def test_only_messages_of_a_queue_end_windows() -> None:
    message = {"eventSource": "aws:sqs", "body": '{"kind": "solved"}'}
    assert is_queue_batch([message])
    assert not is_queue_batch([])
    assert not is_queue_batch([message, {"eventSource": "aws:dynamodb"}])
    assert not is_queue_batch(["text"])


def test_each_kind_is_ended_once() -> None:
    records = [{"body": '{"kind": "solved"}'}, {"body": '{"kind": "noncompliant"}'}, {"body": '{"kind": "solved"}'}]
    assert parse_summary_kinds(records) == (NoticeKind.SOLVED, NoticeKind.NONCOMPLIANT)


@pytest.mark.parametrize(
    "record",
    [{}, "text", {"body": None}, {"body": "{"}, {"body": "[]"}, {"body": "{}"}, {"body": '{"kind": "digest"}'}],
    ids=str,
)
def test_any_other_message_is_not_understood(record: object) -> None:
    with pytest.raises(EventNotUnderstood, match="names no kind"):
        parse_summary_kinds([record])
