"""Act on one event about one user: observe, plan, apply, notify, mark.

The order is a guarantee. Enforcing comes first, so that a mail that fails leaves no user without enforcement. Tagging
comes last, so that a crash before it repeats the mail instead of losing it. Each step can be repeated without harm.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from mfa_guard.core.attachments import NOTHING_WRITTEN, WriteResult
from mfa_guard.core.cloudtrail import EventNotUnderstood, SubjectKind, UserEvent
from mfa_guard.core.errors import QuotaExceeded, UserGone, UserNotVisibleYet
from mfa_guard.core.exemption import MalformedExemption
from mfa_guard.core.leases import Claim, Lease
from mfa_guard.core.mail.notice_context import NoticeContext
from mfa_guard.core.mail.notices import root_message, user_message
from mfa_guard.core.metrics import Metric
from mfa_guard.core.notice_kinds import RESUMABLE, NoticeKind
from mfa_guard.core.plan import Action, DueNotice, EventContext, EventPlan, notice_of, plan_for_event
from mfa_guard.core.settings import Settings
from mfa_guard.core.user import Field, UserState, without_stale_device
from mfa_guard.core.user_record import Decision, ScopeReason, Standing
from mfa_guard.ports import Clock, Iam, Leases, Notifier, Telemetry, UserRecords
from mfa_guard.use_cases.enforcement import enforce, quota_text, release
from mfa_guard.use_cases.load import FROM_IAM, load
from mfa_guard.use_cases.notify import notify_of_user, notify_once

# IAM is eventually consistent: it may not show a new user for some seconds.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
_RECENT: Final = timedelta(seconds=120)
_CREATING_EVENTS: Final = {"CreateUser", "CreateLoginProfile", "CreateAccessKey", "UpdateUser"}


class EnforcementMissing(Exception):
    """The user exists and cannot be enforced, because the enforcement policy or group does not exist."""


@dataclass(frozen=True)
class RemediateDependencies:
    """What remediation needs from outside."""

    iam: Iam
    records: UserRecords
    leases: Leases
    notifier: Notifier
    telemetry: Telemetry
    clock: Clock


_Loader: TypeAlias = Callable[[UserState, UserEvent, RemediateDependencies], UserState]


@dataclass(frozen=True)
class Outcome:
    """The result of one event. It is small and plain, because idempotency stores it for repeated deliveries.

    `notice` is the kind of the notice that was sent, or None.
    """

    standing: str
    actions: tuple[str, ...] = ()
    notice: str | None = None


@dataclass(frozen=True)
class _Remediation:
    """One event about one user: the user's state, the plan, and the result of the writes so far.

    `claimed` is the answer to a claim of the due notice's lease that was made before the writes.
    """

    event: UserEvent
    state: UserState
    plan: EventPlan
    settings: Settings
    dependencies: RemediateDependencies
    result: WriteResult = NOTHING_WRITTEN
    claimed: Claim | None = None

    def lease(self, notice: DueNotice) -> Lease:
        """Return the lease that makes one notice out of parallel invocations."""
        return Lease(self.state.id, notice.kind, self.event.record.id, notice.exposure, notice.ends)

    def decision(self) -> Decision:
        """Return what the plan decided about the user, for the user's record."""
        created = self.event.record.name == "CreateUser"
        standing = self.plan.standing
        return Decision(
            name=self.state.name,
            standing=standing,
            at=self.dependencies.clock.now(),
            enforced=standing is Standing.ENFORCED
            and (self.settings.writes or Action.ENFORCE not in self.plan.actions),
            scope=(ScopeReason.CREATED if created else ScopeReason.EVENT) if self.settings.writes else None,
            qualifies=standing is Standing.ACTIVE_MACHINE,
        )

    def notice_context(self, now: datetime) -> NoticeContext:
        """Return the facts that a notice about the user is written from."""
        return NoticeContext(self.event, self.state, self.plan, self.result, self.settings, now)


