"""Wherever a sweep dies, the next one finishes what it began, and everybody changed was told of."""

import contextlib
import json
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from mfa_guard.core.plan import UserPlan, plan_for_user
from mfa_guard.core.settings import Mode
from mfa_guard.core.sweep_request import SweepRequest
from mfa_guard.core.user import STATUS_TAG, UserState
from mfa_guard.use_cases.sweep.round import sweep
from support.factories import MARKED, device, exemption, key, settings
from support.fakes import Crash, FakeAccount, FakeUser

ALL = settings(mode=Mode.ALL)

people = st.builds(
    FakeUser,
    attached=st.booleans(),
    in_group=st.booleans(),
    password=st.booleans(),
    devices=st.sampled_from([(), (device(),)]).map(list),
    keys=st.sampled_from([(), (key(),), (key(used=None),)]).map(list),
    tags=st.sampled_from([{}, MARKED]).map(dict),
)


def state(account: FakeAccount, user: FakeUser) -> UserState:
    return UserState(
        name=user.name,
        id=user.id,
        path=user.path,
        tags=dict(user.tags),
        exemption=account.exemptions.records.get(user.id),
        devices=tuple(user.devices),
        attached=user.attached,
        in_group=user.in_group,
        password=user.password,
        keys=tuple(user.keys),
        service_credentials=(),
        unfinished=None,
    )


def run(account: FakeAccount, number: int) -> None:
    deadline = account.clock.now() + timedelta(minutes=15)
    sweep(SweepRequest(f"sweep-{number}", audit=False, round=1), ALL, account.sweep_world, deadline)


@given(
    crowd=st.lists(people, min_size=1, max_size=5),
    exempt=st.sets(st.integers(0, 4)),
    dies=st.integers(0, 30),
    after=st.booleans(),
)
def test_everybody_ends_as_his_state_demands_and_was_told_of(
    crowd: list[FakeUser], exempt: set[int], dies: int, after: bool
) -> None:
    users = [replace(user, name=f"user{index}", id=f"AIDA{index}") for index, user in enumerate(crowd)]
    account = FakeAccount(*users)
    for index in exempt:
        account.exemptions.records[f"AIDA{index}"] = exemption(f"AIDA{index}")
    marked_before = {user.name for user in users if STATUS_TAG in user.tags}
    account.calls.die_before, account.calls.die_after = (None, dies) if after else (dies, None)
    with contextlib.suppress(Crash):
        run(account, 1)
    account.calls.die_before = account.calls.die_after = None
    run(account, 2)
    for user in users:
        demanded = plan_for_user(state(account, user), ALL, account.clock.now())
        assert isinstance(demanded, UserPlan)
        assert demanded.actions == (), user.name
    told = "".join(json.loads(message.body)["email"] for message in account.notifier.sent)
    for user in users:
        if STATUS_TAG in user.tags and user.name not in marked_before:
            assert f"{user.name}: " in told
    account.calls.made.clear()
    run(account, 3)
    assert account.calls.of("iam.") == []
