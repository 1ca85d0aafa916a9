"""Sweep the whole account: the same plan for every user, the health checks, and one digest.

Most decisions come from bulk reads. A user who is to be changed is confirmed live first. A round that runs out of time
requests the next one. There is no cursor: a user who was treated needs nothing in the next round.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mfa_guard.core.account.assessment import Assessment, assess
from mfa_guard.core.account.treatment import Treatment
from mfa_guard.core.metrics import Metric
from mfa_guard.core.settings import Settings
from mfa_guard.core.sweep_request import SweepRequest, next_round
from mfa_guard.use_cases.sweep.dependencies import SweepDependencies, SweepRound
from mfa_guard.use_cases.sweep.record import (
    log_changes,
    make_digest,
    measure,
    note_users,
    remember,
    send_digest,
    write_tags,
)
from mfa_guard.use_cases.sweep.treat import treat_all

# The parts of a round's time that are kept for the digest and the tags, and of those for requesting the next round.
_FOR_DIGEST_AND_TAGS: Final = 0.2
_FOR_NEXT_ROUND: Final = 0.05

# How long a sweep waits for IAM to generate the credential report.
_PATIENCE_SECONDS: Final = 60.0


class SweepStalled(Exception):
    """A round left users and changed none, so another round would not change any either."""


@dataclass(frozen=True)
class SweepOutcome:
    """The result of one round. `left` users wait for the next round."""

    users: int
    changed: int
    failed: int
    left: int
    mailed: bool


@dataclass(frozen=True)
class _TimeLimits:
    """When a round stops changing users, and when it stops tagging them."""

    changing: datetime
    tagging: datetime

    @classmethod
    def between(cls, began: datetime, deadline: datetime) -> "_TimeLimits":
        whole = deadline - began
        return cls(deadline - whole * _FOR_DIGEST_AND_TAGS, deadline - whole * _FOR_NEXT_ROUND)


def sweep(
    request: SweepRequest, settings: Settings, dependencies: SweepDependencies, deadline: datetime
) -> SweepOutcome:
    """Do what every user's state requires, as far as Mode allows, and notify the administrators.

    Stop in time before `deadline`, and request the next round when users are left. Raises SweepStalled when another
    round would change nothing, and every failure of the bulk reads, the digest or the event bus.
    """
    began = dependencies.clock.now()
    limits = _TimeLimits.between(began, deadline)
    snapshot = dependencies.account.read(dependencies.exemptions.all(began), _PATIENCE_SECONDS)
    checks = dependencies.health.checks()
    writes = settings.sweeps_write and not request.audit
    this_round = SweepRound(settings, dependencies, began, dependencies.memory.load(), writes)
    assessments = assess(snapshot, settings, began)
    treatments = _treat(assessments, this_round, limits.changing)
    digest = make_digest(assessments, treatments, snapshot, checks, this_round)
    log_changes(digest, dependencies.telemetry)
    mailed = send_digest(digest, this_round)
    tags = write_tags(treatments, dependencies, limits.tagging)
    remember(digest, tags.failures, this_round, mailed=mailed)
    measure(digest, treatments, tags.failures, this_round)
    outcome = SweepOutcome(
        users=digest.counts.users,
        changed=len(digest.changes),
        failed=len(digest.failures) + len(tags.failures),
        left=digest.users_left + tags.left,
        mailed=mailed,
    )
    _finish_or_continue(outcome, request, dependencies)
    return outcome


def _treat(assessments: Sequence[Assessment], this_round: SweepRound, until: datetime) -> tuple[Treatment, ...]:
    if not this_round.writes:
        return ()
    return treat_all(assessments, note_users(assessments, this_round), this_round, until)


def _finish_or_continue(outcome: SweepOutcome, request: SweepRequest, dependencies: SweepDependencies) -> None:
    if not outcome.left:
        dependencies.telemetry.count(Metric.SWEEP_FINISHED)
    elif outcome.changed:
        dependencies.sweep_starter.request_sweep(next_round(request))
    else:
        for metric in (Metric.SWEEP_FAILURES, Metric.NEW_SWEEP_FAILURES):
            dependencies.telemetry.count(metric)
        raise SweepStalled(f"Round {request.round} changed no user and left {outcome.left}; the sweep ends here.")
