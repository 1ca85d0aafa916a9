"""Wherever a sweep crashes, the next one finishes its work, and every changed user is reported."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from mfa_guard.core.account.scope import ModeMemory, Scope
from mfa_guard.core.plan import UserPlan, plan_for_user
from mfa_guard.core.settings import Mode, Settings
from mfa_guard.core.sweep_request import SweepRequest
from mfa_guard.core.user import STATUS_TAG, UserState
from mfa_guard.core.user_record import ScopeReason, UserRecord
from mfa_guard.use_cases.sweep.round import sweep
from support.factories import MARKED, NOW, device, exemption, key, settings
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
        record=account.records.of(user.id),
    )


def run(account: FakeAccount, number: int, chosen: Settings = ALL) -> None:
    deadline = account.clock.now() + timedelta(minutes=15)
    request = SweepRequest(f"sweep-{number}", audit=False, round=1, sweep=f"sweep-{number}")
    sweep(request, chosen, account.sweep_dependencies, deadline)


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
    # Until then, the crashed sweep counts as running.
    account.clock.sleep(15 * 60)
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


EVENTS = settings(mode=Mode.EVENTS)
SINCE = NOW - timedelta(hours=1)

# Why a user is in scope, if the user is not enforced: by nothing, by age, by an event, or by an earlier enforcement.
KNOWN = {
    "nothing": None,
    "age": None,
    "event": UserRecord(in_scope_because=ScopeReason.EVENT),
    "enforced": UserRecord(in_scope_because=ScopeReason.ENFORCED, enforced=True),
}


def renamed(account: FakeAccount, name: str) -> None:
    user = account.iam.users.pop(name)
    user.name = f"{name}-renamed"
    account.iam.users[user.name] = user


def recreated(account: FakeAccount, name: str) -> None:
    account.iam.users[name] = FakeUser(name=name, id="AIDANEW", password=True, created_at=account.clock.now())


def deleted(account: FakeAccount, name: str) -> None:
    del account.iam.users[name]


def at_call(account: FakeAccount, number: int, change: Callable[[], None]) -> None:
    def meanwhile() -> None:
        if len(account.calls.made) == number:
            account.calls.meanwhile = lambda: None
            change()

    account.calls.meanwhile = meanwhile


@given(
    people=st.lists(st.tuples(any_user, st.sampled_from(sorted(KNOWN))), min_size=1, max_size=4),
    exempt=st.sets(st.integers(0, 3)),
    stale=st.dictionaries(st.integers(0, 3), st.sampled_from(["missing", "attached", "detached"])),
    change=st.sampled_from([renamed, recreated, deleted, None]),
    moment=st.integers(0, 30),
    crash=st.none() | st.integers(0, 40),
    lost=st.sets(st.integers(0, 3)),
)
def test_whatever_is_lost_one_sweep_with_current_reads_is_enough(
    people: list[tuple[FakeUser, str]],
    exempt: set[int],
    stale: dict[int, str],
    change: Callable[[FakeAccount, str], None] | None,
    moment: int,
    crash: int | None,
    lost: set[int],
) -> None:
    users = [
        replace(user, name=f"user{n}", id=f"AIDA{n}", created_at=SINCE if known == "age" else user.created_at)
        for n, (user, known) in enumerate(people)
    ]
    account = FakeAccount(*users)
    account.memory.mode = ModeMemory(SINCE, None)
    for n, (_, known) in enumerate(people):
        if record := KNOWN[known]:
            account.records.items[f"AIDA{n}"] = replace(record, name=f"user{n}")
    for n in exempt:
        account.exemptions.records[f"AIDA{n}"] = exemption(f"AIDA{n}")
    shown = {"missing": None, "attached": True, "detached": False}
    account.account.stale = {
        f"AIDA{n}": None if how == "missing" else replace(users[n], attached=bool(shown[how]))
        for n, how in stale.items()
        if n < len(users)
    }
    if change:
        at_call(account, moment, lambda: change(account, "user0"))
    before = {user.id: (user.attached, user.in_group, dict(user.tags)) for user in users}
    outside = {user.id for user in users if scope_of(account, user) is None}
    account.calls.crash_before = crash
    with contextlib.suppress(Crash):
        run(account, 1, EVENTS)
    account.calls.crash_before = None
    account.calls.meanwhile = lambda: None
    account.account.stale = {}
    # What no event told the guard: administrators and thieves detach, and mistakes tag.
    for n in lost:
        if user := next((each for each in account.iam.users.values() if each.id == f"AIDA{n}"), None):
            user.attached = user.in_group = False
    account.clock.sleep(15 * 60)
    run(account, 2, EVENTS)
    changed_by_others = {f"AIDA{n}" for n in (lost | set(stale))}
    for user in account.iam.users.values():
        assert_as_planned(account, user)
        assert_reported(account, user, enforced_before=user.id in before and any(before[user.id][:2]))
        if user.id in outside - changed_by_others:
            assert (user.attached, user.in_group, user.tags) == before[user.id]
    account.calls.made.clear()
    run(account, 3, EVENTS)
    assert [call for call in account.calls.of("iam.") if call.split(".")[1] in WRITES] == []


def assert_as_planned(account: FakeAccount, user: FakeUser) -> None:
    plan = plan_for_user(state(account, user), EVENTS, account.clock.now())
    assert isinstance(plan, UserPlan)
    assert plan.actions == () or scope_of(account, user) is None, user


def assert_reported(account: FakeAccount, user: FakeUser, *, enforced_before: bool) -> None:
    reported = "".join(json.loads(message.body)["email"] for message in account.notifier.sent)
    if (user.attached or user.in_group) and not enforced_before:
        assert any(f"{name}: " in reported for name in (user.name, user.name.removesuffix("-renamed")))


WRITES = {"attach", "detach", "add_to_group", "remove_from_group", "mark", "clear", "warn", "deactivate"}


def scope_of(account: FakeAccount, user: FakeUser) -> ScopeReason | None:
    return Scope(Mode.EVENTS, SINCE).reason(state(account, user), account.records.of(user.id))
