"""In any order, with repetitions and crashes, users end as their state requires, and every notice is true."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from mfa_guard.core.cloudtrail import parse_user_event
from mfa_guard.core.errors import NotVisibleYet
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.plan import UserPlan, plan_for_user
from mfa_guard.core.settings import Settings
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import STATUS_TAG, UserState
from mfa_guard.use_cases.remediate import remediate
from support.factories import detail, device, exemption, key, long_term_key, settings, user_identity
from support.fakes import Calls, Crash, FakeAccount, FakeUser

PHONE: Final = "arn:aws:iam::111122223333:mfa/phone"

# The number of turns of half a second that fit into a lease in progress. Another invocation takes over an older lease.
LONGEST_STALL: Final = 28

Act = Callable[[FakeAccount], dict[str, object]]


def _record(account: FakeAccount, name: str, **request: str) -> dict[str, object]:
    return detail(name, {"userName": "alice", **request}, eventTime=utc_text(account.clock.now()))


def _gets_password(account: FakeAccount) -> dict[str, object]:
    account.alice.password = True
    return _record(account, "CreateLoginProfile")


def _gets_key(account: FakeAccount) -> dict[str, object]:
    account.alice.keys.append(key(f"AKIA{len(account.alice.keys)}", used=None))
    return _record(account, "CreateAccessKey")


def _uses_key(account: FakeAccount) -> dict[str, object]:
    now = account.clock.now()
    account.alice.keys = [replace(each, last_used=now) for each in account.alice.keys]
    return _record(account, "UpdateAccessKey")


def _enrolls(account: FakeAccount) -> dict[str, object]:
    account.clock.sleep(1)
    account.alice.devices = [device(PHONE, enabled_at=account.clock.now())]
    return {**_record(account, "EnableMFADevice", serialNumber=PHONE), "userIdentity": user_identity("alice")}


def _enrolls_with_key(account: FakeAccount) -> dict[str, object]:
    return {**_enrolls(account), "userIdentity": long_term_key("alice")}


def _gets_device_from_another(account: FakeAccount) -> dict[str, object]:
    return {**_enrolls(account), "userIdentity": user_identity("mallory")}


def _signs_in(account: FakeAccount) -> dict[str, object]:
    return {
        **_record(account, "ConsoleLogin"),
        "eventSource": "signin.amazonaws.com",
        "userIdentity": user_identity("alice", principalId="AIDAEXAMPLE"),
        "responseElements": {"ConsoleLogin": "Success"},
        "additionalEventData": {"MFAUsed": "No"},
    }


def _loses_password(account: FakeAccount) -> dict[str, object]:
    account.clock.sleep(1)
    account.alice.password = False
    return _record(account, "DeleteLoginProfile")


def _loses_device(account: FakeAccount) -> dict[str, object]:
    account.clock.sleep(1)
    account.alice.devices = []
    return _record(account, "DeactivateMFADevice", serialNumber=PHONE)


def _is_detached(account: FakeAccount) -> dict[str, object]:
    account.alice.attached = False
    return _record(account, "DetachUserPolicy")


def _is_untagged(account: FakeAccount) -> dict[str, object]:
    account.alice.tags = {}
    return _record(account, "UntagUser")


def _is_exempted(account: FakeAccount) -> dict[str, object]:
    account.exemptions.records["AIDAEXAMPLE"] = exemption()
    return _record(account, "UpdateAccessKey")


def _is_no_longer_exempt(account: FakeAccount) -> dict[str, object]:
    account.exemptions.records.clear()
    return _record(account, "UpdateAccessKey")


def _time_passes(account: FakeAccount) -> dict[str, object]:
    account.clock.sleep(20 * 60)
    return _record(account, "UpdateAccessKey")


ACTS: Final[tuple[Act, ...]] = (
    _gets_password,
    _gets_key,
    _uses_key,
    _enrolls,
    _enrolls_with_key,
    _gets_device_from_another,
    _signs_in,
    _loses_password,
    _loses_device,
    _is_detached,
    _is_untagged,
    _is_exempted,
    _is_no_longer_exempt,
    _time_passes,
)


@dataclass
class Deliver:
    """Deliver one of the events so far, and crash before or after the n-th call that leaves the process, if any."""

    which: int
    crashes: int | None
    after: bool


crashes_at = st.none() | st.integers(0, 14)
# Half of the events are delivered at once, the others late, twice or in another order.
steps = st.lists(
    st.one_of(
        st.sampled_from(ACTS),
        st.tuples(st.sampled_from(ACTS), crashes_at),
        st.builds(Deliver, st.integers(0, 30), crashes_at, st.booleans()),
    ),
    max_size=14,
)


def known(account: FakeAccount) -> UserState:
    """Return everything about alice, without the guard's calls."""
    alice = account.alice
    return UserState(
        name=alice.name,
        id=alice.id,
        path=alice.path,
        tags=dict(alice.tags),
        created_at=alice.created_at,
        exemption=account.exemptions.records.get(alice.id),
        devices=tuple(alice.devices),
        attached=alice.attached,
        in_group=alice.in_group,
        password=alice.password,
        keys=tuple(alice.keys),
        service_credentials=(),
        record=account.records.of(alice.id),
    )


