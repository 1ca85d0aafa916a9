"""An account in memory, behind the ports: tests read it, change it, and make the process crash at any call."""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from mfa_guard.core.errors import AwsRequestFailed, QuotaExceeded, UserGone
from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.leases import SENT, Claim, Lease, answer, begun
from mfa_guard.core.mail.layout import Message
from mfa_guard.core.metrics import Gauge, Metric
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import (
    NONCOMPLIANT,
    SINCE_TAG,
    STATUS_TAG,
    WARNED_TAG,
    AccessKey,
    Device,
    ServiceCredential,
    UserState,
)
from mfa_guard.core.user_record import NO_RECORD, Decision, NoticeRecord, UserRecord
from mfa_guard.core.windows import LENGTH, MOST_HELD, SENT_AT_ONCE, Admission, EndedWindow, HeldNotice
from mfa_guard.use_cases.remediate import RemediateDependencies
from mfa_guard.use_cases.sweep.dependencies import SweepDependencies
from support.factories import NOW, OLD
from support.sweep_fakes import (
    FakeAccountReader,
    FakeDeadLetters,
    FakeExemptionList,
    FakeHealth,
    FakeMemory,
    FakeRunningSweep,
    FakeStack,
    FakeSweepStarter,
)

USER_FUNCTION, ALERT_FUNCTION, SWEEP_FUNCTION = (
    f"arn:aws:lambda:us-east-1:111122223333:function:mfa-guard-{name}" for name in ("UserEvent", "Alert", "Sweep")
)


class Crash(BaseException):
    """The process ends here: nothing may catch it."""


@dataclass
class Calls:
    """Lists every call that leaves the process, and can make the process crash before or after one of them."""

    made: list[str] = field(default_factory=list)
    crash_before: int | None = None
    crash_after: int | None = None
    meanwhile: Callable[[], None] = lambda: None

    def enter(self, name: str) -> None:
        self.meanwhile()
        if self.crash_before == len(self.made):
            raise Crash(name)
        self.made.append(name)

    def leave(self) -> None:
        if self.crash_after == len(self.made):
            raise Crash(self.made[-1])

    def of(self, prefix: str) -> list[str]:
        return [name for name in self.made if name.startswith(prefix)]


@dataclass
class FakeClock:
    """A clock that stands still, except for sleep."""

    time: datetime = NOW

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class FakeUser:
    """One IAM user."""

    name: str = "alice"
    id: str = "AIDAEXAMPLE"
    path: str = "/"
    tags: dict[str, str] = field(default_factory=dict)
    created_at: datetime = NOW - OLD
    devices: list[Device] = field(default_factory=list)
    attached: bool = False
    in_group: bool = False
    password: bool = False
    keys: list[AccessKey] = field(default_factory=list)
    service_credentials: list[ServiceCredential] = field(default_factory=list)
    boundary: str | None = None
    policies_left: int = 10
    groups_left: int = 10
    tags_left: int = 50


