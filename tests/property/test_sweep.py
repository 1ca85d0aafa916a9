"""Wherever a sweep crashes, the next one finishes its work, and every changed user is reported."""

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
from mfa_guard.core.user_record import NO_RECORD
from mfa_guard.use_cases.sweep.round import sweep
from support.factories import MARKED, device, exemption, key, settings
from support.fakes import Crash, FakeAccount, FakeUser

ALL = settings(mode=Mode.ALL)

any_user = st.builds(
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
        created_at=user.created_at,
        exemption=account.exemptions.records.get(user.id),
        devices=tuple(user.devices),
        attached=user.attached,
        in_group=user.in_group,
        password=user.password,
        keys=tuple(user.keys),
        service_credentials=(),
        record=NO_RECORD,
    )


def run(account: FakeAccount, number: int) -> None:
    deadline = account.clock.now() + timedelta(minutes=15)
    sweep(SweepRequest(f"sweep-{number}", audit=False, round=1), ALL, account.sweep_dependencies, deadline)


@given(
    people=st.lists(any_user, min_size=1, max_size=5),
    exempt=st.sets(st.integers(0, 4)),
    crashes=st.integers(0, 30),
    after=st.booleans(),
)
def test_users_end_as_their_state_requires_and_every_change_is_reported(
    people: list[FakeUser], exempt: set[int], crashes: int, after: bool
) -> None:
    users = [replace(user, name=f"user{index}", id=f"AIDA{index}") for index, user in enumerate(people)]
    account = FakeAccount(*users)
    for index in exempt:
        account.exemptions.records[f"AIDA{index}"] = exemption(f"AIDA{index}")
    tagged_before = {user.name for user in users if STATUS_TAG in user.tags}
    account.calls.crash_before, account.calls.crash_after = (None, crashes) if after else (crashes, None)
    with contextlib.suppress(Crash):
        run(account, 1)
    account.calls.crash_before = account.calls.crash_after = None
    run(account, 2)
    for user in users:
        plan = plan_for_user(state(account, user), ALL, account.clock.now())
        assert isinstance(plan, UserPlan)
        assert plan.actions == (), user.name
    reported = "".join(json.loads(message.body)["email"] for message in account.notifier.sent)
    for user in users:
        if STATUS_TAG in user.tags and user.name not in tagged_before:
            assert f"{user.name}: " in reported
    account.calls.made.clear()
    run(account, 3)
    assert account.calls.of("iam.") == []
