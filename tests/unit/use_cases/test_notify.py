"""A notice is sent once, and no invocation waits forever for another."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mfa_guard.core.leases import Claim, Lease
from mfa_guard.core.mail.layout import Message
from mfa_guard.core.metrics import Metric
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.user_record import Decision
from mfa_guard.core.windows import SENT_AT_ONCE
from mfa_guard.use_cases.notify import NoticeStuck, notify_of_user, notify_once, send_ended_windows
from support.factories import NOW, decision, settings
from support.fakes import Crash, FakeAccount, FakeLeases, FakeUserRecords
from support.messages import mail

MESSAGE = Message("HIGH: alice has no MFA device", "body", {"severity": "high", "kind": "noncompliant"})
LEASE = Lease("s", NoticeKind.NONCOMPLIANT, "h")


class HeldLeases(FakeLeases):
    """A table in which another invocation always holds the lease."""

    def claim(self, lease: Lease) -> Claim:  # noqa: ARG002
        return Claim.HELD


class HeldRecords(FakeUserRecords):
    """A table in which another invocation always holds the lease."""

    def claim(self, lease: Lease, decision: Decision) -> Claim:  # noqa: ARG002
        return Claim.HELD


def test_a_lease_that_is_always_held_raises() -> None:
    account = FakeAccount()
    dependencies = replace(account.dependencies, leases=HeldLeases(account.calls, account.clock))
    with pytest.raises(NoticeStuck, match="noncompliant"):
        notify_once(LEASE, MESSAGE, dependencies)
    assert account.notifier.sent == []


def test_a_user_record_that_is_always_held_raises() -> None:
    account = FakeAccount()
    records = HeldRecords(account.calls, account.clock, account.exemptions)
    with pytest.raises(NoticeStuck, match="noncompliant"):
        notify_of_user(LEASE, decision(), MESSAGE, replace(account.dependencies, records=records))
    assert account.notifier.sent == []


def test_a_notice_that_another_invocation_sends_meanwhile_is_not_sent_again() -> None:
    account = FakeAccount()
    other = replace(LEASE, holder="other")
    account.records.claim(other, decision())

    def other_finishes() -> None:
        account.calls.meanwhile = lambda: None
        account.records.sent(other)

    account.calls.meanwhile = other_finishes
    assert not notify_of_user(LEASE, decision(), MESSAGE, account.dependencies)
    assert account.notifier.sent == []


def test_a_claim_made_before_acting_is_not_made_again() -> None:
    account = FakeAccount()
    claimed = account.records.claim(LEASE, decision())
    assert notify_of_user(LEASE, decision(), MESSAGE, account.dependencies, claimed)
    assert account.calls.made == ["records.claim", "windows.admit", "notifier.notices", "records.sent"]
    assert account.telemetry.counts[Metric.NOTICES_SENT] == 1


def held(account: FakeAccount, name: str) -> bool:
    """Send a notice about a user after enough others, and return whether none of the ten mails is about them."""
    for number in range(SENT_AT_ONCE):
        send(account, f"early-{number}")
    send(account, name)
    return len(account.notifier.sent) == SENT_AT_ONCE


def send(account: FakeAccount, name: str, severity: str = "high", kind: NoticeKind = NoticeKind.NONCOMPLIANT) -> bool:
    message = Message(f"{severity.upper()}: {name} has no MFA device", "body", {"severity": severity})
    return notify_of_user(Lease(name, kind, f"event of {name}"), decision(), message, account.dependencies)


def summaries(account: FakeAccount) -> int:
    dependencies = account.dependencies
    return send_ended_windows(tuple(NoticeKind), settings(), account.clock.now(), dependencies)


class TestStorms:
    def test_the_eleventh_notice_waits_and_counts_as_sent(self) -> None:
        account = FakeAccount()
        assert held(account, "alice")
        assert account.timer.started == [(NOW + timedelta(minutes=15), NoticeKind.NONCOMPLIANT)]
        assert account.records.of("alice").notices[NoticeKind.NONCOMPLIANT].sent
        assert account.telemetry.counts[Metric.NOTICES_SENT] == SENT_AT_ONCE

    def test_the_summary_names_everything_that_waited(self) -> None:
        account = FakeAccount()
        held(account, "alice")
        send(account, "bob")
        assert summaries(account) == 0
        account.clock.sleep(15 * 60)
        assert summaries(account) == 2
        text = mail(account.notifier.sent[-1])
        assert "HIGH: alice has no MFA device (event event of alice)" in text
        assert "HIGH: bob" in text
        assert account.notifier.sent[-1].subject == "HIGH: 2 more notices: noncompliant"
        assert summaries(account) == 0

    def test_a_summary_that_was_not_sent_is_sent_later(self) -> None:
        account = FakeAccount()
        held(account, "alice")
        account.clock.sleep(15 * 60)
        account.calls.crash_after = len(account.calls.made) + 2
        with pytest.raises(Crash, match=r"notifier\.notices"):
            summaries(account)
        account.calls.crash_after = None
        assert summaries(account) == 1

    def test_high_notices_of_another_kind_never_wait(self) -> None:
        account = FakeAccount()
        for number in range(30):
            send(account, f"user-{number}", "high", NoticeKind.ENFORCEMENT_REMOVED)
        assert len(account.notifier.sent) == 30

    def test_low_notices_of_another_kind_wait(self) -> None:
        account = FakeAccount()
        for number in range(30):
            send(account, f"user-{number}", "low", NoticeKind.SOLVED)
        assert len(account.notifier.sent) == SENT_AT_ONCE

    def test_without_the_state_table_every_notice_is_sent(self) -> None:
        account = FakeAccount()
        account.windows.reachable = False
        assert not held(account, "alice")

    def test_without_the_queue_the_notice_is_sent_and_is_in_the_next_summary_too(self) -> None:
        account = FakeAccount()
        account.timer.reachable = False
        assert not held(account, "alice")
        assert "Queue unreachable, the notice does not wait" in account.telemetry.lines
        account.clock.sleep(15 * 60)
        assert summaries(account) == 1
