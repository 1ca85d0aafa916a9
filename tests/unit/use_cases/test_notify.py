"""A notice is sent once, and no invocation waits forever for another."""

from dataclasses import replace

import pytest

from mfa_guard.core.leases import Claim, Lease
from mfa_guard.core.mail.layout import Message
from mfa_guard.core.metrics import Metric
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.user_record import Decision
from mfa_guard.use_cases.notify import NoticeStuck, notify_of_user, notify_once
from support.factories import decision
from support.fakes import FakeAccount, FakeLeases, FakeUserRecords

MESSAGE = Message("subject", "body", {})
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
        notify_once(LEASE, MESSAGE, account.notifier.notices, dependencies)
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
    assert account.calls.made == ["records.claim", "notifier.notices", "records.sent"]
    assert account.telemetry.counts[Metric.NOTICES_SENT] == 1
