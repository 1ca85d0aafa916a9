"""Stale reads, renames and recreated users: no event ends in silence, and no user is left to chance.

IAM shows the users as they were before a change for up to a minute. Between any two calls of the guard, people rename,
delete, and recreate users.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Final

from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from mfa_guard.core.cloudtrail import parse_user_event
from mfa_guard.core.errors import NotVisibleYet
from mfa_guard.core.plan import UserPlan, plan_for_user
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import UserState
from mfa_guard.use_cases.notify import NoticeStuck
from mfa_guard.use_cases.remediate import EnforcementMissing, remediate
from support.factories import NOW, detail, device, key, settings, user_identity
from support.fakes import Crash, FakeAccount, FakeUser

READS: Final = (
    "user",
    "name_of",
    "key_owner",
    "devices",
    "attached",
    "in_group",
    "password",
    "keys",
    "service_credentials",
)
FIRST_ID: Final = "AIDAFIRST"
# Lambda makes three attempts, about one and two minutes apart. The last event becomes a dead letter.
PAUSES: Final = (60, 120)


@dataclass
class World:
    """One user name after the other, the events of what people did, and what the guard made of each of them."""

    account: FakeAccount
    events: list[dict[str, object]] = field(default_factory=list)
    handled: dict[str, str] = field(default_factory=dict)
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def user(self) -> FakeUser:
        """Return the newest user."""
        return list(self.account.iam.users.values())[-1]

    def stale(self, calls: set[str], seconds: int) -> None:
        """Let some reads show the users as they are now, for some seconds."""
        iam, clock = self.account.iam, self.account.clock
        ends = clock.now() + timedelta(seconds=seconds)
        iam.past.clear()
        iam.shows_the_past(*sorted(calls))
        iam.past_ends = lambda: clock.now() >= ends
        # A read after the change shows the change or the past, and a change takes no time.
        clock.sleep(1)

    def happened(self, name: str, **more: object) -> None:
        """Add the event of a call about the newest user."""
        fields = {"requestParameters": {"userName": self.user.name}, **more}
        self.events.append(detail(name, **{"eventTime": utc_text(self.account.clock.now()), **fields}))  # type: ignore[arg-type]

    def deliver(self, record: dict[str, object]) -> None:
        """Invoke the function for an event, as often as Lambda does."""
        for pause in (*PAUSES, 0):
            try:
                outcome = remediate(parse_user_event(record), settings(), self.account.dependencies)
            except (NotVisibleYet, EnforcementMissing, NoticeStuck, Crash):
                self.account.clock.sleep(pause)
                continue
            self.handled[str(record["eventID"])] = outcome.standing
            return
        self.handled[str(record["eventID"])] = "dead letter"


Act = Callable[[World], None]


def _gets_key(world: World) -> None:
    key_id = f"AKIA{next(world.numbers):016}"
    world.user.keys.append(key(key_id, used=None, age=timedelta(0)))
    response = {"accessKey": {"userName": world.user.name, "accessKeyId": key_id}}
    world.happened("CreateAccessKey", responseElements=response)


def _gets_password(world: World) -> None:
    world.user.password = True
    world.happened("CreateLoginProfile")


def _loses_password(world: World) -> None:
    world.user.password = False
    world.happened("DeleteLoginProfile")


def _gets_device_from_another(world: World) -> None:
    serial = f"arn:aws:iam::111122223333:mfa/{next(world.numbers)}"
    world.user.devices = [device(serial, enabled_at=world.account.clock.now())]
    request = {"userName": world.user.name, "serialNumber": serial}
    world.happened("EnableMFADevice", requestParameters=request, userIdentity=user_identity("mallory"))


def _loses_devices(world: World) -> None:
    lost, world.user.devices = world.user.devices, []
    for each in lost:
        request = {"userName": world.user.name, "serialNumber": each.serial}
        world.happened("DeactivateMFADevice", requestParameters=request)


def _is_detached(world: World) -> None:
    world.user.attached = False
    world.happened("DetachUserPolicy", userIdentity=user_identity("mallory"))


def _is_renamed(world: World) -> None:
    user, old = world.user, world.user.name
    del world.account.iam.users[old]
    user.name = f"user-{next(world.numbers)}"
    world.account.iam.users[user.name] = user
    world.happened("UpdateUser", requestParameters={"userName": old, "newUserName": user.name})


def _is_recreated(world: World) -> None:
    old = world.user
    new = FakeUser(name=old.name, id=f"AIDA{next(world.numbers)}", created_at=world.account.clock.now(), password=True)
    del world.account.iam.users[old.name]
    world.account.iam.users[new.name] = new
    response = {"user": {"userName": new.name, "userId": new.id}}
    world.happened("CreateUser", responseElements=response)


ACTS: Final[tuple[Act, ...]] = (
    _gets_key,
    _gets_password,
    _loses_password,
    _gets_device_from_another,
    _loses_devices,
    _is_detached,
    _is_renamed,
    _is_recreated,
)
IDENTITY_ACTS: Final[tuple[Act, ...]] = (_is_renamed, _is_recreated)


@dataclass(frozen=True)
class Step:
    """What people do while which reads are stale, and what happens before the n-th call that handles the event."""

    act: Act
    stale: set[str]
    seconds: int
    interrupted_at: int | None
    interruption: Act | None


steps = st.lists(
    st.builds(
        Step,
        st.sampled_from(ACTS),
        st.sets(st.sampled_from(READS)),
        st.integers(1, 60),
        st.none() | st.integers(0, 14),
        st.none() | st.sampled_from(IDENTITY_ACTS),
    ),
    min_size=1,
    max_size=6,
)


def _interrupt(world: World, step: Step) -> Callable[[], None]:
    """Return a hook that lets the step's interruption happen, or the process crash, before a call; once."""
    calls = world.account.calls

    def watch() -> None:
        if len(calls.made) == step.interrupted_at:
            calls.meanwhile = lambda: None
            if step.interruption is None:
                raise Crash("here")
            step.interruption(world)

    return watch


