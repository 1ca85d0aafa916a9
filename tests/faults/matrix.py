"""The matrix: every call of every scenario under every disturbance, and how each of these cells ends."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from faults.convergence import ConvergenceJudge
from faults.fault_injection import Call, Disturbance, Duration, Fault, FaultInjector, Injection
from faults.harness import Harness
from faults.identity import Identity
from faults.observations import Observations, RunResult
from faults.scenarios import ALERT, SWEEP, TEARDOWN, USER, Scenario
from faults.verdicts import Judge, Outcome, Verdict
from mfa_guard_emulator.aws.stale_reads import Kind

# `make test` runs this many cells of each call, chosen by a fixed seed. `make faults` runs all of them.
SAMPLE: Final = 2
_SEED: Final = 1

# The calls whose NoSuchEntity means to the guard that nothing is left to do. IAM does not return it for what exists,
# except briefly for what is new, which each scenario lists. A sweep handles nothing that is new.
_NOT_FOUND_IS_BELIEVED: Final = {
    USER: frozenset({"GetUser", "GetLoginProfile", "GetAccessKeyLastUsed", "DetachUserPolicy"}),
    SWEEP: frozenset({"DetachUserPolicy", "ListAccessKeys", "TagUser", "UntagUser", "UpdateAccessKey"}),
    TEARDOWN: frozenset({"ListEntitiesForPolicy", "GetGroup"}),
    ALERT: frozenset[str](),
}


_STALE: Final = "stale read"
COLUMNS: Final = (*Fault, _STALE, *Identity)


@dataclass(frozen=True)
class Cell:
    """One call with one disturbance, and how it ends."""

    scenario: str
    injection: Injection
    verdict: Verdict

    @property
    def row(self) -> str:
        """Return the call, and its number if it is a repeated one."""
        call, nth = self.injection.call, self.injection.nth
        return str(call) if nth == 1 else f"{call} ({nth})"

    @property
    def column(self) -> str:
        """Return the column: one for each fault and identity change, and one for stale reads of every kind."""
        return _STALE if isinstance(self.injection.fault, Kind) else self.injection.fault

    def __str__(self) -> str:
        """Return the cell and its verdict in one line."""
        injection, verdict = self.injection, self.verdict
        where = f"{self.scenario}: {injection.call} ({injection.nth}), {injection.fault}, {injection.duration}"
        return f"{where}: {verdict.outcome.name}{f': {verdict.why}' if verdict.why else ''}"


class Matrix:
    """The cells of one scenario."""

    def __init__(self, harness: Harness) -> None:
        self._harness = harness
        self._scenario = harness.scenario
        self._observations = Observations(harness)
        baseline = self._run(None)
        self._rows = _rows(harness.injector.calls, self._scenario)
        self._stale = _stale_kinds(harness.injector)
        harness.reset(None)
        users = self._observations.users()
        self._names = frozenset(users)
        self._judge = Judge(harness, self._observations, baseline, users)
        self._convergence = ConvergenceJudge(harness, self._observations, baseline, users)

    def cells(self, sample: int | None = None, *, part: int = 0, parts: int = 1) -> Iterator[Cell]:
        """Yield the cells, row by row, or one part of them; with `sample`, that many cells of each row."""
        return (self._cell(each) for each in self._injections(sample)[part::parts])

    def _injections(self, sample: int | None) -> list[Injection]:
        faults = [(fault, duration) for fault in Fault for duration in Duration]
        injections = []
        for call, nth in self._rows:
            row, subject = f"{self._scenario.name} {call} {nth}", self._subject(call)
            changes = [(change, duration) for change in self._changes(call, nth) for duration in Duration]
            chosen = (*_sampled(faults, sample, row), *_sampled(changes, sample and sample - 1, row))
            injections += [Injection(call, nth, change, duration, subject) for change, duration in chosen]
        return injections

    def _changes(self, call: Call, nth: int) -> list[Disturbance]:
        """Return the stale reads and the identity changes that matter to a call."""
        if self._scenario.function == ALERT:
            return []
        return [*self._stale[call, nth], *Identity]

    def _subject(self, call: Call) -> str:
        """Return the user who changes before a call: the one that it names, if it names one."""
        named = call.target.removeprefix("a key of ")
        return named if named in self._names else self._scenario.subject

    def _cell(self, injection: Injection) -> Cell:
        return Cell(self._scenario.name, injection, self._verdict(injection))

    def _verdict(self, injection: Injection) -> Verdict:
        briefly_hidden = injection.fault is Fault.NOT_FOUND and injection.duration is Duration.TRANSIENT
        believed = _NOT_FOUND_IS_BELIEVED[self._scenario.function] - self._scenario.new
        if briefly_hidden and injection.call.operation in believed:
            return Verdict(Outcome.IMPOSSIBLE)
        result = self._run(injection)
        converges = not isinstance(injection.fault, Fault) and self._scenario.function != TEARDOWN
        judge = self._convergence if converges else self._judge
        verdict = judge.judge(result, injection)
        return verdict if self._harness.injector.met else Verdict(Outcome.BAD, "no call met the fault")

    def _run(self, injection: Injection | None) -> RunResult:
        self._observations.reset()
        self._harness.reset(injection)
        self._harness.deliver()
        return self._observations.result()


def _rows(calls: list[Call], scenario: Scenario) -> list[tuple[Call, int]]:
    """Return every call and its number among equal calls; of a call for each of many rules, the first and the last."""
    seen: Counter[Call] = Counter()
    rows = []
    for call in calls:
        seen[call] += 1
        if not scenario.only or call.operation in scenario.only:
            rows.append((call, seen[call]))
    loop = [row for row in rows if row[0].operation == "ListTargetsByRule"]
    return [row for row in rows if row not in loop or row in (loop[0], loop[-1])]


def _stale_kinds(injector: FaultInjector) -> dict[tuple[Call, int], tuple[Kind, ...]]:
    """Return, for each call and its number among equal calls, which parts of users it could show as they were."""
    seen: Counter[Call] = Counter()
    kinds = {}
    for call, differing in zip(injector.calls, injector.could_be_stale, strict=True):
        seen[call] += 1
        kinds[call, seen[call]] = differing
    return kinds


Column = TypeVar("Column")


def _sampled(columns: list[Column], sample: int | None, row: str) -> list[Column]:
    """Return `sample` of a row's columns in their order; the choice differs from row to row."""
    if sample is None or len(columns) <= sample:
        return columns
    chosen = random.Random(f"{_SEED} {row}").sample(range(len(columns)), sample)  # noqa: S311
    return [columns[index] for index in sorted(chosen)]
