"""What the use cases need from outside. The adapters implement these protocols with AWS, the tests' fakes in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from mfa_guard.core.account.scope import ModeMemory
    from mfa_guard.core.account.snapshot import ListedUser, Sources
    from mfa_guard.core.attachments import Attachment
    from mfa_guard.core.dead_letters import Batch, QueueMessage
    from mfa_guard.core.exemption import Exemption, MalformedExemption
    from mfa_guard.core.health.checks import Check
    from mfa_guard.core.leases import Claim, Lease
    from mfa_guard.core.mail.layout import Message
    from mfa_guard.core.metrics import Gauge, Metric
    from mfa_guard.core.notice_kinds import NoticeKind
    from mfa_guard.core.own_stack import StackEvent
    from mfa_guard.core.sweep_memory import SweepMemory
    from mfa_guard.core.trails import KnownTrails
    from mfa_guard.core.user import AccessKey, Device, ServiceCredential, UserState
    from mfa_guard.core.user_record import Decision, UserRecord
    from mfa_guard.core.windows import Admission, EndedWindow, HeldNotice


class Iam(Protocol):
    """IAM, one user at a time. Every call raises UserGone for a missing user, and AwsRequestFailed for other errors.

    `password` returns false for a missing user as well, because IAM's answer is the same as for a missing password.
    """

    def user(self, name: str) -> UserState: ...
    def devices(self, name: str) -> tuple[Device, ...]: ...
    def attached(self, name: str) -> bool: ...
    def in_group(self, name: str) -> bool: ...
    def password(self, name: str) -> bool: ...
    def keys(self, name: str) -> tuple[AccessKey, ...]: ...
    def service_credentials(self, name: str) -> tuple[ServiceCredential, ...]: ...

    def key_owner(self, key_id: str) -> str | None:
        """Return the current name of the user who has this access key, or None if IAM does not know the key."""

    def attach(self, name: str) -> None:
        """Attach the enforcement policy; raises QuotaExceeded."""

    def detach(self, name: str) -> None: ...

    def add_to_group(self, name: str) -> None:
        """Add the user to the enforcement group; raises QuotaExceeded."""

    def remove_from_group(self, name: str) -> None: ...

    def mark(self, name: str, since: datetime) -> None:
        """Tag the user noncompliant; raises QuotaExceeded."""

    def warn(self, name: str, at: datetime) -> None: ...
    def clear(self, name: str, tags: Iterable[str]) -> None: ...


class UserLookup(Protocol):
    """The reads that only some events need. Every call raises AwsRequestFailed, or AccessDenied."""

    def name_of(self, user_id: str) -> str | None:
        """Return the current name of the user with this id, or None if there is none. Lists the users."""

    def policy_document(self, arn: str) -> Mapping[str, object] | None:
        """Return the default version of a managed policy, or None if the policy does not exist."""


class Keys(Protocol):
    """Access keys. Every call raises UserGone for a missing user or key, and AwsRequestFailed for other errors."""

    def deactivate(self, name: str, key_id: str) -> None: ...


class Exemptions(Protocol):
    """The exemption table, one record at a time."""

    def get(self, user_id: str, now: datetime) -> Exemption | MalformedExemption | None: ...


class UserRecords(Protocol):
    """What the guard remembers about one user. When the state table cannot be reached, it continues without it.

    A record that cannot be read is NO_RECORD, a claim is MINE: a notice that is sent twice is better than a notice that
    is not sent.
    """

    def read(self, user_id: str, now: datetime) -> tuple[UserRecord, Exemption | MalformedExemption | None]:
        """Return the record, and the exemption, in one read. Raises when the exemption cannot be read."""

    def claim(self, lease: Lease, decision: Decision) -> Claim:
        """Claim the right to send a notice about the user `lease.scope`, and record the decision.

        A claim that succeeds also forgets the notices that this one ends. A claim that does not succeed still records a
        decision that is news.
        """

    def sent(self, lease: Lease) -> None: ...

    def remember(self, user_id: str, decision: Decision) -> None:
        """Record a decision without a notice; ask `UserRecord.changed_by` first, because this always writes."""


class SweepRecords(Protocol):
    """What the guard remembers about all users."""

    def all(self) -> Mapping[str, UserRecord]:
        """Return every record by user id, without its notices; raises AwsRequestFailed, or AccessDenied."""

    def remember(self, user_id: str, decision: Decision) -> None:
        """Record a decision; ask `UserRecord.changed_by` first, because this always writes. Ends an expiry."""

    def expire(self, user_id: str) -> None:
        """Let the record of an id that is gone be deleted in 30 days. A second call changes nothing."""


class Leases(Protocol):
    """Which invocation sends which notice about no user.

    When the table cannot be reached, a claim is MINE: a notice that is sent twice is better than a notice that is not
    sent.
    """

    def claim(self, lease: Lease) -> Claim: ...
    def sent(self, lease: Lease) -> None: ...


class Windows(Protocol):
    """How many notices of a kind were sent lately, and what waits for a summary.

    When the state table cannot be reached, no notice waits.
    """

    def admit(self, notice: HeldNotice, now: datetime) -> Admission:
        """Count a notice, and store it if it has to wait. A repetition by the same event is stored once."""

    def ended(self, kinds: Iterable[NoticeKind], now: datetime) -> tuple[EndedWindow, ...]:
        """Return what waits although its window has ended; raises AwsRequestFailed, or AccessDenied."""

    def close(self, window: EndedWindow) -> None:
        """Forget what a summary named; raises AwsRequestFailed, or AccessDenied."""


class SummaryTimer(Protocol):
    """What invokes AlertFunction when a window has ended."""

    def start(self, kind: NoticeKind) -> None:
        """Start the timer of the window that is open; raises AwsRequestFailed, or AccessDenied."""


class Notifier(Protocol):
    """The notice topic and the operations topic."""

    def notices(self, message: Message) -> None: ...
    def operations(self, message: Message) -> None: ...


class Telemetry(Protocol):
    """Metrics and log lines. `message` is constant; the data are keyword arguments."""

    def count(self, metric: Metric, times: int = 1) -> None: ...
    def gauge(self, gauge: Gauge, value: float) -> None: ...
    def info(self, message: str, **data: object) -> None: ...
    def warning(self, message: str, **data: object) -> None: ...


class Clock(Protocol):
    """The time in UTC, and waiting."""

    def now(self) -> datetime: ...
    def sleep(self, seconds: float) -> None: ...


class AccountReader(Protocol):
    """The whole account, in bulk reads."""

    def sources(self, patience: float) -> Sources:
        """Return what is read once for all users; wait up to `patience` seconds for the credential report."""

    def users(self) -> Iterator[tuple[ListedUser, ...]]:
        """Yield pages of users, each read when it is asked for."""


class ExemptionLister(Protocol):
    """The exemption table, many records at a time, by user id. Every call raises what it cannot read."""

    def all(self, now: datetime) -> Mapping[str, Exemption | MalformedExemption]: ...

    def current(self, user_ids: Sequence[str], now: datetime) -> Mapping[str, Exemption | MalformedExemption]:
        """Return the records of these users as they are at this moment."""


class HealthReader(Protocol):
    """The health checks of the guard. Never raises: a check whose facts cannot be read is unverifiable."""

    def checks(self) -> tuple[Check, ...]: ...


class MemoryStore(Protocol):
    """What one sweep saves for the next. When the table cannot be reached, what is loaded is empty."""

    def load(self) -> SweepMemory: ...
    def save(self, memory: SweepMemory) -> None:
        """Save everything but the exemptions, which `save_exemptions` saves by user id."""

    def note(self, unreported: Mapping[str, str]) -> None:
        """Save only `SweepMemory.unreported`, in the middle of a sweep."""

    def save_exemptions(self, fingerprints: Mapping[str, str]) -> None: ...
    def load_mode(self) -> ModeMemory: ...
    def save_mode(self, memory: ModeMemory) -> None: ...


class RunningSweep(Protocol):
    """The right to sweep, which one sweep has at a time. When the table cannot be reached, every sweep has it."""

    def begin(self, sweep: str, until: datetime) -> bool:
        """Claim the right until a time, and return false if another sweep has it."""

    def end(self, sweep: str) -> None: ...


class DeadLetters(Protocol):
    """The dead-letter queue, and the functions to which its events are handed over. Every call raises AwsRequestFailed.

    `invoke` is asynchronous.
    """

    def receive(self) -> Sequence[QueueMessage]:
        """Return messages, which are hidden from other readers for some minutes."""

    def records(self, batch: Batch) -> Mapping[str, object] | None:
        """Return the event with the records of a batch, or None if the stream has none of them."""

    def may_hand_over(self, payload_hash: str) -> bool:
        """Count one more attempt to hand this payload over, and tell whether it is one of the first two."""

    def invoke(self, function: str, event: Mapping[str, object]) -> None: ...
    def delete(self, message: QueueMessage) -> None: ...
    def unhide(self, messages: Sequence[QueueMessage]) -> None: ...


class SweepStarter(Protocol):
    """The event bus, which starts a sweep."""

    def request_sweep(self, detail: Mapping[str, object]) -> None: ...


class Attachments(Protocol):
    """What the guard attached to users, groups and roles. Every call raises AwsRequestFailed, or AccessDenied.

    The listings yield one page after the other. `attached` leaves out the enforcement group, because CloudFormation
    detaches the policy from it.
    """

    def attached(self) -> Iterator[tuple[Attachment, ...]]: ...
    def members(self) -> Iterator[tuple[Attachment, ...]]: ...
    def tagged(self) -> Iterator[tuple[Attachment, ...]]: ...

    def remove(self, attachment: Attachment) -> None:
        """Remove it. It is no error when it is removed already, or when its user, group or role no longer exists."""


class OwnStack(Protocol):
    """The stack that the guard itself belongs to."""

    def status(self) -> str:
        """Return the stack's status as CloudFormation names it; raises AwsRequestFailed or AccessDenied."""