def _act_and_deliver(world: World, step: Step) -> None:
    world.stale(step.stale, step.seconds)
    step.act(world)
    calls = world.account.calls
    calls.made.clear()
    calls.meanwhile = _interrupt(world, step)
    for record in [each for each in world.events if str(each["eventID"]) not in world.handled]:
        world.deliver(record)
    calls.meanwhile = lambda: None


def new_world() -> World:
    world = World(FakeAccount(FakeUser(name="alice", id=FIRST_ID, created_at=NOW, password=True)))
    response = {"user": {"userName": "alice", "userId": FIRST_ID}}
    world.happened("CreateUser", responseElements=response)
    return world


def state_of(world: World, user: FakeUser) -> UserState:
    """Return everything about a user as it is."""
    return UserState(
        name=user.name,
        id=user.id,
        path=user.path,
        tags=dict(user.tags),
        created_at=user.created_at,
        exemption=None,
        devices=tuple(user.devices),
        attached=user.attached,
        in_group=user.in_group,
        password=user.password,
        keys=tuple(user.keys),
        service_credentials=(),
        record=world.account.records.of(user.id),
    )


def is_settled(world: World, user: FakeUser) -> bool:
    """Tell whether a sweep would find nothing to do about a user."""
    planned = plan_for_user(state_of(world, user), settings(), world.account.clock.now())
    assert isinstance(planned, UserPlan)
    return not planned.actions


# The kinds of notices that report an event which must always be reported.
ALWAYS_REPORTED: Final = {
    "DetachUserPolicy": {"enforcement-removed", "decision"},
    "EnableMFADevice": {"device-enrolled"},
}


@settings_of_hypothesis(max_examples=400)
@given(script=steps)
def test_every_user_ends_as_the_plan_demands_or_as_the_job_of_the_next_sweep(script: list[Step]) -> None:
    world = new_world()
    for step in script:
        _act_and_deliver(world, step)
    for record in [each for each in world.events if str(each["eventID"]) not in world.handled]:
        world.deliver(record)
    for user in world.account.iam.users.values():
        in_scope = world.account.records.of(user.id).in_scope_since is not None
        # A sweep finds a user who was created and is not recorded by the date of the creation.
        assert is_settled(world, user) or in_scope or user.created_at >= NOW


@settings_of_hypothesis(max_examples=400)
@given(script=steps)
def test_no_event_that_proves_something_ends_in_silence(script: list[Step]) -> None:
    world = new_world()
    for step in script:
        _act_and_deliver(world, step)
    sent = [json.loads(json.loads(message.body)["default"]) for message in world.account.notifier.sent]
    reported = {(notice["event"]["id"], notice["kind"]) for notice in sent}
    for record in world.events:
        event_id, wanted = str(record["eventID"]), ALWAYS_REPORTED.get(str(record["eventName"]), set())
        if wanted and world.handled[event_id] not in {"gone", "dead letter"}:
            assert {(event_id, kind) for kind in wanted} & reported


@settings_of_hypothesis(max_examples=400)
@given(stale=st.sets(st.sampled_from(READS)), seconds=st.integers(1, 110), renamed=st.booleans())
def test_a_new_key_is_always_named(stale: set[str], seconds: int, renamed: bool) -> None:
    world = new_world()
    world.deliver(world.events[0])
    world.stale(stale, seconds)
    _gets_key(world)
    if renamed:
        _is_renamed(world)
    for record in world.events[1:]:
        world.deliver(record)
    key_id = world.user.keys[-1].id
    lost = {world.handled[str(record["eventID"])] for record in world.events} & {"gone", "dead letter"}
    assert lost or any(key_id in message.body for message in world.account.notifier.sent)
