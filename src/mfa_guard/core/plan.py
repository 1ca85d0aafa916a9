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
from mfa_guard.core.user import Field, FieldNotLoaded, UserState
from mfa_guard.core.user_record import Standing


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

    `by_subject`: the user made the call. `with_long_term_key`: an access key signed the call, without any session.
    """

    trigger: Trigger
    by_subject: bool
    with_long_term_key: bool
    actor: str

    @classmethod
    def of(cls, event: UserEvent) -> "EventContext":
        """Return the context of an event."""
        return cls(
            event.trigger, event.by_subject, event.record.actor.key_id is not None, sanitize(event.record.actor.label)
        )


@dataclass(frozen=True)
class UserPlan:
    """What to do about one user: how the guard treats the user, and the changes in order."""

    standing: Standing
    actions: tuple[Action, ...]


@dataclass(frozen=True)
class DueNotice:
    """A notice that is due.

    `exposure` are the credentials, or the actor, that the notice names: a repetition that names nothing else is not
    sent. `ends` are the kinds of notices that may be sent again after this notice.
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


def plan_for_event(
    state: UserState, event_context: EventContext, settings: Settings, now: datetime
) -> EventPlan | Field:
    """Return the plan for a user and an event, or the field that has to be loaded first."""
    try:
        planned = _plan_for_user(state, settings, now)
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


def _plan_for_user(state: UserState, settings: Settings, now: datetime) -> UserPlan:
    standing = _STANDINGS[_rule(state, settings, now)]
    return UserPlan(standing, _actions(state, standing, settings, now))


def deciding_rule(state: UserState, settings: Settings, now: datetime) -> Rule | Field:
    """Return the rule that decides about the user, or the field that has to be loaded first."""
    try:
        return _rule(state, settings, now)
    except FieldNotLoaded as missing:
        return missing.field


def _exempt_by_record(state: UserState, now: datetime) -> bool:
    record = state.exemption_record()
    return isinstance(record, Exemption) and record.in_force(now)


def _rule(state: UserState, settings: Settings, now: datetime) -> Rule:
    # A path decides without a read of the exemption table.
    if settings.exempt_path(state.path):
        return Rule.EXEMPT_BY_PATH
    if _exempt_by_record(state, now):
        return Rule.EXEMPT_BY_RECORD
    if state.enforced(settings.enforce_through):
        return Rule.ENFORCED_ALREADY
    if settings.working_machine_users is WorkingMachineUsers.REVIEW and state.is_active_machine_user(now):
        return Rule.ACTIVE_MACHINE
    if settings.enforce_on is EnforceOn.CONSOLE and not state.has_password():
        return Rule.WITHOUT_PASSWORD
    return Rule.EVERYBODY_ELSE


_STANDINGS: Final[Mapping[Rule, Standing]] = {
    Rule.EXEMPT_BY_PATH: Standing.EXEMPT,
    Rule.EXEMPT_BY_RECORD: Standing.EXEMPT,
    Rule.ENFORCED_ALREADY: Standing.ENFORCED,
    Rule.ACTIVE_MACHINE: Standing.ACTIVE_MACHINE,
    Rule.WITHOUT_PASSWORD: Standing.WITHOUT_PASSWORD,
    Rule.EVERYBODY_ELSE: Standing.ENFORCED,
}


def _actions(state: UserState, standing: Standing, settings: Settings, now: datetime) -> tuple[Action, ...]:
    if standing is Standing.EXEMPT:
        wanted = {Action.RELEASE: bool(state.routes()), Action.CLEAR: bool(state.guard_tags())}
    else:
        device = state.has_device()
        wanted = {
            Action.ENFORCE: standing is Standing.ENFORCED and not state.enforced(settings.enforce_through),
            Action.MARK: not device and not state.tagged_noncompliant(now),
            Action.CLEAR: device and bool(state.guard_tags()),
        }
    return tuple(action for action, needed in wanted.items() if needed)


def _device_with_key(case: _Case) -> bool:
    # The event decides, and not the state: a device that is removed at once may have been used to get a session.
    return case.event_context.trigger is Trigger.DEVICE_ENABLED and case.event_context.with_long_term_key


def _exempt_without_device(case: _Case) -> bool:
    exempt_now = case.standing is Standing.EXEMPT
    return exempt_now and case.event_context.trigger is Trigger.DEVICE_REMOVED and not case.state.has_device()


def _tags_changed(case: _Case) -> bool:
    if case.event_context.trigger is not Trigger.TAGS_CHANGED or case.standing is Standing.EXEMPT:
        return False
    if {Action.ENFORCE, Action.MARK} <= set(case.actions):
        # The user is new to the guard, so the notice about the missing device comes first.
        return False
    # For a user without a device the notice is due even if the tags are right: `since` may have been changed.
    return Action.CLEAR in case.actions or not case.state.has_device()


def _decision(case: _Case) -> bool:
    if case.standing is not Standing.ACTIVE_MACHINE:
        return False
    if case.state.has_device() and Action.CLEAR not in case.actions:
        # No tag can record that this notice was sent, so every event sends it, at most once in fifteen minutes.
        return True
    return case.event_context.trigger in {Trigger.NEW_CREDENTIAL, Trigger.ENFORCEMENT_REMOVED} or _without_device_now(
        case
    )


