"""Telling once: nobody waits for ever."""

import pytest

from mfa_guard.core.kinds import Kind
from mfa_guard.ports import Claim
from mfa_guard.tell import NoticeStuck, Ticket, tell_once
from support.fakes import Calls, FakeClock, FakeLeases, FakeTelemetry


class Held(FakeLeases):
    """A table in which somebody else is always about to tell."""

    def claim(self, scope: str, kind: Kind, holder: str, exposure: frozenset[str]) -> Claim:  # noqa: ARG002
        return Claim.HELD


def test_a_lease_that_never_ends_raises() -> None:
    clock = FakeClock()
    with pytest.raises(NoticeStuck, match="noncompliant"):
        tell_once(Ticket("s", Kind.NONCOMPLIANT, "h"), lambda: None, Held(Calls(), clock), clock, FakeTelemetry())
