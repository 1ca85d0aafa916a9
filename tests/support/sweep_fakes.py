"""What only a sweep needs from outside, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mfa_guard.core.account.scope import ModeMemory
from mfa_guard.core.account.snapshot import ListedUser, ReportRow, Sources
from mfa_guard.core.sweep_memory import SweepMemory
from support.factories import NOW, OLD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from mfa_guard.core.dead_letters import Batch, QueueMessage
    from mfa_guard.core.exemption import Exemption, MalformedExemption
    from mfa_guard.core.health.checks import Check
    from support.fakes import Calls, FakeClock, FakeExemptions, FakeIam, FakeUser


class FakeAccountReader:
    """Bulk reads of the same users, in pages. `report` are rows of the credential report that differ from the users.

    `stale` are users that the first listing shows as they are here; None is a user that it does not show.
    """

    def __init__(self, iam: FakeIam, calls: Calls, page: int = 100) -> None:
        self.iam = iam
        self.calls = calls
        self.page = page
        self.report: dict[str, ReportRow] | None = {}
        self.hidden: set[str] = set()
        self.stale: dict[str, FakeUser | None] = {}
        # Whether the list of virtual devices is empty, as if every device were a passkey or a hardware device.
        self.blind = False
        self.report_problem: str | None = None

    def sources(self, patience: float) -> Sources:  # noqa: ARG002
        self.calls.enter("account.sources")
        return Sources(frozenset(self._virtual()), self._rows(), self.report_problem)

    def users(self) -> Iterator[tuple[ListedUser, ...]]:
        shown = {user.id: user for user in self.iam.users.values()} | self.stale
        self.stale = {}
        listed = [
            ListedUser(user.name, user.id, user.path, dict(user.tags), user.created_at, user.attached, user.in_group)
            for user in shown.values()
            if user
        ]
        for start in range(0, len(listed) or 1, self.page):
            self.calls.enter("account.users")
            yield tuple(listed[start : start + self.page])

    def _virtual(self) -> Iterator[str]:
        seen = () if self.blind else self.iam.users.values()
        return (user.id for user in seen if any("mfa/" in each.serial for each in user.devices))

    def _rows(self) -> dict[str, ReportRow] | None:
        if self.report is None:
            return None
        true = {
            user.name: ReportRow(
                user.created_at,
                bool(user.devices),
                user.password,
                tuple(key for key in user.keys if key.last_used or key.active),
            )
            for user in self.iam.users.values()
            if user.name not in self.hidden
        }
        return true | self.report


def reported(*, device: bool, password: bool, keys: tuple[object, ...] = (), age: object = OLD) -> ReportRow:
    """Return a row of the credential report about a user of the tests' usual age."""
    return ReportRow(NOW - age, device, password, keys)  # type: ignore[operator, arg-type]


class FakeExemptionList:
    """The whole exemption table. `late` are records that `all` shows although they have changed."""

    def __init__(self, exemptions: FakeExemptions) -> None:
        self.exemptions = exemptions
        self.late: dict[str, Exemption | MalformedExemption | None] = {}

    def all(self, now: datetime) -> Mapping[str, Exemption | MalformedExemption]:  # noqa: ARG002
        self.exemptions.calls.enter("exemptions.all")
        shown = self.exemptions.records | self.late
        return {user_id: record for user_id, record in shown.items() if record}

    def current(self, user_ids: Sequence[str], now: datetime) -> Mapping[str, Exemption | MalformedExemption]:  # noqa: ARG002
        self.exemptions.calls.enter("exemptions.current")
        return {user_id: record for user_id, record in self.exemptions.records.items() if user_id in user_ids}


@dataclass
class FakeHealth:
    """The health checks that a test sets."""

    found: tuple[Check, ...] = ()

    def checks(self) -> tuple[Check, ...]:
        return self.found


@dataclass
class FakeMemory:
    """What one sweep saves for the next. `reachable`: whether the state table answers."""

    calls: Calls
    kept: SweepMemory = field(default_factory=SweepMemory)
    mode: ModeMemory = field(default_factory=ModeMemory)
    reachable: bool = True

    def load(self) -> SweepMemory:
        return self.kept if self.reachable else SweepMemory()

    def save(self, memory: SweepMemory) -> None:
        self.calls.enter("memory.save")
        if self.reachable:
            self.kept = replace(memory, exemptions=self.kept.exemptions)
        self.calls.leave()

    def note(self, unreported: Mapping[str, str]) -> None:
        self.calls.enter("memory.note")
        if self.reachable:
            self.kept = replace(self.kept, unreported=dict(unreported))
        self.calls.leave()

    def save_exemptions(self, fingerprints: Mapping[str, str]) -> None:
        self.calls.enter("memory.save_exemptions")
        if self.reachable:
            self.kept = replace(self.kept, exemptions=dict(fingerprints))
        self.calls.leave()

    def load_mode(self) -> ModeMemory:
        return self.mode if self.reachable else ModeMemory()

    def save_mode(self, memory: ModeMemory) -> None:
        self.calls.enter("memory.save_mode")
        if self.reachable:
            self.mode = memory
        self.calls.leave()


@dataclass
class FakeRunningSweep:
    """Which sweep is running, and until when."""

    clock: FakeClock
    holder: str | None = None
    until: datetime = NOW

    def begin(self, sweep: str, until: datetime) -> bool:
        if self.holder not in {None, sweep} and self.until > self.clock.now():
            return False
        self.holder, self.until = sweep, until
        return True

    def end(self, sweep: str) -> None:
        if self.holder == sweep:
            self.holder = None


@dataclass
class FakeDeadLetters:
    """The dead-letter queue. `invoked` are the functions and events, and `stream` the records of a batch by shard."""

    messages: list[QueueMessage] = field(default_factory=list)
    stream: dict[str, Mapping[str, object]] = field(default_factory=dict)
    invoked: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    counted: dict[str, int] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    refusing: dict[str, Exception] = field(default_factory=dict)

    def _enter(self, call: str) -> None:
        if call in self.refusing:
            raise self.refusing[call]

    def receive(self) -> Sequence[QueueMessage]:
        self._enter("receive")
        self.hidden = {message.id for message in self.messages}
        return list(self.messages)

    def records(self, batch: Batch) -> Mapping[str, object] | None:
        self._enter("records")
        return self.stream.get(batch.shard_id)

    def may_hand_over(self, payload_hash: str) -> bool:
        self._enter("may_hand_over")
        self.counted[payload_hash] = self.counted.get(payload_hash, 0) + 1
        return self.counted[payload_hash] <= 2

    def invoke(self, function: str, event: Mapping[str, object]) -> None:
        self._enter("invoke")
        self.invoked.append((function, event))

    def delete(self, message: QueueMessage) -> None:
        self._enter("delete")
        self.messages.remove(message)
        self.hidden.discard(message.id)

    def unhide(self, messages: Sequence[QueueMessage]) -> None:
        self._enter("unhide")
        self.hidden -= {message.id for message in messages}


@dataclass
class FakeStack:
    """The age of the stack."""

    created: datetime = NOW - OLD
    refusal: Exception | None = None

    def created_at(self) -> datetime:
        if self.refusal:
            raise self.refusal
        return self.created


@dataclass
class FakeSweepStarter:
    """The event bus."""

    requested: list[Mapping[str, object]] = field(default_factory=list)

    def request_sweep(self, detail: Mapping[str, object]) -> None:
        self.requested.append(detail)
