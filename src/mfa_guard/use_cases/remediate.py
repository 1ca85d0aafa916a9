"""Act on one event about one user: observe, plan, apply, notify, mark.

The order is a guarantee. Enforcing comes first, so that a mail that fails leaves no user without enforcement. Tagging
comes last, so that a crash before it repeats the mail instead of losing it. Each step can be repeated without harm.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from mfa_guard.core.attachments import NOTHING_WRITTEN, WriteResult
from mfa_guard.core.cloudtrail import SubjectKind, Trigger, UserEvent
from mfa_guard.core.errors import NotVisibleYet, QuotaExceeded, UserGone
from mfa_guard.core.leases import Claim, Lease
from mfa_guard.core.mail.alert_notices import renamed_user_message, root_message
from mfa_guard.core.mail.notice_context import NoticeContext
from mfa_guard.core.mail.notices import user_message
from mfa_guard.core.metrics import Metric
from mfa_guard.core.notice_kinds import RESUMABLE, NoticeKind
from mfa_guard.core.plan import Action, DueNotice, EventPlan, decision_of, notice_of
from mfa_guard.core.settings import Settings
from mfa_guard.core.user import UserState
from mfa_guard.core.user_record import Decision, ScopeReason, Standing
from mfa_guard.ports import (
    Clock,
    Iam,
    Leases,
    Notifier,
    SummaryTimer,
    Telemetry,
    UserLookup,
    UserRecords,
    Windows,
)
from mfa_guard.use_cases.enforcement import enforce, quota_text, release
from mfa_guard.use_cases.find_user import Sought, find_user
from mfa_guard.use_cases.notify import notify_of_user, notify_once
from mfa_guard.use_cases.observe import Observer
from mfa_guard.use_cases.patience import Patience

# After these events, IAM may not show the user or the user's new name yet. The other events are about a user who was
# there for some time. A deletion causes many of them at once, and none of them should wait for a user who is gone.
_EXPECTING: Final = frozenset(
    {
        Trigger.NEW_USER,
        Trigger.NEW_CREDENTIAL,
        Trigger.RENAMED,
        Trigger.DEVICE_ENABLED,
        Trigger.SIGNED_IN_WITHOUT_MFA,
    }
)
# When a user disappears or is renamed between two calls, one invocation begins again after each of these pauses.
_PAUSES_SECONDS: Final = (2.0, 8.0)


class EnforcementMissing(Exception):
    """The user exists and cannot be enforced, because the enforcement policy or group does not exist."""


@dataclass(frozen=True)
class RemediateDependencies:
    """What remediation needs from outside. `workers`: how many reads run side by side."""

    iam: Iam
    lookup: UserLookup
    records: UserRecords
    leases: Leases
    notifier: Notifier
    windows: Windows
    timer: SummaryTimer
    telemetry: Telemetry
    clock: Clock
    workers: int = 1


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

    `claimed` is the answer to a claim of the due notice's lease that was made before the writes. `believes_iam`: IAM
    had time to show a change of the user's name.
    """

    event: UserEvent
    state: UserState
    plan: EventPlan
    settings: Settings
    dependencies: RemediateDependencies
    result: WriteResult = NOTHING_WRITTEN
    claimed: Claim | None = None
    believes_iam: bool = True

    def lease(self, notice: DueNotice) -> Lease:
        """Return the lease that makes one notice out of parallel invocations."""
        return Lease(self.state.id, notice.kind, self.event.record.id, notice.exposure, notice.ends)

    def decision(self) -> Decision:
        """Return what the guard remembers: audit mode adds neither a scope nor that the user is enforced."""
        writes = self.settings.writes
        enforcing = self.result == NOTHING_WRITTEN or self.result.route is not None
        applies = writes and (Action.ENFORCE not in self.plan.actions or enforcing)
        # A failure does not make a user who was enforced a user who never was; see `plan._rule`.
        enforced = self.plan.standing is Standing.ENFORCED and (applies or self.state.recorded().enforced)
        created = self.event.trigger is Trigger.NEW_USER
        return decision_of(
            self.state,
            self.plan,
            self.dependencies.clock.now(),
            enforced=enforced,
            scope=(ScopeReason.CREATED if created else ScopeReason.EVENT) if writes else None,
        )

    def notice_context(self, now: datetime) -> NoticeContext:
        """Return the facts that a notice about the user is written from."""
        return NoticeContext(self.event, self.state, self.plan, self.result, self.settings, now)


