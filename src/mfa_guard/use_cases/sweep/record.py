"""Record what a round of a sweep did: the digest, what the next sweep must know, and the metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from mfa_guard.core.exemption import fingerprint
from mfa_guard.core.health.checks import NOTICES_TOPIC, Check, Verdict, problems
from mfa_guard.core.mail.digest import FAILURE, HEALTH, Digest, digest_message, pending, problem_names
from mfa_guard.core.mail.digest_lines import exemption_change_lines
from mfa_guard.core.metrics import Gauge, Metric
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.sweep_memory import LONGEST_HELD, MOST_HELD, Due, News, what_is_due
from mfa_guard.use_cases.sweep.dead_letters import Handover
from mfa_guard.use_cases.sweep.dependencies import Findings, SweepRound


def make_digest(
    findings: Findings, handover: Handover, checks: Sequence[Check], gaps: Sequence[str], this_round: SweepRound
) -> Digest:
    """Return what this round has to report. `gaps` are sentences on what it could not know."""
    sources = this_round.sources
    return Digest(
        tally=findings.tally,
        not_written=this_round.before.not_written,
        held=this_round.before.held,
        exemptions=this_round.exemptions,
        exemption_changes=tuple(exemption_change_lines(this_round.before.exemptions, this_round.exemptions)),
        dead_letters=handover.lines,
        dead_letters_left=handover.left,
        checks=checks,
        writes=this_round.writes,
        report_problem=" ".join([*([sources.report_problem] if sources.report_problem else []), *gaps]) or None,
        users_left=findings.left,
    )


def report_earlier_changes(this_round: SweepRound, findings: Findings) -> None:
    """Report users who were to be changed by a sweep that did not finish, and who are gone."""
    if this_round.writes:
        for user_id in this_round.before.unreported.keys() - findings.seen:
            findings.tally.change(
                f"user id {user_id}", "an earlier sweep that did not finish set out to change this user, who is gone"
            )


def send_digest(digest: Digest, findings: Findings, this_round: SweepRound, *, scheduled: bool) -> Due:
    """Send the digest if it is due, and return what became of its news."""
    now, dependencies = this_round.dependencies.clock.now(), this_round.dependencies
    due = what_is_due(this_round.before, _news(digest, findings), now, scheduled=scheduled)
    if due is Due.SEND:
        dependencies.notifier.notices(digest_message(digest, this_round.settings, now))
        dependencies.telemetry.count(Metric.NOTICES_SENT)
    return due


def _news(digest: Digest, findings: Findings) -> News:
    lines = digest.tally.changes.kept
    return News(
        changes=digest.changed + len(digest.dead_letters) + digest.windows,
        urgent=findings.urgent or bool(findings.key_steps) or bool(digest.exemption_changes),
        too_much=digest.changed > MOST_HELD or any(len(line) > LONGEST_HELD - _STAMP for line in lines),
        pending=pending(digest),
        problems=problem_names(digest),
    )


# " (at 2026-03-01 12:00 UTC)" after each held line.
_STAMP = 26


def remember(digest: Digest, not_written: Sequence[str], due: Due, this_round: SweepRound) -> None:
    """Save what the next sweep needs to know of this one.

    News that was not sent stays news: what is pending or wrong is known once a digest has said so.
    """
    # A digest that no confirmed subscription received counts as not sent.
    unreceived = NOTICES_TOPIC in {check.name for check in problems(digest.checks)}
    now, before, memory = this_round.dependencies.clock.now(), this_round.before, this_round.dependencies.memory
    sent = due is Due.SEND
    waiting = [*before.held, *(_held(line, now) for line in (*digest.tally.changes.kept, *digest.dead_letters))]
    memory.save(
        replace(
            before,
            swept_at=now,
            mailed_at=None if unreceived else now if sent else before.mailed_at,
            pending=pending(digest) if sent else pending(digest) & before.pending,
            problems=problem_names(digest) if sent else problem_names(digest) & before.problems,
            not_written=tuple(not_written),
            unreported={} if this_round.writes else before.unreported,
            held=() if sent else tuple(waiting),
        )
    )
    shown = {user_id: fingerprint(record) for user_id, record in digest.exemptions.items()}
    if sent and shown != before.exemptions:
        memory.save_exemptions(shown)


def _held(line: str, at: datetime) -> str:
    return f"{sanitize(line, LONGEST_HELD - _STAMP)} (at {at:%Y-%m-%d %H:%M} UTC)"


def measure(digest: Digest, findings: Findings, not_written: Sequence[str], this_round: SweepRound) -> None:
    """Record the account's figures and what this round did as metrics."""
    now, telemetry, tally = this_round.dependencies.clock.now(), this_round.dependencies.telemetry, digest.tally
    measured: Mapping[Gauge, float] = {
        Gauge.USERS_COMPLIANT: tally.counts.compliant,
        Gauge.USERS_NONCOMPLIANT: tally.counts.noncompliant,
        Gauge.USERS_EXEMPT: tally.counts.exempt,
        Gauge.USERS_UNDER_ENFORCEMENT: tally.counts.enforced,
        Gauge.OLDEST_NONCOMPLIANT_DAYS: tally.oldest_days,
        Gauge.SWEEP_DURATION: (now - this_round.began).total_seconds(),
        Gauge.HEALTH_PROBLEMS: len(problems(digest.checks)),
    }
    for gauge, value in measured.items():
        telemetry.gauge(gauge, value)
    findings.count(Metric.SWEEP_FAILURES, tally.failures.total + len(not_written))
    for metric, times in findings.done.items():
        if times or metric is Metric.SWEEP_FAILURES:
            telemetry.count(metric, times)
    _measure_alarms(digest, not_written, this_round)


# The checks that have an alarm of their own.
_ALARMED: Final[Mapping[str, Gauge]] = {
    "trail": Gauge.TRAIL_PROBLEM,
    "rules": Gauge.RULES_PROBLEM,
    NOTICES_TOPIC: Gauge.NOTICES_TOPIC_PROBLEM,
}


def _measure_alarms(digest: Digest, not_written: Sequence[str], this_round: SweepRound) -> None:
    """Record what alarms watch: an alarm acts on a transition only, so a lasting problem must not count as new again.

    A check that cannot be verified gives no value, and its alarm keeps its state.
    """
    telemetry, before = this_round.dependencies.telemetry, this_round.before
    new = problem_names(digest) - before.problems
    failures = sum(name.startswith(FAILURE) for name in new) + len(set(not_written) - set(before.not_written))
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
