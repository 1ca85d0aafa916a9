"""The first rule that matches decides, and the plan follows it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mfa_guard.core.attachments import AttachmentRoute, WriteResult
from mfa_guard.core.cloudtrail import Trigger
from mfa_guard.core.exemption import MalformedExemption
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard.core.plan import (
    Action,
    DueNotice,
    EventContext,
    EventPlan,
    Rule,
    UserPlan,
    deciding_rule,
    decision_of,
    notice_of,
    plan_for_event,
    plan_for_user,
)
from mfa_guard.core.settings import EnforceOn, Settings, WorkingMachineUsers
from mfa_guard.core.user import NOT_LOADED, Field, FieldNotLoaded, UserState
from mfa_guard.core.user_record import Decision, Standing, UserRecord
from support.factories import MARKED, NOW, device, exemption, key, settings, state

MACHINES = settings(exempt_path_prefixes=("/machines/",), enforce_on=EnforceOn.CONSOLE)
MACHINE = state(attached=False, password=False, keys=(key(),), devices=())

EVERY_RULE: dict[Rule, tuple[UserState, Settings, Standing]] = {
    Rule.EXEMPT_BY_PATH: (state(path="/machines/ci/", exemption=exemption()), MACHINES, Standing.EXEMPT),
    Rule.EXEMPT_BY_RECORD: (state(exemption=exemption()), MACHINES, Standing.EXEMPT),
    Rule.ENFORCED_ALREADY: (state(password=False, keys=(key(),)), MACHINES, Standing.ENFORCED),
    Rule.ACTIVE_MACHINE: (MACHINE, MACHINES, Standing.ACTIVE_MACHINE),
    Rule.WITHOUT_PASSWORD: (state(attached=False, password=False), MACHINES, Standing.WITHOUT_PASSWORD),
    Rule.EVERYBODY_ELSE: (state(attached=False), MACHINES, Standing.ENFORCED),
}


@pytest.mark.parametrize("rule", list(Rule))
def test_each_rule_decides_where_it_is_the_first_that_fits(rule: Rule) -> None:
    user, chosen, standing = EVERY_RULE[rule]
    assert deciding_rule(user, chosen, NOW) is rule
    decided = plan_for_user(user, chosen, NOW)
    assert isinstance(decided, UserPlan)
    assert decided.standing is standing


@pytest.mark.parametrize("record", [exemption(ends=timedelta(0)), MalformedExemption("It lacks owner."), None])
def test_a_record_that_is_not_in_force_decides_nothing(record: object) -> None:
    assert deciding_rule(state(attached=False, exemption=record), settings(), NOW) is Rule.EVERYBODY_ELSE


def test_without_review_a_machine_user_is_everybody_else() -> None:
    chosen = settings(working_machine_users=WorkingMachineUsers.ENFORCE)
    assert deciding_rule(MACHINE, chosen, NOW) is Rule.EVERYBODY_ELSE


def test_a_field_that_is_not_loaded_is_requested() -> None:
    assert deciding_rule(state(exemption=NOT_LOADED), settings(), NOW) is Field.EXEMPTION


def test_a_field_that_is_not_loaded_is_named() -> None:
    with pytest.raises(FieldNotLoaded, match=r"^keys$"):
        state(keys=NOT_LOADED).access_keys()


@pytest.mark.parametrize("first", list(AttachmentRoute))
@pytest.mark.parametrize("route", list(AttachmentRoute))
def test_the_policy_applies_by_either_route_whichever_is_read_first(
    first: AttachmentRoute, route: AttachmentRoute
) -> None:
    user = state(attached=route is AttachmentRoute.DIRECT, in_group=route is AttachmentRoute.GROUP)
    assert user.enforced(first)
    assert deciding_rule(user, settings(enforce_through=first), NOW) is Rule.ENFORCED_ALREADY


SOLVED_BY_A_DEVICE = {NoticeKind.NONCOMPLIANT, NoticeKind.NEW_CREDENTIAL, NoticeKind.DECISION}


def context(trigger: Trigger, **changes: object) -> EventContext:
    """Return the context of an event of another user, bob, in a session with MFA."""
    base = EventContext(
        event="event-1",
        at=NOW,
        trigger=trigger,
        by_subject=False,
        with_long_term_key=False,
        mfa=True,
        actor="user/bob",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def due(user: UserState, event_context: EventContext, chosen: Settings | None = None) -> DueNotice | None:
    """Return the notice that the plan makes due."""
    decided = plan_for_event(user, event_context, chosen or settings(), NOW)
    assert isinstance(decided, EventPlan), decided
    return decided.due


@pytest.mark.parametrize(
    ("user", "trigger", "kind", "came"),
    [
        (state(tags=MARKED), Trigger.ENFORCEMENT_REMOVED, NoticeKind.ENFORCEMENT_REMOVED, True),
        (state(), Trigger.ENFORCEMENT_REMOVED, NoticeKind.ENFORCEMENT_REMOVED, False),
        (state(tags=MARKED), Trigger.DEVICE_ENABLED, NoticeKind.DEVICE_ENROLLED, True),
        (state(), Trigger.DEVICE_ENABLED, NoticeKind.DEVICE_ENROLLED, True),
    ],
)
def test_any_notice_about_a_new_device_ends_the_notices_about_its_absence(
    user: UserState, trigger: Trigger, kind: NoticeKind, came: bool
) -> None:
    found = due(user, context(trigger))
    assert found is not None
    assert found.kind is kind
    assert SOLVED_BY_A_DEVICE & set(found.ends) == (SOLVED_BY_A_DEVICE if came else set())


LOW, MEDIUM, HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH
WITHOUT_DEVICE = state(devices=(), tags=MARKED)
OLD = device("old", enabled_at=NOW - timedelta(days=1))
BOUNDARY = state(devices=(), tags=MARKED, boundary="arn:b", boundary_blocks=True)
OWN = {"by_subject": True, "actor": "user/alice", "device": device().serial}
OWN_KEY = {**OWN, "with_long_term_key": True, "mfa": None}

# What is due: the user, the event, and the kind and severity of the notice, or None.
DUE: dict[str, tuple[UserState, EventContext, tuple[NoticeKind, Severity] | None]] = {
    "a new user": (replace(MACHINE, created_at=NOW), context(Trigger.NEW_USER), (NoticeKind.NONCOMPLIANT, HIGH)),
    "a new credential": (WITHOUT_DEVICE, context(Trigger.NEW_CREDENTIAL), (NoticeKind.NEW_CREDENTIAL, HIGH)),
    "only an announced credential": (
        replace(WITHOUT_DEVICE, password=False),
        context(Trigger.NEW_CREDENTIAL, announced="APKA1"),
        (NoticeKind.NEW_CREDENTIAL, HIGH),
    ),
    "no credential any more": (
        replace(WITHOUT_DEVICE, password=False),
        context(Trigger.NEW_CREDENTIAL),
        (NoticeKind.NEW_CREDENTIAL, MEDIUM),
    ),
    "a new credential beside a device": (state(), context(Trigger.NEW_CREDENTIAL), None),
    "the user's own new password": (
        WITHOUT_DEVICE,
        context(Trigger.NEW_CREDENTIAL, announced="password", no_news=True),
        None,
    ),
    "a device by another user": (state(), context(Trigger.DEVICE_ENABLED), (NoticeKind.DEVICE_ENROLLED, HIGH)),
    "the first device by key": (
        state(),
        context(Trigger.DEVICE_ENABLED, **OWN_KEY),
        (NoticeKind.DEVICE_ENROLLED, MEDIUM),
    ),
    "the second device by key": (
        state(devices=(OLD, device())),
        context(Trigger.DEVICE_ENABLED, **OWN_KEY),
        (NoticeKind.DEVICE_ENROLLED, HIGH),
    ),
    "the second device without MFA": (
        state(devices=(OLD, device())),
        context(Trigger.DEVICE_ENABLED, **OWN, mfa=False),
        (NoticeKind.DEVICE_ENROLLED, HIGH),
    ),
    "the second device with MFA": (state(devices=(OLD, device())), context(Trigger.DEVICE_ENABLED, **OWN), None),
    "a passkey that IAM lists with another serial number": (
        state(devices=(device("passkey", enabled_at=NOW - timedelta(seconds=5)),)),
        context(Trigger.DEVICE_ENABLED, **OWN, mfa=False),
        None,
    ),
    "one device of two removed": (state(), context(Trigger.DEVICE_REMOVED), (NoticeKind.DEVICE_REMOVED, LOW)),
    "the last device removed": (
        WITHOUT_DEVICE,
        context(Trigger.DEVICE_REMOVED),
        (NoticeKind.NONCOMPLIANT, HIGH),
    ),
    "the policy detached": (state(), context(Trigger.ENFORCEMENT_REMOVED), (NoticeKind.ENFORCEMENT_REMOVED, HIGH)),
    "the policy of a machine detached": (
        MACHINE,
        context(Trigger.ENFORCEMENT_REMOVED),
        (NoticeKind.DECISION, HIGH),
    ),
    "the policy of a recorded user detached": (
        replace(MACHINE, record=UserRecord(enforced=True)),
        context(Trigger.ENFORCEMENT_REMOVED),
        (NoticeKind.ENFORCEMENT_REMOVED, HIGH),
    ),
    "the password of a machine deleted": (
        replace(MACHINE, tags=MARKED),
        context(Trigger.PASSWORD_REMOVED),
        (NoticeKind.DECISION, HIGH),
    ),
    "a password deleted": (WITHOUT_DEVICE, context(Trigger.PASSWORD_REMOVED), None),
    "a sign-in that should have been enforced": (
        replace(WITHOUT_DEVICE, attached=False),
        context(Trigger.SIGNED_IN_WITHOUT_MFA),
        (NoticeKind.SIGNED_IN, HIGH),
    ),
    "a sign-in of an enforced user": (WITHOUT_DEVICE, context(Trigger.SIGNED_IN_WITHOUT_MFA), None),
    "a boundary that blocks": (BOUNDARY, context(Trigger.BOUNDARY_CHANGED), (NoticeKind.ENROLLMENT_BLOCKED, HIGH)),
    "a boundary that does not block": (
        replace(BOUNDARY, boundary_blocks=False),
        context(Trigger.BOUNDARY_CHANGED),
        None,
    ),
    "tags changed": (WITHOUT_DEVICE, context(Trigger.TAGS_CHANGED), (NoticeKind.TAGS_CHANGED, MEDIUM)),
    "a rename": (WITHOUT_DEVICE, context(Trigger.RENAMED), None),
    "keys that stop": (
        state(attached=False, keys=(key(),)),
        context(Trigger.RENAMED),
        (NoticeKind.ENFORCED, HIGH),
    ),
}


@pytest.mark.parametrize("title", DUE)
def test_the_kind_and_severity_of_the_notice_that_is_due(title: str) -> None:
    user, event_context, expected = DUE[title]
    found = due(user, event_context)
    assert (found and (found.kind, found.severity)) == expected


def test_every_removal_of_enforcement_is_news_of_its_own() -> None:
    first, second = (due(state(), context(Trigger.ENFORCEMENT_REMOVED, event=event)) for event in ("a", "b"))
    assert first
    assert second
    assert not first.exposure & second.exposure


def test_the_announced_credential_is_part_of_the_exposure() -> None:
    found = due(WITHOUT_DEVICE, context(Trigger.NEW_CREDENTIAL, announced="AKIANEW"))
    assert found
    assert found.exposure == {"password", "AKIANEW"}


@pytest.mark.parametrize("trigger", [Trigger.NEW_USER, Trigger.ENFORCEMENT_REMOVED])
def test_what_the_event_proves_is_not_read(trigger: Trigger) -> None:
    unread = state(attached=NOT_LOADED, in_group=NOT_LOADED)
    decided = plan_for_event(unread, context(trigger), settings(), NOW)
    assert isinstance(decided, EventPlan)
    assert Action.ENFORCE in decided.actions


def test_a_user_recorded_as_enforced_is_enforced_again_by_a_sweep_too() -> None:
    decided = plan_for_user(replace(MACHINE, record=UserRecord(enforced=True)), settings(), NOW)
    assert isinstance(decided, UserPlan)
    assert Action.ENFORCE in decided.actions


@pytest.mark.parametrize(("user", "qualifies"), [(MACHINE, True), (replace(MACHINE, keys=()), False)])
def test_a_decision_says_whether_the_credentials_themselves_make_a_machine_user(
    user: UserState, qualifies: bool
) -> None:
    seen = replace(user, record=UserRecord(machine_user_at=NOW - timedelta(days=1)))
    planned = plan_for_user(seen, settings(), NOW)
    assert isinstance(planned, UserPlan)
    assert decision_of(seen, planned, NOW, enforced=False, scope=None) == Decision(
        "alice", Standing.ACTIVE_MACHINE, NOW, enforced=False, qualifies=qualifies
    )


SOLVED = DueNotice(NoticeKind.SOLVED, Severity.LOW)


@pytest.mark.parametrize("due", [SOLVED, None])
def test_what_succeeded_is_reported_as_planned(due: DueNotice | None) -> None:
    assert notice_of(EventPlan(Standing.ENFORCED, (), due), WriteResult(AttachmentRoute.DIRECT)) == due


@pytest.mark.parametrize("due", [SOLVED, None])
@pytest.mark.parametrize(("not_tagged", "kind"), [(False, NoticeKind.NOT_ENFORCED), (True, NoticeKind.NOT_TAGGED)])
def test_a_failure_is_critical_and_comes_before_what_was_due(
    due: DueNotice | None, not_tagged: bool, kind: NoticeKind
) -> None:
    result = WriteResult(problem="it is gone.", not_tagged=not_tagged)
    assert notice_of(EventPlan(Standing.ENFORCED, (), due), result) == DueNotice(kind, Severity.CRITICAL)