class FakeIam:
    """IAM in memory; `calls` lists every call.

    `past`: what reads still show, by call, until `past_ends`: the users as they were before the last changes. Writes
    always see the users as they are.
    """

    def __init__(self, calls: Calls, *users: FakeUser) -> None:
        self.users = {user.name: user for user in users}
        self.calls = calls
        self.policy_exists = True
        self.policies: dict[str, dict[str, object]] = {}
        self.refusing: dict[tuple[str, str], Exception] = {}
        self.past: dict[str, dict[str, FakeUser]] = {}
        self.past_ends: Callable[[], bool] = lambda: False

    def shows_the_past(self, *calls: str) -> None:
        """Let reads by these calls show the users as they are now, whatever changes from here on."""
        now = {name: copy.deepcopy(user) for name, user in self.users.items()}
        self.past.update(dict.fromkeys(calls, now))

    def _shown(self, call: str, name: str) -> FakeUser:
        users = self._users(call)
        self.calls.enter(f"iam.{call}")
        if refusal := self.refusing.get((call, name)):
            raise refusal
        if name not in users:
            raise UserGone(f"The user with name {name} cannot be found.")
        return users[name]

    def _users(self, call: str) -> dict[str, FakeUser]:
        return self.users if self.past_ends() else self.past.get(call, self.users)

    def _user(self, call: str, name: str) -> FakeUser:
        self.calls.enter(f"iam.{call}")
        if refusal := self.refusing.get((call, name)):
            raise refusal
        if name not in self.users:
            raise UserGone(f"The user with name {name} cannot be found.")
        return self.users[name]

    def user(self, name: str) -> UserState:
        user = self._shown("user", name)
        return UserState(user.name, user.id, user.path, dict(user.tags), user.created_at, boundary=user.boundary)

    def devices(self, name: str) -> tuple[Device, ...]:
        return tuple(self._shown("devices", name).devices)

    def attached(self, name: str) -> bool:
        return self._shown("attached", name).attached

    def in_group(self, name: str) -> bool:
        return self._shown("in_group", name).in_group

    def password(self, name: str) -> bool:
        return self._shown("password", name).password

    def keys(self, name: str) -> tuple[AccessKey, ...]:
        return tuple(self._shown("keys", name).keys)

    def service_credentials(self, name: str) -> tuple[ServiceCredential, ...]:
        return tuple(self._shown("service_credentials", name).service_credentials)

    def key_owner(self, key_id: str) -> str | None:
        self.calls.enter("iam.key_owner")
        users = self._users("key_owner").values()
        return next((user.name for user in users if key_id in {key.id for key in user.keys}), None)

    def name_of(self, user_id: str) -> str | None:
        self.calls.enter("iam.name_of")
        return next((user.name for user in self._users("name_of").values() if user.id == user_id), None)

    def policy_document(self, arn: str) -> Mapping[str, object] | None:
        self.calls.enter("iam.policy_document")
        return self.policies.get(arn)

    def attach(self, name: str) -> None:
        user = self._user("attach", name)
        if not self.policy_exists:
            raise UserGone("Policy does not exist or is not attachable.")
        if not user.attached and user.policies_left == 0:
            raise QuotaExceeded("LimitExceeded: Cannot exceed quota for PoliciesPerUser: 10")
        user.attached = True
        self.calls.leave()

    def detach(self, name: str) -> None:
        user = self._user("detach", name)
        if not user.attached:
            raise UserGone("Policy was not found.")
        user.attached = False
        self.calls.leave()

    def add_to_group(self, name: str) -> None:
        user = self._user("add_to_group", name)
        if not user.in_group and user.groups_left == 0:
            raise QuotaExceeded("LimitExceeded: Cannot exceed quota for GroupsPerUser: 10")
        user.in_group = True
        self.calls.leave()

    def remove_from_group(self, name: str) -> None:
        self._user("remove_from_group", name).in_group = False
        self.calls.leave()

    def mark(self, name: str, since: datetime) -> None:
        user = self._user("mark", name)
        if STATUS_TAG not in user.tags and user.tags_left == 0:
            raise QuotaExceeded("LimitExceeded: The number of tags has reached the maximum limit.")
        user.tags.update({STATUS_TAG: NONCOMPLIANT, SINCE_TAG: utc_text(since)})
        self.calls.leave()

    def warn(self, name: str, at: datetime) -> None:
        self._user("warn", name).tags[WARNED_TAG] = utc_text(at)
        self.calls.leave()

    def deactivate(self, name: str, key_id: str) -> None:
        user = self._user("deactivate", name)
        user.keys = [replace(key, active=key.active and key.id != key_id) for key in user.keys]
        self.calls.leave()

    def clear(self, name: str, tags: Iterable[str]) -> None:
        user = self._user("clear", name)
        for tag in tags:
            user.tags.pop(tag, None)
        self.calls.leave()


class FakeExemptions:
    """The exemption table in memory, which FakeUserRecords and FakeExemptionList read."""

    def __init__(self, calls: Calls) -> None:
        self.records: dict[str, Exemption | MalformedExemption] = {}
        self.calls = calls


