"""What AlertFunction needs from outside, in memory."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from mfa_guard.core.own_stack import StackEvent
from mfa_guard.core.trails import KnownTrails
from mfa_guard.use_cases.alert import AlertDependencies
from support.fakes import FakeAccount


@dataclass
class FakeStackHistory:
    """The stack's events in the order in which they happened. `late` are listed from the second reading on."""

    happened: list[StackEvent] = field(default_factory=list)
    late: list[StackEvent] = field(default_factory=list)
    failing: Exception | None = None
    readings: int = 0

    def events(self, since: datetime) -> Iterator[StackEvent]:  # noqa: ARG002 - yields all
        if self.failing:
            raise self.failing
        self.readings += 1
        yield from reversed(self.happened + (self.late if self.readings > 1 else []))


@dataclass
class FakeTrails:
    """The trails that the last sweep saved."""

    known: KnownTrails | None = None

    def load(self) -> KnownTrails | None:
        return self.known

    def save(self, known: KnownTrails) -> None:
        self.known = known


@dataclass
class FakeDevices:
    """The number of virtual devices that belong to no user."""

    unassigned: int = 0
    asked: int = 0

    def count(self, most: int) -> int:
        self.asked += 1
        return min(self.unassigned, most)


@dataclass
class FakeCalls:
    """The counts in the state table."""

    counts: Counter[str] = field(default_factory=Counter)
    unreachable: bool = False

    def add(self, key: str, expires_at: datetime) -> int | None:  # noqa: ARG002 - nothing expires
        self.counts[key] += 1
        return None if self.unreachable else self.counts[key]


def alert_dependencies(
    account: FakeAccount,
    *,
    stack: FakeStackHistory | None = None,
    trails: FakeTrails | None = None,
    devices: FakeDevices | None = None,
    calls: FakeCalls | None = None,
) -> AlertDependencies:
    """Return the dependencies of AlertFunction in an account; without stack events, trails and devices by default."""
    return AlertDependencies(
        leases=account.leases,
        notifier=account.notifier,
        windows=account.windows,
        timer=account.timer,
        telemetry=account.telemetry,
        clock=account.clock,
        stack=stack or FakeStackHistory(),
        trails=trails or FakeTrails(),
        devices=devices or FakeDevices(),
        calls=calls or FakeCalls(),
    )