def plan_of(account: FakeAccount, chosen: Settings) -> UserPlan:
    """Return what a sweep would do about alice now, with reads that are current."""
    decided = plan_for_user(known(account), chosen, account.clock.now())
    assert isinstance(decided, UserPlan)
    return decided


# What must be true when a notice of the kind is sent.
TRUTHS: Final[dict[NoticeKind, Callable[[FakeAccount], bool]]] = {
    NoticeKind.NONCOMPLIANT: lambda a: not a.alice.devices,
    NoticeKind.NEW_CREDENTIAL: lambda a: not a.alice.devices,
    NoticeKind.SOLVED: lambda a: bool(a.alice.devices),
    NoticeKind.DECISION: lambda a: not a.alice.attached and not a.alice.password,
    NoticeKind.ENFORCEMENT_REMOVED: lambda a: a.alice.attached,
    NoticeKind.TAGS_CHANGED: lambda a: not a.exemptions.records,
    NoticeKind.DEVICE_ENROLLED: lambda _: True,
    NoticeKind.DEVICE_REMOVED: lambda a: bool(a.alice.devices),
    NoticeKind.SIGNED_IN: lambda a: a.alice.attached,
    NoticeKind.ENROLLMENT_BLOCKED: lambda a: not a.alice.devices,
    NoticeKind.ENFORCED: lambda a: a.alice.attached and bool(a.alice.devices),
    NoticeKind.RELEASED: lambda a: bool(a.exemptions.records) and not a.alice.attached,
    NoticeKind.EXEMPT_WITHOUT_DEVICE: lambda a: bool(a.exemptions.records) and not a.alice.devices,
}


@dataclass
class History:
    """An account, the events of what people did, and which of them were delivered."""

    account: FakeAccount
    chosen: Settings = field(default_factory=settings)
    events: list[dict[str, object]] = field(default_factory=list)
    owed: list[dict[str, object]] = field(default_factory=list)
    judged: int = 0

    def act(self, act: Act) -> None:
        record = act(self.account)
        self.events.append(record)
        self.owed.append(record)

    def deliver(self, record: dict[str, object], crashes: int | None = None, *, after: bool = False) -> None:
        calls = self.account.calls
        calls.made.clear()
        calls.crash_before, calls.crash_after = (None, crashes) if after else (crashes, None)
        try:
            remediate(parse_user_event(record), self.chosen, self.account.dependencies)
        except Crash:
            return
        except NotVisibleYet:
            # Lambda tries again after about one minute.
            self.account.clock.sleep(60)
            return
        finally:
            calls.crash_before = calls.crash_after = None
            self.judge()
        if record in self.owed:
            self.owed.remove(record)

    def judge(self) -> None:
        for message in self.account.notifier.sent[self.judged :]:
            kind = NoticeKind(message.attributes["kind"])
            assert TRUTHS[kind](self.account), kind
        self.judged = len(self.account.notifier.sent)


