"""The results in words: a table, and what was aimed at."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.results import CUSTODIAN, GUARD, WRITING, EventRun, Results, SweepRun

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
    "most of it is boto3's own work for each call, and the calls that are left are the writes, which both make, and "
    "one live read of everybody before them."
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
_MEMORY: Final = "it keeps what it did for every user until the digest is written."
_UNKNOWN: Final = "why is not known."

TARGETS: Final = (
    Target(("steady sweep", 1000, 0, "IAM calls"), 1 / 70, ""),
    Target(("steady sweep", 1000, 0, "wall s"), 1 / 10, ""),
    Target(("steady sweep", 1000, 20, "wall s"), 1 / 10, ""),
    Target(("first sweep", 1000, 0, "IAM calls"), 1, ""),
    Target(("first sweep", 1000, 0, "CPU s"), 1 / 2, _CALLS_ARE_BOTO3),
    Target(("first sweep", 1000, 20, "CPU s"), 1 / 2, _CALLS_ARE_BOTO3),
    Target(("one CreateUser", 1, 0, "warm CPU ms"), 1 / 5, ""),
    Target(("one CreateUser", 1, 20, "warm CPU ms"), 1 / 5, ""),
    Target(("one CreateUser", 1, 0, "warm wall ms"), 1 / 5, _MORE_CALLS),
    Target(("one CreateUser", 1, 20, "warm wall ms"), 0.6, _MORE_CALLS),
    Target(("one CreateUser", 1, 0, "cold wall ms"), 3 / 4, _COLD),
    Target(("one CreateUser", 1, 20, "cold wall ms"), 3 / 4, f"{_COLD} At 20 ms a call, its 17 calls come to that."),
    Target(("steady sweep", 1000, 0, "peak MiB"), 0.7, ""),
    Target(("first sweep", 1000, 0, "peak MiB"), 0.7, ""),
    Target(("steady sweep", 5000, 0, "peak MiB"), 0.7, ""),
    Target(("first sweep", 5000, 0, "peak MiB"), 0.7, _MEMORY),
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
    smallest = results.sizes[0]
    yield _line(("work", "tool", "calls"))
    yield _line(["---"] * 3)
    for round_ in ("first", "steady"):
        for tool in (GUARD, CUSTODIAN):
            run = results.sweep(tool, smallest, 0.0, round_)
            yield _line((f"{round_} sweep of {smallest:,}", tool, _named(run.calls)))
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


def growth(results: Results) -> Iterator[str]:
    """Return how calls and time of mfa-guard's sweeps grow from the smallest account to the largest, as table rows."""
    most = results.sizes[-1] / results.sizes[0]
    latencies = sorted({run.latency for run in results.sweeps})
    for round_ in ("first", "steady"):
        computing = min(_grown(results, round_, latency, "CPU s") for latency in latencies)
        for latency in latencies:
            for name in ("IAM calls", "wall s", "CPU s"):
                grown = _grown(results, round_, latency, name)
                verdict = "met" if grown <= most else _more_than_linear(computing, most)
                yield _line((f"{round_} sweep, {latency * 1000:.0f} ms a call: {name}", f"{grown:.1f}", verdict))


def _grown(results: Results, round_: str, latency: float, name: str) -> float:
    small, large = (results.sweep(GUARD, size, latency, round_) for size in (results.sizes[0], results.sizes[-1]))
    return _SWEEP_FIGURES[name](large) / _SWEEP_FIGURES[name](small)


def _more_than_linear(computing: float, most: float) -> str:
    if computing > most:
        return f"missed: {_UNKNOWN}"
    # Waiting costs no CPU, so a sweep computes the same whatever the latency.
    why = f"at another latency the CPU of the same work grew {computing:.1f} times, so other jobs were in the way."
    return f"missed: {why}"


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
        growth="\n".join(growth(results)),
        small=f"{results.sizes[0]:,}",
        large=f"{results.sizes[-1]:,}",
        times=f"{results.sizes[-1] / results.sizes[0]:.0f}",
        writing=_writing(results),
        table=table(results),
    )


def _writing(results: Results) -> str:
    runs = [run for run in results.sweeps if run.tool == WRITING]
    if not runs:
        return ""
    calls = {run.round: f"{run.iam_calls:,}" for run in runs}
    return (
        f" Custodian can also give the policy to everybody in every sweep without asking who has it: {calls['first']} "
        f"IAM calls in its first sweep of {runs[0].users:,} users and {calls['steady']} in a steady one. That writes "
        "for every user every time and cannot say who had drifted, so the comparison is with the policies that ask."
    )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


_PAGE: Final = """# mfa-guard beside Cloud Custodian

Written by `make bench` on {date}: Python {python}; mfa-guard with {guard}; Cloud Custodian {custodian}.

![Cloud Custodian's figures as multiples of mfa-guard's](bench.svg)

Both ran on the same fake AWS, which is mfa-guard's own local account (moto behind a counter on loopback, listings
in pages of 100, a credential report that was just made and is kept for four hours, as IAM keeps it), one after the
other, each in processes of its own and an environment of its own. The job: everybody carries the enforcement
policy; who has no MFA device, 566 of 1,000, carries a tag; a message says so. After every run a reader compares
each user in moto's own books, past both tools, with what is right for him; a difference ends the measurement. In
the smaller account, after the steady sweep, somebody detaches one policy, removes one tag and adds one too many,
and the tool has to put all three right. Custodian's policies are in
[custodian_policies.py](../benchmarks/custodian_policies.py).{writing}

What Custodian does not do here: it believes the credential report, while mfa-guard asks for each user's devices
before it binds or marks; it sends no mail a person could read; it keeps no record against events that are delivered
twice; it does not look at its own rules, topics and queue.

`ratio` is mfa-guard's figure over Custodian's. A sweep is a new process, from the start of importing to its end:
mfa-guard's handler, and Custodian's command line, which also validates its policies. Each sweep was run once. An
event is timed inside its process: cold from the start of importing to the end of the first event, warm each later
one, medians of 3 processes with 20 warm events each. Peak memory is the whole process's. The fake AWS runs on the
same cores, and its time is in both tools' wall time. Calls are exact; times are one run's on a shared machine,
where the same sweep has been seen to take half as long again.

## What was aimed at

{aims}

From {small} to {large} users, {times} times as many, mfa-guard's sweeps grow so many times (aim: not more than that):

| work | times | |
| --- | ---: | --- |
{growth}

`make startup` shows a cold start up to its first call of AWS, and the floor: importing boto3, making the same clients.

## Everything

{table}
"""
