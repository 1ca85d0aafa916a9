"""What the use cases need of the world. The adapters keep these promises against AWS, the tests' fakes without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from mfa_guard.core.account.snapshot import Snapshot
    from mfa_guard.core.attachments import Attachment
    from mfa_guard.core.exemption import Exemption, MalformedExemption
    from mfa_guard.core.health.checks import Check
    from mfa_guard.core.leases import Claim
    from mfa_guard.core.mail.layout import Message
    from mfa_guard.core.metrics import Gauge, Metric
    from mfa_guard.core.notice_kinds import NoticeKind
    from mfa_guard.core.sweep_request import SweepMemory
    from mfa_guard.core.user import AccessKey, Device, ServiceCredential, UserState


class Iam(Protocol):
    """IAM, user by user. Every call raises UserGone for a missing user and Refused for any other refusal.

    `password` takes NoSuchEntity for no password, since IAM answers both in the same way.
    """

    def user(self, name: str) -> UserState: ...
    def devices(self, name: str) -> tuple[Device, ...]: ...
    def attached(self, name: str) -> bool: ...
    def in_group(self, name: str) -> bool: ...
    def password(self, name: str) -> bool: ...
    def keys(self, name: str) -> tuple[AccessKey, ...]: ...
    def service_credentials(self, name: str) -> tuple[ServiceCredential, ...]: ...

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


class Keys(Protocol):
    """Access keys. Raises UserGone for a user or key that is no more, and Refused."""

    def deactivate(self, name: str, key_id: str) -> None: ...


class Exemptions(Protocol):
    """The exemption table."""

    def get(self, user_id: str, now: datetime) -> Exemption | MalformedExemption | None: ...


class Leases(Protocol):
    """Who tells what. `scope` is a user's id, or an event's for what concerns no user.

    A table that cannot be reached answers MINE and nothing unfinished: a mail sent twice is better than none.
    """

    def claim(self, scope: str, kind: NoticeKind, holder: str, exposure: frozenset[str]) -> Claim: ...
    def sent(self, scope: str, kind: NoticeKind, holder: str) -> None: ...
    def drop(self, scope: str, kinds: Iterable[NoticeKind]) -> None: ...
    def unfinished(self, scope: str, holder: str) -> NoticeKind | None: ...


class Notifier(Protocol):
    """The two topics."""

    def notices(self, message: Message) -> None: ...
    def operations(self, message: Message) -> None: ...


class Telemetry(Protocol):
    """Counts and log lines. `message` is constant; data goes in keyword arguments."""

    def count(self, metric: Metric, times: int = 1) -> None: ...
    def gauge(self, gauge: Gauge, value: float) -> None: ...
    def info(self, message: str, **data: object) -> None: ...
    def warning(self, message: str, **data: object) -> None: ...


class Clock(Protocol):
    """Time, and the patience to wait for it."""

    def now(self) -> datetime: ...
    def sleep(self, seconds: float) -> None: ...


class AccountReader(Protocol):
    """The whole account in bulk."""

    def read(self, exemptions: Mapping[str, Exemption | MalformedExemption], patience: float) -> Snapshot:
        """Return the snapshot, waiting up to `patience` seconds for the credential report."""


class ExemptionLister(Protocol):
    """The whole exemption table."""

    def all(self, now: datetime) -> Mapping[str, Exemption | MalformedExemption]: ...


class HealthReader(Protocol):
    """The checks of the guard itself. Never raises: what cannot be read is a check that cannot verify."""

    def checks(self) -> tuple[Check, ...]: ...


class MemoryStore(Protocol):
    """What one sweep leaves for the next. A table that cannot be reached remembers nothing: a mail too many."""

    def load(self) -> SweepMemory: ...
    def save(self, memory: SweepMemory) -> None: ...


class SweepStarter(Protocol):
    """The event bus."""

    def request_sweep(self, detail: Mapping[str, object]) -> None: ...


class Attachments(Protocol):
    """What of the stack's is still on users, groups and roles. Every call raises Refused or Denied.

    The listings yield one page after the other. `attached` leaves out the enforcement group, which CloudFormation
    detaches itself.
    """

    def attached(self) -> Iterator[tuple[Attachment, ...]]: ...
    def members(self) -> Iterator[tuple[Attachment, ...]]: ...
    def tagged(self) -> Iterator[tuple[Attachment, ...]]: ...

    def remove(self, attachment: Attachment) -> None:
        """Take it off; no error when it is off already, or when whoever had it is gone."""


class OwnStack(Protocol):
    """The stack that the guard itself belongs to."""

    def status(self) -> str:
        """Return CloudFormation's word for what the stack is going through; raises Refused or Denied."""


class SelfInvocation(Protocol):
    """The function itself, once more."""

    def again(self, event: Mapping[str, object]) -> None:
        """Start another invocation of this function with `event`; raises Refused or Denied."""