def _without_device_now(case: _Case) -> bool:
    if case.standing is Standing.EXEMPT or case.state.has_device():
        return False
    # Tags do not prove that this notice was sent. After a device was removed: an attempt may have sent the notice about
    # the device and failed before it removed the tags. For a new user: the creator of the user can set the tags. And
    # enforcement may stop access keys from working; see the severity.
    news = case.event_context.trigger in {Trigger.DEVICE_REMOVED, Trigger.NEW_USER}
    return news or Action.MARK in case.actions or Action.ENFORCE in case.actions


def _enforcement_removed(case: _Case) -> bool:
    return case.event_context.trigger is Trigger.ENFORCEMENT_REMOVED and case.standing is not Standing.EXEMPT


def _new_credential(case: _Case) -> bool:
    if case.standing is Standing.EXEMPT or case.event_context.trigger is not Trigger.NEW_CREDENTIAL:
        return False
    return not case.state.has_device()


def _solved(case: _Case) -> bool:
    return Action.CLEAR in case.actions and case.standing is not Standing.EXEMPT


# When a notice is due. The first notice that is due is sent, and its text reports the rest.
_DUE_WHEN: Final[Mapping[NoticeKind, Callable[[_Case], bool]]] = {
    NoticeKind.DEVICE_WITH_KEY: _device_with_key,
    NoticeKind.RELEASED: lambda case: Action.RELEASE in case.actions,
    NoticeKind.EXEMPT_WITHOUT_DEVICE: _exempt_without_device,
    NoticeKind.TAGS_CHANGED: _tags_changed,
    NoticeKind.DECISION: _decision,
    NoticeKind.ENFORCEMENT_REMOVED: _enforcement_removed,
    NoticeKind.NONCOMPLIANT: _without_device_now,
    NoticeKind.NEW_CREDENTIAL: _new_credential,
    NoticeKind.SOLVED: _solved,
    NoticeKind.ENFORCED: lambda case: Action.ENFORCE in case.actions,
}


def _by_exposure(case: _Case) -> Severity:
    return Severity.HIGH if case.state.exposure() else Severity.MEDIUM


def _by_actor(case: _Case) -> Severity:
    return Severity.MEDIUM if case.event_context.by_subject else Severity.HIGH


def _by_device(case: _Case) -> Severity:
    return Severity.MEDIUM if case.state.has_device() else Severity.HIGH


def _by_enforcement(case: _Case) -> Severity:
    if case.standing is not Standing.ENFORCED or Action.ENFORCE in case.actions:
        return Severity.HIGH
    # An earlier attempt to process this event enforced the user again, and did not send the notice.
    begun = case.state.unfinished_kind() is NoticeKind.ENFORCEMENT_REMOVED
    return Severity.HIGH if begun else Severity.MEDIUM


def _by_keys(case: _Case) -> Severity:
    return Severity.HIGH if case.state.keys_in_use(case.now) else Severity.LOW


_SEVERITIES: Final[Mapping[NoticeKind, Severity | Callable[[_Case], Severity]]] = {
    NoticeKind.DEVICE_WITH_KEY: _by_actor,
    NoticeKind.RELEASED: Severity.LOW,
    NoticeKind.EXEMPT_WITHOUT_DEVICE: Severity.LOW,
    NoticeKind.TAGS_CHANGED: Severity.MEDIUM,
    NoticeKind.DECISION: _by_device,
    NoticeKind.ENFORCEMENT_REMOVED: _by_enforcement,
    NoticeKind.NONCOMPLIANT: _by_exposure,
    NoticeKind.NEW_CREDENTIAL: _by_exposure,
    NoticeKind.SOLVED: Severity.LOW,
    NoticeKind.ENFORCED: _by_keys,
}

_NAMES_EXPOSURE: Final = {NoticeKind.NONCOMPLIANT, NoticeKind.NEW_CREDENTIAL, NoticeKind.DECISION}
_NAMES_ACTOR: Final = {NoticeKind.DEVICE_WITH_KEY, NoticeKind.ENFORCEMENT_REMOVED, NoticeKind.TAGS_CHANGED}


# When a notice that an earlier attempt did not send is still true.
_RESUME_WHEN: Final[Mapping[NoticeKind, Callable[[_Case], bool]]] = {
    NoticeKind.RELEASED: lambda case: case.standing is Standing.EXEMPT,
    NoticeKind.ENFORCED: lambda case: case.standing is Standing.ENFORCED and case.state.has_device(),
    NoticeKind.NONCOMPLIANT: lambda case: case.standing is Standing.ENFORCED and not case.state.has_device(),
    # The event alone makes this notice due, so it is never resumed: only a user who is exempt by now gets here.
    NoticeKind.ENFORCEMENT_REMOVED: lambda _: False,
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
    solved = SOLVING if Action.CLEAR in case.actions or kind is NoticeKind.DEVICE_WITH_KEY else ()
    return DueNotice(kind, urgency, _named(kind, case), (*ENDS.get(kind, ()), *solved))


def _named(kind: NoticeKind, case: _Case) -> frozenset[str]:
    if kind in _NAMES_EXPOSURE:
        return case.state.exposure()
    return frozenset({case.event_context.actor}) if kind in _NAMES_ACTOR else frozenset()


def _resumed(case: _Case) -> NoticeKind | None:
    kind = case.state.unfinished_kind()
    return kind if kind and _RESUME_WHEN[kind](case) else None
