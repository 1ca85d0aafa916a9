"""The plan: what a user's state demands, and what the administrators should hear of it.

Pure. The order of `_rule` is the order of the design: the first match wins. A plan never releases anybody who is
not exempt: an enforced machine user stays enforced, because an administrator decided so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from mfa_guard.core.cloudtrail import Trigger, UserEvent
from mfa_guard.core.exemption import Exemption
from mfa_guard.core.kinds import ENDS, SOLVING, Kind, Severity
from mfa_guard.core.settings import EnforceOn, Settings, WorkingMachineUsers
from mfa_guard.core.text import safe
from mfa_guard.core.user import Ask, Question, UserState


class Standing(StrEnum):
    """Where a user stands before the guard: which rule decides."""

    EXEMPT = "exempt"
    WORKING_MACHINE = "working machine user"
    WITHOUT_PASSWORD = "without console password"  # nosec B105 # noqa: S105 - a standing, not a password
    ENFORCED = "enforced"


class Rule(StrEnum):
    """What decides where a user stands: the first of these that fits."""

    EXEMPT_BY_PATH = "exempt by path"
    EXEMPT_BY_RECORD = "exempt by record"
    BOUND_ALREADY = "bound already"
    WORKING_MACHINE = "working machine user under review"
    WITHOUT_PASSWORD = "without console password while EnforceOn is console"  # nosec B105 # noqa: S105 - a rule
    EVERYBODY_ELSE = "everybody else"


class Action(StrEnum):
    """One thing to change in IAM."""

    ENFORCE = "enforce"
    RELEASE = "release"
    MARK = "mark"
    CLEAR = "clear"


@dataclass(frozen=True)
class Occasion:
    """Why the guard looks at a user now."""

    trigger: Trigger
    by_oneself: bool
    with_long_term_key: bool
    actor: str

    @classmethod
    def of(cls, event: UserEvent) -> "Occasion":
        """Return the occasion that an event is."""
        return cls(
            event.trigger, event.by_oneself, event.record.actor.key_id is not None, safe(event.record.actor.label)
        )


@dataclass(frozen=True)
class Demand:
    """What a user's state demands, whatever the occasion: where he stands, and the IAM changes in order."""

    standing: Standing
    actions: tuple[Action, ...]


@dataclass(frozen=True)
class Due:
    """A notice that is due.

    `exposure`: the credentials or the actor that it names, so that a burst is told once and nothing else is taken for
    told. `ends`: the kinds that may be told again after it.
    """

    kind: Kind
    severity: Severity
    exposure: frozenset[str] = frozenset()
    ends: tuple[Kind, ...] = ()


@dataclass(frozen=True)
class Plan(Demand):
    """What to do about one user on one occasion: the demand, and at most one notice."""

    due: Due | None


@dataclass(frozen=True)
class _Case:
    state: UserState
    occasion: Occasion
    now: datetime
    standing: Standing
    actions: tuple[Action, ...]


def plan(state: UserState, occasion: Occasion, settings: Settings, now: datetime) -> Plan | Question:
    """Return what the state demands, or the one question that has to be answered first."""
    try:
        demanded = _demand(state, settings, now)
        case = _Case(state, occasion, now, demanded.standing, demanded.actions)
        return Plan(demanded.standing, demanded.actions, _due(case))
    except Ask as ask:
        return ask.question


def demand(state: UserState, settings: Settings, now: datetime) -> Demand | Question:
    """Return what the state demands without any occasion, or the one question that has to be answered first."""
    try:
        return _demand(state, settings, now)
    except Ask as ask:
        return ask.question


def _demand(state: UserState, settings: Settings, now: datetime) -> Demand:
    standing = _STANDINGS[_rule(state, settings, now)]
    return Demand(standing, _actions(state, standing, settings, now))


def deciding_rule(state: UserState, settings: Settings, now: datetime) -> Rule | Question:
    """Return what decides where the user stands, or the one question that has to be answered first."""
    try:
        return _rule(state, settings, now)
    except Ask as ask:
        return ask.question


def _exempt_by_record(state: UserState, now: datetime) -> bool:
    record = state.exemption_record()
    return isinstance(record, Exemption) and record.holds(now)


