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
from mfa_guard.core.times import parse_utc
from mfa_guard.core.user_record import UserRecord

STATUS_TAG: Final = "mfa-guard:status"
SINCE_TAG: Final = "mfa-guard:since"
WARNED_TAG: Final = "mfa-guard:warned"
GUARD_TAGS: Final = (STATUS_TAG, SINCE_TAG, WARNED_TAG)
NONCOMPLIANT: Final = "noncompliant"

# The period of AWS Config's iam-user-unused-credentials-check and of the IAM guide's advice on unused credentials.
IN_USE: Final = timedelta(days=90)

# The clocks of IAM and CloudTrail, and the delay between a call and what it sets, differ by less than this.
SAME_MOMENT: Final = timedelta(seconds=5)

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
    BOUNDARY = "boundary"
    RECORD = "record"


FIELD_OF_ROUTE: Final[Mapping[AttachmentRoute, Field]] = {
    AttachmentRoute.DIRECT: Field.ATTACHED,
    AttachmentRoute.GROUP: Field.IN_GROUP,
}


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


@dataclass(frozen=True, slots=True)
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
    """One IAM user, as IAM, the exemption table and the state table show it.

    `boundary` is the ARN of the user's permissions boundary. `boundary_blocks` tells whether it keeps the user from
    enrolling an MFA device.
    """

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
    record: UserRecord | NotLoaded = NOT_LOADED
    boundary: str | None = None
    boundary_blocks: bool | NotLoaded = NOT_LOADED

    def exemption_record(self) -> Exemption | MalformedExemption | None:
        """Return the user's record in the exemption table, even if it is malformed or has ended."""
        return _loaded(self.exemption, Field.EXEMPTION)

    def recorded(self) -> UserRecord:
        """Return what the guard remembers about the user; NO_RECORD if it remembers nothing."""
        return _loaded(self.record, Field.RECORD)

    def mfa_devices(self) -> tuple[Device, ...]:
        """Return the user's MFA devices."""
        return _loaded(self.devices, Field.DEVICES)

    def has_device(self) -> bool:
        """Tell whether the user has an MFA device."""
        return bool(self.mfa_devices())

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

    def kept_from_enrolling(self) -> bool:
        """Tell whether the user's permissions boundary keeps the user from enrolling an MFA device."""
        return _loaded(self.boundary_blocks, Field.BOUNDARY)

    def tagged_noncompliant(self, now: datetime) -> bool:
        """Tell whether the tags record the user as noncompliant, with a valid time."""
        return self.tags.get(STATUS_TAG) == NONCOMPLIANT and noncompliant_since(self.tags, now) is not None

    def guard_tags(self) -> tuple[str, ...]:
        """Return the keys of the guard's tags that the user has."""
        return tuple(key for key in GUARD_TAGS if key in self.tags)

    def keys_in_use(self, now: datetime) -> tuple[AccessKey, ...]:
        """Return the active keys used in the last 90 days: enforcement stops them from working without MFA."""
        return tuple(key for key in self.access_keys() if key.active and key.in_use(now))

    def all_service_credentials(self) -> tuple[ServiceCredential, ...]:
        """Return the user's service-specific credentials, active or not."""
        return _loaded(self.service_credentials, Field.SERVICE_CREDENTIALS)

    def is_active_machine_user(self, now: datetime) -> bool:
        """Tell whether this is an active machine user, by the user's credentials or by the guard's record."""
        return self.qualifies_as_machine_user(now) or self._was_machine_user(now)

    def qualifies_as_machine_user(self, now: datetime) -> bool:
        """Tell whether the credentials make an active machine user: no password, and a credential that shows work.

        A user younger than 7 days is never one, because a new user has no work that could break. An inactive key in use
        counts, because a key that was just rotated is inactive. An active service-specific credential counts as used,
        because IAM does not record its use.
        """
        if self._is_new(now) or self.has_password():
            return False
        if any(key.shows_work(now) for key in self.access_keys()):
            return True
        return any(each.shows_work(now) for each in self.all_service_credentials())

    def _was_machine_user(self, now: datetime) -> bool:
        """Tell whether the user was recorded as an active machine user, and what followed looks like a rotation.

        For 7 days after the credentials last qualified, the user stays one: the old key may be deleted before the new
        one is created. After that, a credential that was created later counts until it is 7 days old. By then its own
        use has to show the work.
        """
        at = self.recorded().machine_user_at
        if at is None or now - at > IN_USE or self._is_new(now) or self.has_password():
            return False
        if now - at < ESTABLISHED:
            return True
        credentials: tuple[AccessKey | ServiceCredential, ...] = (*self.access_keys(), *self.all_service_credentials())
        return any(each.active and each.created_at > at and now - each.created_at < ESTABLISHED for each in credentials)

    def _is_new(self, now: datetime) -> bool:
        return now - self.created_at < ESTABLISHED

    def exposure(self) -> frozenset[str]:
        """Return the credentials that work: `password`, and the ids of active keys."""
        keys = {key.id for key in self.access_keys() if key.active}
        return frozenset(keys | {"password"} if self.has_password() else keys)


def without_stale_device(devices: tuple[Device, ...], removed: str | None, removed_at: datetime) -> tuple[Device, ...]:
    """Return `devices` without the device `removed`, which IAM may still list after its deactivation.

    A device with the same serial number that was enabled after `removed_at` is a new device and stays.
    """
    return tuple(device for device in devices if device.serial != removed or device.enabled_at > removed_at)


def older_devices(devices: tuple[Device, ...], enrolled: str | None, at: datetime) -> tuple[Device, ...]:
    """Return the devices that the user had when the device `enrolled` was enabled at `at`.

    A device that was enabled at the same moment is the enrolled one: IAM may list it with another serial number.
    """
    return tuple(each for each in devices if each.serial != enrolled and each.enabled_at < at - SAME_MOMENT)


def noncompliant_since(tags: Mapping[str, str], now: datetime) -> datetime | None:
    """Return the time in the tag mfa-guard:since, or None if it is missing, malformed or in the future."""
    since = parse_utc(tags[SINCE_TAG]) if SINCE_TAG in tags else None
    return since if since is not None and since <= now else None
