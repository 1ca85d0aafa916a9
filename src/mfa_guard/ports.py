"""What the use cases need of the world. The adapters keep these promises against AWS, the tests' fakes without it."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.kinds import Kind
from mfa_guard.core.message import Message
from mfa_guard.core.user import AccessKey, Device, ServiceCredential, UserState


class UserGone(Exception):
    """IAM knows no such user, or not what a write to the user names."""


class QuotaExceeded(Exception):
    """IAM refuses a write because an account or user quota is used up; the message is IAM's."""


class UserNotVisibleYet(Exception):
    """IAM does not show a user who was made moments ago; a retry will find him."""


class Metric(StrEnum):
    """What the guard counts."""

    USERS_ENFORCED = "UsersEnforced"
    USERS_MARKED_NONCOMPLIANT = "UsersMarkedNoncompliant"
    USERS_CLEARED = "UsersCleared"
    NOTICES_SENT = "NoticesSent"
    ENFORCEMENT_FAILED = "EnforcementFailed"
    DUPLICATE_EVENTS = "DuplicateEvents"
    EVENTS_NOT_UNDERSTOOD = "EventsNotUnderstood"


class Iam(Protocol):
    """IAM, user by user. Every call raises UserGone for a missing user; other refusals pass as they are."""

    def user(self, name: str) -> UserState: ...
    def devices(self, name: str) -> tuple[Device, ...]: ...
    def attached(self, name: str) -> bool: ...
    def grouped(self, name: str) -> bool: ...
    def password(self, name: str) -> bool: ...
    def keys(self, name: str) -> tuple[AccessKey, ...]: ...
    def service_credentials(self, name: str) -> tuple[ServiceCredential, ...]: ...

    def attach(self, name: str) -> None:
        """Attach the enforcement policy; raises QuotaExceeded."""

    def detach(self, name: str) -> None: ...

    def join(self, name: str) -> None:
        """Add the user to the enforcement group; raises QuotaExceeded."""

    def leave(self, name: str) -> None: ...

    def mark(self, name: str, since: datetime) -> None:
        """Tag the user noncompliant; raises QuotaExceeded."""

    def clear(self, name: str, tags: Iterable[str]) -> None: ...


class Exemptions(Protocol):
    """The exemption table."""

    def get(self, user_id: str, now: datetime) -> Exemption | MalformedExemption | None: ...


class Claim(StrEnum):
    """The answer to who tells. MINE: you. TOLD: somebody did. HELD: somebody is about to."""

    MINE = "mine"
    TOLD = "told"
    HELD = "held"


class Leases(Protocol):
    """Who tells what. `scope` is a user's id, or an event's for what concerns no user.

    A table that cannot be reached answers MINE and nothing unfinished: a mail sent twice is better than none.
    """

    def claim(self, scope: str, kind: Kind, holder: str, exposure: frozenset[str]) -> Claim: ...
    def sent(self, scope: str, kind: Kind, holder: str) -> None: ...
    def drop(self, scope: str, kinds: Iterable[Kind]) -> None: ...
    def unfinished(self, scope: str, holder: str) -> Kind | None: ...


class Notifier(Protocol):
    """The two topics."""

    def notices(self, message: Message) -> None: ...
    def operations(self, message: Message) -> None: ...


class Telemetry(Protocol):
    """Counts and log lines. `message` is constant; data goes in keyword arguments."""

    def count(self, metric: Metric) -> None: ...
    def info(self, message: str, **data: object) -> None: ...
    def warning(self, message: str, **data: object) -> None: ...


class Clock(Protocol):
    """Time, and the patience to wait for it."""

    def now(self) -> datetime: ...
    def sleep(self, seconds: float) -> None: ...
