"""What was measured."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from benchmarks.measure import Span

GUARD: Final = "mfa-guard"
CUSTODIAN: Final = "Cloud Custodian"
# Its other way to the same end, measured on the smallest account and shown beside the comparison.
WRITING: Final = "Cloud Custodian, writing every time"


@dataclass(frozen=True)
class SweepRun:
    """One sweep, from the start of importing to its end. `latency`: seconds a call; `round`: first or steady."""

    tool: str
    users: int
    latency: float
    round: str
    calls: Counter[str]
    span: Span
    peak_mib: float

    @property
    def iam_calls(self) -> int:
        """Return the calls of IAM."""
        return sum(count for name, count in self.calls.items() if name.startswith("iam:"))


@dataclass(frozen=True)
class EventRun:
    """Events of CreateUser. `cold`: from the start of importing to the first event's end; `warm`: one later event."""

    tool: str
    latency: float
    calls: Counter[str]
    events: int
    cold: Span
    warm: Span
    peak_mib: float


@dataclass(frozen=True)
class Results:
    """All of it. `packages`: bytes of one function's zip, by tool."""

    sweeps: tuple[SweepRun, ...]
    events: tuple[EventRun, ...]
    packages: Mapping[str, int]
    versions: Mapping[str, str]
    date: date

    def sweep(self, tool: str, users: int, latency: float, round_: str) -> SweepRun:
        """Return one sweep."""
        wanted = (tool, users, latency, round_)
        return next(run for run in self.sweeps if (run.tool, run.users, run.latency, run.round) == wanted)

    def event(self, tool: str, latency: float) -> EventRun:
        """Return the events at one latency."""
        return next(run for run in self.events if (run.tool, run.latency) == (tool, latency))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return how many users were swept, each number once."""
        return tuple(sorted({run.users for run in self.sweeps}))
