"""The first rule that matches decides, and the plan follows it."""

from datetime import timedelta

import pytest

from mfa_guard.core.attachments import AttachmentRoute, WriteResult
from mfa_guard.core.cloudtrail import Trigger
from mfa_guard.core.exemption import MalformedExemption
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard.core.plan import (
    DueNotice,
    EventContext,
    EventPlan,
    Rule,
    UserPlan,
    deciding_rule,
    notice_of,
    plan_for_event,
    plan_for_user,
)
from mfa_guard.core.settings import EnforceOn, Settings, WorkingMachineUsers
from mfa_guard.core.user import NOT_LOADED, Field, FieldNotLoaded, UserState
from mfa_guard.core.user_record import Standing
from support.factories import MARKED, NOW, exemption, key, settings, state

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


@pytest.mark.parametrize(
    ("user", "trigger", "with_key", "kind", "came"),
    [
        (state(tags=MARKED), Trigger.ENFORCEMENT_REMOVED, False, NoticeKind.ENFORCEMENT_REMOVED, True),
        (state(), Trigger.ENFORCEMENT_REMOVED, False, NoticeKind.ENFORCEMENT_REMOVED, False),
        (state(tags=MARKED), Trigger.DEVICE_ENABLED, True, NoticeKind.DEVICE_WITH_KEY, True),
        (state(), Trigger.DEVICE_ENABLED, True, NoticeKind.DEVICE_WITH_KEY, True),
    ],
)
def test_any_notice_about_a_new_device_ends_the_notices_about_its_absence(
    user: UserState, trigger: Trigger, with_key: bool, kind: NoticeKind, came: bool
) -> None:
    event_context = EventContext(trigger, by_subject=False, with_long_term_key=with_key, actor="user/bob")
    decided = plan_for_event(user, event_context, settings(), NOW)
    assert isinstance(decided, EventPlan)
    assert decided.due is not None
    assert decided.due.kind is kind
    assert SOLVED_BY_A_DEVICE & set(decided.due.ends) == (SOLVED_BY_A_DEVICE if came else set())


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
