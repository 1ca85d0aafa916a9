"""Record what a round of a sweep did: the note before it, the digest, the tags, the memory and the metrics.

Tags are written last, after the digest is sent: a crash before them repeats the digest instead of losing it.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from mfa_guard.core.account.assessment import Assessment, count
from mfa_guard.core.account.key_deactivation import DeactivationStep
from mfa_guard.core.account.snapshot import Snapshot
from mfa_guard.core.account.treatment import Treatment
from mfa_guard.core.errors import AwsRequestFailed, QuotaExceeded, UserGone
from mfa_guard.core.health.checks import NOTICES_TOPIC, Check, Verdict, problems
from mfa_guard.core.mail.changes import describe_changes
from mfa_guard.core.mail.digest import (
    FAILURE,
    HEALTH,
    Change,
    Digest,
    Failure,
    digest_message,
    pending,
    problem_names,
)
from mfa_guard.core.metrics import Gauge, Metric
from mfa_guard.core.plan import Action
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.sweep_memory import SweepMemory, digest_is_due
from mfa_guard.core.user import WARNED_TAG
from mfa_guard.ports import Telemetry
from mfa_guard.use_cases.enforcement import quota_text
from mfa_guard.use_cases.sweep.dependencies import SweepDependencies, SweepRound, in_threads
from mfa_guard.use_cases.sweep.treat import changes_enforcement

# All names of 5,000 users of 60 characters. With the rest of the memory, that is less than the 400 KB of an item.
_ROOM_FOR_NAMES: Final = 300_000


@dataclass(frozen=True)
class TagResult:
    """What became of the tags: the users whose tags could not be written, with the reason, and how many were left."""

    failures: tuple[str, ...]
    left: int


def note_users(assessments: Sequence[Assessment], this_round: SweepRound) -> frozenset[str]:
    """Save the names of the users that this round may enforce or release, and return them.

    Once a user with a device is enforced, nothing shows that a notice of it is due. If this round ends before its
    digest is sent, the next sweep reports the users in the note. A user that the note has no room for waits for the
    next round.
    """
    before = this_round.before
    names, room = set(before.unreported), _ROOM_FOR_NAMES - sum(map(len, before.unreported))
    for assessment in assessments:
        name = assessment.state.name
        if changes_enforcement(assessment) and name not in names:
            room -= len(name)
            if room < 0:
                break
            names.add(name)
    if names:
        this_round.dependencies.memory.save(replace(before, unreported=frozenset(names)))
    return frozenset(names)


def make_digest(
    assessments: Sequence[Assessment],
    treatments: Sequence[Treatment],
    snapshot: Snapshot,
    checks: Sequence[Check],
    this_round: SweepRound,
) -> Digest:
    """Return what this round has to report."""
    current = (
        tuple(each.assessment for each in treatments if not each.gone) if this_round.writes else tuple(assessments)
    )
    return Digest(
        counts=count(current),
        changes=tuple(_changes(treatments, this_round)),
        failures=tuple(Failure(each.name, each.failure) for each in treatments if each.failure),
        assessments=current,
        not_tagged=this_round.before.not_tagged,
        exemptions=snapshot.exemptions,
        checks=checks,
        writes=this_round.writes,
        report_problem=snapshot.report_problem,
        users_left=sum(not each.reached for each in treatments),
    )


def _changes(treatments: Iterable[Treatment], this_round: SweepRound) -> Iterable[Change]:
    for treatment in treatments:
        unreported = treatment.name in this_round.before.unreported
        if text := describe_changes(treatment, this_round.began, unreported=unreported):
            yield Change(treatment.name, text)


def log_changes(digest: Digest, telemetry: Telemetry) -> None:
    """Log every change and failure, because the digest may have to cut its lists."""
    for change in digest.changes:
        telemetry.info("User changed", subject=f"user/{change.name}", actions=change.text)
    for failure in digest.failures:
        telemetry.warning("User not swept", subject=f"user/{failure.name}", reason=failure.reason)


def send_digest(digest: Digest, this_round: SweepRound) -> bool:
    """Send the digest if it has news, and return whether it was sent."""
    now, dependencies = this_round.dependencies.clock.now(), this_round.dependencies
    if not digest_is_due(this_round.before, len(digest.changes), pending(digest), problem_names(digest), now):
        return False
    dependencies.notifier.notices(digest_message(digest, this_round.settings, now))
    dependencies.telemetry.count(Metric.NOTICES_SENT)
    return True


def write_tags(treatments: Iterable[Treatment], dependencies: SweepDependencies, until: datetime) -> TagResult:
    """Write the tags that are due until `until`, and deactivate the keys whose deactivation was announced."""
    due = [each for each in treatments if each.keys or each.tag_actions]
    results = in_threads(partial(_write_in_time, dependencies=dependencies, until=until), due, dependencies.workers)
    return TagResult(tuple(reason for reason, _ in results if reason), sum(not reached for _, reached in results))


def _write_in_time(treatment: Treatment, dependencies: SweepDependencies, until: datetime) -> tuple[str | None, bool]:
    """Return why the tags could not be written, and whether there was time for them."""
    if dependencies.clock.now() > until:
        return None, False
    name = treatment.name
    try:
        _write(treatment, dependencies)
    except UserGone:
        return None, True
    except QuotaExceeded as refused:
        return f"{name}: the tags cannot be set. IAM said: {quota_text(refused)}.", True
    except AwsRequestFailed as refused:
        return f"{name}: {sanitize(str(refused), 300)}", True
    return None, True


def _write(treatment: Treatment, dependencies: SweepDependencies) -> None:
    name, step = treatment.name, treatment.assessment.key_deactivation.step
    if Action.MARK in treatment.tag_actions:
        dependencies.iam.mark(name, dependencies.clock.now())
        dependencies.telemetry.count(Metric.USERS_MARKED_NONCOMPLIANT)
    if Action.CLEAR in treatment.tag_actions:
        dependencies.iam.clear(name, treatment.assessment.state.guard_tags())
        dependencies.telemetry.count(Metric.USERS_CLEARED)
    if treatment.keys and step is DeactivationStep.ANNOUNCE:
        dependencies.iam.warn(name, dependencies.clock.now())
    if step is DeactivationStep.DEACTIVATE:
        for key in treatment.keys:
            # One key that no longer exists does not stop the others.
            with suppress(UserGone):
                dependencies.keys.deactivate(name, key)
                dependencies.telemetry.count(Metric.KEYS_DEACTIVATED)
        # A key that an administrator activates again is announced again before it is deactivated again.
        dependencies.iam.clear(name, [WARNED_TAG])


def remember(digest: Digest, not_tagged: Sequence[str], this_round: SweepRound, *, mailed: bool) -> None:
    """Save what the next sweep needs to know of this one."""
    # A digest that no confirmed subscription received counts as not sent.
    unreceived = NOTICES_TOPIC in {check.name for check in problems(digest.checks)}
    mailed_at = this_round.dependencies.clock.now() if mailed else this_round.before.mailed_at
    this_round.dependencies.memory.save(
        SweepMemory(
            mailed_at=None if unreceived else mailed_at,
            pending=pending(digest),
            problems=problem_names(digest),
            not_tagged=tuple(not_tagged),
            unreported=frozenset() if this_round.writes else this_round.before.unreported,
        )
    )


def measure(digest: Digest, treatments: Iterable[Treatment], not_tagged: Sequence[str], this_round: SweepRound) -> None:
    """Record the account's figures and what this round did as metrics."""
    now, telemetry = this_round.dependencies.clock.now(), this_round.dependencies.telemetry
    days = (each.days_noncompliant(now) for each in digest.assessments if each.noncompliant)
    measured: Mapping[Gauge, float] = {
        Gauge.USERS_COMPLIANT: digest.counts.compliant,
        Gauge.USERS_NONCOMPLIANT: digest.counts.noncompliant,
        Gauge.USERS_EXEMPT: digest.counts.exempt,
        Gauge.USERS_UNDER_ENFORCEMENT: digest.counts.enforced,
        Gauge.OLDEST_NONCOMPLIANT_DAYS: max(days, default=0),
        Gauge.SWEEP_DURATION: (now - this_round.began).total_seconds(),
        Gauge.HEALTH_PROBLEMS: len(problems(digest.checks)),
    }
    for gauge, value in measured.items():
        telemetry.gauge(gauge, value)
    telemetry.count(Metric.USERS_ENFORCED, sum(each.result.route is not None for each in treatments))
    telemetry.count(Metric.SWEEP_FAILURES, len(digest.failures) + len(not_tagged))
    _measure_alarms(digest, not_tagged, this_round)