def _rule(state: UserState, settings: Settings, now: datetime) -> Rule:
    # The table is not asked for a path's users.
    if settings.exempt_path(state.path):
        return Rule.EXEMPT_BY_PATH
    if _exempt_by_record(state, now):
        return Rule.EXEMPT_BY_RECORD
    if state.enforced(settings.enforce_through):
        return Rule.BOUND_ALREADY
    if settings.working_machine_users is WorkingMachineUsers.REVIEW and state.works_as_a_machine(now):
        return Rule.WORKING_MACHINE
    if settings.enforce_on is EnforceOn.CONSOLE and not state.has_password():
        return Rule.WITHOUT_PASSWORD
    return Rule.EVERYBODY_ELSE


_STANDINGS: Final[Mapping[Rule, Standing]] = {
    Rule.EXEMPT_BY_PATH: Standing.EXEMPT,
    Rule.EXEMPT_BY_RECORD: Standing.EXEMPT,
    Rule.BOUND_ALREADY: Standing.ENFORCED,
    Rule.WORKING_MACHINE: Standing.WORKING_MACHINE,
    Rule.WITHOUT_PASSWORD: Standing.WITHOUT_PASSWORD,
    Rule.EVERYBODY_ELSE: Standing.ENFORCED,
}


def _actions(state: UserState, standing: Standing, settings: Settings, now: datetime) -> tuple[Action, ...]:
    if standing is Standing.EXEMPT:
        wanted = {Action.RELEASE: bool(state.ways()), Action.CLEAR: bool(state.guard_tags())}
    else:
        device = state.has_device()
        wanted = {
            Action.ENFORCE: standing is Standing.ENFORCED and not state.enforced(settings.enforce_through),
            Action.MARK: not device and not state.marked(now),
            Action.CLEAR: device and bool(state.guard_tags()),
        }
    return tuple(action for action, needed in wanted.items() if needed)


def _device_with_key(case: _Case) -> bool:
    # Told by its event, like drift: whoever takes the device off again at once keeps a session made with it.
    return case.occasion.trigger is Trigger.DEVICE_ENABLED and case.occasion.with_long_term_key


def _exempt_without_device(case: _Case) -> bool:
    exempt_now = case.standing is Standing.EXEMPT
    return exempt_now and case.occasion.trigger is Trigger.DEVICE_REMOVED and not case.state.has_device()


def _tags_changed(case: _Case) -> bool:
    if case.occasion.trigger is not Trigger.TAGS_CHANGED or case.standing is Standing.EXEMPT:
        return False
    if {Action.ENFORCE, Action.MARK} <= set(case.actions):
        # Nobody has seen this user before; that he has no device is the greater news.
        return False
    # Of somebody without a device also when nothing is to be repaired: `since` may have been moved.
    return Action.CLEAR in case.actions or not case.state.has_device()


def _decision(case: _Case) -> bool:
    if case.standing is not Standing.WORKING_MACHINE:
        return False
    if case.state.has_device() and Action.CLEAR not in case.actions:
        # No tag can say that this was told, so every event about him does, once in fifteen minutes.
        return True
    return case.occasion.trigger in {Trigger.NEW_CREDENTIAL, Trigger.ENFORCEMENT_REMOVED} or _without_device_now(case)


def _without_device_now(case: _Case) -> bool:
    if case.standing is Standing.EXEMPT or case.state.has_device():
        return False
    # Marked is not always told. A removed device: an attempt may have told that one came, and died before it took the
    # tags away. A new user: whoever makes him can give him the tags. Somebody who is bound only now: see the severity.
    news = case.occasion.trigger in {Trigger.DEVICE_REMOVED, Trigger.NEW_USER}
    return news or Action.MARK in case.actions or Action.ENFORCE in case.actions


def _enforcement_removed(case: _Case) -> bool:
    return case.occasion.trigger is Trigger.ENFORCEMENT_REMOVED and case.standing is not Standing.EXEMPT


def _new_credential(case: _Case) -> bool:
    if case.standing is Standing.EXEMPT or case.occasion.trigger is not Trigger.NEW_CREDENTIAL:
        return False
    return not case.state.has_device()


def _solved(case: _Case) -> bool:
    return Action.CLEAR in case.actions and case.standing is not Standing.EXEMPT


