"""Is the guard well, how does the account stand, and who waits for a decision."""

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
from mfa_guard.core.health.checks import UNREAD_ADVICE, Check, Verdict, judge, problems
from mfa_guard.core.mail.digest import in_use
from mfa_guard.core.settings import Settings
from mfa_guard.core.times import utc_text
from mfa_guard_cli.admin.guard import Guard, open_guard
from mfa_guard_cli.admin.switches import Power, power
from mfa_guard_cli.common.errors import FOUND
from mfa_guard_cli.common.options import Format
from mfa_guard_cli.common.output import console, print_json, print_table, printable
from mfa_guard_cli.common.stack_location import StackLocation

# How long IAM may take to make the credential report, in seconds.
_PATIENCE: Final = 30.0
_UNREAD: Final = "You may not read it, or AWS did not answer; a sweep asks with SweepFunction's rights."


@dataclass(frozen=True)
class _Status:
    settings: Settings
    now: datetime
    power: Power
    checks: Sequence[Check]
    counts: Counts
    awaiting: Sequence[Assessment]
    late: str | None


def show_status(place: StackLocation, form: Format) -> None:
    """Print how the guard and the account stand. Ends with exit code 1 when the guard has a problem or is stopped."""
    with _waiting("Asking AWS"):
        found = _read(open_guard(place))
    if form is Format.JSON:
        print_json(_as_json(found))
    else:
        _print(found, place)
    if problems(found.checks) or not found.power.on:
        raise typer.Exit(FOUND)


def _read(guard: Guard) -> _Status:
    chosen, now = guard.settings, guard.now()
    account = IamAccount(guard.iam, chosen.policy_arn, chosen.group_name, SystemClock())
    snapshot = account.read(guard.exemption_list.all(now), _PATIENCE)
    assessments = assess(snapshot, chosen, now)
    return _Status(
        settings=chosen,
        now=now,
        power=power(guard),
        checks=_checks(guard),
        counts=count(assessments),
        awaiting=[each for each in assessments if each.awaits_decision],
        late=snapshot.report_problem,
    )


def _checks(guard: Guard) -> tuple[Check, ...]:
    """Return the sweep's own checks, on what the caller may read."""
    session, deployed = guard.session, guard.deployed
    reader = GuardHealth(
        iam=guard.iam,
        events=guard.events,
        sns=session.client("sns"),
        sqs=guard.queues,
        cloudformation=session.client("cloudformation"),
        cloudtrail=lambda region: session.client("cloudtrail", region_name=region),
    )
    return tuple(
        replace(check, advice=_UNREAD) if check.advice == UNREAD_ADVICE else check
        for check in judge(reader.read(deployed), deployed)
    )


@contextmanager
def _waiting(what: str) -> Iterator[None]:
    """Show on a terminal that something is going on."""
    errors = console(stderr=True)
    if not errors.is_terminal:
        yield
        return
    with errors.status(f"{what} ..."):
        yield


def _print(found: _Status, place: StackLocation) -> None:
    chosen, counts = found.settings, found.counts
    typer.echo(
        f"{chosen.stack_name} in {chosen.region}, account {chosen.account}, Mode: {chosen.mode.value}. "
        f"{printable(found.power.sentence)}"
    )
    typer.echo(
        f"{counts.users} users: {counts.compliant} compliant, {counts.noncompliant} without MFA device, "
        f"{counts.exempt} exempt; {counts.enforced} enforced; {counts.awaiting} machine users await a decision."
    )
    if found.late:
        typer.echo(printable(found.late))
    typer.echo("")
    worst_first = sorted(found.checks, key=lambda check: check.verdict is Verdict.FINE)
    rows = [[check.label, check.name, f"{check.reason} {check.advice}".rstrip()] for check in worst_first]
    print_table(["VERDICT", "CHECK", "WHY, AND WHAT TO DO"], rows)
    if not found.awaiting:
        return
    typer.echo("")
    waiting = [[each.state.name, in_use(each, found.now)] for each in found.awaiting]
    print_table(["AWAITS A DECISION", "IN USE"], waiting)
    exempt = place.command("exempt", "add", "NAME", options=["--owner", "OWNER", "--reason", "REASON"])
    typer.echo(f"To exempt: {exempt}. To enforce: {place.command('enforce', 'NAME')}.")


def _as_json(found: _Status) -> dict[str, object]:
    chosen, powered = found.settings, found.power
    return {
        "stack": chosen.stack_name,
        "region": chosen.region,
        "account": chosen.account,
        "mode": chosen.mode.value,
        "time": utc_text(found.now),
        "running": powered.on,
        "off": [{"kind": each.kind.value, "name": each.name} for each in powered.off],
        "sweeps_throttled": powered.throttled,
        "stopped_since": utc_text(powered.stop.since) if powered.stop else None,
        "stopped_by": powered.stop.by if powered.stop else None,
        "switches_unread": powered.unread,
        "checks": [
            {
                "name": check.name,
                "verdict": check.label,
                "advisory": check.advisory,
                "reason": check.reason,
                "advice": check.advice,
            }
            for check in found.checks
        ],
        "counts": asdict(found.counts),
        "late": found.late,
        "awaiting": [
            {"name": each.state.name, "id": each.state.id, "in_use": in_use(each, found.now)} for each in found.awaiting
        ],
    }
