"""The whole account: the same plan over every user, health checks, one digest.

What needs no user to be asked is decided from bulk reads. Whoever is to be changed is confirmed live first. Tags are
written last, after the mail is out: a crash before them repeats the mail instead of losing it. There is no cursor:
whoever is done needs nothing in the next round.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeVar

from mfa_guard.core.account.assessment import Assessment, assess, assessment_of, count
from mfa_guard.core.account.key_deactivation import DeactivationStep
from mfa_guard.core.account.snapshot import Snapshot, unload_stale_fields
from mfa_guard.core.attachments import AttachmentRoute, WriteResult
from mfa_guard.core.errors import AwsRequestFailed, QuotaExceeded, UserGone
from mfa_guard.core.exemption import Exemption
from mfa_guard.core.health.checks import NOTICES_TOPIC, Check, problems
from mfa_guard.core.mail.digest import Change, Digest, Failure, digest_message, pending, problem_names
from mfa_guard.core.mail.shell_commands import activate_command
from mfa_guard.core.metrics import Gauge, Metric
from mfa_guard.core.plan import Action, plan_for_user
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.settings import Settings
from mfa_guard.core.sweep_request import SweepMemory, SweepRequest, digest_is_due, next_round
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import WARNED_TAG, Field, UserState
from mfa_guard.ports import (
    AccountReader,
    Clock,
    ExemptionLister,
    HealthReader,
    Iam,
    Keys,
    MemoryStore,
    Notifier,
    SweepStarter,
    Telemetry,
)
from mfa_guard.use_cases.enforcement import NOTHING_WRITTEN, enforce, quota_text, release
from mfa_guard.use_cases.load import load

# What is kept of a round's time for the mail and the tags, and of that for waking the next round.
_FOR_MAIL_AND_TAGS: Final = 0.2
_FOR_WAKING: Final = 0.05

# All names of 5,000 users of 60 characters: with the rest of the memory less than the 400 KB of an item.
_ROOM_FOR_NAMES: Final = 300_000

# How long a sweep waits for IAM to make the credential report.
_PATIENCE_SECONDS: Final = 60.0

Item = TypeVar("Item")
Result = TypeVar("Result")


class SweepStalled(Exception):
    """A whole round changed nobody though somebody was left: another would not either."""


@dataclass(frozen=True)
class SweepDependencies:
    """Everything outside of the process that a sweep touches. `workers` bounds the threads that change users."""

    account: AccountReader
    exemptions: ExemptionLister
    health: HealthReader
    iam: Iam
    keys: Keys
    memory: MemoryStore
    notifier: Notifier
    sweep_starter: SweepStarter
    telemetry: Telemetry
    clock: Clock
    workers: int


@dataclass(frozen=True)
class SweepOutcome:
    """What became of one round."""

    users: int
    changed: int
    failed: int
    left: int
    mailed: bool


@dataclass(frozen=True)
class _Times:
    """When a round stops changing users, and when it stops tagging them."""

    changing: datetime
    tagging: datetime

    @classmethod
    def until(cls, began: datetime, deadline: datetime) -> "_Times":
        whole = deadline - began
        return cls(deadline - whole * _FOR_MAIL_AND_TAGS, deadline - whole * _FOR_WAKING)


@dataclass(frozen=True)
class _Treated:
    """What a sweep did to one user before it tells. `gone`: IAM knows him no more. `reached`: time allowed for him.

    `keys` are the active access keys to be announced or deactivated after the mail is out.
    """

    assessment: Assessment
    done: WriteResult = NOTHING_WRITTEN
    failure: str | None = None
    gone: bool = False
    reached: bool = True
    keys: tuple[str, ...] = ()


def sweep(
    request: SweepRequest, settings: Settings, dependencies: SweepDependencies, deadline: datetime
) -> SweepOutcome:
    """Bring every user of the account under the plan, as far as Mode allows, and tell the administrators.

    Stops in time before `deadline` and wakes itself again. Raises SweepStalled when a round got nowhere, and what the
    bulk reads, the mail or the event bus refuse.
    """
    began = dependencies.clock.now()
    snapshot = dependencies.account.read(dependencies.exemptions.all(began), _PATIENCE_SECONDS)
    checks = dependencies.health.checks()
    writes = settings.sweeps_write and not request.audit
    times = _Times.until(began, deadline)
    before = dependencies.memory.load()
    treated: tuple[_Treated, ...] = ()
    if writes:
        assessments = assess(snapshot, settings, began)
        treated = _treat(assessments, _begin(assessments, before, dependencies.memory), settings, dependencies, times)
    digest = _digest(snapshot, treated, checks, before, settings, began, writes=writes)
    _log(digest, dependencies.telemetry)
    mailed = _tell(digest, before, settings, dependencies)
    not_tagged, untagged = _mark(treated, dependencies, times)
    _remember(digest, before, not_tagged, dependencies, mailed=mailed, begun=frozenset() if writes else before.begun)
    _measure(digest, treated, not_tagged, dependencies, began)
    changed, left = len(digest.changes), digest.left + untagged
    if not left:
        dependencies.telemetry.count(Metric.SWEEP_FINISHED)
    elif changed:
        dependencies.sweep_starter.request_sweep(next_round(request))
    else:
        dependencies.telemetry.count(Metric.SWEEP_FAILURES)
        raise SweepStalled(f"Round {request.round} changed nobody and left {left} users; the chain ends here.")
    return SweepOutcome(digest.counts.users, changed, len(digest.failures) + len(not_tagged), left, mailed)


def _begin(assessments: Sequence[Assessment], before: SweepMemory, memory: MemoryStore) -> frozenset[str]:
    """Note whom this sweep may bind or release before it does, and return the names.

    Whoever is bound and has a device shows nothing of it afterwards: a sweep that ended before its mail would have
    bound him without a word. Whom the note has no room for waits for the next round.
    """
    names, room = set(before.begun), _ROOM_FOR_NAMES - sum(map(len, before.begun))
    for assessment in assessments:
        if _may_be_bound_or_released(assessment) and assessment.state.name not in names:
            room -= len(assessment.state.name)
            if room < 0:
                break
            names.add(assessment.state.name)
    if names:
        memory.save(replace(before, begun=frozenset(names)))
    return frozenset(names)


def _may_be_bound_or_released(assessment: Assessment) -> bool:
    return not _needs_nothing(assessment) and assessment.enforced is assessment.exempt


def _needs_nothing(assessment: Assessment) -> bool:
    return (
        assessment.certain
        and not assessment.plan.actions
        and assessment.key_deactivation.step is DeactivationStep.NOTHING
    )


def _treat(
    assessments: Sequence[Assessment],
    noted: frozenset[str],
    settings: Settings,
    dependencies: SweepDependencies,
    times: _Times,
) -> tuple[_Treated, ...]:
    """Return every user, those who need it changed. Nobody is asked about who needs nothing."""

    def one(assessment: Assessment) -> _Treated:
        if _needs_nothing(assessment):
            return _Treated(assessment)
        unnoted = _may_be_bound_or_released(assessment) and assessment.state.name not in noted
        if unnoted or dependencies.clock.now() > times.changing:
            return _Treated(assessment, reached=False)
        return _one_user(assessment, settings, dependencies)

    return _in_threads(one, assessments, dependencies.workers)


def _one_user(assessment: Assessment, settings: Settings, dependencies: SweepDependencies) -> _Treated:
    try:
        confirmed = _confirm(assessment, settings, dependencies)
        return _escalated(_apply(confirmed, settings, dependencies.iam), settings, dependencies)
    except UserGone:
        return _missing(assessment, dependencies.iam)
    except (QuotaExceeded, AwsRequestFailed) as refusal:
        return _Treated(assessment, failure=sanitize(str(refusal), 300))


def _missing(assessment: Assessment, iam: Iam) -> _Treated:
    try:
        iam.user(assessment.state.name)
    except UserGone:
        return _Treated(assessment, gone=True)
    except AwsRequestFailed as refusal:
        return _Treated(assessment, failure=sanitize(str(refusal), 300))
    return _Treated(assessment, failure="the enforcement policy or group does not exist. Deploy the stack again.")


def _confirm(assessment: Assessment, settings: Settings, dependencies: SweepDependencies) -> Assessment:
    now = dependencies.clock.now()
    state = unload_stale_fields(assessment.state, now, assessment.assumed)
    while isinstance(decided := plan_for_user(state, settings, now), Field):
        state = load(state, decided, dependencies.iam)
    return assessment_of(state, decided, settings, now, certain=True)


def _escalated(treated: _Treated, settings: Settings, dependencies: SweepDependencies) -> _Treated:
    """Return `treated` with the keys that are to be announced or deactivated, as IAM lists them now."""
    assessment = treated.assessment
    if assessment.key_deactivation.step is DeactivationStep.NOTHING or treated.failure:
        return treated
    state = assessment.state
    if not isinstance(state.keys, tuple) or any(key.id.startswith("key ") for key in state.keys):
        state = load(state, Field.KEYS, dependencies.iam)
    keys = tuple(key.id for key in state.access_keys() if key.active)
    return replace(
        treated,
        assessment=assessment_of(state, assessment.plan, settings, dependencies.clock.now(), certain=True),
        keys=keys,
    )


def _apply(assessment: Assessment, settings: Settings, iam: Iam) -> _Treated:
    state, actions = assessment.state, assessment.plan.actions
    if Action.RELEASE in actions:
        done = release(state, iam)
        return _Treated(replace(assessment, state=replace(state, attached=False, in_group=False)), done)
    if Action.ENFORCE not in actions:
        return _Treated(assessment)
    done = enforce(state.name, settings.enforce_through, iam)
    if done.problem:
        return _Treated(assessment, done, failure=done.problem)
    bound = {AttachmentRoute.DIRECT: "attached", AttachmentRoute.GROUP: "in_group"}[
        done.route or settings.enforce_through
    ]
    return _Treated(replace(assessment, state=replace(state, **{bound: True})), done)  # type: ignore[arg-type]


def _digest(
    snapshot: Snapshot,
    treated: Sequence[_Treated],
    checks: Sequence[Check],
    before: SweepMemory,
    settings: Settings,
    now: datetime,
    *,
    writes: bool,
) -> Digest:
    assessments = (
        tuple(each.assessment for each in treated if not each.gone) if writes else assess(snapshot, settings, now)
    )
    return Digest(
        counts=count(assessments),
        changes=tuple(_changes(treated, before.begun, now)),
        failures=tuple(Failure(each.assessment.state.name, each.failure) for each in treated if each.failure),
        assessments=assessments,
        carried=before.not_tagged,
        exemptions=snapshot.exemptions,
        checks=checks,
        writes=writes,
        late=snapshot.report_problem,
        left=sum(not each.reached for each in treated),
    )


def _changes(treated: Iterable[_Treated], begun: frozenset[str], now: datetime) -> Iterable[Change]:
    for each in treated:
        name = each.assessment.state.name
        if each.gone:
            yield Change(name, "was deleted while the sweep ran")
        elif deeds := [*(_untold(each, now) if name in begun else ()), *_deeds(each, now)]:
            yield Change(name, ", ".join(deeds))


def _untold(treated: _Treated, now: datetime) -> list[str]:
    """Return what became of somebody whom an earlier sweep set out to bind or release, and did not come to tell of."""
    assessment = treated.assessment
    if treated.done.route or treated.done.released or assessment.enforced is assessment.exempt:
        return []
    if assessment.exempt:
        return ["released, as exempt, by a sweep that broke off"]
    return ["enforced by a sweep that broke off", *_because(assessment.state, now)]


def _deeds(treated: _Treated, now: datetime) -> list[str]:
    if not treated.reached:
        return []
    put = {
        AttachmentRoute.DIRECT: "enforced: the policy attached",
        AttachmentRoute.GROUP: "enforced: added to the enforcement group",
    }
    deeds = [put[treated.done.route], *_because(treated.assessment.state, now)] if treated.done.route else []
    deeds += ["released, as exempt"] if treated.done.released else []
    if treated.failure and not treated.done.problem:
        return deeds
    tags = {Action.MARK: "tagged noncompliant: no MFA device", Action.CLEAR: "noncompliance tags removed"}
    deeds += [tags[action] for action in treated.assessment.plan.actions if action in tags]
    return deeds + _escalating(treated)


def _because(state: UserState, now: datetime) -> list[str]:
    """Return what else the administrators must hear of somebody who was bound now."""
    ended = isinstance(state.exemption, Exemption) and not state.exemption.in_force(now)
    told = [f"the exemption ended at {utc_text(state.exemption.expires_at)}"] if ended else []  # type: ignore[union-attr]
    keys = state.keys_in_use(now) if isinstance(state.keys, tuple) else ()
    used = [f"{key.id} (last used {utc_text(key.last_used)})" for key in keys if key.last_used]
    return told + ([f"access keys in use that stop working without MFA: {', '.join(used)}"] if used else [])


def _escalating(treated: _Treated) -> list[str]:
    found = treated.assessment.key_deactivation
    if not treated.keys or found.due is None:
        return []
    keys = ", ".join(treated.keys)
    if found.step is DeactivationStep.ANNOUNCE:
        return [f"announced: access keys {keys} are deactivated on {utc_text(found.due)} unless a device comes"]
    back = "; ".join(activate_command(treated.assessment.state, key) for key in treated.keys)
    return [
        f"access keys {keys} deactivated, announced in time and still no device. To bring them back, until they are "
        f"announced again: {back}"
    ]


def _log(digest: Digest, telemetry: Telemetry) -> None:
    """Log every change and failure: the mail may have to cut its lists."""
    for change in digest.changes:
        telemetry.info("User changed", subject=f"user/{change.name}", actions=change.deeds)
    for failure in digest.failures:
        telemetry.warning("User not swept", subject=f"user/{failure.name}", reason=failure.reason)


def _tell(digest: Digest, before: SweepMemory, settings: Settings, dependencies: SweepDependencies) -> bool:
    now = dependencies.clock.now()
    if not digest_is_due(before, len(digest.changes), pending(digest), problem_names(digest), now):
        return False
    dependencies.notifier.notices(digest_message(digest, settings, now))
    dependencies.telemetry.count(Metric.NOTICES_SENT)
    return True


def _mark(treated: Iterable[_Treated], dependencies: SweepDependencies, times: _Times) -> tuple[tuple[str, ...], int]:
    """Write the tags, now that the mail is out.

    Returns whose could not be written, each with the reason, and for how many time ran out.
    """
    marks = {Action.MARK, Action.CLEAR}
    due = [
        each
        for each in treated
        if each.reached
        and not each.gone
        and _markable(each)
        and (each.keys or marks & set(each.assessment.plan.actions))
    ]

    def one(each: _Treated) -> tuple[str | None, bool]:
        if dependencies.clock.now() > times.tagging:
            return None, False
        return _write(each, dependencies), True

    results = _in_threads(one, due, dependencies.workers)
    return tuple(reason for reason, _ in results if reason), sum(not reached for _, reached in results)


def _markable(treated: _Treated) -> bool:
    # A quota of policies does not hinder tags; any other failure left the demand unconfirmed.
    return treated.failure is None or treated.done.problem is not None


def _write(treated: _Treated, dependencies: SweepDependencies) -> str | None:
    assessment = treated.assessment
    name, actions = assessment.state.name, assessment.plan.actions
    try:
        if Action.MARK in actions:
            dependencies.iam.mark(name, dependencies.clock.now())
            dependencies.telemetry.count(Metric.USERS_MARKED_NONCOMPLIANT)
        if Action.CLEAR in actions:
            dependencies.iam.clear(name, assessment.state.guard_tags())
            dependencies.telemetry.count(Metric.USERS_CLEARED)
        if treated.keys and assessment.key_deactivation.step is DeactivationStep.ANNOUNCE:
            dependencies.iam.warn(name, dependencies.clock.now())
        if assessment.key_deactivation.step is DeactivationStep.DEACTIVATE:
            for key in treated.keys:
                # A key that has gone stops none of the others.
                with suppress(UserGone):
                    dependencies.keys.deactivate(name, key)
                    dependencies.telemetry.count(Metric.KEYS_DEACTIVATED)
            # A key that somebody brings back is announced again before it goes again.
            dependencies.iam.clear(name, [WARNED_TAG])
    except UserGone:
        return None
    except QuotaExceeded as refused:
        return f"{name}: the tags cannot be set. IAM said: {quota_text(refused)}."
    except AwsRequestFailed as refused:
        return f"{name}: {sanitize(str(refused), 300)}"
    return None


def _remember(
    digest: Digest,
    before: SweepMemory,
    not_tagged: Sequence[str],
    dependencies: SweepDependencies,
    *,
    mailed: bool,
    begun: frozenset[str],
) -> None:
    unheard = NOTICES_TOPIC in {check.name for check in problems(digest.checks)}
    dependencies.memory.save(
        SweepMemory(
            # A mail that no confirmed subscription got was none.
            mailed_at=None if unheard else dependencies.clock.now() if mailed else before.mailed_at,
            pending=pending(digest),
            problems=problem_names(digest),
            not_tagged=tuple(not_tagged),
            begun=begun,
        )
    )


def _measure(
    digest: Digest,
    treated: Iterable[_Treated],
    not_tagged: Sequence[str],
    dependencies: SweepDependencies,
    began: datetime,
) -> None:
    now = dependencies.clock.now()
    days = (each.days_noncompliant(now) for each in digest.assessments if each.noncompliant)
    measured: Mapping[Gauge, float] = {
        Gauge.USERS_COMPLIANT: digest.counts.compliant,
        Gauge.USERS_NONCOMPLIANT: digest.counts.noncompliant,
        Gauge.USERS_EXEMPT: digest.counts.exempt,
        Gauge.USERS_UNDER_ENFORCEMENT: digest.counts.enforced,
        Gauge.OLDEST_NONCOMPLIANT_DAYS: max(days, default=0),
        Gauge.SWEEP_DURATION: (now - began).total_seconds(),
        Gauge.HEALTH_PROBLEMS: len(problems(digest.checks)),
    }
    for gauge, value in measured.items():
        dependencies.telemetry.gauge(gauge, value)
    dependencies.telemetry.count(Metric.USERS_ENFORCED, sum(each.done.route is not None for each in treated))
    dependencies.telemetry.count(Metric.SWEEP_FAILURES, len(digest.failures) + len(not_tagged))


def _in_threads(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> tuple[Result, ...]:
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return tuple(pool.map(work, items))