@settings_of_hypothesis(max_examples=400)
@given(password=st.booleans(), used=st.booleans(), script=steps, order=st.randoms(use_true_random=False))
def test_users_end_as_their_state_requires_and_every_notice_is_true(
    password: bool, used: bool, script: list[Act | tuple[Act, int | None] | Deliver], order: st.DataObject
) -> None:
    keys = [key("AKIA", used=timedelta(days=1) if used else None)]
    history = History(FakeAccount(FakeUser(password=password, keys=keys)))
    history.act(lambda account: _record(account, "CreateUser"))
    for step in script:
        if isinstance(step, Deliver):
            history.deliver(history.events[step.which % len(history.events)], step.crashes, after=step.after)
        elif isinstance(step, tuple):
            history.act(step[0])
            history.deliver(history.events[-1], step[1])
        else:
            history.act(step)
    while history.owed:
        history.deliver(order.choice(history.owed))  # type: ignore[attr-defined]
    account = history.account
    assert plan_of(account, history.chosen).actions == ()
    _assert_reported(account)


def _assert_reported(account: FakeAccount) -> None:
    marked = STATUS_TAG in account.alice.tags
    assert marked == (not account.alice.devices and not account.exemptions.records)
    sent = [message.attributes["kind"] for message in account.notifier.sent]
    if marked:
        bad = {
            "noncompliant",
            "new-credential",
            "decision",
            "enforcement-removed",
            "tags-changed",
            "signed-in-without-mfa",
        }
        assert bad & set(sent[_after_last(sent, {"solved", "released"}) :])


def _after_last(kinds: list[str], wanted: set[str]) -> int:
    return max((index + 1 for index, kind in enumerate(kinds) if kind in wanted), default=0)


class TakingTurns(Calls):
    """Lets one thread at a time run from one outside call to its next, in an order that Hypothesis chooses."""

    def __init__(self, turns: list[int], workers: int) -> None:
        super().__init__()
        self.turns = turns
        self.alive = set(range(workers))
        self.turn = threading.Condition()
        self.running: int | None = None
        self.local = threading.local()

    def enter(self, name: str) -> None:
        me = self.local.me
        with self.turn:
            self._yield()
            assert self.turn.wait_for(lambda: self.running is None and self._next() == me, timeout=10)
            self.running = me
            self.made.append(name)
            if self.turns:
                self.turns.pop(0)

    def done(self) -> None:
        with self.turn:
            self.alive.discard(self.local.me)
            self._yield()

    def _yield(self) -> None:
        if self.running == self.local.me:
            self.running = None
        self.turn.notify_all()

    def _next(self) -> int:
        waiting = sorted(self.alive)
        return waiting[(self.turns[0] if self.turns else len(self.made)) % len(waiting)]


@given(
    turns=st.lists(st.integers(0, 2), max_size=LONGEST_STALL),
    events=st.permutations(["CreateUser", "CreateLoginProfile", "CreateAccessKey"]),
)
def test_a_burst_handled_in_parallel_makes_one_notice(turns: list[int], events: list[str]) -> None:
    account = FakeAccount(FakeUser(password=True, keys=[key(used=None)]))
    calls = TakingTurns(list(turns), len(events))
    for part in (account, account.iam, account.records, account.notifier):
        part.calls = calls
    failures: list[BaseException] = []

    def work(me: int, record: dict[str, object]) -> None:
        calls.local.me = me
        try:
            remediate(parse_user_event(record), settings(), account.dependencies)
        except BaseException as error:  # noqa: BLE001 - a failure in a thread fails the test
            failures.append(error)
        finally:
            calls.done()

    threads = [threading.Thread(target=work, args=(me, detail(name))) for me, name in enumerate(events)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert failures == []
    assert account.notifier.kinds == ["noncompliant"]
    assert account.alice.attached
    assert STATUS_TAG in account.alice.tags


def test_there_is_a_truth_for_every_kind_that_an_event_plan_can_make_due() -> None:
    others = {NoticeKind.NOT_ENFORCED, NoticeKind.NOT_TAGGED, NoticeKind.ROOT_CREDENTIALS, NoticeKind.ROOT_SIGN_IN}
    assert set(TRUTHS) == set(NoticeKind) - others - {
        NoticeKind.TAMPERING,
        NoticeKind.STACK_CHANGE,
        NoticeKind.EXEMPTION,
        NoticeKind.UNASSIGNED_DEVICES,
        NoticeKind.RENAMED_USER_NOT_FOUND,
    }
