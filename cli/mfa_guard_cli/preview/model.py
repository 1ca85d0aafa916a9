"""What a preview reads of an account, and what it predicts for each user. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from mfa_guard.core.account.snapshot import ListedUser, ReportRow
from mfa_guard.core.plan import Action
from mfa_guard.core.settings import Settings


class UserKind(StrEnum):
    """What kind of user the plan sees: every user with a console password is a person."""

    PERSON = "person"
    MACHINE = "active machine user"
    UNUSED = "unused"
    UNKNOWN = "unknown"


class DeviceKind(StrEnum):
    """What an MFA device is. GetSessionToken needs a code, which only TOTP apps and hardware tokens give."""

    TOTP_APP = "TOTP app"
    TOTP_TOKEN = "TOTP token"  # noqa: S105 - a kind of device
    PASSKEY = "passkey"
    OTHER = "other device"
    UNREAD = "device of unknown kind"


class MfaMethod(StrEnum):
    """What a user can do with all of their MFA devices."""

    TOTP = "TOTP"
    PASSKEY_ONLY = "passkey only"
    OTHER = "other device"
    NONE = "no device"
    UNKNOWN = "unknown"


class Outcome(StrEnum):
    """What enforcing MFA would do to a user. The order is the order in which an administrator should look."""

    KEYS_STOP = "keys stop"
    ENROLL = "must enroll"
    DECIDE = "your decision"
    UNKNOWN = "unknown"
    REPORTED = "reported only"
    IDLE = "nothing in use"
    READY = "ready"
    ENFORCED_ALREADY = "enforced already"
    EXEMPT = "exempt"


class CallerKind(StrEnum):
    """Whose credentials run the command."""

    USER = "user"
    ROLE = "role"
    ROOT = "root"
    OTHER = "other"


@dataclass(frozen=True)
class Caller:
    """Who runs the command.

    `id` is the immutable id. `key_ending` are the last four characters of the access key. `long_term` is true if the
    credentials are an access key itself and not a session.
    """

    kind: CallerKind
    arn: str
    name: str
    id: str
    key_ending: str
    long_term: bool


@dataclass(frozen=True)
class KeyUse:
    """Where the credential report saw an access key last. A value that the report lacks is empty."""

    service: str = ""
    region: str = ""


@dataclass(frozen=True)
class LastUses:
    """What the credential report shows about last uses beyond what the plan needs. `keys` are by slot."""

    password: datetime | None = None
    keys: Mapping[str, KeyUse] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportedKey:
    """An access key of the credential report, which has no key ids: its slot is "key 1" or "key 2"."""

    slot: str
    active: bool
    last_used: datetime | None
    in_use: bool
    use: KeyUse


@dataclass(frozen=True)
class AccountData:
    """What was read of the account.

    `virtual_device_owners` are the ids of the users with a virtual MFA device, or None if IAM refused the list.
    `other_devices` are the devices of the users who were read one by one, by name. `notes` say what could not be read,
    one sentence each.
    """

    caller: Caller
    account: str
    read_at: datetime
    users: tuple[ListedUser, ...]
    virtual_device_owners: frozenset[str] | None
    report: Mapping[str, ReportRow] | None
    report_created: datetime | None
    last_uses: Mapping[str, LastUses]
    other_devices: Mapping[str, tuple[DeviceKind, ...]]
    notes: tuple[str, ...] = ()


# The devices that give codes.
_TOTP: Final = frozenset({DeviceKind.TOTP_APP, DeviceKind.TOTP_TOKEN})


@dataclass(frozen=True)
class UserForecast:
    """What enforcing MFA would do to one user.

    `password`, `keys`, `devices` and `actions` are None if unknown. `actions` are what the guard would change.
    `stopping_keys` are the active keys in use that would stop without MFA; for an active machine user who awaits a
    decision, those that would stop if you enforce. `certain` is false if a service-specific credential, which no bulk
    call lists, would change the actions. `is_caller` is true for the user whose credentials run the command.
    """

    name: str
    id: str
    path: str
    kind: UserKind
    password: bool | None
    password_last_used: datetime | None
    keys: tuple[ReportedKey, ...] | None
    devices: tuple[DeviceKind, ...] | None
    outcome: Outcome
    actions: tuple[Action, ...] | None
    stopping_keys: tuple[ReportedKey, ...]
    certain: bool
    is_caller: bool

    @property
    def incomplete(self) -> bool:
        """Tell whether something about the user could not be read."""
        return None in (self.password, self.keys, self.devices) or DeviceKind.UNREAD in (self.devices or ())

    @property
    def mfa_method(self) -> MfaMethod:
        """Return what the user can do with all of their devices."""
        if self.devices is None:
            return MfaMethod.UNKNOWN
        if not self.devices:
            return MfaMethod.NONE
        if not _TOTP.isdisjoint(self.devices):
            return MfaMethod.TOTP
        return MfaMethod.PASSKEY_ONLY if set(self.devices) == {DeviceKind.PASSKEY} else MfaMethod.OTHER


@dataclass(frozen=True)
class Totals:
    """The number of users by kind, outcome and MFA method. `incomplete` users could not be read in full."""

    users: int
    kinds: Mapping[UserKind, int]
    outcomes: Mapping[Outcome, int]
    mfa_methods: Mapping[MfaMethod, int]
    keys_stopping: int
    incomplete: int


@dataclass(frozen=True)
class Preview:
    """The forecasts for all users of an account. The caller's own user comes first."""

    data: AccountData
    settings: Settings
    users: tuple[UserForecast, ...]

    @property
    def caller_user(self) -> UserForecast | None:
        """Return the forecast for the user whose credentials run the command, or None for a role or root."""
        return next((each for each in self.users if each.is_caller), None)

    @property
    def totals(self) -> Totals:
        """Count the users."""
        users = self.users
        return Totals(
            users=len(users),
            kinds={kind: sum(each.kind is kind for each in users) for kind in UserKind},
            outcomes={outcome: sum(each.outcome is outcome for each in users) for outcome in Outcome},
            mfa_methods={method: sum(each.mfa_method is method for each in users) for method in MfaMethod},
            keys_stopping=sum(len(each.stopping_keys) for each in users if each.outcome is Outcome.KEYS_STOP),
            incomplete=sum(each.incomplete for each in users),
        )
