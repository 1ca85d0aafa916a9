"""The matrix: every call of every scenario under every fault, and how each of these cells ends."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from faults.fault_injection import Call, Duration, Fault, Injection
from faults.harness import Harness
from faults.observations import Observations, RunResult
from faults.scenarios import ALERT, SWEEP, TEARDOWN, USER, Scenario
from faults.verdicts import Judge, Outcome, Verdict

# `make test` runs this many cells of each call, chosen by a fixed seed. `make faults` runs all of them.
SAMPLE: Final = 2
_SEED: Final = 1

# The calls whose NoSuchEntity means to the guard that nothing is left to do. IAM does not return it for what exists,
# except briefly for what is new, which each scenario lists. A sweep handles nothing that is new.
_NOT_FOUND_IS_BELIEVED: Final = {
    USER: frozenset({"GetUser", "GetLoginProfile", "GetAccessKeyLastUsed", "DetachUserPolicy"}),
    SWEEP: frozenset({"DetachUserPolicy", "TagUser", "UntagUser", "UpdateAccessKey"}),
    TEARDOWN: frozenset({"ListEntitiesForPolicy", "GetGroup"}),
    ALERT: frozenset[str](),
}


@dataclass(frozen=True)
class Cell:
    """One call with one fault, and how it ends."""

    scenario: str
    injection: Injection
    verdict: Verdict

    @property
    def row(self) -> str:
        """Return the call, and its number if it is a repeated one."""
        call, nth = self.injection.call, self.injection.nth
        return str(call) if nth == 1 else f"{call} ({nth})"

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
        harness.reset(None)
        self._judge = Judge(harness, self._observations, baseline, self._observations.users())

    def cells(self, sample: int | None = None, *, part: int = 0, parts: int = 1) -> Iterator[Cell]:
        """Yield the cells, row by row, or one part of them; with `sample`, that many cells of each row."""
        return (self._cell(each) for each in self._injections(sample)[part::parts])

    def _injections(self, sample: int | None) -> list[Injection]:
        columns = [(fault, duration) for fault in Fault for duration in Duration]
        return [
            Injection(call, nth, fault, duration)
            for call, nth in self._rows
            for fault, duration in _sampled(columns, sample, f"{self._scenario.name} {call} {nth}")
        ]

    def _cell(self, injection: Injection) -> Cell:
        return Cell(self._scenario.name, injection, self._verdict(injection))

    def _verdict(self, injection: Injection) -> Verdict:
        briefly_hidden = injection.fault is Fault.NOT_FOUND and injection.duration is Duration.TRANSIENT
        believed = _NOT_FOUND_IS_BELIEVED[self._scenario.function] - self._scenario.new
        if briefly_hidden and injection.call.operation in believed:
            return Verdict(Outcome.IMPOSSIBLE)
        verdict = self._judge.judge(self._run(injection), injection)
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


def _sampled(columns: list[tuple[Fault, Duration]], sample: int | None, row: str) -> list[tuple[Fault, Duration]]:
    """Return `sample` of a row's columns in their order; the choice differs from row to row."""
    if sample is None:
        return columns
    chosen = random.Random(f"{_SEED} {row}").sample(range(len(columns)), sample)  # noqa: S311
    return [columns[index] for index in sorted(chosen)]
