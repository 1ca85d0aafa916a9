"""Which rule decides: the first that fits, and by the same rule the plan is made."""

from datetime import timedelta

import pytest

from mfa_guard.core.exemption import MalformedExemption
from mfa_guard.core.plan import Demand, Rule, Standing, deciding_rule, demand
from mfa_guard.core.settings import EnforceOn, Settings, WorkingMachineUsers
from mfa_guard.core.user import UNASKED, Question, UserState
from support.factories import NOW, exemption, key, settings, state

MACHINES = settings(exempt_path_prefixes=("/machines/",), enforce_on=EnforceOn.CONSOLE)
MACHINE = state(attached=False, password=False, keys=(key(),), devices=())

EVERY_RULE: dict[Rule, tuple[UserState, Settings, Standing]] = {
    Rule.EXEMPT_BY_PATH: (state(path="/machines/ci/", exemption=exemption()), MACHINES, Standing.EXEMPT),
    Rule.EXEMPT_BY_RECORD: (state(exemption=exemption()), MACHINES, Standing.EXEMPT),
    Rule.BOUND_ALREADY: (state(password=False, keys=(key(),)), MACHINES, Standing.ENFORCED),
    Rule.WORKING_MACHINE: (MACHINE, MACHINES, Standing.WORKING_MACHINE),
    Rule.WITHOUT_PASSWORD: (state(attached=False, password=False), MACHINES, Standing.WITHOUT_PASSWORD),
    Rule.EVERYBODY_ELSE: (state(attached=False), MACHINES, Standing.ENFORCED),
}


@pytest.mark.parametrize("rule", list(Rule))
def test_each_rule_decides_where_it_is_the_first_that_fits(rule: Rule) -> None:
    user, chosen, standing = EVERY_RULE[rule]
    assert deciding_rule(user, chosen, NOW) is rule
    decided = demand(user, chosen, NOW)
    assert isinstance(decided, Demand)
    assert decided.standing is standing


@pytest.mark.parametrize("record", [exemption(ends=timedelta(0)), MalformedExemption("It lacks owner."), None])
def test_a_record_that_is_not_in_force_decides_nothing(record: object) -> None:
    assert deciding_rule(state(attached=False, exemption=record), settings(), NOW) is Rule.EVERYBODY_ELSE


def test_without_review_a_machine_is_everybody_else() -> None:
    chosen = settings(working_machine_users=WorkingMachineUsers.ENFORCE)
    assert deciding_rule(MACHINE, chosen, NOW) is Rule.EVERYBODY_ELSE


def test_what_was_not_asked_is_asked_for() -> None:
    assert deciding_rule(state(exemption=UNASKED), settings(), NOW) is Question.EXEMPTION