def remediate(event: UserEvent, settings: Settings, dependencies: RemediateDependencies) -> Outcome:
    """Do what the state of the event's subject requires, and notify the administrators.

    Raises UserNotVisibleYet for a new user that IAM does not show yet, EnforcementMissing when the policy or group
    does not exist, and AWS's own errors once botocore stops retrying. Lambda then retries, and in the end the
    dead-letter queue keeps the event.
    """
    if event.subject.kind is SubjectKind.ROOT:
        return _notify_of_root(event, settings, dependencies)
    name = event.subject.name
    if name is None:
        raise EventNotUnderstood(f"{event.record.name} names its user by id only: {event.subject.id}.")
    try:
        state = dependencies.iam.user(name)
    except UserGone as missing:
        return _gone(event, name, dependencies, missing)
    try:
        return _carry_out(_planned(event, state, settings, dependencies))
    except UserGone as missing:
        # NoSuchEntity may be about something that belongs to the user, so ask for the user once more.
        try:
            dependencies.iam.user(name)
        except UserGone:
            return _gone(event, name, dependencies, missing)
        raise UserNotVisibleYet(f"IAM shows {name} in one place and not in another.") from missing


def _notify_of_root(event: UserEvent, settings: Settings, dependencies: RemediateDependencies) -> Outcome:
    lease = Lease(event.record.id, NoticeKind.ROOT_CREDENTIALS, event.record.id)
    sent = notify_once(lease, root_message(event, settings), dependencies.notifier.notices, dependencies)
    return Outcome("root", notice=lease.kind.value if sent else None)


def _gone(event: UserEvent, name: str, dependencies: RemediateDependencies, missing: UserGone) -> Outcome:
    if _recently_created(event, dependencies):
        raise UserNotVisibleYet(f"IAM does not show {name} yet; {event.record.name} was moments ago.") from missing
    return Outcome("gone")


def _recently_created(event: UserEvent, dependencies: RemediateDependencies) -> bool:
    return event.record.name in _CREATING_EVENTS and dependencies.clock.now() - event.record.time < _RECENT


def _planned(
    event: UserEvent, state: UserState, settings: Settings, dependencies: RemediateDependencies
) -> _Remediation:
    event_context = EventContext.of(event)
    while isinstance(plan := plan_for_event(state, event_context, settings, dependencies.clock.now()), Field):
        state = _LOADERS[plan](state, event, dependencies)
    return _Remediation(event, state, plan, settings, dependencies)


def _load_record(state: UserState, event: UserEvent, dependencies: RemediateDependencies) -> UserState:
    record, exemption = dependencies.records.read(state.id, dependencies.clock.now())
    if isinstance(exemption, MalformedExemption):
        dependencies.telemetry.warning("Exemption does not count", problem=exemption.problem)
    return replace(state, exemption=exemption, unfinished=record.unfinished(event.record.id))


def _load_devices(state: UserState, event: UserEvent, dependencies: RemediateDependencies) -> UserState:
    """Load the devices, without the one whose removal the event proves: IAM may still list it."""
    removed = event.device if event.record.name == "DeactivateMFADevice" else None
    listed = dependencies.iam.devices(state.name)
    return replace(state, devices=without_stale_device(listed, removed, event.record.time))


def _load_password(state: UserState, event: UserEvent, dependencies: RemediateDependencies) -> UserState:
    """Load the password. Raises UserNotVisibleYet when IAM does not show the one that the event proves."""
    state = load(state, Field.PASSWORD, dependencies.iam)
    if (
        event.record.name == "CreateLoginProfile"
        and not state.has_password()
        and _recently_created(event, dependencies)
    ):
        raise UserNotVisibleYet(f"IAM does not show the password of {state.name} yet; it was created moments ago.")
    return state


