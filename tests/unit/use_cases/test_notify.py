"""Telling once: nobody waits for ever."""

import pytest

from mfa_guard.core.leases import Claim
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.use_cases.notify import Lease, NoticeStuck, notify_once
from support.fakes import Calls, FakeClock, FakeLeases, FakeTelemetry


class Held(FakeLeases):
    """A table in which somebody else is always about to tell."""

    def claim(self, scope: str, kind: NoticeKind, holder: str, exposure: frozenset[str]) -> Claim:  # noqa: ARG002
        return Claim.HELD


def test_a_lease_that_never_ends_raises() -> None:
    clock = FakeClock()
    with pytest.raises(NoticeStuck, match="noncompliant"):
        notify_once(
            Lease("s", NoticeKind.NONCOMPLIANT, "h"), lambda: None, Held(Calls(), clock), clock, FakeTelemetry()
        )
