"""Write the results as docs/bench.md: a table, and which targets were met."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.results import CUSTODIAN, CUSTODIAN_UNCONDITIONAL, GUARD, EventRun, Results, Spread, SweepRun

_HEADS: Final = ("work", "users", "ms per call", "figure", GUARD, CUSTODIAN, "ratio")


@dataclass(frozen=True)
class Row:
    """One figure of both tools; Custodian does not sweep the larger account with latency."""

    work: str
    users: int
    latency_ms: float
    figure: str
    guard: Spread
    custodian: Spread | None

    @property
    def ratio(self) -> float | None:
        """Return the median of mfa-guard divided by that of Custodian, or None if Custodian was not measured."""
        return self.guard.median / self.custodian.median if self.custodian else None


@dataclass(frozen=True)
class Target:
    """The most that a ratio may be, and the reason to give if it is more."""

    row: tuple[str, int, float, str]
    most: float
    reason: str


_SWEEP_FIGURES: Final[Mapping[str, Callable[[SweepRun], Spread]]] = {
    "IAM calls": lambda run: Spread.of([run.iam_calls]),
    "wall s": lambda run: run.wall,
    "CPU s": lambda run: run.cpu,
    "peak MiB": lambda run: run.peak,
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
    "most of the CPU time is the work of boto3 for each call, and both tools make the same calls that write."
)
_MORE_CALLS: Final = (
    "13 calls instead of 7: reads from IAM, of which four run side by side, and five calls to DynamoDB for repeated "
    "deliveries, for sending each notice once, for storms of notices, and for exemptions. The time of the fake AWS is "
    "included."
)
_COLD: Final = "both tools mostly import boto3 and create clients."
_UNKNOWN: Final = "the reason is not known."

TARGETS: Final = (
    Target(("steady sweep", 1000, 0, "IAM calls"), 1 / 70, ""),
    Target(("steady sweep", 1000, 0, "wall s"), 1 / 10, ""),
    Target(("steady sweep", 1000, 20, "wall s"), 1 / 10, ""),
    # At most 2,200 calls for 1,000 users; 566 of them have no device.
    Target(("first sweep", 1000, 0, "IAM calls"), 2200 / 3579, ""),
    Target(("first sweep", 1000, 0, "CPU s"), 1 / 2, _CALLS_ARE_BOTO3),
    Target(("first sweep", 1000, 20, "CPU s"), 1 / 2, _CALLS_ARE_BOTO3),
    Target(("one CreateUser", 1, 0, "calls an event"), 13 / 7, ""),
    Target(("one CreateUser", 1, 0, "warm CPU ms"), 0.15, ""),
    Target(("one CreateUser", 1, 20, "warm CPU ms"), 0.15, ""),
    Target(("one CreateUser", 1, 0, "warm wall ms"), 1 / 5, _MORE_CALLS),
    Target(("one CreateUser", 1, 20, "warm wall ms"), 0.6, _MORE_CALLS),
    Target(("one CreateUser", 1, 0, "cold wall ms"), 3 / 4, _COLD),
    Target(("one CreateUser", 1, 20, "cold wall ms"), 1, f"{_COLD} At 20 ms per call, its 13 calls add to that."),
    Target(("steady sweep", 1000, 0, "peak MiB"), 0.7, ""),
    Target(("first sweep", 1000, 0, "peak MiB"), 0.7, ""),
    Target(("steady sweep", 5000, 0, "peak MiB"), 0.7, ""),
    Target(("first sweep", 5000, 0, "peak MiB"), 0.7, ""),
    Target(("one CreateUser", 1, 0, "peak MiB"), 0.7, ""),
)


def rows(results: Results) -> Iterator[Row]:
    """Yield every figure of both tools."""
    latencies = sorted({run.latency for run in results.events})
    for size in results.sizes:
        for latency in latencies:
            for round_ in ("first", "steady"):
                ours = results.sweep(GUARD, size, latency, round_)
                compared = results.measured(CUSTODIAN, size, latency)
                theirs = results.sweep(CUSTODIAN, size, latency, round_) if compared else None
                for name, figure in _SWEEP_FIGURES.items():
                    other = figure(theirs) if theirs else None
                    yield Row(f"{round_} sweep", size, latency * 1000, name, figure(ours), other)
    for latency in latencies:
        our, their = (results.event(tool, latency) for tool in (GUARD, CUSTODIAN))
        for name, of_event in _EVENT_FIGURES.items():
            yield Row("one CreateUser", 1, latency * 1000, name, _single(of_event(our)), _single(of_event(their)))
    mib = {tool: size / 1024 / 1024 for tool, size in results.packages.items()}
    yield Row("one function's zip", 0, 0, "MiB", _single(mib[GUARD]), _single(mib[CUSTODIAN]))


def _single(figure: float) -> Spread:
    return Spread.of([figure])


def table(results: Results) -> str:
    """Return the figures as a Markdown table, and the calls by name."""
    lines = [_line(_HEADS), _line(["---"] * 3 + ["---"] + ["---:"] * 3)]
    for row in rows(results):
        cells = (
            row.work,
            row.users or "",
            f"{row.latency_ms:.0f}",
            row.figure,
            _shown(row.guard),
            _shown(row.custodian) if row.custodian else "not run",
            "" if row.ratio is None else f"{row.ratio:.3f}",
        )
        lines.append(_line(list(map(str, cells))))
    return "\n".join([*lines, "", *_calls(results)])


def _shown(figure: Spread) -> str:
    """Return the median, and the range if the runs differ."""
    if figure.least == figure.most:
        return _number(figure.median)
    return f"{_number(figure.median)} ({_number(figure.least)} to {_number(figure.most)})"


def _calls(results: Results) -> Iterator[str]:
    """Yield the calls by name. Runs with latency make the same calls as those without."""
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
    """Yield every target with its row, and whether it was met."""
    found = {(row.work, row.users, row.latency_ms, row.figure): row for row in rows(results)}
    for target in TARGETS:
        row = found[target.row]
        yield target, row, row.ratio is not None and row.ratio <= target.most


def growth(results: Results) -> Iterator[str]:
    """Yield table rows: how the figures of mfa-guard's sweeps grow from the smallest account to the largest."""
    most = results.sizes[-1] / results.sizes[0]
    latencies = sorted({run.latency for run in results.sweeps})
    for round_ in ("first", "steady"):
        cpu = min(_growth(results, round_, latency, "CPU s") for latency in latencies)
        for latency in latencies:
            for name in ("IAM calls", "wall s", "CPU s"):
                factor = _growth(results, round_, latency, name)
                verdict = "met" if factor <= most else _missed_growth(cpu, most)
                yield _line((f"{round_} sweep, {latency * 1000:.0f} ms per call: {name}", f"{factor:.1f}", verdict))