class FakeUserRecords:
    """User records in memory. tests/integration/test_user_records.py tests this class and the real table alike.

    `reachable`: whether the state table answers. The exemption table always does.
    """

    def __init__(self, calls: Calls, clock: FakeClock, exemptions: FakeExemptions) -> None:
        self.items: dict[str, UserRecord] = {}
        self.calls = calls
        self.clock = clock
        self.exemptions = exemptions
        self.reachable = True

    def read(self, user_id: str, now: datetime) -> tuple[UserRecord, Exemption | MalformedExemption | None]:  # noqa: ARG002
        self.calls.enter("records.read")
        return self.of(user_id) if self.reachable else NO_RECORD, self.exemptions.records.get(user_id)

    def claim(self, lease: Lease, decision: Decision) -> Claim:
        self.calls.enter("records.claim")
        if not self.reachable:
            return Claim.MINE
        now, record = self.clock.now(), self.of(lease.scope)
        claim = answer(lease, record.notices, now)
        if claim is Claim.MINE:
            kept = {kind: notice for kind, notice in record.notices.items() if kind not in lease.ends}
            notices = {**kept, lease.kind: begun(lease, record.notices, now)}
            self.items[lease.scope] = replace(record.after(decision), notices=notices)
        elif record.changed_by(decision):
            self.items[lease.scope] = record.after(decision)
        self.calls.leave()
        return claim

    def sent(self, lease: Lease) -> None:
        self.calls.enter("records.sent")
        record = self.of(lease.scope)
        notice = record.notices.get(lease.kind)
        if self.reachable and notice and notice.holder == lease.holder:
            self.items[lease.scope] = replace(record, notices={**record.notices, lease.kind: _out(notice, self.clock)})
        self.calls.leave()

    def remember(self, user_id: str, decision: Decision) -> None:
        self.calls.enter("records.remember")
        if self.reachable:
            self.items[user_id] = self.of(user_id).after(decision)
        self.calls.leave()

    def all(self) -> Mapping[str, UserRecord]:
        self.calls.enter("records.all")
        return {user_id: replace(record, notices={}) for user_id, record in self.items.items()}

    def expire(self, user_id: str) -> None:
        self.calls.enter("records.expire")
        if user_id in self.items:
            self.items[user_id] = replace(self.items[user_id], expiring=True)
        self.calls.leave()

    def of(self, user_id: str) -> UserRecord:
        """Return a user's record, without a call."""
        return self.items.get(user_id, NO_RECORD)


class FakeLeases:
    """Leases in memory. tests/integration/test_leases.py tests this class and the real table alike."""

    def __init__(self, calls: Calls, clock: FakeClock) -> None:
        self.items: dict[tuple[str, NoticeKind], NoticeRecord] = {}
        self.calls = calls
        self.clock = clock

    def claim(self, lease: Lease) -> Claim:
        self.calls.enter("leases.claim")
        now, kind = self.clock.now(), lease.kind
        notices = {kind: self.items[lease.scope, kind]} if (lease.scope, kind) in self.items else {}
        claim = answer(lease, notices, now)
        if claim is Claim.MINE:
            self.items[lease.scope, kind] = begun(lease, notices, now)
        self.calls.leave()
        return claim

    def sent(self, lease: Lease) -> None:
        self.calls.enter("leases.sent")
        notice = self.items.get((lease.scope, lease.kind))
        if notice and notice.holder == lease.holder:
            self.items[lease.scope, lease.kind] = _out(notice, self.clock)
        self.calls.leave()


def _out(notice: NoticeRecord, clock: FakeClock) -> NoticeRecord:
    return replace(notice, sent=True, until=clock.now() + SENT)


