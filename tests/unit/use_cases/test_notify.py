"""A notice is sent once, and no invocation waits forever for another."""

from dataclasses import replace

import pytest

from mfa_guard.core.leases import Claim, Lease
from mfa_guard.core.mail.layout import Message
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.use_cases.notify import NoticeStuck, notify_once
from support.fakes import FakeAccount, FakeLeases

MESSAGE = Message("subject", "body", {})


class Held(FakeLeases):
    """A table in which another invocation always holds the lease."""

    def claim(self, scope: str, kind: NoticeKind, holder: str, exposure: frozenset[str]) -> Claim:  # noqa: ARG002
        return Claim.HELD


def test_a_lease_that_is_always_held_raises() -> None:
    account = FakeAccount()
    dependencies = replace(account.dependencies, leases=Held(account.calls, account.clock))
    with pytest.raises(NoticeStuck, match="noncompliant"):
        notify_once(Lease("s", NoticeKind.NONCOMPLIANT, "h"), MESSAGE, account.notifier.notices, dependencies)
    assert account.notifier.sent == []
