"""The results in words: a table, and what was aimed at."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.results import CUSTODIAN, GUARD, EventRun, Results, SweepRun

_HEADS: Final = ("work", "users", "ms a call", "figure", GUARD, CUSTODIAN, "ratio")


@dataclass(frozen=True)
class Row:
    """One figure of both tools. `ratio`: mfa-guard's over Custodian's."""

    work: str
    users: int
    latency_ms: float
    figure: str
    guard: float
    custodian: float

    @property
    def ratio(self) -> float:
        """Return how much of Custodian's figure mfa-guard's is."""
        return self.guard / self.custodian


@dataclass(frozen=True)
class Target:
    """What a ratio may be at most. `why`: the reason that is given when it is more."""

    row: tuple[str, int, float, str]
    most: float
    why: str


_SWEEP_FIGURES: Final[Mapping[str, Callable[[SweepRun], float]]] = {
    "IAM calls": lambda run: run.iam_calls,
    "wall s": lambda run: run.span.wall,
    "CPU s": lambda run: run.span.cpu,
    "peak MiB": lambda run: run.peak_mib,
}
_EVENT_FIGURES: Final[Mapping[str, Callable[[EventRun], float]]] = {
    "calls an event": lambda run: run.calls.total() / run.events,
    "warm wall ms": lambda run: run.warm.wall * 1000,
    "warm CPU ms": lambda run: run.warm.cpu * 1000,
    "cold wall ms": lambda run: run.cold.wall * 1000,
    "cold CPU ms": lambda run: run.cold.cpu * 1000,
    "peak MiB": lambda run: run.peak_mib,
}

_CALLS_ARE_BOTO3: Final = (
    "nearly all of it is boto3's own work, about 2 ms a call, and of the calls that are left two a user are the "
    "writes that both tools make, and one is the live confirmation before them."
)
_MORE_CALLS: Final = (
    "17 calls to 7, one after the other: IAM's live answers, each asked for only when the plan needs it, and "
    "eight of DynamoDB against repeated deliveries, for telling once, and for exemptions. The fake AWS's own time "
    "for each is in it."
)
_COLD: Final = (
    "most of both is importing boto3 and making clients, of which mfa-guard has four and makes all with its first "
    "event."
)
_UNKNOWN: Final = "why is not known."

TARGETS: Final = (
    Target(("steady sweep", 1000, 0, "IAM calls"), 1 / 70, ""),
    Target(("steady sweep", 1000, 0, "wall s"), 1 / 10, ""),
    Target(("steady sweep", 1000, 20, "wall s"), 1 / 10, ""),
    Target(("first sweep", 1000, 0, "IAM calls"), 1, ""),
    Target(("first sweep", 1000, 0, "CPU s"), 1 / 2, _CALLS_ARE_BOTO3),
    Target(("first sweep", 1000, 20, "CPU s"), 1 / 2, _CALLS_ARE_BOTO3),
    Target(("one CreateUser", 1, 0, "warm CPU ms"), 1 / 5, ""),
    Target(("one CreateUser", 1, 0, "warm wall ms"), 1 / 5, _MORE_CALLS),
    Target(("one CreateUser", 1, 20, "warm wall ms"), 0.6, _MORE_CALLS),
    Target(("one CreateUser", 1, 0, "cold wall ms"), 3 / 4, _COLD),
    Target(("steady sweep", 1000, 0, "peak MiB"), 0.7, ""),
    Target(("first sweep", 1000, 0, "peak MiB"), 0.7, ""),
    Target(("one CreateUser", 1, 0, "peak MiB"), 0.7, ""),
)


def rows(results: Results) -> Iterator[Row]:
    """Return every figure of both tools."""
    latencies = sorted({run.latency for run in results.events})
    for size in results.sizes:
        for latency in latencies:
            for round_ in ("first", "steady"):
                ours, theirs = (results.sweep(tool, size, latency, round_) for tool in (GUARD, CUSTODIAN))
                for name, figure in _SWEEP_FIGURES.items():
                    yield Row(f"{round_} sweep", size, latency * 1000, name, figure(ours), figure(theirs))
    for latency in latencies:
        our, their = (results.event(tool, latency) for tool in (GUARD, CUSTODIAN))
        for name, of_event in _EVENT_FIGURES.items():
            yield Row("one CreateUser", 1, latency * 1000, name, of_event(our), of_event(their))
    mib = {tool: size / 1024 / 1024 for tool, size in results.packages.items()}
    yield Row("one function's zip", 0, 0, "MiB", mib[GUARD], mib[CUSTODIAN])


def table(results: Results) -> str:
    """Return the figures as a table in Markdown, and every call by name."""
    lines = [_line(_HEADS), _line(["---"] * 3 + ["---"] + ["---:"] * 3)]
    for row in rows(results):
        cells = (
            row.work,
            row.users or "",
            f"{row.latency_ms:.0f}",
            row.figure,
            _number(row.guard),
            _number(row.custodian),
        )
        lines.append(_line([*map(str, cells), f"{row.ratio:.3f}"]))
    return "\n".join([*lines, "", *_calls(results)])


def _calls(results: Results) -> Iterator[str]:
    """Return the calls by name, of the runs without latency: the others make the same."""
    largest = results.sizes[0]
    yield _line(("work", "tool", "calls"))
    yield _line(["---"] * 3)
    for round_ in ("first", "steady"):
        for tool in (GUARD, CUSTODIAN):
            run = results.sweep(tool, largest, 0.0, round_)
            yield _line((f"{round_} sweep of {largest:,}", tool, _named(run.calls)))
    for tool in (GUARD, CUSTODIAN):
        event = results.event(tool, 0.0)
        yield _line((f"{event.events} events of CreateUser", tool, _named(event.calls)))


def _named(calls: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(calls.items(), key=lambda each: (-each[1], each[0])))


def targets(results: Results) -> Iterator[tuple[Target, Row, bool]]:
    """Return every target with the row that it is about, and whether it was met."""
    found = {(row.work, row.users, row.latency_ms, row.figure): row for row in rows(results)}
    for target in TARGETS:
        row = found[target.row]
        yield target, row, row.ratio <= target.most


def growth(results: Results) -> Sequence[str]:
    """Return how calls and time grow from the smallest account to the largest, as sentences."""
    small, large = results.sizes[0], results.sizes[-1]
    told = []
    for round_ in ("first", "steady"):
        one, other = (results.sweep(GUARD, size, 0.02, round_) for size in (small, large))
        calls, wall = other.iam_calls / one.iam_calls, other.span.wall / one.span.wall
        told.append(
            f"From {small:,} to {large:,} users, {large / small:.0f} times as many, at 20 ms a call, mfa-guard's "
            f"{round_} sweep makes {calls:.1f} times the IAM calls in {wall:.1f} times the wall time."
        )
    return told


def page(results: Results) -> str:
    """Return docs/bench.md."""
    aims = [_line(("aim", "at most", "measured", "")), _line(["---", "---:", "---:", "---"])]
    for target, row, met in targets(results):
        of = f" of {row.users:,} users" if "sweep" in row.work else ""
        aim = f"{row.work}{of}, {row.latency_ms:.0f} ms a call: {row.figure}"
        verdict = "met" if met else f"missed: {target.why or _UNKNOWN}"
        aims.append(_line((aim, f"{target.most:.3f}", f"{row.ratio:.3f}", verdict)))
    return _PAGE.format(
        date=results.date.isoformat(),
        python=results.versions["Python"],
        guard=results.versions[GUARD],
        custodian=results.versions[CUSTODIAN],
        aims="\n".join(aims),
        growth=" ".join(growth(results)),
        table=table(results),
    )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


_PAGE: Final = """# mfa-guard beside Cloud Custodian