class StackHistory(Protocol):
    """What the stack that the guard itself belongs to did."""

    def events(self, since: datetime) -> Iterator[StackEvent]:
        """Yield the stack's events, newest first, back to `since` or beyond.

        Raises AwsRequestFailed or AccessDenied, also when the events do not reach back to `since`.
        """


class TrailMemory(Protocol):
    """The trails as the last sweep saw them. When the table cannot be reached, `load` returns None."""

    def load(self) -> KnownTrails | None: ...
    def save(self, known: KnownTrails) -> None: ...


class UnassignedDevices(Protocol):
    """The account's virtual MFA devices that belong to no user."""

    def count(self, most: int) -> int:
        """Return how many there are, but stop at `most`; raises AwsRequestFailed or AccessDenied."""


class CallCounter(Protocol):
    """Counts calls that parallel invocations handle. When the table cannot be reached, `add` returns None."""

    def add(self, key: str, expires_at: datetime) -> int | None:
        """Count one more call under `key`, and return how many there are."""


class StackAge(Protocol):
    """When the stack was created."""

    def created_at(self) -> datetime:
        """Return when the stack was created; raises AwsRequestFailed or AccessDenied."""


class SelfInvocation(Protocol):
    """Another invocation of the running function."""

    def again(self, event: Mapping[str, object]) -> None:
        """Invoke this function asynchronously with `event`; raises AwsRequestFailed or AccessDenied."""
