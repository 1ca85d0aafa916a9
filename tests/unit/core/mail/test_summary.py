"""The summary of notices that were too many to send one by one."""

import pytest
from jsonschema import Draft202012Validator

from mfa_guard.core.mail.layout import LARGEST
from mfa_guard.core.mail.summary import summary_message
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.windows import MOST_HELD, EndedWindow
from support.factories import NOW, settings
from support.messages import SUMMARY_SCHEMA, data, mail

HIGH = "2026-03-01T12:00:00Z HIGH: alice has no MFA device (event 1)"
LOW = "2026-03-01T12:00:00Z LOW: bob enrolled an MFA device (event 2)"


def window(*lines: str, more: int = 0, kind: NoticeKind = NoticeKind.NONCOMPLIANT) -> EndedWindow:
    counters = {"more#1": more} if more else {}
    return EndedWindow(kind, {f"held#1#{number}": line for number, line in enumerate(lines)}, counters)


def test_a_summary_lists_what_it_stands_for_and_counts_the_rest() -> None:
    message = summary_message(window(HIGH, LOW, more=5), settings(), NOW)
    assert message.subject == "HIGH: 7 more notices: noncompliant"
    assert HIGH in mail(message)
    assert LOW in mail(message)
    assert "5 more are not listed" in mail(message)
    assert (data(message)["count"], data(message)["not_listed"]) == (7, 5)
    assert data(message)["notices"] == [HIGH, LOW]


@pytest.mark.parametrize(
    ("lines", "severity"),
    [((HIGH, LOW), "high"), ((LOW,), "low"), ((LOW, LOW.replace("LOW", "MEDIUM")), "medium"), ((), "low")],
)
def test_a_summary_is_as_severe_as_its_most_severe_notice(lines: tuple[str, ...], severity: str) -> None:
    message = summary_message(window(*lines, more=1), settings(), NOW)
    assert message.attributes == {"severity": severity, "kind": "noncompliant", "account": settings().account}


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_every_summary_says_what_to_do_and_has_the_documented_form(kind: NoticeKind) -> None:
    message = summary_message(window(LOW, kind=kind), settings(), NOW)
    assert "WHAT TO DO NEXT" in mail(message)
    assert "not listed" not in mail(message)
    Draft202012Validator(SUMMARY_SCHEMA).validate(data(message))


def test_a_summary_lists_fewer_notices_if_all_would_not_fit() -> None:
    long = f"2026-03-01T12:00:00Z HIGH: {'a' * 900}"
    message = summary_message(window(*[long] * MOST_HELD), settings(), NOW)
    assert len(message.body.encode()) <= LARGEST
    assert (data(message)["count"], len(data(message)["notices"]), data(message)["not_listed"]) == (250, 125, 125)
