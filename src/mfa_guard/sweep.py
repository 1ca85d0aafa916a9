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

from mfa_guard.apply import flat, put_on, take_off
from mfa_guard.core.census import Finding, census, count, judged
from mfa_guard.core.commands import activate_command
from mfa_guard.core.digest import Change, Digest, Failure, digest_message, pending, problem_names
from mfa_guard.core.escalation import Step
from mfa_guard.core.exemption import Exemption
from mfa_guard.core.health import NOTICES_TOPIC, Check, problems
from mfa_guard.core.notices import Done
from mfa_guard.core.plan import Action, demand
from mfa_guard.core.settings import Settings
from mfa_guard.core.snapshot import Snapshot, to_confirm
from mfa_guard.core.sweeping import Memory, SweepRequest, next_round, worth_a_mail
from mfa_guard.core.text import safe
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import WARNED_TAG, Question, UserState, Way
from mfa_guard.observe import observe
from mfa_guard.ports import (
    AccountReader,
    Clock,
    ExemptionLister,
    Gauge,
    HealthReader,
    Iam,
    Keys,
    MemoryStore,
    Metric,
    Notifier,
    QuotaExceeded,
    Refused,
    Telemetry,
    UserGone,
    Waker,
)

# What is kept of a round's time for the mail and the tags, and of that for waking the next round.
_FOR_MAIL_AND_TAGS: Final = 0.2
_FOR_WAKING: Final = 0.05

# All names of 5,000 users of 60 characters: with the rest of the memory less than the 400 KB of an item.
_ROOM_FOR_NAMES: Final = 300_000

# How long a sweep waits for IAM to make the credential report.
_PATIENCE_SECONDS: Final = 60.0

Item = TypeVar("Item")
Result = TypeVar("Result")


NOTHING_DONE: Final = Done()


class SweepStalled(Exception):
    """A whole round changed nobody though somebody was left: another would not either."""


@dataclass(frozen=True)
class SweepWorld:
    """Everything outside of the process that a sweep touches. `workers` bounds the threads that change users."""

    account: AccountReader
    exemptions: ExemptionLister
    health: HealthReader
    iam: Iam
    keys: Keys
    memory: MemoryStore
    notifier: Notifier
    waker: Waker
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

    finding: Finding
    done: Done = NOTHING_DONE
    failure: str | None = None
    gone: bool = False
    reached: bool = True
    keys: tuple[str, ...] = ()


def sweep(request: SweepRequest, settings: Settings, world: SweepWorld, deadline: datetime) -> SweepOutcome:
    """Bring every user of the account under the plan, as far as Mode allows, and tell the administrators.

    Stops in time before `deadline` and wakes itself again. Raises SweepStalled when a round got nowhere, and what the
    bulk reads, the mail or the event bus refuse.
    """
    began = world.clock.now()
    snapshot = world.account.read(world.exemptions.all(began), _PATIENCE_SECONDS)
    checks = world.health.checks()
    writes = settings.sweeps_write and not request.audit
    times = _Times.until(began, deadline)
    before = world.memory.load()
    treated: tuple[_Treated, ...] = ()
    if writes:
        findings = census(snapshot, settings, began)
        treated = _treat(findings, _begin(findings, before, world.memory), settings, world, times)
    digest = _digest(snapshot, treated, checks, before, settings, began, writes=writes)
    _log(digest, world.telemetry)
    mailed = _tell(digest, before, settings, world)
    unmarked, untagged = _mark(treated, world, times)
    _remember(digest, before, unmarked, world, mailed=mailed, begun=frozenset() if writes else before.begun)
    _measure(digest, treated, unmarked, world, began)
    changed, left = len(digest.changes), digest.left + untagged
    if not left:
        world.telemetry.count(Metric.SWEEP_FINISHED)
    elif changed:
        world.waker.wake(next_round(request))
    else:
        world.telemetry.count(Metric.SWEEP_FAILURES)
        raise SweepStalled(f"Round {request.round} changed nobody and left {left} users; the chain ends here.")
    return SweepOutcome(digest.counts.users, changed, len(digest.failures) + len(unmarked), left, mailed)


def _begin(findings: Sequence[Finding], before: Memory, memory: MemoryStore) -> frozenset[str]:
    """Note whom this sweep may bind or release before it does, and return the names.

    Whoever is bound and has a device shows nothing of it afterwards: a sweep that ended before its mail would have
    bound him without a word. Whom the note has no room for waits for the next round.
    """
    names, room = set(before.begun), _ROOM_FOR_NAMES - sum(map(len, before.begun))
    for finding in findings:
        if _may_be_bound_or_released(finding) and finding.state.name not in names:
            room -= len(finding.state.name)
            if room < 0:
                break
            names.add(finding.state.name)
    if names:
        memory.save(replace(before, begun=frozenset(names)))
    return frozenset(names)


def _may_be_bound_or_released(finding: Finding) -> bool:
    return not _needs_nothing(finding) and finding.bound is finding.exempt