# What earns a notice: the first that is due is sent, and its text tells the rest.
_OCCASIONS: Final[Mapping[Kind, Callable[[_Case], bool]]] = {
    Kind.DEVICE_WITH_KEY: _device_with_key,
    Kind.RELEASED: lambda case: Action.RELEASE in case.actions,
    Kind.EXEMPT_WITHOUT_DEVICE: _exempt_without_device,
    Kind.TAGS_CHANGED: _tags_changed,
    Kind.DECISION: _decision,
    Kind.ENFORCEMENT_REMOVED: _enforcement_removed,
    Kind.NONCOMPLIANT: _without_device_now,
    Kind.NEW_CREDENTIAL: _new_credential,
    Kind.SOLVED: _solved,
    Kind.ENFORCED: lambda case: Action.ENFORCE in case.actions,
}


def _by_exposure(case: _Case) -> Severity:
    return Severity.HIGH if case.state.exposure() else Severity.MEDIUM


def _by_actor(case: _Case) -> Severity:
    return Severity.MEDIUM if case.occasion.by_oneself else Severity.HIGH


def _by_device(case: _Case) -> Severity:
    return Severity.MEDIUM if case.state.has_device() else Severity.HIGH


def _by_binding(case: _Case) -> Severity:
    if case.standing is not Standing.ENFORCED or Action.ENFORCE in case.actions:
        return Severity.HIGH
    # Bound again by an earlier attempt at this event, which did not come to tell it: nobody has heard yet.
    begun = case.state.unfinished_kind() is Kind.ENFORCEMENT_REMOVED
    return Severity.HIGH if begun else Severity.MEDIUM


def _by_keys(case: _Case) -> Severity:
    return Severity.HIGH if case.state.keys_in_use(case.now) else Severity.LOW


_SEVERITIES: Final[Mapping[Kind, Severity | Callable[[_Case], Severity]]] = {
    Kind.DEVICE_WITH_KEY: _by_actor,
    Kind.RELEASED: Severity.LOW,
    Kind.EXEMPT_WITHOUT_DEVICE: Severity.LOW,
    Kind.TAGS_CHANGED: Severity.MEDIUM,
    Kind.DECISION: _by_device,
    Kind.ENFORCEMENT_REMOVED: _by_binding,
    Kind.NONCOMPLIANT: _by_exposure,
    Kind.NEW_CREDENTIAL: _by_exposure,
    Kind.SOLVED: Severity.LOW,
    Kind.ENFORCED: _by_keys,
}

_TOLD_WITH_EXPOSURE: Final = {Kind.NONCOMPLIANT, Kind.NEW_CREDENTIAL, Kind.DECISION}
_TOLD_WITH_ACTOR: Final = {Kind.DEVICE_WITH_KEY, Kind.ENFORCEMENT_REMOVED, Kind.TAGS_CHANGED}


# When what an earlier attempt began to tell is still true, and not told yet.
_RESUMED: Final[Mapping[Kind, Callable[[_Case], bool]]] = {
    Kind.RELEASED: lambda case: case.standing is Standing.EXEMPT,
    Kind.ENFORCED: lambda case: case.standing is Standing.ENFORCED and case.state.has_device(),
    Kind.NONCOMPLIANT: lambda case: case.standing is Standing.ENFORCED and not case.state.has_device(),
    # Its event is its occasion, so only somebody who is exempt by now comes here.
    Kind.ENFORCEMENT_REMOVED: lambda _: False,
}


def _due(case: _Case) -> Due | None:
    kind = next((kind for kind, is_due in _OCCASIONS.items() if is_due(case)), None) or _resumed(case)
    if kind is None:
        return None
    severity = _SEVERITIES[kind]
    found = severity if isinstance(severity, Severity) else severity(case)
    if Action.ENFORCE in case.actions and case.state.keys_in_use(case.now):
        # Whatever else is told, keys that stop working are.
        found = Severity.HIGH
    came = SOLVING if Action.CLEAR in case.actions or kind is Kind.DEVICE_WITH_KEY else ()
    return Due(kind, found, _named(kind, case), (*ENDS.get(kind, ()), *came))


def _named(kind: Kind, case: _Case) -> frozenset[str]:
    if kind in _TOLD_WITH_EXPOSURE:
        return case.state.exposure()
    return frozenset({case.occasion.actor}) if kind in _TOLD_WITH_ACTOR else frozenset()


def _resumed(case: _Case) -> Kind | None:
    kind = case.state.unfinished_kind()
    return kind if kind and _RESUMED[kind](case) else None
