"""Sweep the whole account, page by page: the same plan for every user, the health checks, and one digest.

A round that runs out of time requests the next one. There is no cursor: a user who was treated needs nothing in the
next round.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from mfa_guard.core.account.scope import Scope, remember_mode
from mfa_guard.core.errors import AwsRequestFailed
from mfa_guard.core.mail.tally import Tally
from mfa_guard.core.metrics import Metric
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.settings import Settings
from mfa_guard.core.sweep_memory import Due, sends_all_news
from mfa_guard.core.sweep_request import SweepRequest, next_round
from mfa_guard.core.user_record import UserRecord
from mfa_guard.use_cases.notify import send_ended_windows
from mfa_guard.use_cases.sweep.dead_letters import hand_over_dead_letters
from mfa_guard.use_cases.sweep.dependencies import Findings, SweepDependencies, SweepRound
from mfa_guard.use_cases.sweep.key_steps import take_key_steps
from mfa_guard.use_cases.sweep.page import sweep_late, sweep_page
from mfa_guard.use_cases.sweep.record import make_digest, measure, remember, report_earlier_changes, send_digest

# The part of a round's time that is kept for the digest, the access keys, and requesting the next round.
_AFTER_THE_USERS: Final = 0.2

# How long a sweep waits for IAM to generate the credential report.
_PATIENCE_SECONDS: Final = 60.0


class SweepStalled(Exception):
    """A round left users and changed none, so another round would not change any either."""


@dataclass(frozen=True)
class SweepOutcome:
    """The result of one round. `left` users wait for the next round.

    `skipped`: another sweep was running, so this one did nothing.
    """

    users: int = 0
    changed: int = 0
    failed: int = 0
    left: int = 0
    mailed: bool = False
    skipped: bool = False


def sweep(
    request: SweepRequest, settings: Settings, dependencies: SweepDependencies, deadline: datetime
) -> SweepOutcome:
    """Do what every user's state requires, as far as Mode allows, and notify the administrators.

    Stop in time before `deadline`, and request the next round when users are left. While another sweep runs, do
    nothing. Raises SweepStalled when another round would change nothing, and every failure of the bulk reads, the
    exemption table, the digest or the event bus.
    """
    if not dependencies.running.begin(request.sweep, deadline):
        dependencies.telemetry.info("Another sweep is running, so this one does nothing")
        return SweepOutcome(skipped=True)
    handover = hand_over_dead_letters(dependencies)
    this_round, gaps = _begin(request, settings, dependencies, deadline)
    checks = dependencies.health.checks()
    findings = Findings(Tally(this_round.began), dict(this_round.before.unreported))
    for page in dependencies.account.users():
        sweep_page(page, this_round, findings)
    sweep_late(this_round, findings)
    report_earlier_changes(this_round, findings)
    # After the users: a topic that does not answer must not keep the sweep from enforcing.
    summed_up = _send_summaries(settings, dependencies, gaps)
    digest = replace(make_digest(findings, handover, checks, gaps, this_round), windows=summed_up)
    due = send_digest(digest, findings, this_round, scheduled=request.may_hold)
    not_written = take_key_steps(this_round, findings)
    remember(digest, not_written, due, this_round)
    measure(digest, findings, not_written, this_round)
    outcome = SweepOutcome(
        users=digest.tally.counts.users,
        changed=digest.tally.changes.total,
        failed=digest.tally.failures.total + len(not_written),
        left=findings.left,
        mailed=due is Due.SEND,
    )
    _finish_or_continue(outcome, request, dependencies)
    return outcome


def _begin(
    request: SweepRequest, settings: Settings, dependencies: SweepDependencies, deadline: datetime
) -> tuple[SweepRound, list[str]]:
    """Read what the round needs before the users are listed, and return it with sentences on what is missing."""
    began, gaps = dependencies.clock.now(), list[str]()
    before = dependencies.memory.load()
    this_round = SweepRound(
        settings=settings,
        dependencies=dependencies,
        began=began,
        before=before,
        writes=settings.writes and not request.audit,
        sends_all_news=sends_all_news(before, began, scheduled=request.may_hold),
        until=deadline - (deadline - began) * _AFTER_THE_USERS,
        scope=Scope(settings.mode, _left_audit_at(settings, dependencies, began)),
        exemptions=dependencies.exemptions.all(began),
        records=_records(dependencies, gaps),
        sources=dependencies.account.sources(_PATIENCE_SECONDS),
    )
    return this_round, gaps


def _left_audit_at(settings: Settings, dependencies: SweepDependencies, now: datetime) -> datetime | None:
    """Return when the mode first left audit, and remember it."""
    before = dependencies.memory.load_mode()
    created = None if before.left_audit_at or before.last_audit_sweep else _stack_created_at(dependencies)
    after = remember_mode(before, settings.mode, now, stack_created_at=created, sweep_every=settings.sweep_every)
    if after != before:
        dependencies.memory.save_mode(after)
    return after.left_audit_at


def _stack_created_at(dependencies: SweepDependencies) -> datetime | None:
    try:
        return dependencies.stack.created_at()
    except AwsRequestFailed as refused:
        dependencies.telemetry.warning("The stack's age is unknown", reason=str(refused))
        return None


def _records(dependencies: SweepDependencies, gaps: list[str]) -> Mapping[str, UserRecord] | None:
    try:
        return dependencies.records.all()
    except AwsRequestFailed as refused:
        dependencies.telemetry.warning("State table unreachable, continuing without user records", reason=str(refused))
        gaps.append(
            f"The state table could not be read ({sanitize(str(refused), 150)}). This sweep does not know who was "
            "enforced before. The next sweep tries again."
        )
        return None


def _send_summaries(settings: Settings, dependencies: SweepDependencies, gaps: list[str]) -> int:
    """Send the summaries that nothing else has sent, and return how many notices they stand for."""
    try:
        return send_ended_windows(tuple(NoticeKind), settings, dependencies.clock.now(), dependencies)
    except AwsRequestFailed as refused:
        dependencies.telemetry.warning("State table unreachable, continuing without summaries", reason=str(refused))
        gaps.append(
            f"The notices that wait for a summary could not be read ({sanitize(str(refused), 150)}). The next sweep "
            "tries again."
        )
        return 0


def _finish_or_continue(outcome: SweepOutcome, request: SweepRequest, dependencies: SweepDependencies) -> None:
    if not outcome.left:
        dependencies.telemetry.count(Metric.SWEEP_FINISHED)
        dependencies.running.end(request.sweep)
    elif outcome.changed:
        # The next round has the same right to run.
        dependencies.sweep_starter.request_sweep(next_round(request))
    else:
        for metric in (Metric.SWEEP_FAILURES, Metric.NEW_SWEEP_FAILURES):
            dependencies.telemetry.count(metric)
        dependencies.running.end(request.sweep)
        raise SweepStalled(f"Round {request.round} changed no user and left {outcome.left}; the sweep ends here.")
