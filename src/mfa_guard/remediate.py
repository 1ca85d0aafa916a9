"""One user: observe, plan, apply, tell, mark.

The order is the promise. Enforcing comes first, so that a failing mail leaves nobody unbound; marking comes last, so
that a crash before it repeats the mail instead of losing it. Every step may run again without harm.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from mfa_guard.apply import flat, put_on, take_off
from mfa_guard.core.cloudtrail import UserEvent
from mfa_guard.core.exemption import MalformedExemption
from mfa_guard.core.kinds import RESUMABLE, Kind
from mfa_guard.core.notices import Done, root_message, user_message
from mfa_guard.core.plan import Action, Occasion, Plan, plan
from mfa_guard.core.settings import Settings
from mfa_guard.core.user import Question, UserState, without_stale_device
from mfa_guard.observe import observe
from mfa_guard.ports import (
    Clock,
    Exemptions,
    Iam,
    Leases,
    Metric,
    Notifier,
    QuotaExceeded,
    Telemetry,
    UserGone,
    UserNotVisibleYet,
)
from mfa_guard.tell import Ticket, tell_once

# IAM is eventually consistent: a new user may stay invisible for seconds.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
_YOUNG: Final = timedelta(seconds=120)
_MAKES_VISIBLE: Final = {"CreateUser", "CreateLoginProfile", "CreateAccessKey", "UpdateUser"}


class EnforcementMissing(Exception):
    """The user exists, and IAM still finds nothing: the enforcement policy or group is gone."""


@dataclass(frozen=True)
class World:
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


def remediate(event: UserEvent, settings: Settings, world: World) -> Outcome:
    """Bring the subject of `event` to what his state demands, and tell the administrators.

    Raises UserNotVisibleYet for a user made moments ago whom IAM does not show yet, EnforcementMissing when the
    policy or group is gone, and AWS's own errors when botocore's patience ends (access denied at once): Lambda
    retries, and the dead-letter queue keeps the event.
    """
    name = event.subject.name
    if name is None:
        return _tell_of_root(event, settings, world)
    try:
        state = world.iam.user(name)
    except UserGone as missing:
        return _gone(event, name, world, missing)
    try:
        state, decided = _observe_and_plan(event, state, settings, world)
        return _carry_out(event, state, decided, settings, world)
    except UserGone as missing:
        # NoSuchEntity may have been about something of the user's: he himself is asked for once more.
        try:
            world.iam.user(name)
        except UserGone:
            return _gone(event, name, world, missing)
        raise UserNotVisibleYet(f"IAM shows {name} in one place and not in another.") from missing


def _tell_of_root(event: UserEvent, settings: Settings, world: World) -> Outcome:
    ticket = Ticket(event.record.id, Kind.ROOT_CREDENTIALS, event.record.id)
    told = _tell(ticket, lambda: world.notifier.notices(root_message(event, settings)), world)
    return Outcome("root", notice=ticket.kind.value if told else None)


def _gone(event: UserEvent, name: str, world: World, missing: UserGone) -> Outcome:
    if _young(event, world):
        raise UserNotVisibleYet(f"IAM does not show {name} yet, {event.record.name} was moments ago.") from missing
    return Outcome("gone")


def _young(event: UserEvent, world: World) -> bool:
    return event.record.name in _MAKES_VISIBLE and world.clock.now() - event.record.time < _YOUNG


def _observe_and_plan(event: UserEvent, state: UserState, settings: Settings, world: World) -> tuple[UserState, Plan]:
    occasion = Occasion.of(event)
    while isinstance(decided := plan(state, occasion, settings, world.clock.now()), Question):
        state = _answer(state, decided, event, world)
    return state, decided


def _answer(state: UserState, question: Question, event: UserEvent, world: World) -> UserState:
    match question:
        case Question.EXEMPTION:
            record = world.exemptions.get(state.id, world.clock.now())
            if isinstance(record, MalformedExemption):
                world.telemetry.warning("Exemption does not count", problem=record.problem)
            return replace(state, exemption=record)
        case Question.PASSWORD:
            found = observe(state, question, world.iam)
            if event.record.name == "CreateLoginProfile" and not found.has_password() and _young(event, world):
                raise UserNotVisibleYet(
                    f"IAM does not show the password of {state.name} yet, which was made moments ago."
                )
            return found
        case Question.UNFINISHED:
            return replace(state, unfinished=world.leases.unfinished(state.id, event.record.id))
        case Question.DEVICES:
            removed = event.device if event.record.name == "DeactivateMFADevice" else None
            listed = world.iam.devices(state.name)
            return replace(state, devices=without_stale_device(listed, removed, event.record.time))
        case _:
            return observe(state, question, world.iam)


def _carry_out(event: UserEvent, state: UserState, decided: Plan, settings: Settings, world: World) -> Outcome:
    due = decided.due
    ticket = Ticket(state.id, due.kind, event.record.id, due.exposure, due.ends) if due else None
    if ticket and ticket.kind in RESUMABLE:
        # Before anything changes: should this attempt die, the next one knows what it had begun to tell.
        ticket.claim(world.leases)
    done = _apply(event, state, decided, settings, world) if settings.writes else Done()
    if done.problem:
        ticket = Ticket(state.id, Kind.NOT_ENFORCED, event.record.id)
        world.telemetry.count(Metric.ENFORCEMENT_FAILED)
        world.telemetry.warning("Enforcement failed", problem=done.problem)
    told = False
    if ticket:
        message = user_message(event, state, decided, done, settings, world.clock.now())
        told = _tell(ticket, lambda: world.notifier.notices(message), world)
    if done.retry:
        raise EnforcementMissing(done.problem)
    marked = _mark(event, state, decided, done, settings, world) if settings.writes else ()
    put_on = (Action.ENFORCE,) if done.way else ()
    taken_off = (Action.RELEASE,) if done.released else ()
    return Outcome(
        standing=decided.standing.value,
        actions=tuple(action.value for action in (*put_on, *taken_off, *marked)),
        notice=ticket.kind.value if ticket and told else None,
    )


def _apply(event: UserEvent, state: UserState, decided: Plan, settings: Settings, world: World) -> Done:
    if Action.RELEASE in decided.actions:
        return take_off(state, world.iam)
    if Action.ENFORCE not in decided.actions:
        return Done()
    try:
        done = put_on(state.name, settings.enforce_through, world.iam)
    except UserGone:
        if _young(event, world):
            raise
        # Either the user has gone meanwhile, which this call says by raising, or what should bind him has.
        world.iam.user(state.name)
        return Done(problem="the enforcement policy or group does not exist.", retry=True)
    if done.way:
        world.telemetry.count(Metric.USERS_ENFORCED)
    return done


def _mark(
    event: UserEvent, state: UserState, decided: Plan, done: Done, settings: Settings, world: World
) -> tuple[Action, ...]:
    """Set or remove the tags and return which was done. A used-up quota is told and counted: retrying cannot help."""
    now = world.clock.now()
    if Action.CLEAR in decided.actions:
        world.iam.clear(state.name, state.guard_tags())
        world.telemetry.count(Metric.USERS_CLEARED)
    try:
        if Action.MARK in decided.actions:
            world.iam.mark(state.name, now)
            world.telemetry.count(Metric.USERS_MARKED_NONCOMPLIANT)
    except QuotaExceeded as refused:
        problem = f"the noncompliance tags cannot be set. IAM said: {flat(refused)}."
        failed = replace(done, problem=problem, unmarked=True)
        world.telemetry.count(Metric.ENFORCEMENT_FAILED)
        world.telemetry.warning("Enforcement failed", problem=problem)
        message = user_message(event, state, decided, failed, settings, now)
        ticket = Ticket(state.id, Kind.NOT_TAGGED, event.record.id)
        _tell(ticket, lambda: world.notifier.notices(message), world)
        return ()
    return tuple(action for action in decided.actions if action in {Action.MARK, Action.CLEAR})


def _tell(ticket: Ticket, publish: Callable[[], None], world: World) -> bool:
    return tell_once(ticket, publish, world.leases, world.clock, world.telemetry)