def _needs_nothing(finding: Finding) -> bool:
    return finding.certain and not finding.demand.actions and finding.escalation.step is Step.NOTHING


def _treat(
    findings: Sequence[Finding], noted: frozenset[str], settings: Settings, world: SweepWorld, times: _Times
) -> tuple[_Treated, ...]:
    """Return every user, those who need it changed. Nobody is asked about who needs nothing."""

    def one(finding: Finding) -> _Treated:
        if _needs_nothing(finding):
            return _Treated(finding)
        unnoted = _may_be_bound_or_released(finding) and finding.state.name not in noted
        if unnoted or world.clock.now() > times.changing:
            return _Treated(finding, reached=False)
        return _one_user(finding, settings, world)

    return _in_threads(one, findings, world.workers)


def _one_user(finding: Finding, settings: Settings, world: SweepWorld) -> _Treated:
    try:
        confirmed = _confirm(finding, settings, world)
        return _escalated(_apply(confirmed, settings, world.iam), settings, world)
    except UserGone:
        return _missing(finding, world.iam)
    except (QuotaExceeded, Refused) as refusal:
        return _Treated(finding, failure=safe(str(refusal), 300))


def _missing(finding: Finding, iam: Iam) -> _Treated:
    try:
        iam.user(finding.state.name)
    except UserGone:
        return _Treated(finding, gone=True)
    except Refused as refusal:
        return _Treated(finding, failure=safe(str(refusal), 300))
    return _Treated(finding, failure="the enforcement policy or group does not exist. Deploy the stack again.")


def _confirm(finding: Finding, settings: Settings, world: SweepWorld) -> Finding:
    now = world.clock.now()
    state = to_confirm(finding.state, now, finding.assumed)
    while isinstance(decided := demand(state, settings, now), Question):
        state = observe(state, decided, world.iam)
    return judged(state, decided, settings, now, certain=True)


def _escalated(treated: _Treated, settings: Settings, world: SweepWorld) -> _Treated:
    """Return `treated` with the keys that are to be announced or deactivated, as IAM lists them now."""
    finding = treated.finding
    if finding.escalation.step is Step.NOTHING or treated.failure:
        return treated
    state = finding.state
    if not isinstance(state.keys, tuple) or any(key.id.startswith("key ") for key in state.keys):
        state = observe(state, Question.KEYS, world.iam)
    keys = tuple(key.id for key in state.access_keys() if key.active)
    return replace(treated, finding=judged(state, finding.demand, settings, world.clock.now(), certain=True), keys=keys)


def _apply(finding: Finding, settings: Settings, iam: Iam) -> _Treated:
    state, actions = finding.state, finding.demand.actions
    if Action.RELEASE in actions:
        done = take_off(state, iam)
        return _Treated(replace(finding, state=replace(state, attached=False, grouped=False)), done)
    if Action.ENFORCE not in actions:
        return _Treated(finding)
    done = put_on(state.name, settings.enforce_through, iam)
    if done.problem:
        return _Treated(finding, done, failure=done.problem)
    bound = {Way.USER: "attached", Way.GROUP: "grouped"}[done.way or settings.enforce_through]
    return _Treated(replace(finding, state=replace(state, **{bound: True})), done)  # type: ignore[arg-type]


def _digest(
    snapshot: Snapshot,
    treated: Sequence[_Treated],
    checks: Sequence[Check],
    before: Memory,
    settings: Settings,
    now: datetime,
    *,
    writes: bool,
) -> Digest:
    findings = tuple(each.finding for each in treated if not each.gone) if writes else census(snapshot, settings, now)
    return Digest(
        counts=count(findings),
        changes=tuple(_changes(treated, before.begun, now)),
        failures=tuple(Failure(each.finding.state.name, each.failure) for each in treated if each.failure),
        findings=findings,
        carried=before.unmarked,
        exemptions=snapshot.exemptions,
        checks=checks,
        writes=writes,
        late=snapshot.late,
        left=sum(not each.reached for each in treated),
    )


def _changes(treated: Iterable[_Treated], begun: frozenset[str], now: datetime) -> Iterable[Change]:
    for each in treated:
        name = each.finding.state.name
        if each.gone:
            yield Change(name, "was deleted while the sweep ran")
        elif deeds := [*(_untold(each, now) if name in begun else ()), *_deeds(each, now)]:
            yield Change(name, ", ".join(deeds))


def _untold(treated: _Treated, now: datetime) -> list[str]:
    """Return what became of somebody whom an earlier sweep set out to bind or release, and did not come to tell of."""
    finding = treated.finding
    if treated.done.way or treated.done.released or finding.bound is finding.exempt:
        return []
    if finding.exempt:
        return ["released, as exempt, by a sweep that broke off"]
    return ["enforced by a sweep that broke off", *_because(finding.state, now)]


