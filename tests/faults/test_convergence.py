"""Whatever is lost, every user in scope is as the plan demands after one sweep whose reads are current.

Hypothesis chooses what people do to users, in which order events arrive, which arrive twice or never, which reads are
stale for how long, where functions crash, and when a sweep runs before the last one. MFA_GUARD_EXAMPLES sets the number
of examples; `make stress` sets more.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from faults.fault_injection import Call
from faults.harness import Harness, open_harness
from faults.identity import Identity, change_identity, create_response
from faults.observations import Observations
from faults.scenarios import USER, Scenario
from mfa_guard.core.user import SINCE_TAG, STATUS_TAG
from mfa_guard_emulator.aws.baseline import ADMINISTRATOR
from mfa_guard_emulator.aws.stale_reads import Kind
from mfa_guard_emulator.demo.population import delete_exemption, record_exemption
from support.factories import detail, envelope
from support.fakes import Crash

EXAMPLES: Final = int(os.environ.get("MFA_GUARD_EXAMPLES", "20"))
MOST_STEPS: Final = 12
NAMES: Final = ("alice", "bob")
# Older than the stack. An event about them brings them into scope.
OLD_USER: Final = "dave"
DAY: Final = timedelta(days=1)

Event = Mapping[str, Any]


@dataclass
class World:
    """The account, what people do in it, and the events of that. An act that is impossible does nothing."""

    harness: Harness
    observations: Observations
    events: list[Event] = field(default_factory=list)
    made: int = 0

    @property
    def iam(self) -> Any:  # noqa: ANN401 - moto's backend
        return self.harness.account.iam

    def add(self, name: str, request: Mapping[str, object], response: object = None) -> None:
        now = self.harness.account.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        self.events.append(envelope(detail(name, request, eventTime=now, responseElements=response)))

    def create(self, name: str) -> None:
        if name not in self.iam.users:
            user = self.iam.create_user("us-east-1", name, "/")
            self.add("CreateUser", {"userName": name}, create_response(user))

    def give_password(self, name: str) -> None:
        if not self.iam.users[name].password:
            self.iam.create_login_profile(name, "Not-a-real-passw0rd")
            self.add("CreateLoginProfile", {"userName": name})

    def remove_password(self, name: str) -> None:
        if self.iam.users[name].password:
            self.iam.delete_login_profile(name)
            self.add("DeleteLoginProfile", {"userName": name})

    def give_key(self, name: str) -> None:
        if len(self.iam.users[name].access_keys) < 2:
            key = self.iam.create_access_key(name)
            created = {"accessKeyId": key.access_key_id, "userName": name, "status": "Active"}
            self.add("CreateAccessKey", {"userName": name}, {"accessKey": created})

    def enroll(self, name: str) -> None:
        self.made += 1
        serial = self.iam.create_virtual_mfa_device(f"device-{self.made}", "/").serial_number
        self.iam.enable_mfa_device(name, serial, "123456", "654321")
        self.add("EnableMFADevice", {"userName": name, "serialNumber": serial})

    def lose_device(self, name: str) -> None:
        for serial in list(self.iam.users[name].mfa_devices)[:1]:
            self.iam.deactivate_mfa_device(name, serial)
            self.add("DeactivateMFADevice", {"userName": name, "serialNumber": serial})

    def detach(self, name: str) -> None:
        for policy in list(self.iam.users[name].managed_policies):
            self.iam.detach_user_policy(policy, name)
            self.add("DetachUserPolicy", {"userName": name, "policyArn": policy})

    def untag(self, name: str) -> None:
        self.iam.untag_user(name, [STATUS_TAG, SINCE_TAG])
        self.add("UntagUser", {"userName": name, "tagKeys": [STATUS_TAG, SINCE_TAG]})

    def exempt(self, name: str) -> None:
        record_exemption(self.harness.account, name, 30 * DAY)

    def end_exemption(self, name: str) -> None:
        delete_exemption(self.harness.account, name)

    def change_identity(self, name: str, change: Identity) -> None:
        self.events += change_identity(self.harness.account, name, change)

    def deliver(self, which: int, crash_after: int | None) -> None:
        if self.events:
            with_crash = partial(self.harness.functions.invoke, USER, self.events[which % len(self.events)])
            self._crashing(crash_after, with_crash)

    def sweep(self, crash_after: int | None) -> None:
        """Run a sweep in between, in which reads are as stale as they are."""
        self._crashing(crash_after, self.harness.sweep_now)

    def _crashing(self, crash_after: int | None, run: Callable[[], object]) -> None:
        """Run with a crash after a number of calls, if any."""
        injector, observe, calls = self.harness.injector, self.harness.injector.observe_response, 0

        def counting(call: Call, params: Mapping[str, Any]) -> None:
            nonlocal calls
            observe(call, params)
            calls += 1
            if crash_after is not None and calls == crash_after:
                injector._end_process(Crash("by the test"))

        injector.observe_response = counting
        try:
            run()
        finally:
            injector.observe_response = observe

    def be_stale(self, kinds: frozenset[Kind], seconds: int) -> None:
        self.harness.account.iam_reads.stale.show_past(*kinds, lasting=timedelta(seconds=seconds))

    def wait(self, seconds: int) -> None:
        self.harness.account.clock.advance(timedelta(seconds=seconds))


Step = Callable[[World], None]
ACTS: Final = (
    World.give_password,
    World.remove_password,
    World.give_key,
    World.enroll,
    World.lose_device,
    World.detach,
    World.untag,
    World.exempt,
    World.end_exemption,
)


@dataclass(frozen=True)
class Act:
    """One thing that people do to the user with a name, if there is one."""

    act: Callable[[World, str], None]
    name: str

    def __call__(self, world: World) -> None:
        if self.act is World.create or self.name in world.iam.users:
            self.act(world, self.name)


@dataclass(frozen=True)
class ChangeIdentity:
    """A change of who the user with a name is, if there is one."""

    change: Identity
    name: str

    def __call__(self, world: World) -> None:
        world.change_identity(self.name, self.change)


@dataclass(frozen=True)
class Do:
    """Anything else: deliver an event, sweep, become stale, or wait."""

    what: Callable[..., None]
    arguments: tuple[Any, ...]

    def __call__(self, world: World) -> None:
        self.what(world, *self.arguments)


names = st.sampled_from((*NAMES, *(f"{name}-renamed" for name in NAMES)))
crashes = st.none() | st.integers(1, 25)
steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(Act, st.just(World.create), st.sampled_from(NAMES)),
    st.builds(Act, st.sampled_from(ACTS), names),
    st.builds(ChangeIdentity, st.sampled_from(Identity), names),
    st.builds(Do, st.just(World.deliver), st.tuples(st.integers(0, 20), crashes)),
    st.builds(Do, st.just(World.deliver), st.tuples(st.just(-1), crashes)),
    st.builds(Do, st.just(World.be_stale), st.tuples(st.frozensets(st.sampled_from(Kind)), st.integers(5, 400))),
    st.builds(Do, st.just(World.sweep), st.tuples(crashes)),
    st.builds(Do, st.just(World.wait), st.tuples(st.integers(1, 1000))),
)
scripts = st.lists(steps, min_size=4, max_size=MOST_STEPS)


@pytest.mark.parametrize("mode", ["events", "all"])
def test_every_user_in_scope_is_as_the_plan_demands_after_one_sweep(mode: str) -> None:
    parameters = {"Mode": mode}
    scenario = Scenario("anything", USER, lambda _: None, lambda setup: setup.user(OLD_USER), parameters)
    with open_harness(scenario) as harness:

        @settings_of_hypothesis(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(scripts)
        def converges(script: list[Step]) -> None:
            harness.reset(None)
            world = World(harness, Observations(harness))
            Act(World.create, "alice")(world)
            for step in script:
                step(world)
            harness.sweep()
            _assert_as_required(world, mode)

        converges()


def _assert_as_required(world: World, mode: str) -> None:
    for name, user in world.observations.users().items():
        if name == OLD_USER and mode == "events":
            # No event was about this user, so the user is out of scope.
            assert not user.enforced
            assert not user.tagged
        elif name != ADMINISTRATOR:
            assert user.as_required, f"{name}: {user}"
