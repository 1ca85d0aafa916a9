"""One user: observe, plan, apply, tell, mark.

The order is the promise. Enforcing comes first, so that a failing mail leaves nobody unbound; marking comes last, so
that a crash before it repeats the mail instead of losing it. Every step may run again without harm.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from mfa_guard.core.attachments import WriteResult
from mfa_guard.core.cloudtrail import UserEvent
from mfa_guard.core.errors import QuotaExceeded, UserGone, UserNotVisibleYet
from mfa_guard.core.exemption import MalformedExemption
from mfa_guard.core.mail.notices import root_message, user_message
from mfa_guard.core.metrics import Metric
from mfa_guard.core.notice_kinds import RESUMABLE, NoticeKind
from mfa_guard.core.plan import Action, EventContext, EventPlan, plan_for_event
from mfa_guard.core.settings import Settings
from mfa_guard.core.user import Field, UserState, without_stale_device
from mfa_guard.ports import Clock, Exemptions, Iam, Leases, Notifier, Telemetry
from mfa_guard.use_cases.enforcement import enforce, quota_text, release
from mfa_guard.use_cases.load import load
from mfa_guard.use_cases.notify import Lease, notify_once

# IAM is eventually consistent: a new user may stay invisible for seconds.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
_YOUNG: Final = timedelta(seconds=120)
_MAKES_VISIBLE: Final = {"CreateUser", "CreateLoginProfile", "CreateAccessKey", "UpdateUser"}


class EnforcementMissing(Exception):
    """The user exists, and IAM still finds nothing: the enforcement policy or group is gone."""


@dataclass(frozen=True)
class RemediateDependencies:
    """Everything outside of the process that remediation touches."""

    iam: Iam
    exemptions: Exemptions
    leases: Leases
    notifier: Notifier
    telemetry: Telemetry
    clock: Clock


@dataclass(frozen=True)
class Outcome:
    """What became of one event, small and plain: idempotency stores it and answers repetitions with it.

    `notice` is the kind of the mail that this event sent, None when it sent none.
    """

    standing: str
    actions: tuple[str, ...] = ()
    notice: str | None = None


def remediate(event: UserEvent, settings: Settings, dependencies: RemediateDependencies) -> Outcome:
    """Bring the subject of `event` to what his state demands, and tell the administrators.

    Raises UserNotVisibleYet for a user made moments ago whom IAM does not show yet, EnforcementMissing when the
    policy or group is gone, and AWS's own errors when botocore's patience ends (access denied at once): Lambda
    retries, and the dead-letter queue keeps the event.
    """
    name = event.subject.name
    if name is None:
        return _tell_of_root(event, settings, dependencies)
    try:
        state = dependencies.iam.user(name)
    except UserGone as missing:
        return _gone(event, name, dependencies, missing)
    try:
        state, decided = _observe_and_plan(event, state, settings, dependencies)
        return _carry_out(event, state, decided, settings, dependencies)
    except UserGone as missing:
        # NoSuchEntity may have been about something of the user's: he himself is asked for once more.
        try:
            dependencies.iam.user(name)
        except UserGone:
            return _gone(event, name, dependencies, missing)
        raise UserNotVisibleYet(f"IAM shows {name} in one place and not in another.") from missing


def _tell_of_root(event: UserEvent, settings: Settings, dependencies: RemediateDependencies) -> Outcome:
    lease = Lease(event.record.id, NoticeKind.ROOT_CREDENTIALS, event.record.id)
    told = _tell(lease, lambda: dependencies.notifier.notices(root_message(event, settings)), dependencies)
    return Outcome("root", notice=lease.kind.value if told else None)


def _gone(event: UserEvent, name: str, dependencies: RemediateDependencies, missing: UserGone) -> Outcome:
    if _young(event, dependencies):
        raise UserNotVisibleYet(f"IAM does not show {name} yet, {event.record.name} was moments ago.") from missing
    return Outcome("gone")


def _young(event: UserEvent, dependencies: RemediateDependencies) -> bool:
    return event.record.name in _MAKES_VISIBLE and dependencies.clock.now() - event.record.time < _YOUNG


def _observe_and_plan(
    event: UserEvent, state: UserState, settings: Settings, dependencies: RemediateDependencies
) -> tuple[UserState, EventPlan]:
    event_context = EventContext.of(event)
    while isinstance(decided := plan_for_event(state, event_context, settings, dependencies.clock.now()), Field):
        state = _answer(state, decided, event, dependencies)
    return state, decided


def _answer(state: UserState, question: Field, event: UserEvent, dependencies: RemediateDependencies) -> UserState:
    match question:
        case Field.EXEMPTION:
            record = dependencies.exemptions.get(state.id, dependencies.clock.now())
            if isinstance(record, MalformedExemption):
                dependencies.telemetry.warning("Exemption does not count", problem=record.problem)
            return replace(state, exemption=record)
        case Field.PASSWORD:
            found = load(state, question, dependencies.iam)
            if event.record.name == "CreateLoginProfile" and not found.has_password() and _young(event, dependencies):
                raise UserNotVisibleYet(
                    f"IAM does not show the password of {state.name} yet, which was made moments ago."
                )
            return found
        case Field.UNFINISHED:
            return replace(state, unfinished=dependencies.leases.unfinished(state.id, event.record.id))
        case Field.DEVICES:
            removed = event.device if event.record.name == "DeactivateMFADevice" else None
            listed = dependencies.iam.devices(state.name)
            return replace(state, devices=without_stale_device(listed, removed, event.record.time))
        case _:
            return load(state, question, dependencies.iam)


def _carry_out(
    event: UserEvent, state: UserState, decided: EventPlan, settings: Settings, dependencies: RemediateDependencies
) -> Outcome:
    due = decided.due
    lease = Lease(state.id, due.kind, event.record.id, due.exposure, due.ends) if due else None
    if lease and lease.kind in RESUMABLE:
        # Before anything changes: should this attempt die, the next one knows what it had begun to tell.
        lease.claim(dependencies.leases)
    done = _apply(event, state, decided, settings, dependencies) if settings.writes else WriteResult()
    if done.problem:
        lease = Lease(state.id, NoticeKind.NOT_ENFORCED, event.record.id)
        dependencies.telemetry.count(Metric.ENFORCEMENT_FAILED)
        dependencies.telemetry.warning("Enforcement failed", problem=done.problem)
    told = False
    if lease:
        message = user_message(event, state, decided, done, settings, dependencies.clock.now())
        told = _tell(lease, lambda: dependencies.notifier.notices(message), dependencies)
    if done.retry:
        raise EnforcementMissing(done.problem)
    marked = _mark(event, state, decided, done, settings, dependencies) if settings.writes else ()
    enforce = (Action.ENFORCE,) if done.route else ()
    taken_off = (Action.RELEASE,) if done.released else ()
    return Outcome(
        standing=decided.standing.value,
        actions=tuple(action.value for action in (*enforce, *taken_off, *marked)),
        notice=lease.kind.value if lease and told else None,
    )


def _apply(
    event: UserEvent, state: UserState, decided: EventPlan, settings: Settings, dependencies: RemediateDependencies
) -> WriteResult:
    if Action.RELEASE in decided.actions:
        return release(state, dependencies.iam)
    if Action.ENFORCE not in decided.actions:
        return WriteResult()
    try:
        done = enforce(state.name, settings.enforce_through, dependencies.iam)
    except UserGone:
        if _young(event, dependencies):
            raise
        # Either the user has gone meanwhile, which this call says by raising, or what should bind him has.
        dependencies.iam.user(state.name)
        return WriteResult(problem="the enforcement policy or group does not exist.", retry=True)
    if done.route:
        dependencies.telemetry.count(Metric.USERS_ENFORCED)
    return done


def _mark(
    event: UserEvent,
    state: UserState,
    decided: EventPlan,
    done: WriteResult,
    settings: Settings,
    dependencies: RemediateDependencies,
) -> tuple[Action, ...]:
    """Set or remove the tags and return which was done. A used-up quota is told and counted: retrying cannot help."""
    now = dependencies.clock.now()
    if Action.CLEAR in decided.actions:
        dependencies.iam.clear(state.name, state.guard_tags())
        dependencies.telemetry.count(Metric.USERS_CLEARED)
    try:
        if Action.MARK in decided.actions:
            dependencies.iam.mark(state.name, now)
            dependencies.telemetry.count(Metric.USERS_MARKED_NONCOMPLIANT)
    except QuotaExceeded as refused:
        problem = f"the noncompliance tags cannot be set. IAM said: {quota_text(refused)}."
        failed = replace(done, problem=problem, not_tagged=True)
        dependencies.telemetry.count(Metric.ENFORCEMENT_FAILED)
        dependencies.telemetry.warning("Enforcement failed", problem=problem)
        message = user_message(event, state, decided, failed, settings, now)
        lease = Lease(state.id, NoticeKind.NOT_TAGGED, event.record.id)
        _tell(lease, lambda: dependencies.notifier.notices(message), dependencies)
        return ()
    return tuple(action for action in decided.actions if action in {Action.MARK, Action.CLEAR})


def _tell(lease: Lease, publish: Callable[[], None], dependencies: RemediateDependencies) -> bool:
    return notify_once(lease, publish, dependencies.leases, dependencies.clock, dependencies.telemetry)