# The checks that have an alarm of their own.
_ALARMED: Final[Mapping[str, Gauge]] = {
    "trail": Gauge.TRAIL_PROBLEM,
    "rules": Gauge.RULES_PROBLEM,
    NOTICES_TOPIC: Gauge.NOTICES_TOPIC_PROBLEM,
}


def _measure_alarms(digest: Digest, not_tagged: Sequence[str], this_round: SweepRound) -> None:
    """Record what alarms watch: an alarm acts on a transition only, so a lasting problem must not count as new again.

    A check that cannot be verified gives no value, and its alarm keeps its state.
    """
    telemetry, before = this_round.dependencies.telemetry, this_round.before
    new = problem_names(digest) - before.problems
    failures = sum(name.startswith(FAILURE) for name in new) + len(set(not_tagged) - set(before.not_tagged))
    counts = {
        Metric.NEW_HEALTH_PROBLEMS: sum(name.startswith(HEALTH) for name in new),
        Metric.NEW_SWEEP_FAILURES: failures,
    }
    for metric, times in counts.items():
        # Their alarms take no value for none, and CloudWatch charges for each hour with a value.
        if times:
            telemetry.count(metric, times)
    for check in digest.checks:
        if check.name in _ALARMED and check.verdict is not Verdict.CANNOT_VERIFY:
            telemetry.gauge(_ALARMED[check.name], float(check.verdict is Verdict.PROBLEM))