def remediate(event: UserEvent, settings: Settings, dependencies: RemediateDependencies) -> Outcome:
    """Do what the state of the event's subject requires, and notify the administrators.

    Raises NotVisibleYet for what a young event proves and IAM does not show yet, EnforcementMissing when the policy or
    group does not exist, and AWS's own errors once botocore stops retrying. Lambda then retries, and in the end the
    dead-letter queue keeps the event.
    """
    subject = event.subject
    if subject.kind is SubjectKind.ROOT:
        return _notify_of_root(event, settings, dependencies)
    patience = Patience(event.record.time, dependencies.clock)
    sought = Sought(subject.name, subject.id, event.key_id, expected=event.trigger in _EXPECTING, at=event.record.time)
    gone: UserGone | None = None
    for pause in (*_PAUSES_SECONDS, None):
        state = find_user(sought, dependencies.iam, dependencies.lookup, patience)
        if state is None:
            # An id that is gone is the truth: a user who was created and appears later is found by the next sweep.
            return Outcome("gone") if sought.id else _not_found(event, patience, settings, dependencies)
        # From here on only the user with this id is the subject, whatever happens to the name.
        sought = replace(sought, name=state.name, id=state.id, key_id=None)
        try:
            case = _observe(event, state, settings, dependencies, patience)
            return _carry_out(replace(case, believes_iam=pause is None), patience)
        except UserGone as missing:
            gone = missing
            if pause is not None:
                dependencies.clock.sleep(pause)
    raise NotVisibleYet(f"IAM shows {sought.name} in one place and not in another.") from gone


def _notify_of_root(event: UserEvent, settings: Settings, dependencies: RemediateDependencies) -> Outcome:
    lease = Lease(event.record.id, NoticeKind.ROOT_CREDENTIALS, event.record.id)
    sent = notify_once(lease, root_message(event, settings), dependencies)
    return Outcome("root", notice=lease.kind.value if sent else None)


def _not_found(
    event: UserEvent, patience: Patience, settings: Settings, dependencies: RemediateDependencies
) -> Outcome:
    """Return that the user of an event without an id is gone, and report a user who was renamed.

    The record of a rename names no id, and no sweep has to look at this user. So a notice is sent unless IAM shows the
    old name. Raises NotVisibleYet if IAM shows it and the event is young.
    """
    if event.old_name is None:
        return Outcome("gone")
    if find_user(Sought(event.old_name, at=event.record.time), dependencies.iam, dependencies.lookup, patience):
        if patience.is_young():
            raise NotVisibleYet(f"IAM still shows {event.old_name} under the old name.")
        return Outcome("gone")
    lease = Lease(event.record.id, NoticeKind.RENAMED_USER_NOT_FOUND, event.record.id)
    sent = notify_once(lease, renamed_user_message(event, settings), dependencies)
    return Outcome("gone", notice=lease.kind.value if sent else None)


def _observe(
    event: UserEvent,
    state: UserState,
    settings: Settings,
    dependencies: RemediateDependencies,
    patience: Patience,
) -> _Remediation:
    observer = Observer(
        event,
        settings,
        dependencies.iam,
        dependencies.lookup,
        dependencies.records,
        dependencies.telemetry,
        dependencies.clock,
        patience,
        dependencies.workers,
    )
    state, plan = observer.plan(state)
    return _Remediation(event, state, plan, settings, dependencies)


def _carry_out(case: _Remediation, patience: Patience) -> Outcome:
    if case.plan.due and case.plan.due.kind in RESUMABLE:
        # Claim before the first change: if this attempt crashes, the retry knows which notice it has to send.
        claimed = case.dependencies.records.claim(case.lease(case.plan.due), case.decision())
        case = replace(case, claimed=claimed)
    case = replace(case, result=_enforce_or_release(case, patience))
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


def _enforce_or_release(case: _Remediation, patience: Patience) -> WriteResult:
    dependencies = case.dependencies
    if not case.settings.writes:
        return NOTHING_WRITTEN
    if Action.RELEASE in case.plan.actions:
        _confirm_id(case)
        return release(case.state, dependencies.iam)
    if Action.ENFORCE not in case.plan.actions:
        return NOTHING_WRITTEN
    try:
        result = enforce(case.state.name, case.settings.enforce_through, dependencies.iam)
    except UserGone:
        # Either the user is gone, which this call reports by raising, or the policy or group is.
        _confirm_id(case)
        if not case.believes_iam or (case.event.trigger is Trigger.NEW_USER and patience.is_young()):
            # IAM shows a new user, or a new name, in one place earlier than in another.
            raise
        return WriteResult(problem="the enforcement policy or group does not exist.", retry=True)
    if result.route:
        dependencies.telemetry.count(Metric.USERS_ENFORCED)
    return result


def _confirm_id(case: _Remediation) -> None:
    """Raise UserGone unless the name still belongs to the user whose state was read."""
    if case.dependencies.iam.user(case.state.name).id != case.state.id:
        raise UserGone(f"{case.state.name} is another user by now.")


def _notify(case: _Remediation) -> NoticeKind | None:
    """Send the notice that is due after the writes, and return its kind, or None if this call sent none.

    The decision is recorded with the notice's lease, or without a notice if it is news.
    """
    dependencies = case.dependencies
    if case.result.problem:
        dependencies.telemetry.count(Metric.ENFORCEMENT_FAILED)
        dependencies.telemetry.warning("Enforcement failed", problem=case.result.problem)
    notice, decision = notice_of(case.plan, case.result), case.decision()
    if notice is None:
        if case.state.recorded().changed_by(decision):
            dependencies.records.remember(case.state.id, decision)
        return None
    message = user_message(notice, case.notice_context(dependencies.clock.now()))
    claimed = case.claimed if notice == case.plan.due else None
    sent = notify_of_user(case.lease(notice), decision, message, dependencies, claimed)
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
