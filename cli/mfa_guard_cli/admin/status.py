"""Show the health of the guard, the state of the account, and the users who await a decision."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final

import typer

from mfa_guard.adapters.account import IamAccount
from mfa_guard.adapters.clock import SystemClock
from mfa_guard.adapters.health import GuardHealth
from mfa_guard.core.account.assessment import Assessment, Counts, assess, count
from mfa_guard.core.account.snapshot import Snapshot
from mfa_guard.core.health.checks import UNREAD_ADVICE, Check, Verdict, judge, problems
from mfa_guard.core.mail.digest_lines import in_use
from mfa_guard.core.settings import Settings
from mfa_guard.core.times import utc_text
from mfa_guard_cli.admin.guard import Guard, open_guard
from mfa_guard_cli.admin.stop_record import RunState, read_run_state
from mfa_guard_cli.common.errors import FOUND
from mfa_guard_cli.common.options import Format
from mfa_guard_cli.common.output import console, counted, print_json, print_table, printable
from mfa_guard_cli.common.stack_location import StackLocation

# How long IAM can take to generate the credential report, in seconds.
_PATIENCE: Final = 30.0
# How many health checks read at the same time.
_WORKERS: Final = 8
_UNREAD: Final = "You have no permission to read it, or AWS did not answer. A sweep checks it with its own permissions."


@dataclass(frozen=True)
class _Status:
    settings: Settings
    now: datetime
    run_state: RunState
    checks: Sequence[Check]
    counts: Counts
    awaiting_decision: Sequence[Assessment]
    report_problem: str | None


def show_status(location: StackLocation, output_format: Format) -> None:
    """Print the status of the guard and the account. Exits with 1 if the guard has a problem or is stopped."""
    with _waiting("Reading from AWS"):
        status = _read(open_guard(location))
    if output_format == "json":
        print_json(_as_json(status))
    else:
        _print(status, location)
    if problems(status.checks) or not status.run_state.running:
        raise typer.Exit(FOUND)


def _read(guard: Guard) -> _Status:
    settings, now = guard.settings, guard.now()
    account = IamAccount(guard.iam, settings.policy_arn, settings.group_name, SystemClock())
    exemptions, sources = guard.exemption_list.all(now), account.sources(_PATIENCE)
    assessments = [
        each for page in account.users() for each in assess(Snapshot(page, sources, exemptions), settings, now)
    ]
    return _Status(
        settings=settings,
        now=now,
        run_state=read_run_state(guard),
        checks=_checks(guard),
        counts=count(assessments),
        awaiting_decision=[each for each in assessments if each.awaits_decision],
        report_problem=sources.report_problem,
    )


def _checks(guard: Guard) -> tuple[Check, ...]:
    """Return the health checks of a sweep, on what the caller's permissions allow to read."""
    session, deployed = guard.session, guard.deployed
    reader = GuardHealth(
        iam=guard.iam,
        events=guard.events,
        sns=session.client("sns"),
        sqs=guard.queues,
        functions=guard.functions,
        scheduler=session.client("scheduler"),
        dynamodb=guard.dynamodb,
        cloudformation=session.client("cloudformation"),
        cloudtrail=lambda region: session.client("cloudtrail", region_name=region),
        workers=_WORKERS,
    )
    return tuple(
        replace(check, advice=_UNREAD) if check.advice == UNREAD_ADVICE else check
        for check in judge(reader.read(deployed), deployed)
    )


@contextmanager
def _waiting(what: str) -> Iterator[None]:
    """Show on a terminal what the program waits for."""
    errors = console(stderr=True)
    if not errors.is_terminal:
        yield
        return
    with errors.status(f"{what} ..."):
        yield


def _print(status: _Status, location: StackLocation) -> None:
    settings, counts = status.settings, status.counts
    typer.echo(
        f"{settings.stack_name} in {settings.region}, account {settings.account}, Mode {settings.mode.value}. "
        f"{printable(status.run_state.sentence)}"
    )
    typer.echo(
        f"{counted(counts.users, 'user')}: {counts.compliant} compliant, {counts.noncompliant} without an MFA device, "
        f"{counts.exempt} exempt; {counts.enforced} enforced; "
        f"{counted(counts.awaiting_decision, 'machine user')} awaiting a decision."
    )
    if status.report_problem:
        typer.echo(printable(status.report_problem))
    typer.echo("")
    worst_first = sorted(status.checks, key=lambda check: check.verdict is Verdict.FINE)
    rows = [[check.label, check.name, f"{check.reason} {check.advice}".rstrip()] for check in worst_first]
    print_table(["VERDICT", "CHECK", "REASON AND NEXT STEP"], rows)
    if not status.awaiting_decision:
        return
    typer.echo("")
    awaiting = [[each.state.name, in_use(each, status.now)] for each in status.awaiting_decision]
    print_table(["AWAITS A DECISION", "IN USE"], awaiting)
    exempt = location.command("exempt", "add", "NAME", options=["--owner", "OWNER", "--reason", "REASON"])
    typer.echo(f"To exempt: {exempt}. To enforce: {location.command('enforce', 'NAME')}.")


def _as_json(status: _Status) -> dict[str, object]:
    settings, run_state = status.settings, status.run_state
    return {
        "stack": settings.stack_name,
        "region": settings.region,
        "account": settings.account,
        "mode": settings.mode.value,
        "time": utc_text(status.now),
        "running": run_state.running,
        "off": [{"kind": each.kind.value, "name": each.name} for each in run_state.disabled],
        "sweeps_throttled": run_state.sweeps_throttled,
        "stopped_since": utc_text(run_state.stop.since) if run_state.stop else None,
        "stopped_by": run_state.stop.by if run_state.stop else None,
        "run_state_unread": run_state.unread,
        "checks": [
            {
                "name": check.name,
                "verdict": check.label,
                "advisory": check.advisory,
                "reason": check.reason,
                "advice": check.advice,
            }
            for check in status.checks
        ],
        "counts": asdict(status.counts),
        "report_problem": status.report_problem,
        "awaiting_decision": [
            {"name": each.state.name, "id": each.state.id, "in_use": in_use(each, status.now)}
            for each in status.awaiting_decision
        ],
    }