def _growth(results: Results, round_: str, latency: float, name: str) -> float:
    small, large = (results.sweep(GUARD, size, latency, round_) for size in (results.sizes[0], results.sizes[-1]))
    return _SWEEP_FIGURES[name](large).median / _SWEEP_FIGURES[name](small).median


def _missed_growth(cpu: float, most: float) -> str:
    if cpu > most:
        return f"missed: {_UNKNOWN}"
    # Waiting takes no CPU time, so a sweep takes the same CPU time with every latency.
    return f"missed: at another latency, the CPU time of the same work grew {cpu:.1f} times, so other jobs interfered."


def page(results: Results) -> str:
    """Return docs/bench.md."""
    lines = [_line(("target", "at most", "measured", "")), _line(["---", "---:", "---:", "---"])]
    for target, row, met in targets(results):
        of = f" of {row.users:,} users" if "sweep" in row.work else ""
        work = f"{row.work}{of}, {row.latency_ms:.0f} ms per call: {row.figure}"
        verdict = "met" if met else f"missed: {target.reason or _UNKNOWN}"
        lines.append(_line((work, f"{target.most:.3f}", f"{row.ratio or 0:.3f}", verdict)))
    return _PAGE.format(
        date=results.date.isoformat(),
        python=results.versions["Python"],
        guard=results.versions[GUARD],
        custodian=results.versions[CUSTODIAN],
        targets="\n".join(lines),
        growth="\n".join(growth(results)),
        small=f"{results.sizes[0]:,}",
        large=f"{results.sizes[-1]:,}",
        times=f"{results.sizes[-1] / results.sizes[0]:.0f}",
        unconditional=_unconditional(results),
        table=table(results),
    )


def _unconditional(results: Results) -> str:
    runs = [run for run in results.sweeps if run.tool == CUSTODIAN_UNCONDITIONAL]
    if not runs:
        return ""
    calls = {run.round: f"{run.iam_calls:,}" for run in runs}
    return (
        f" Custodian can also attach the policy to every user in every sweep without a check: {calls['first']} IAM "
        f"calls in its first sweep of {runs[0].users:,} users and {calls['steady']} in a steady one. That writes for "
        "every user every time and cannot report who had drifted, so the comparison uses the policies that check."
    )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


_PAGE: Final = """# mfa-guard compared with Cloud Custodian

Written by `make bench` on {date}: Python {python}; mfa-guard with {guard}; Cloud Custodian {custodian}.

![The figures of Cloud Custodian as multiples of mfa-guard's](bench.svg)

Both tools ran on the same fake AWS: the local account of mfa-guard, which is moto on loopback, behind a counter of
calls. Lists come in pages of 100. The credential report was just created and is kept for four hours, as in IAM. The
tools ran one after the other, in separate processes and environments.

The job: every user has the enforcement policy; every user without an MFA device, 566 of 1,000, has a tag; a message
reports it. After every run, a check that uses neither tool compares each user in moto's state with the expected state.
A difference ends the benchmark. In the smaller account, after the steady sweep, one policy is detached, one tag is
removed, and one wrong tag is added, and the tool has to repair all three. The policies for Custodian are in
[custodian_policies.py](../benchmarks/custodian_policies.py).{unconditional}

Custodian does not do the following here. mfa-guard reads the devices of each user before it enforces or tags, where
Custodian trusts the credential report. mfa-guard sends messages that are written for people, recognizes events that are
delivered twice, and checks its own rules, topics, and queue.

`ratio` is the figure of mfa-guard divided by that of Custodian. A sweep is a new process, measured from the first
import to its end: the handler of mfa-guard, and the command line of Custodian, which also validates its policies. Each
sweep ran 3 times, each time in a new account; the table shows the median and the range. Before the first measured run,
each tool ran once, so that its bytecode existed. Custodian did not sweep the larger account with latency, because such
a sweep takes it minutes. Events are measured inside their process: the first event is cold, measured from the first
import; each later event is warm. Times of events are medians of 3 processes with 20 warm events each. Peak memory is
that of the whole process. The fake AWS runs on the same cores, and the wall time of both tools includes its time. Calls
are exact.

## Targets

{targets}

From {small} to {large} users, {times} times as many, the figures of mfa-guard's sweeps grow by these factors (target:
at most {times}):

| work | factor | |
| --- | ---: | --- |
{growth}

`make startup` shows what takes time in a cold start up to the first call to AWS, and the floor: importing boto3 and
creating the same clients.

## All figures

{table}
"""