def _from_iam(load_field: Callable[[UserState, Iam], UserState]) -> _Loader:
    return lambda state, _event, dependencies: load_field(state, dependencies.iam)


_LOADERS: Final[Mapping[Field, _Loader]] = {
    **{field: _from_iam(load_field) for field, load_field in FROM_IAM.items()},
    # The event proves a change that a stale read of IAM may not show.
    Field.DEVICES: _load_devices,
    Field.PASSWORD: _load_password,
    Field.EXEMPTION: _load_record,
    Field.UNFINISHED: _load_record,
}


def _carry_out(case: _Remediation) -> Outcome:
    if case.plan.due and case.plan.due.kind in RESUMABLE:
        # Claim before the first change: if this attempt crashes, the retry knows which notice it has to send.
        claimed = case.dependencies.records.claim(case.lease(case.plan.due), case.decision())
        case = replace(case, claimed=claimed)
    case = replace(case, result=_enforce_or_release(case))
    sent = _notify(case)
    if case.result.retry:
        raise EnforcementMissing(case.result.problem)
    marked = _mark(case)
    enforced = (Action.ENFORCE,) if case.result.route else ()
    released = (Action.RELEASE,) if case.result.released else ()
    return Outcome(
        standing=case.plan.standing.value,
        actions=tuple(action.value for action in (*enforced, *released, *marked)),
        notice=sent.value if sent else None,
    )


def _enforce_or_release(case: _Remediation) -> WriteResult:
    dependencies = case.dependencies
    if not case.settings.writes:
        return NOTHING_WRITTEN
    if Action.RELEASE in case.plan.actions:
        return release(case.state, dependencies.iam)
    if Action.ENFORCE not in case.plan.actions:
        return NOTHING_WRITTEN
    try:
        result = enforce(case.state.name, case.settings.enforce_through, dependencies.iam)
    except UserGone:
        if _recently_created(case.event, dependencies):
            raise
        # Either the user is gone, which this call reports by raising, or the policy or group is.
        dependencies.iam.user(case.state.name)
        return WriteResult(problem="the enforcement policy or group does not exist.", retry=True)
    if result.route:
        dependencies.telemetry.count(Metric.USERS_ENFORCED)
    return result


def _notify(case: _Remediation) -> NoticeKind | None:
    """Send the notice that is due after the writes, and return its kind, or None if this call sent none."""
    dependencies = case.dependencies
    if case.result.problem:
        dependencies.telemetry.count(Metric.ENFORCEMENT_FAILED)
        dependencies.telemetry.warning("Enforcement failed", problem=case.result.problem)
    notice = notice_of(case.plan, case.result)
    if notice is None:
        return None
    message = user_message(notice, case.notice_context(dependencies.clock.now()))
    claimed = case.claimed if notice == case.plan.due else None
    sent = notify_of_user(case.lease(notice), case.decision(), message, dependencies, claimed)
    return notice.kind if sent else None


def _mark(case: _Remediation) -> tuple[Action, ...]:
    """Set or remove the tags, and return what was done.

    When the user has no room for more tags, send a notice instead of raising: retrying cannot help.
    """
    if not case.settings.writes:
        return ()
    iam, telemetry = case.dependencies.iam, case.dependencies.telemetry
    if Action.CLEAR in case.plan.actions:
        iam.clear(case.state.name, case.state.guard_tags())
        telemetry.count(Metric.USERS_CLEARED)
    try:
        if Action.MARK in case.plan.actions:
            iam.mark(case.state.name, case.dependencies.clock.now())
            telemetry.count(Metric.USERS_MARKED_NONCOMPLIANT)
    except QuotaExceeded as refused:
        problem = f"the noncompliance tags cannot be set. IAM said: {quota_text(refused)}."
        _notify(replace(case, result=replace(case.result, problem=problem, not_tagged=True)))
        return ()
    return tuple(action for action in case.plan.actions if action in {Action.MARK, Action.CLEAR})
