"""What the guard knows of one IAM user, and what follows from it.

A `UserState` starts with what GetUser answers. Everything else is asked for only when a decision needs it: reading a
field that nobody asked for yet raises `Ask`, which names the question.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from typing import Final, TypeVar

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.times import parse_utc

STATUS_TAG: Final = "mfa-guard:status"
SINCE_TAG: Final = "mfa-guard:since"
WARNED_TAG: Final = "mfa-guard:warned"
GUARD_TAGS: Final = (STATUS_TAG, SINCE_TAG, WARNED_TAG)
NONCOMPLIANT: Final = "noncompliant"

# As long as AWS Config's iam-user-unused-credentials-check and the IAM guide's advice on unused credentials.
IN_USE: Final = timedelta(days=90)


class Field(StrEnum):
    """Something about a user that the plan may need to know, each one read of the world."""

    EXEMPTION = "exemption"
    DEVICES = "devices"
    ATTACHED = "attached"
    IN_GROUP = "in group"
    PASSWORD = "password"  # nosec B105 # noqa: S105 - a question, not a password
    KEYS = "keys"
    SERVICE_CREDENTIALS = "service credentials"
    UNFINISHED = "unfinished"


class FieldNotLoaded(Exception):
    """A decision needs an answer that nobody asked for yet."""

    def __init__(self, field: Field) -> None:
        super().__init__(field.value)
        self.field = field


class NotLoaded(Enum):
    """The mark of a field that was not read."""

    NOT_LOADED = "not loaded"


NOT_LOADED: Final = NotLoaded.NOT_LOADED


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


def _loaded(value: T | NotLoaded, field: Field) -> T:
    if isinstance(value, NotLoaded):
        raise FieldNotLoaded(field)
    return value


@dataclass(frozen=True)
class UserState:
    """One IAM user as IAM and the exemption table showed it."""

    name: str
    id: str
    path: str
    tags: Mapping[str, str]
    exemption: Exemption | MalformedExemption | NotLoaded | None = NOT_LOADED
    devices: tuple[Device, ...] | NotLoaded = NOT_LOADED
    attached: bool | NotLoaded = NOT_LOADED
    in_group: bool | NotLoaded = NOT_LOADED
    password: bool | NotLoaded = NOT_LOADED
    keys: tuple[AccessKey, ...] | NotLoaded = NOT_LOADED
    service_credentials: tuple[ServiceCredential, ...] | NotLoaded = NOT_LOADED
    unfinished: NoticeKind | NotLoaded | None = NOT_LOADED

    def exemption_record(self) -> Exemption | MalformedExemption | None:
        """Return the user's record in the exemption table, whether it holds or not."""
        return _loaded(self.exemption, Field.EXEMPTION)

    def has_device(self) -> bool:
        """Tell whether the user has any MFA device."""
        return bool(_loaded(self.devices, Field.DEVICES))

    def has_password(self) -> bool:
        """Tell whether the user can sign in to the console with a password."""
        return _loaded(self.password, Field.PASSWORD)

    def access_keys(self) -> tuple[AccessKey, ...]:
        """Return the user's access keys, active or not."""
        return _loaded(self.keys, Field.KEYS)

    def enforced_by(self, route: AttachmentRoute) -> bool:
        """Tell whether the enforcement policy reaches the user in this one way."""
        if route is AttachmentRoute.DIRECT:
            return _loaded(self.attached, Field.ATTACHED)
        return _loaded(self.in_group, Field.IN_GROUP)

    def routes(self) -> tuple[AttachmentRoute, ...]:
        """Return every way in which the enforcement policy reaches the user."""
        return tuple(route for route in AttachmentRoute if self.enforced_by(route))

    def enforced(self, first: AttachmentRoute) -> bool:
        """Tell whether the policy binds the user, asking for the way `first` before the other."""
        return self.enforced_by(first) or self.enforced_by(first.other)

    def tagged_noncompliant(self, now: datetime) -> bool:
        """Tell whether the tags say, in full and believably, that the user is noncompliant."""
        return self.tags.get(STATUS_TAG) == NONCOMPLIANT and noncompliant_since(self.tags, now) is not None

    def guard_tags(self) -> tuple[str, ...]:
        """Return the guard's tag keys that the user carries."""
        return tuple(key for key in GUARD_TAGS if key in self.tags)

    def keys_in_use(self, now: datetime) -> tuple[AccessKey, ...]:
        """Return the active keys used in the last 90 days: those that stop working without MFA."""
        return tuple(key for key in self.access_keys() if key.active and key.in_use(now))

    def is_active_machine_user(self, now: datetime) -> bool:
        """Tell whether this is a active machine user: no password, and a credential in use.

        The use of an inactive key counts: it is what a key that was rotated a minute ago looks like. An active
        service-specific credential counts as used, since IAM keeps no date of its use.
        """
        if self.has_password():
            return False
        if any(key.in_use(now) for key in self.access_keys()):
            return True
        return any(credential.active for credential in _loaded(self.service_credentials, Field.SERVICE_CREDENTIALS))

    def unfinished_kind(self) -> NoticeKind | None:
        """Return the kind of notice that an earlier attempt at this event began and may not have sent."""
        return _loaded(self.unfinished, Field.UNFINISHED)

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
    since = parse_utc(tags[SINCE_TAG]) if SINCE_TAG in tags else None
    return since if since is not None and since <= now else None