Written by `make bench` on {date}: Python {python}; mfa-guard with {guard}; Cloud Custodian {custodian}.

![Cloud Custodian's figures as multiples of mfa-guard's](bench.svg)

Both ran on the same fake AWS (moto behind a counter on loopback, listings in pages of 100, a credential report that
was just made and is kept for four hours, as IAM keeps it), one after the other, each in processes of its own and an
environment of its own. The job: everybody carries the enforcement policy; who has no MFA device, 566 of 1,000,
carries a tag; administrators are told. After every run a reader that belongs to neither tool compares each user in
moto's own books with what is right for him; a difference ends the measurement. Custodian's policies are in
[custodian_policies.py](../benchmarks/custodian_policies.py); they repair drift, as mfa-guard does. What Custodian
does not do here: it believes the credential report, while mfa-guard asks for each user's devices before it marks him;
it sends no mail a person could read; it keeps no record against events that are delivered twice.

`ratio` is mfa-guard's figure over Custodian's. A sweep is a new process, from the start of importing to its end. An
event is timed inside its process: cold from the start of importing to the end of the first event, warm each later
one, medians of 3 processes with 20 warm events each. Peak memory is the whole process's. The fake AWS runs on the
same cores, and its time is in both tools' wall time. Absolute times are this machine's; the ratios are what carries
over.

## What was aimed at

{aims}

{growth}

## Everything

{table}
"""