class FakeWindows:
    """Windows in memory. tests/integration/test_windows.py tests this class and the real table alike."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.reachable = True
        self.newest: dict[NoticeKind, tuple[datetime, int]] = {}
        self.held: dict[NoticeKind, dict[tuple[datetime, str, str], str]] = {}
        self.more: dict[NoticeKind, dict[datetime, int]] = {}

    def admit(self, notice: HeldNotice, now: datetime) -> Admission:
        self.calls.enter("windows.admit")
        admission = self._admit(notice, now) if self.reachable else Admission.SEND
        self.calls.leave()
        return admission

    def _admit(self, notice: HeldNotice, now: datetime) -> Admission:
        start, count = self.newest.get(notice.kind, (now - LENGTH, 0))
        if now >= start + LENGTH:
            self.newest[notice.kind] = (now, 1)
            return Admission.SEND
        if count < SENT_AT_ONCE:
            self.newest[notice.kind] = (start, count + 1)
            return Admission.SEND
        held, own = self.held.setdefault(notice.kind, {}), (start, notice.scope, notice.holder)
        if len(held) >= MOST_HELD and own not in held:
            more = self.more.setdefault(notice.kind, {})
            more[start] = more.get(start, 0) + 1
            return Admission.HELD
        others = any(each[0] == start and each != own for each in held)
        held[own] = notice.line
        return Admission.HELD if others else Admission.FIRST_HELD

    def ended(self, kinds: Iterable[NoticeKind], now: datetime) -> tuple[EndedWindow, ...]:
        self.calls.enter("windows.ended")
        found = (self._ended(kind, now) for kind in kinds)
        return tuple(each for each in found if each.count)

    def _ended(self, kind: NoticeKind, now: datetime) -> EndedWindow:
        over = now - LENGTH
        held = {_name(*own): line for own, line in sorted(self.held.get(kind, {}).items()) if own[0] <= over}
        more = {_name(start): count for start, count in self.more.get(kind, {}).items() if start <= over}
        return EndedWindow(kind, held, more)

    def close(self, window: EndedWindow) -> None:
        self.calls.enter("windows.close")
        kind = window.kind
        held, more = self.held.get(kind, {}), self.more.get(kind, {})
        self.held[kind] = {own: line for own, line in held.items() if _name(*own) not in window.entries}
        self.more[kind] = {start: count for start, count in more.items() if _name(start) not in window.counters}
        self.calls.leave()


def _name(*parts: object) -> str:
    return "#".join(map(str, parts))


@dataclass
class FakeTimer:
    """The timers that were started, each with the time at which it ends."""

    calls: Calls
    clock: FakeClock
    started: list[tuple[datetime, NoticeKind]] = field(default_factory=list)
    reachable: bool = True

    def start(self, kind: NoticeKind) -> None:
        self.calls.enter("timer.start")
        if not self.reachable:
            raise AwsRequestFailed("QueueDoesNotExist")
        self.started.append((self.clock.now() + LENGTH, kind))
        self.calls.leave()


class FakeNotifier:
    """What was sent to the two topics."""

    def __init__(self, calls: Calls) -> None:
        self.sent: list[Message] = []
        self.operations_sent: list[Message] = []
        self.calls = calls

    def notices(self, message: Message) -> None:
        self.calls.enter("notifier.notices")
        self.sent.append(message)
        self.calls.leave()

    def operations(self, message: Message) -> None:
        self.calls.enter("notifier.operations")
        self.operations_sent.append(message)
        self.calls.leave()

    @property
    def kinds(self) -> list[str]:
        return [message.attributes["kind"] for message in self.sent]


@dataclass
class FakeTelemetry:
    """What was counted and logged."""

    counts: dict[Metric, int] = field(default_factory=dict)
    gauges: dict[Gauge, float] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def count(self, metric: Metric, times: int = 1) -> None:
        self.counts[metric] = self.counts.get(metric, 0) + times

    def gauge(self, gauge: Gauge, value: float) -> None:
        self.gauges[gauge] = value

    def info(self, message: str, **data: object) -> None:  # noqa: ARG002 - tests look for the constant message
        self.lines.append(message)

    def warning(self, message: str, **data: object) -> None:
        self.info(message, **data)


class FakeAccount:
    """Everything that remediation and sweeps need from outside, in memory."""

    def __init__(self, *users: FakeUser) -> None:
        self.calls = Calls()
        self.clock = FakeClock()
        self.iam = FakeIam(self.calls, *users)
        self.exemptions = FakeExemptions(self.calls)
        self.records = FakeUserRecords(self.calls, self.clock, self.exemptions)
        self.leases = FakeLeases(self.calls, self.clock)
        self.notifier = FakeNotifier(self.calls)
        self.windows = FakeWindows(self.calls)
        self.timer = FakeTimer(self.calls, self.clock)
        self.telemetry = FakeTelemetry()
        self.account = FakeAccountReader(self.iam, self.calls)
        self.health = FakeHealth()
        self.memory = FakeMemory(self.calls)
        self.sweep_starter = FakeSweepStarter()
        self.exemption_list = FakeExemptionList(self.exemptions)
        self.running = FakeRunningSweep(self.clock)
        self.dead_letters = FakeDeadLetters()
        self.stack = FakeStack()

    @property
    def sweep_dependencies(self) -> SweepDependencies:
        return SweepDependencies(
            account=self.account,
            exemptions=self.exemption_list,
            records=self.records,
            health=self.health,
            iam=self.iam,
            keys=self.iam,
            memory=self.memory,
            running=self.running,
            dead_letters=self.dead_letters,
            stack=self.stack,
            windows=self.windows,
            notifier=self.notifier,
            sweep_starter=self.sweep_starter,
            telemetry=self.telemetry,
            clock=self.clock,
            workers=1,
            functions=frozenset({USER_FUNCTION, ALERT_FUNCTION}),
            own_function=SWEEP_FUNCTION,
        )

    @property
    def dependencies(self) -> RemediateDependencies:
        return RemediateDependencies(
            iam=self.iam,
            lookup=self.iam,
            records=self.records,
            leases=self.leases,
            notifier=self.notifier,
            windows=self.windows,
            timer=self.timer,
            telemetry=self.telemetry,
            clock=self.clock,
        )

    @property
    def alice(self) -> FakeUser:
        return self.iam.users["alice"]
