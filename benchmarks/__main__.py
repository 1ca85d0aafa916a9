"""Run mfa-guard and Cloud Custodian side by side on the same fake AWS; write docs/bench.md, bench.svg and cost.md.

`make bench`. With BENCH=200, it measures 200 users instead of 1,000 and 5,000, and writes nothing. Custodian sweeps the
larger account without latency only, because a sweep with latency takes it minutes and no target needs it.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import boto3

from benchmarks import cost
from benchmarks.chart import chart
from benchmarks.custodian_policies import event_policy, sweep_policies
from benchmarks.fake_aws import FakeAws, fake_aws
from benchmarks.measure import Span
from benchmarks.population import User, drift, mismatches, users
from benchmarks.report import page, table
from benchmarks.results import CUSTODIAN, CUSTODIAN_UNCONDITIONAL, GUARD, EventRun, Results, Spread, SweepRun
from benchmarks.run_guard import sweep_request
from mfa_guard_cli.stack.template import Stack, load_template

ROOT: Final = Path(__file__).parents[1]
CUSTODIAN_PYTHON: Final = ROOT / ".tools/custodian/bin/python"
SMALLEST: Final = 1000
LATENCIES: Final = (0.0, 0.02)
RUNS: Final = 3
PROCESSES: Final = 3
_ROUNDS: Final = ("first", "steady")
WARM_EVENTS: Final = 20
_PARAMETERS: Final = {"Mode": "all", "WorkingMachineUsers": "enforce", "AlertEmail": "security@example.com"}


class JobNotDone(Exception):
    """A tool left users in an unexpected state, so its figures cannot be compared."""


@dataclass(frozen=True)
class _Tool:
    """How to run a tool."""

    name: str
    sweep: Callable[[FakeAws, Path, int], "_Measured"]
    events: Callable[[FakeAws, Path, Sequence[str]], "_Measured"]


@dataclass(frozen=True)
class _Measured:
    spans: Sequence[Span]
    peak_mib: float


@dataclass(frozen=True)
class _Counted:
    calls: Counter[str]
    measured: _Measured


@dataclass(frozen=True)
class _Job:
    tool: _Tool
    size: int
    latency: float


def main() -> None:
    """Measure, print the table, and write the page and the chart."""
    requested = os.environ.get("BENCH")
    sizes = (int(requested),) if requested else (SMALLEST, 5000)
    if not CUSTODIAN_PYTHON.exists():
        sys.exit("Cloud Custodian is not installed; run make bench.")
    stack = load_template().render(parameters=_PARAMETERS)
    _warm_up(stack)
    jobs = [_Job(tool, size, latency) for size in sizes for latency in LATENCIES for tool in _TOOLS]
    jobs = [job for job in jobs if job.size <= SMALLEST or job.tool.name == GUARD or not job.latency]
    jobs.append(_Job(_UNCONDITIONAL, sizes[0], LATENCIES[0]))
    sweeps = [run for job in jobs for run in _sweep_runs(stack, job)]
    events = [_event_run(stack, tool, latency) for latency in LATENCIES for tool in _TOOLS]
    results = Results(tuple(sweeps), tuple(events), _packages(), _versions(), datetime.now(UTC).date())
    print(table(results))
    if not requested:
        (ROOT / "docs/bench.md").write_text(page(results), "utf-8")
        (ROOT / "docs/cost.md").write_text(cost.page(results, cost.alarms_of(ROOT / "template.yaml")), "utf-8")
        (ROOT / "docs/bench.svg").write_text(chart(results), "utf-8")


def _warm_up(stack: Stack) -> None:
    """Let both tools run once without being measured, so that no measured run compiles bytecode."""
    for tool in _TOOLS:
        _log(f"{tool.name}: warm-up")
        population = {user.name: user for user in users(10)}
        with _account(stack, population.values()) as (aws, folder):
            tool.sweep(aws, folder, 0)
            tool.events(aws, folder, list(population)[:1])


def _sweep_runs(stack: Stack, job: _Job) -> Iterator[SweepRun]:
    """Yield the first and the steady sweep, each measured several times in a new account."""
    runs = [_sweep_once(stack, job, number) for number in range(RUNS)]
    for round_, rounds in zip(_ROUNDS, zip(*runs, strict=True), strict=True):
        yield SweepRun(
            job.tool.name,
            job.size,
            job.latency,
            round_,
            max((ran.calls for ran in rounds), key=Counter.total),
            Spread.of(ran.measured.spans[0].wall for ran in rounds),
            Spread.of(ran.measured.spans[0].cpu for ran in rounds),
            Spread.of(ran.measured.peak_mib for ran in rounds),
        )


def _sweep_once(stack: Stack, job: _Job, number: int) -> Sequence[_Counted]:
    """Return what the first and the steady sweep of one new account took."""
    tool, population = job.tool, {user.name: user for user in users(job.size)}
    done = []
    with _account(stack, population.values()) as (aws, folder):
        aws.counting.latency = job.latency
        for place, round_ in enumerate(_ROUNDS):
            _log(f"{tool.name}: {round_} sweep of {job.size} users, {job.latency * 1000:.0f} ms per call, {number + 1}")
            aws.counting.calls.clear()
            measured = tool.sweep(aws, folder, place)
            done.append(_Counted(Counter(aws.counting.calls), measured))
            _check_users(tool, population, aws)
        if not job.latency and job.size <= SMALLEST and not number:
            # Whether a tool repairs drift does not depend on the number of users, the latency, or the run.
            aws.drift(drift(population))
            tool.sweep(aws, folder, len(_ROUNDS))
            _check_users(tool, population, aws)
    return done


def _event_run(stack: Stack, tool: _Tool, latency: float) -> EventRun:
    each = WARM_EVENTS + 1
    population = {
        f"new-{number:04}": User(f"new-{number:04}", device=False, key=False) for number in range(PROCESSES * each)
    }
    names = list(population)
    with _account(stack, population.values()) as (aws, folder):
        aws.counting.latency = latency
        _log(f"{tool.name}: {len(names)} events, {latency * 1000:.0f} ms per call")
        aws.counting.calls.clear()
        ran = [tool.events(aws, folder, names[start : start + each]) for start in range(0, len(names), each)]
        calls = Counter(aws.counting.calls)
        _check_users(tool, population, aws)
    warm = [span for each_ran in ran for span in each_ran.spans[1:]]
    cold = [each_ran.spans[0] for each_ran in ran]
    return EventRun(
        tool.name, latency, calls, len(names), _median(cold), _median(warm), max(each_ran.peak_mib for each_ran in ran)
    )


@contextmanager
def _account(stack: Stack, population: Iterable[User]) -> Iterator[tuple[FakeAws, Path]]:
    with fake_aws(stack) as aws, tempfile.TemporaryDirectory() as folder:
        aws.fill(population)
        yield aws, Path(folder)


def _check_users(tool: _Tool, population: Mapping[str, User], aws: FakeAws) -> None:
    if names := mismatches(population, aws.observed()):
        raise JobNotDone(
            f"{tool.name} left {len(names)} of {len(population)} users in an unexpected state, such as {names[0]}."
        )


def _median(spans: Sequence[Span]) -> Span:
    return Span(statistics.median(each.wall for each in spans), statistics.median(each.cpu for each in spans))


def _guard_sweeps(aws: FakeAws, _: Path, number: int) -> _Measured:
    return _guard(aws, "SweepFunction", "sweep", [sweep_request(number)])


def _guard_handles(aws: FakeAws, _: Path, names: Sequence[str]) -> _Measured:
    return _guard(aws, "UserEventFunction", "event", _events(aws, names))


def _guard(aws: FakeAws, function: str, work: str, events: Sequence[object]) -> _Measured:
    arn = str(aws.stack.resolve({"Fn::GetAtt": [function, "Arn"]}))
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    environment = {**aws.environment(function), "FUNCTION_ARN": arn, "PYTHONPATH": path}
    return _run([sys.executable, "-m", "benchmarks.run_guard", work], environment, ROOT, events)


def _custodian_sweeps(aws: FakeAws, folder: Path, _: int, *, check_first: bool = True) -> _Measured:
    policies = {"policies": sweep_policies(aws.policy, _topic(aws), check_first=check_first)}
    (folder / "policies.json").write_text(json.dumps(policies), "utf-8")
    return _custodian(aws, folder, "sweep", [])


def _custodian_handles(aws: FakeAws, folder: Path, names: Sequence[str]) -> _Measured:
    config = {
        "policies": [event_policy(aws.policy, _topic(aws))],
        "execution-options": {"account_id": aws.stack.account, "regions": [aws.stack.region]},
    }
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    return _custodian(aws, folder, "event", _events(aws, names))


def _custodian(aws: FakeAws, folder: Path, work: str, events: Sequence[object]) -> _Measured:
    # By default its Lambda function logs every event in full. mfa-guard logs no events.
    own = {"HOME": str(folder), "PYTHONPATH": str(ROOT), "C7N_DEBUG_EVENT": "no"}
    command = [str(CUSTODIAN_PYTHON), "-m", "benchmarks.run_custodian", work]
    return _run(command, {**aws.environment(), **own}, folder, events)


_TOOLS: Final = (
    _Tool(GUARD, _guard_sweeps, _guard_handles),
    _Tool(CUSTODIAN, _custodian_sweeps, _custodian_handles),
)


_UNCONDITIONAL: Final = _Tool(
    CUSTODIAN_UNCONDITIONAL, partial(_custodian_sweeps, check_first=False), _custodian_handles
)


def _topic(aws: FakeAws) -> str:
    return str(aws.stack.resolve({"Ref": "NoticesTopic"}))


def _events(aws: FakeAws, names: Sequence[str]) -> Sequence[object]:
    text = (ROOT / "events/create-user.json").read_text("utf-8")
    detail = json.loads(text)["detail"]
    event_id, user_id = detail["eventID"], detail["responseElements"]["user"]["userId"]
    return [
        json.loads(
            text.replace("alice", name)
            .replace(event_id, f"{name}-{event_id}")
            .replace(user_id, aws.iam.get_user(name).id)
        )
        for name in names
    ]


def _run(command: Sequence[str], environment: Mapping[str, str], folder: Path, events: Sequence[object]) -> _Measured:
    # Without bytecode, both tools would compile their code at every start.
    own = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    given = "\n".join(map(json.dumps, events))
    done = subprocess.run(command, env=own, cwd=folder, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command[2:])} failed:\n{done.stderr[-3000:]}")
    last = json.loads(done.stdout.strip().splitlines()[-1])
    return _Measured([Span(**span) for span in last["spans"]], last["peak_mib"])


def _packages() -> Mapping[str, int]:
    """Return the size in bytes of the zip file of one function, by tool."""
    folder = ROOT / ".aws-sam/build/UserEventFunction"
    with tempfile.TemporaryDirectory() as place:
        zipped = Path(shutil.make_archive(f"{place}/guard", "zip", folder)).stat().st_size
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    size = subprocess.run(
        [CUSTODIAN_PYTHON, "-m", "benchmarks.run_custodian", "size"], env=environment, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return {GUARD: zipped, CUSTODIAN: int(size.stdout.strip().splitlines()[-1])}


def _versions() -> Mapping[str, str]:
    code = "import c7n.version, boto3; print(c7n.version.version, boto3.__version__)"
    printed = subprocess.run([CUSTODIAN_PYTHON, "-c", code], capture_output=True, text=True, check=True)
    custodian, its_boto3 = printed.stdout.split()
    return {
        GUARD: f"boto3 {boto3.__version__}",
        CUSTODIAN: f"{custodian}, boto3 {its_boto3}",
        "Python": platform.python_version(),
    }


def _log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