def _deeds(treated: _Treated, now: datetime) -> list[str]:
    if not treated.reached:
        return []
    put = {Way.USER: "enforced: the policy attached", Way.GROUP: "enforced: added to the enforcement group"}
    deeds = [put[treated.done.way], *_because(treated.finding.state, now)] if treated.done.way else []
    deeds += ["released, as exempt"] if treated.done.released else []
    if treated.failure and not treated.done.problem:
        return deeds
    tags = {Action.MARK: "tagged noncompliant: no MFA device", Action.CLEAR: "noncompliance tags removed"}
    deeds += [tags[action] for action in treated.finding.demand.actions if action in tags]
    return deeds + _escalating(treated)


def _because(state: UserState, now: datetime) -> list[str]:
    """Return what else the administrators must hear of somebody who was bound now."""
    ended = isinstance(state.exemption, Exemption) and not state.exemption.holds(now)
    told = [f"the exemption ended at {utc_text(state.exemption.expires_at)}"] if ended else []  # type: ignore[union-attr]
    keys = state.keys_in_use(now) if isinstance(state.keys, tuple) else ()
    used = [f"{key.id} (last used {utc_text(key.last_used)})" for key in keys if key.last_used]
    return told + ([f"access keys in use that stop working without MFA: {', '.join(used)}"] if used else [])


def _escalating(treated: _Treated) -> list[str]:
    found = treated.finding.escalation
    if not treated.keys or found.due is None:
        return []
    keys = ", ".join(treated.keys)
    if found.step is Step.ANNOUNCE:
        return [f"announced: access keys {keys} are deactivated on {utc_text(found.due)} unless a device comes"]
    back = "; ".join(activate_command(treated.finding.state, key) for key in treated.keys)
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


def _tell(digest: Digest, before: Memory, settings: Settings, world: SweepWorld) -> bool:
    now = world.clock.now()
    if not worth_a_mail(before, len(digest.changes), pending(digest), problem_names(digest), now):
        return False
    world.notifier.notices(digest_message(digest, settings, now))
    world.telemetry.count(Metric.NOTICES_SENT)
    return True


def _mark(treated: Iterable[_Treated], world: SweepWorld, times: _Times) -> tuple[tuple[str, ...], int]:
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
        and (each.keys or marks & set(each.finding.demand.actions))
    ]

    def one(each: _Treated) -> tuple[str | None, bool]:
        if world.clock.now() > times.tagging:
            return None, False
        return _write(each, world), True

    results = _in_threads(one, due, world.workers)
    return tuple(reason for reason, _ in results if reason), sum(not reached for _, reached in results)


def _markable(treated: _Treated) -> bool:
    # A quota of policies does not hinder tags; any other failure left the demand unconfirmed.
    return treated.failure is None or treated.done.problem is not None


def _write(treated: _Treated, world: SweepWorld) -> str | None:
    finding = treated.finding
    name, actions = finding.state.name, finding.demand.actions
    try:
        if Action.MARK in actions:
            world.iam.mark(name, world.clock.now())
            world.telemetry.count(Metric.USERS_MARKED_NONCOMPLIANT)
        if Action.CLEAR in actions:
            world.iam.clear(name, finding.state.guard_tags())
            world.telemetry.count(Metric.USERS_CLEARED)
        if treated.keys and finding.escalation.step is Step.ANNOUNCE:
            world.iam.warn(name, world.clock.now())
        if finding.escalation.step is Step.DEACTIVATE:
            for key in treated.keys:
                # A key that has gone stops none of the others.
                with suppress(UserGone):
                    world.keys.deactivate(name, key)
                    world.telemetry.count(Metric.KEYS_DEACTIVATED)
            # A key that somebody brings back is announced again before it goes again.
            world.iam.clear(name, [WARNED_TAG])
    except UserGone:
        return None
    except QuotaExceeded as refused:
        return f"{name}: the tags cannot be set. IAM said: {flat(refused)}."
    except Refused as refused:
        return f"{name}: {safe(str(refused), 300)}"
    return None


def _remember(
    digest: Digest,
    before: Memory,
    unmarked: Sequence[str],
    world: SweepWorld,
    *,
    mailed: bool,
    begun: frozenset[str],
) -> None:
    unheard = NOTICES_TOPIC in {check.name for check in problems(digest.checks)}
    world.memory.save(
        Memory(
            # A mail that no confirmed subscription got was none.
            mailed_at=None if unheard else world.clock.now() if mailed else before.mailed_at,
            pending=pending(digest),
            problems=problem_names(digest),
            unmarked=tuple(unmarked),
            begun=begun,
        )
    )


def _measure(
    digest: Digest, treated: Iterable[_Treated], unmarked: Sequence[str], world: SweepWorld, began: datetime
) -> None:
    now = world.clock.now()
    days = (each.days(now) for each in digest.findings if each.noncompliant)
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
        world.telemetry.gauge(gauge, value)
    world.telemetry.count(Metric.USERS_ENFORCED, sum(each.done.way is not None for each in treated))
    world.telemetry.count(Metric.SWEEP_FAILURES, len(digest.failures) + len(unmarked))


def _in_threads(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> tuple[Result, ...]:
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return tuple(pool.map(work, items))
