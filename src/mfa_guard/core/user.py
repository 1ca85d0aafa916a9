"""The state of one IAM user, and what follows from it.

A `UserState` starts with what GetUser returns. All other fields are loaded when a decision needs them: to read a field
that is not loaded raises `FieldNotLoaded`, which names the field.
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

# The period of AWS Config's iam-user-unused-credentials-check and of the IAM guide's advice on unused credentials.
IN_USE: Final = timedelta(days=90)

# A user or a credential that is younger has no work that could break.
ESTABLISHED: Final = timedelta(days=7)


class Field(StrEnum):
    """A part of a user's state that one read from AWS loads."""

    EXEMPTION = "exemption"
    DEVICES = "devices"
    ATTACHED = "attached"
    IN_GROUP = "in group"
    PASSWORD = "password"  # nosec B105 # noqa: S105 - a field, not a password
    KEYS = "keys"
    SERVICE_CREDENTIALS = "service credentials"
    UNFINISHED = "unfinished"


class FieldNotLoaded(Exception):
    """A decision needs a field that is not loaded."""

    def __init__(self, field: Field) -> None:
        super().__init__(field.value)
        self.field = field


class NotLoaded(Enum):
    """The value of a field that is not loaded."""

    NOT_LOADED = "not loaded"


NOT_LOADED: Final = NotLoaded.NOT_LOADED


@dataclass(frozen=True)
class Device:
    """An MFA device, as ListMFADevices shows it."""

    serial: str
    enabled_at: datetime


@dataclass(frozen=True)
class AccessKey:
    """A long-term access key; `last_used` is None if IAM has no record of a use."""

    id: str
    active: bool
    last_used: datetime | None
    created_at: datetime

    def in_use(self, now: datetime) -> bool:
        """Tell whether the key, active or not, was used in the last 90 days."""
        return self.last_used is not None and now - self.last_used <= IN_USE

    def shows_work(self, now: datetime) -> bool:
        """Tell whether the key, active or not, is in use and at least 7 days old."""
        return self.in_use(now) and now - self.created_at >= ESTABLISHED


@dataclass(frozen=True)
class ServiceCredential:
    """A service-specific credential (CodeCommit, Keyspaces, Bedrock ...). IAM does not record when it was last used."""

    id: str
    service: str
    active: bool
    created_at: datetime

    def shows_work(self, now: datetime) -> bool:
        """Tell whether the credential is active and at least 7 days old."""
        return self.active and now - self.created_at >= ESTABLISHED


T = TypeVar("T")


def _loaded(value: T | NotLoaded, field: Field) -> T:
    if isinstance(value, NotLoaded):
        raise FieldNotLoaded(field)
    return value


@dataclass(frozen=True)
class UserState:
    """One IAM user, as IAM and the exemption table show it."""

    name: str
    id: str
    path: str
    tags: Mapping[str, str]
    created_at: datetime
    exemption: Exemption | MalformedExemption | NotLoaded | None = NOT_LOADED
    devices: tuple[Device, ...] | NotLoaded = NOT_LOADED
    attached: bool | NotLoaded = NOT_LOADED
    in_group: bool | NotLoaded = NOT_LOADED
    password: bool | NotLoaded = NOT_LOADED
    keys: tuple[AccessKey, ...] | NotLoaded = NOT_LOADED
    service_credentials: tuple[ServiceCredential, ...] | NotLoaded = NOT_LOADED
    unfinished: NoticeKind | NotLoaded | None = NOT_LOADED

    def exemption_record(self) -> Exemption | MalformedExemption | None:
        """Return the user's record in the exemption table, even if it is malformed or has ended."""
        return _loaded(self.exemption, Field.EXEMPTION)

    def has_device(self) -> bool:
        """Tell whether the user has an MFA device."""
        return bool(_loaded(self.devices, Field.DEVICES))

    def has_password(self) -> bool:
        """Tell whether the user can sign in to the console with a password."""
        return _loaded(self.password, Field.PASSWORD)

    def access_keys(self) -> tuple[AccessKey, ...]:
        """Return the user's access keys, active or not."""
        return _loaded(self.keys, Field.KEYS)

    def enforced_by(self, route: AttachmentRoute) -> bool:
        """Tell whether the enforcement policy applies to the user by this route."""
        if route is AttachmentRoute.DIRECT:
            return _loaded(self.attached, Field.ATTACHED)
        return _loaded(self.in_group, Field.IN_GROUP)

    def routes(self) -> tuple[AttachmentRoute, ...]:
        """Return every route by which the enforcement policy applies to the user."""
        return tuple(route for route in AttachmentRoute if self.enforced_by(route))

    def enforced(self, first: AttachmentRoute) -> bool:
        """Tell whether the enforcement policy applies to the user; the route `first` is read before the other route."""
        return self.enforced_by(first) or self.enforced_by(first.other)

    def tagged_noncompliant(self, now: datetime) -> bool:
        """Tell whether the tags record the user as noncompliant, with a valid time."""
        return self.tags.get(STATUS_TAG) == NONCOMPLIANT and noncompliant_since(self.tags, now) is not None

    def guard_tags(self) -> tuple[str, ...]:
        """Return the keys of the guard's tags that the user has."""
        return tuple(key for key in GUARD_TAGS if key in self.tags)

    def keys_in_use(self, now: datetime) -> tuple[AccessKey, ...]:
        """Return the active keys used in the last 90 days: enforcement stops them from working without MFA."""
        return tuple(key for key in self.access_keys() if key.active and key.in_use(now))

    def is_active_machine_user(self, now: datetime) -> bool:
        """Tell whether this is an active machine user: no password, and a credential that shows work.

        A user younger than 7 days is never one, because a new user has no work that could break. An inactive key in use
        counts, because a key that was just rotated is inactive. An active service-specific credential counts as used,
        because IAM does not record its use.
        """
        if now - self.created_at < ESTABLISHED or self.has_password():
            return False
        if any(key.shows_work(now) for key in self.access_keys()):
            return True
        return any(each.shows_work(now) for each in _loaded(self.service_credentials, Field.SERVICE_CREDENTIALS))

    def unfinished_kind(self) -> NoticeKind | None:
        """Return the kind of notice that an earlier attempt to process this event prepared and may not have sent."""
        return _loaded(self.unfinished, Field.UNFINISHED)

    def exposure(self) -> frozenset[str]:
        """Return the credentials that work: `password`, and the ids of active keys."""
        keys = {key.id for key in self.access_keys() if key.active}
        return frozenset(keys | {"password"} if self.has_password() else keys)


def without_stale_device(devices: tuple[Device, ...], removed: str | None, removed_at: datetime) -> tuple[Device, ...]:
    """Return `devices` without the device `removed`, which IAM may still list after its deactivation.

    A device with the same serial number that was enabled after `removed_at` is a new device and stays.
    """
    return tuple(device for device in devices if device.serial != removed or device.enabled_at > removed_at)


def noncompliant_since(tags: Mapping[str, str], now: datetime) -> datetime | None:
    """Return the time in the tag mfa-guard:since, or None if it is missing, malformed or in the future."""
    since = parse_utc(tags[SINCE_TAG]) if SINCE_TAG in tags else None
    return since if since is not None and since <= now else None
