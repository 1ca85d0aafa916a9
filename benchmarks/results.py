"""The results of the measurements."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from benchmarks.measure import Span

GUARD: Final = "mfa-guard"
CUSTODIAN: Final = "Cloud Custodian"
# Its other way to do the job, measured with the smallest account and mentioned beside the comparison.
CUSTODIAN_UNCONDITIONAL: Final = "Cloud Custodian, attaching every time"


@dataclass(frozen=True)
class Spread:
    """One figure of several runs of the same work."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, figures: Iterable[float]) -> "Spread":
        """Return the spread of at least one figure."""
        found = sorted(figures)
        return cls(statistics.median(found), found[0], found[-1])


@dataclass(frozen=True)
class SweepRun:
    """The runs of one sweep, each from the first import to its end.

    `latency` is in seconds a call, `round` is first or steady. `wall` and `cpu` are in seconds, `peak` is in MiB.
    """

    tool: str
    users: int
    latency: float
    round: str
    calls: Counter[str]
    wall: Spread
    cpu: Spread
    peak: Spread

    @property
    def iam_calls(self) -> int:
        """Return the number of calls to IAM."""
        return sum(count for name, count in self.calls.items() if name.startswith("iam:"))


@dataclass(frozen=True)
class EventRun:
    """CreateUser events. `cold` is from the first import to the end of the first event, `warm` one later event."""

    tool: str
    latency: float
    calls: Counter[str]
    events: int
    cold: Span
    warm: Span
    peak_mib: float


@dataclass(frozen=True)
class Results:
    """All results. `packages` are the bytes of the zip file of one function, by tool."""

    sweeps: tuple[SweepRun, ...]
    events: tuple[EventRun, ...]
    packages: Mapping[str, int]
    versions: Mapping[str, str]
    date: date

    def sweep(self, tool: str, users: int, latency: float, round_: str) -> SweepRun:
        """Return one sweep that was measured."""
        wanted = (tool, users, latency, round_)
        return next(run for run in self.sweeps if (run.tool, run.users, run.latency, run.round) == wanted)

    def measured(self, tool: str, users: int, latency: float) -> bool:
        """Tell whether the tool swept this many users with this latency."""
        return any((run.tool, run.users, run.latency) == (tool, users, latency) for run in self.sweeps)

    def event(self, tool: str, latency: float) -> EventRun:
        """Return the events with one latency."""
        return next(run for run in self.events if (run.tool, run.latency) == (tool, latency))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the numbers of users that were swept, each once."""
        return tuple(sorted({run.users for run in self.sweeps}))
