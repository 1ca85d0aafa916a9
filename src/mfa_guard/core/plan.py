"""The plan: what to change about a user, and which notice to send.

`_rule` tries the rules in order, and the first match wins. A plan releases exempt users only: an enforced machine user
stays enforced, because an administrator decided it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from mfa_guard.core.attachments import WriteResult
from mfa_guard.core.cloudtrail import Trigger, UserEvent
from mfa_guard.core.exemption import Exemption
from mfa_guard.core.notice_kinds import ENDS, SOLVING, NoticeKind, Severity
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.settings import EnforceOn, Settings, WorkingMachineUsers
from mfa_guard.core.user import Field, FieldNotLoaded, UserState, older_devices
from mfa_guard.core.user_record import Decision, ScopeReason, Standing


class Rule(StrEnum):
    """The rules that decide how the guard treats a user; the first match wins."""

    EXEMPT_BY_PATH = "exempt by path"
    EXEMPT_BY_RECORD = "exempt by record"
    ENFORCED_ALREADY = "already enforced"
    ACTIVE_MACHINE = "active machine user under review"
    WITHOUT_PASSWORD = "without console password while EnforceOn is console"  # nosec B105 # noqa: S105 - a rule
    EVERYBODY_ELSE = "everybody else"


class Action(StrEnum):
    """One change in IAM."""

    ENFORCE = "enforce"
    RELEASE = "release"
    MARK = "mark"
    CLEAR = "clear"


@dataclass(frozen=True)
class EventContext:
    """Why the guard looks at a user now, from the event.

    `event` is the event's id, and `at` its time. `by_subject`: the user made the call. `with_long_term_key`: an access
    key signed the call, without any session. `mfa` tells whether the actor's session had MFA, or is None if the record
    does not show it. `device` is the serial number of the device that the event names, and `announced` the credential
    that it announces, as the exposure names it. `no_news`: the users changed their own password, which is no new
    credential.
    """

    event: str
    at: datetime
    trigger: Trigger
    by_subject: bool
    with_long_term_key: bool
    mfa: bool | None
    actor: str
    device: str | None = None
    announced: str | None = None
    no_news: bool = False

    @classmethod
    def of(cls, event: UserEvent) -> "EventContext":
        """Return the context of an event."""
        record = event.record
        return cls(
            event=record.id,
            at=record.time,
            trigger=event.trigger,
            by_subject=event.by_subject,
            with_long_term_key=record.actor.key_id is not None,
            mfa=record.actor.mfa,
            actor=sanitize(record.actor.label),
            device=event.device,
            announced=event.announced,
            no_news=record.name == "UpdateLoginProfile" and event.by_subject,
        )


@dataclass(frozen=True)
class UserPlan:
    """What to do about one user: how the guard treats the user, and the changes in order."""

    standing: Standing
    actions: tuple[Action, ...]


@dataclass(frozen=True)
class DueNotice:
    """A notice that is due.

    `exposure` names what the notice reports: credentials, the actor, a device or the event. A repetition that names
    nothing else is not sent. `ends` are the kinds of notices that may be sent again after this notice.
    """

    kind: NoticeKind
    severity: Severity
    exposure: frozenset[str] = frozenset()
    ends: tuple[NoticeKind, ...] = ()


@dataclass(frozen=True)
class EventPlan(UserPlan):
    """What to do about one user because of one event: the changes, and at most one notice."""

    due: DueNotice | None


@dataclass(frozen=True)
class _Case:
    state: UserState
    event_context: EventContext
    now: datetime
    standing: Standing
    actions: tuple[Action, ...]

    @property
    def trigger(self) -> Trigger:
        return self.event_context.trigger

    def unfinished(self) -> NoticeKind | None:
        """Return the kind of notice that an earlier attempt to process this event claimed and did not send."""
        return self.state.recorded().unfinished(self.event_context.event)

    def exposure(self) -> frozenset[str]:
        """Return the credentials that work. The one that the event announces counts even if IAM does not list it."""
        announced = self.event_context.announced
        return self.state.exposure() | ({announced} if announced and not self.event_context.no_news else set())


def plan_for_event(
    state: UserState, event_context: EventContext, settings: Settings, now: datetime
) -> EventPlan | Field:
    """Return the plan for a user and an event, or the field that has to be loaded first."""
    try:
        planned = _plan_for_user(state, settings, now, event_context.trigger)
        case = _Case(state, event_context, now, planned.standing, planned.actions)
        return EventPlan(planned.standing, planned.actions, _due(case))
    except FieldNotLoaded as missing:
        return missing.field


def notice_of(plan: EventPlan, result: WriteResult) -> DueNotice | None:
    """Return the notice to send once the guard has acted, or None when there is nothing to report.

    A failure comes before the notice that the plan makes due, because an administrator has to act on it.
    """
    if not result.problem:
        return plan.due
    return DueNotice(NoticeKind.NOT_TAGGED if result.not_tagged else NoticeKind.NOT_ENFORCED, Severity.CRITICAL)


def plan_for_user(state: UserState, settings: Settings, now: datetime) -> UserPlan | Field:
    """Return the plan for a user without an event, or the field that has to be loaded first."""
    try:
        return _plan_for_user(state, settings, now)
    except FieldNotLoaded as missing:
        return missing.field


def decision_of(
    state: UserState, planned: UserPlan, now: datetime, *, enforced: bool, scope: ScopeReason | None
) -> Decision:
    """Return what the guard remembers of a plan; see `mfa_guard.core.user_record.Decision` for the arguments."""
    machine = planned.standing is Standing.ACTIVE_MACHINE
    return Decision(
        name=state.name,
        standing=planned.standing,
        at=now,
        enforced=enforced,
        scope=scope,
        qualifies=machine and state.qualifies_as_machine_user(now),
    )


def _plan_for_user(state: UserState, settings: Settings, now: datetime, trigger: Trigger | None = None) -> UserPlan:
    standing = _STANDINGS[_rule(state, settings, now, trigger)]
    return UserPlan(standing, _actions(state, standing, settings, now, trigger))


def deciding_rule(state: UserState, settings: Settings, now: datetime) -> Rule | Field:
    """Return the rule that decides about the user, or the field that has to be loaded first."""
    try:
        return _rule(state, settings, now)
    except FieldNotLoaded as missing:
        return missing.field


def _exempt_by_record(state: UserState, now: datetime) -> bool:
    record = state.exemption_record()
    return isinstance(record, Exemption) and record.in_force(now)


def _rule(state: UserState, settings: Settings, now: datetime, trigger: Trigger | None = None) -> Rule:
    # A path decides without a read of the exemption table.
    if settings.exempt_path(state.path):
        return Rule.EXEMPT_BY_PATH
    if _exempt_by_record(state, now):
        return Rule.EXEMPT_BY_RECORD
    # What the guard enforced stays enforced: a detached policy and a deleted password make no machine user.
    if state.recorded().enforced or _policy_applies(state, settings, trigger):
        return Rule.ENFORCED_ALREADY
    if settings.working_machine_users is WorkingMachineUsers.REVIEW and state.is_active_machine_user(now):
        return Rule.ACTIVE_MACHINE
    if settings.enforce_on is EnforceOn.CONSOLE and not state.has_password():
        return Rule.WITHOUT_PASSWORD
    return Rule.EVERYBODY_ELSE


def _policy_applies(state: UserState, settings: Settings, trigger: Trigger | None) -> bool:
    """Tell whether the enforcement policy applies to the user, as far as IAM's lists can be believed.

    IAM can still list a policy or a group that was just removed, so after a removal the guard enforces without asking:
    attaching twice does no harm. A new user has the policy only if the guard attached it, which the record says.
    """
    if trigger is Trigger.ENFORCEMENT_REMOVED:
        return False
    if trigger is Trigger.NEW_USER and not state.recorded().enforced:
        return False
    return state.enforced(settings.enforce_through)


_STANDINGS: Final[Mapping[Rule, Standing]] = {
    Rule.EXEMPT_BY_PATH: Standing.EXEMPT,
    Rule.EXEMPT_BY_RECORD: Standing.EXEMPT,
    Rule.ENFORCED_ALREADY: Standing.ENFORCED,
    Rule.ACTIVE_MACHINE: Standing.ACTIVE_MACHINE,
    Rule.WITHOUT_PASSWORD: Standing.WITHOUT_PASSWORD,
    Rule.EVERYBODY_ELSE: Standing.ENFORCED,
}


def _actions(
    state: UserState, standing: Standing, settings: Settings, now: datetime, trigger: Trigger | None
) -> tuple[Action, ...]:
    if standing is Standing.EXEMPT:
        wanted = {Action.RELEASE: bool(state.routes()), Action.CLEAR: bool(state.guard_tags())}
    else:
        device = state.has_device()
        wanted = {
            Action.ENFORCE: standing is Standing.ENFORCED and not _policy_applies(state, settings, trigger),
            Action.MARK: not device and not state.tagged_noncompliant(now),
            Action.CLEAR: device and bool(state.guard_tags()),
        }
    return tuple(action for action, needed in wanted.items() if needed)


def _device_enrolled(case: _Case) -> bool:
    # The event decides, and not the state: a device that is removed at once may have been used to get a session.
    context = case.event_context
    if context.trigger is not Trigger.DEVICE_ENABLED:
        return False
    return not context.by_subject or context.with_long_term_key or _second_without_mfa(case)


def _second_without_mfa(case: _Case) -> bool:
    """Tell whether the device was enrolled without MFA although the user had another device, as a thief would do."""
    context = case.event_context
    if context.mfa is True:
        return False
    return bool(older_devices(case.state.mfa_devices(), context.device, context.at))


def _exempt_without_device(case: _Case) -> bool:
    exempt_now = case.standing is Standing.EXEMPT
    return exempt_now and case.trigger is Trigger.DEVICE_REMOVED and not case.state.has_device()


def _tags_changed(case: _Case) -> bool:
    if case.trigger is not Trigger.TAGS_CHANGED or case.standing is Standing.EXEMPT:
        return False
    if {Action.ENFORCE, Action.MARK} <= set(case.actions):
        # The user is new to the guard, so the notice about the missing device comes first.
        return False
    # For a user without a device the notice is due even if the tags are right: `since` may have been changed.
    return Action.CLEAR in case.actions or not case.state.has_device()


def _signed_in(case: _Case) -> bool:
    if case.trigger is not Trigger.SIGNED_IN_WITHOUT_MFA or case.standing is not Standing.ENFORCED:
        return False
    # An earlier attempt to process this event may have enforced, and ended before it sent the notice.
    return Action.ENFORCE in case.actions or case.unfinished() is NoticeKind.SIGNED_IN


def _enrollment_blocked(case: _Case) -> bool:
    if case.trigger is not Trigger.BOUNDARY_CHANGED or case.standing is not Standing.ENFORCED:
        return False
    return not case.state.has_device() and case.state.kept_from_enrolling()


_NEWS_ABOUT_MACHINES: Final = {Trigger.NEW_CREDENTIAL, Trigger.ENFORCEMENT_REMOVED, Trigger.PASSWORD_REMOVED}


def _decision(case: _Case) -> bool:
    if case.standing is not Standing.ACTIVE_MACHINE:
        return False
    if case.state.has_device() and Action.CLEAR not in case.actions:
        # No tag can record that this notice was sent, so every event sends it, at most once in fifteen minutes.
        return True
    return case.trigger in _NEWS_ABOUT_MACHINES or _without_device_now(case)


def _without_device_now(case: _Case) -> bool:
    if case.standing is Standing.EXEMPT or case.state.has_device():
        return False
    # Tags do not prove that this notice was sent. After a device was removed: an attempt may have sent the notice about
    # the device and failed before it removed the tags. For a new user: the creator of the user can set the tags. And
    # enforcement may stop access keys from working; see the severity.
    news = case.trigger in {Trigger.DEVICE_REMOVED, Trigger.NEW_USER}
    return news or Action.MARK in case.actions or Action.ENFORCE in case.actions


def _enforcement_removed(case: _Case) -> bool:
    return case.trigger is Trigger.ENFORCEMENT_REMOVED and case.standing is not Standing.EXEMPT


def _new_credential(case: _Case) -> bool:
    if case.standing is Standing.EXEMPT or case.trigger is not Trigger.NEW_CREDENTIAL or case.event_context.no_news:
        return False
    return not case.state.has_device()


def _device_removed(case: _Case) -> bool:
    return case.trigger is Trigger.DEVICE_REMOVED and case.state.has_device()


def _solved(case: _Case) -> bool:
    return Action.CLEAR in case.actions and case.standing is not Standing.EXEMPT


# When a notice is due. The first notice that is due is sent, and its text reports the rest.
_DUE_WHEN: Final[Mapping[NoticeKind, Callable[[_Case], bool]]] = {
    NoticeKind.DEVICE_ENROLLED: _device_enrolled,
    NoticeKind.RELEASED: lambda case: Action.RELEASE in case.actions,
    NoticeKind.EXEMPT_WITHOUT_DEVICE: _exempt_without_device,
    NoticeKind.TAGS_CHANGED: _tags_changed,
    NoticeKind.SIGNED_IN: _signed_in,
    NoticeKind.ENROLLMENT_BLOCKED: _enrollment_blocked,
    NoticeKind.DECISION: _decision,
    NoticeKind.ENFORCEMENT_REMOVED: _enforcement_removed,
    NoticeKind.NONCOMPLIANT: _without_device_now,
    NoticeKind.NEW_CREDENTIAL: _new_credential,
    NoticeKind.DEVICE_REMOVED: _device_removed,
    NoticeKind.SOLVED: _solved,
    NoticeKind.ENFORCED: lambda case: Action.ENFORCE in case.actions,
}


def _by_exposure(case: _Case) -> Severity:
    return Severity.HIGH if case.exposure() else Severity.MEDIUM


def _by_enrollment(case: _Case) -> Severity:
    return Severity.HIGH if not case.event_context.by_subject or _second_without_mfa(case) else Severity.MEDIUM


def _by_device(case: _Case) -> Severity:
    return Severity.MEDIUM if case.state.has_device() else Severity.HIGH


def _by_keys(case: _Case) -> Severity:
    return Severity.HIGH if case.state.keys_in_use(case.now) else Severity.LOW


_SEVERITIES: Final[Mapping[NoticeKind, Severity | Callable[[_Case], Severity]]] = {
    NoticeKind.DEVICE_ENROLLED: _by_enrollment,
    NoticeKind.RELEASED: Severity.LOW,
    NoticeKind.EXEMPT_WITHOUT_DEVICE: Severity.LOW,
    NoticeKind.TAGS_CHANGED: Severity.MEDIUM,
    NoticeKind.SIGNED_IN: Severity.HIGH,
    NoticeKind.ENROLLMENT_BLOCKED: Severity.HIGH,
    NoticeKind.DECISION: _by_device,
    NoticeKind.ENFORCEMENT_REMOVED: Severity.HIGH,
    NoticeKind.NONCOMPLIANT: _by_exposure,
    NoticeKind.NEW_CREDENTIAL: _by_exposure,
    NoticeKind.DEVICE_REMOVED: Severity.LOW,
    NoticeKind.SOLVED: Severity.LOW,
    NoticeKind.ENFORCED: _by_keys,
}


def _actor_and_device(case: _Case) -> frozenset[str]:
    device = case.event_context.device
    return frozenset({case.event_context.actor, *([device] if device else [])})


def _device(case: _Case) -> frozenset[str]:
    device = case.event_context.device
    return frozenset({device} if device else set())


# What a notice of a kind reports beside the user; see `DueNotice.exposure`. Every removal of enforcement is news.
_NAMES: Final[Mapping[NoticeKind, Callable[[_Case], frozenset[str]]]] = {
    NoticeKind.NONCOMPLIANT: _Case.exposure,
    NoticeKind.NEW_CREDENTIAL: _Case.exposure,
    NoticeKind.DECISION: _Case.exposure,
    NoticeKind.DEVICE_ENROLLED: _actor_and_device,
    NoticeKind.DEVICE_REMOVED: _device,
    NoticeKind.ENFORCEMENT_REMOVED: lambda case: frozenset({case.event_context.event}),
    NoticeKind.TAGS_CHANGED: lambda case: frozenset({case.event_context.actor}),
    NoticeKind.ENROLLMENT_BLOCKED: lambda case: frozenset({case.state.boundary or ""}),
}


# When a notice that an earlier attempt did not send is still true.
_RESUME_WHEN: Final[Mapping[NoticeKind, Callable[[_Case], bool]]] = {
    NoticeKind.RELEASED: lambda case: case.standing is Standing.EXEMPT,
    NoticeKind.ENFORCED: lambda case: case.standing is Standing.ENFORCED and case.state.has_device(),
    NoticeKind.NONCOMPLIANT: lambda case: case.standing is Standing.ENFORCED and not case.state.has_device(),
    # It is due until it is sent, so only a user who is exempt by now gets here.
    NoticeKind.SIGNED_IN: lambda _: False,
}


def _due(case: _Case) -> DueNotice | None:
    kind = next((kind for kind, is_due in _DUE_WHEN.items() if is_due(case)), None) or _resumed(case)
    if kind is None:
        return None
    severity = _SEVERITIES[kind]
    urgency = severity if isinstance(severity, Severity) else severity(case)
    if Action.ENFORCE in case.actions and case.state.keys_in_use(case.now):
        # Keys stop working, so the notice is urgent whatever it is about.
        urgency = Severity.HIGH
    solved = SOLVING if Action.CLEAR in case.actions or kind is NoticeKind.DEVICE_ENROLLED else ()
    named = _NAMES[kind](case) if kind in _NAMES else frozenset()
    return DueNotice(kind, urgency, named, (*ENDS.get(kind, ()), *solved))


def _resumed(case: _Case) -> NoticeKind | None:
    kind = case.unfinished()
    return kind if kind and _RESUME_WHEN[kind](case) else None
