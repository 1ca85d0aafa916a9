"""What the guard knows of one IAM user, and what follows from it.

A `UserState` starts with what GetUser answers. Everything else is asked for only when a decision needs it: reading a
field that nobody asked for yet raises `Ask`, which names the question.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from typing import Final, TypeVar

from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.kinds import Kind
from mfa_guard.core.times import parse_utc

STATUS_TAG: Final = "mfa-guard:status"
SINCE_TAG: Final = "mfa-guard:since"
WARNED_TAG: Final = "mfa-guard:warned"
GUARD_TAGS: Final = (STATUS_TAG, SINCE_TAG, WARNED_TAG)
NONCOMPLIANT: Final = "noncompliant"

# As long as AWS Config's iam-user-unused-credentials-check and the IAM guide's advice on unused credentials.
IN_USE: Final = timedelta(days=90)


class Question(StrEnum):
    """Something about a user that the plan may need to know, each one read of the world."""

    EXEMPTION = "exemption"
    DEVICES = "devices"
    ATTACHED = "attached"
    GROUPED = "grouped"
    PASSWORD = "password"  # nosec B105 # noqa: S105 - a question, not a password
    KEYS = "keys"
    SERVICE_CREDENTIALS = "service credentials"
    UNFINISHED = "unfinished"


class Ask(Exception):
    """A decision needs an answer that nobody asked for yet."""

    def __init__(self, question: Question) -> None:
        super().__init__(question.value)
        self.question = question


class Unasked(Enum):
    """The mark of a field that was not read."""

    UNASKED = "unasked"


UNASKED: Final = Unasked.UNASKED


class Way(StrEnum):
    """How the enforcement policy reaches a user."""

    USER = "user"
    GROUP = "group"

    @property
    def other(self) -> "Way":
        """Return the way that is not this one."""
        return Way.GROUP if self is Way.USER else Way.USER


@dataclass(frozen=True)
class Device:
    """An MFA device as ListMFADevices shows it."""

    serial: str
    enabled_at: datetime


@dataclass(frozen=True)
class AccessKey:
    """A long-term access key; `last_used` is None when IAM knows of no use."""

    id: str
    active: bool
    last_used: datetime | None

    def in_use(self, now: datetime) -> bool:
        """Tell whether the key, active or not, was used in the last 90 days."""
        return self.last_used is not None and now - self.last_used <= IN_USE


@dataclass(frozen=True)
class ServiceCredential:
    """A service-specific credential (CodeCommit, Keyspaces, Bedrock ...). IAM does not tell when it was used last."""

    id: str
    service: str
    active: bool


T = TypeVar("T")


def _answer(value: T | Unasked, question: Question) -> T:
    if isinstance(value, Unasked):
        raise Ask(question)
    return value


@dataclass(frozen=True)
class UserState:
    """One IAM user as IAM and the exemption table showed it."""

    name: str
    id: str
    path: str
    tags: Mapping[str, str]
    exemption: Exemption | MalformedExemption | Unasked | None = UNASKED
    devices: tuple[Device, ...] | Unasked = UNASKED
    attached: bool | Unasked = UNASKED
    grouped: bool | Unasked = UNASKED
    password: bool | Unasked = UNASKED
    keys: tuple[AccessKey, ...] | Unasked = UNASKED
    service_credentials: tuple[ServiceCredential, ...] | Unasked = UNASKED
    unfinished: Kind | Unasked | None = UNASKED

    def exemption_record(self) -> Exemption | MalformedExemption | None:
        """Return the user's record in the exemption table, whether it holds or not."""
        return _answer(self.exemption, Question.EXEMPTION)

    def has_device(self) -> bool:
        """Tell whether the user has any MFA device."""
        return bool(_answer(self.devices, Question.DEVICES))

    def has_password(self) -> bool:
        """Tell whether the user can sign in to the console with a password."""
        return _answer(self.password, Question.PASSWORD)

    def access_keys(self) -> tuple[AccessKey, ...]:
        """Return the user's access keys, active or not."""
        return _answer(self.keys, Question.KEYS)

    def bound(self, way: Way) -> bool:
        """Tell whether the enforcement policy reaches the user in this one way."""
        if way is Way.USER:
            return _answer(self.attached, Question.ATTACHED)
        return _answer(self.grouped, Question.GROUPED)

    def ways(self) -> tuple[Way, ...]:
        """Return every way in which the enforcement policy reaches the user."""
        return tuple(way for way in Way if self.bound(way))

    def enforced(self, first: Way) -> bool:
        """Tell whether the policy binds the user, asking for the way `first` before the other."""
        return self.bound(first) or self.bound(first.other)

    def marked(self, now: datetime) -> bool:
        """Tell whether the tags say, in full and believably, that the user is noncompliant."""
        return self.tags.get(STATUS_TAG) == NONCOMPLIANT and noncompliant_since(self.tags, now) is not None

    def guard_tags(self) -> tuple[str, ...]:
        """Return the guard's tag keys that the user carries."""
        return tuple(key for key in GUARD_TAGS if key in self.tags)

    def keys_in_use(self, now: datetime) -> tuple[AccessKey, ...]:
        """Return the active keys used in the last 90 days: those that stop working without MFA."""
        return tuple(key for key in self.access_keys() if key.active and key.in_use(now))

    def works_as_a_machine(self, now: datetime) -> bool:
        """Tell whether this is a working machine user: no password, and a credential in use.

        The use of an inactive key counts: it is what a key that was rotated a minute ago looks like. An active
        service-specific credential counts as used, since IAM keeps no date of its use.
        """
        if self.has_password():
            return False
        if any(key.in_use(now) for key in self.access_keys()):
            return True
        return any(credential.active for credential in _answer(self.service_credentials, Question.SERVICE_CREDENTIALS))

    def unfinished_kind(self) -> Kind | None:
        """Return the kind of notice that an earlier attempt at this event began and may not have sent."""
        return _answer(self.unfinished, Question.UNFINISHED)

    def exposure(self) -> frozenset[str]:
        """Return what somebody could get in with: `password`, and the ids of active keys."""
        keys = {key.id for key in self.access_keys() if key.active}
        return frozenset(keys | {"password"} if self.has_password() else keys)


def without_stale_device(devices: tuple[Device, ...], removed: str | None, removed_at: datetime) -> tuple[Device, ...]:
    """Return `devices` without the one that was deactivated and that IAM still lists.

    A device of the same serial that was enabled after the deactivation is a new one and stays.
    """
    return tuple(device for device in devices if device.serial != removed or device.enabled_at > removed_at)


def noncompliant_since(tags: Mapping[str, str], now: datetime) -> datetime | None:
    """Return the time in the `since` tag, or None when it is missing, malformed or in the future."""
    since = parse_utc(tags.get(SINCE_TAG, ""))
    return since if since is not None and since <= now else None
