"""What enforcing would do to each user, judged by the guard's own plan from what the bulk calls tell. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from mfa_guard.core.account.assessment import Assessment, assess
from mfa_guard.core.account.snapshot import ListedUser, ReportRow, Snapshot, state_of
from mfa_guard.core.plan import Action, Standing
from mfa_guard.core.settings import Settings
from mfa_guard.core.user import AccessKey, NotLoaded, UserState


class Sort(StrEnum):
    """What a user is, in the plan's words: whoever has a password is a person."""

    PERSON = "person"
    MACHINE = "active machine"
    UNUSED = "unused"
    UNKNOWN = "unknown"


class DeviceKind(StrEnum):
    """What an MFA device is. Only codes (an app's, a token's) make a session for the CLI by GetSessionToken."""

    TOTP_APP = "TOTP app"
    TOTP_TOKEN = "TOTP token"  # noqa: S105 - a kind of device
    PASSKEY = "passkey"
    OTHER = "other device"
    UNREAD = "kind not read"


class Mfa(StrEnum):
    """What a user's devices come to, taken together."""

    CODES = "TOTP"
    PASSKEY = "passkey only"
    OTHER = "another device"
    NONE = "no device"
    UNKNOWN = "unknown"


class Outcome(StrEnum):
    """What enforcing comes to for one user; in the order in which an administrator should look."""

    KEYS_STOP = "keys stop"
    ENROLL = "must enroll"
    DECIDE = "your decision"
    UNKNOWN = "unknown"
    REPORTED = "reported only"
    IDLE = "nothing in use"
    READY = "ready"
    BOUND = "enforced already"
    EXEMPT = "exempt"


class CallerKind(StrEnum):
    """Whose credentials run the program."""

    USER = "user"
    ROLE = "role"
    ROOT = "root"
    OTHER = "other"


@dataclass(frozen=True)
class Caller:
    """Who runs the program. `id` is the immutable id; `key` the access key's last four characters.

    `long_term`: the credentials are an access key itself, and no session made from one.
    """

    kind: CallerKind
    arn: str
    name: str
    id: str
    key: str
    long_term: bool


@dataclass(frozen=True)
class Use:
    """What the credential report says of an access key's last use; empty texts where it says nothing."""

    service: str = ""
    region: str = ""


@dataclass(frozen=True)
class Uses:
    """What the report says beyond what the plan needs: the password's last use, each key's by its slot."""

    password_used: datetime | None = None
    keys: Mapping[str, Use] = field(default_factory=dict)


@dataclass(frozen=True)
class Key:
    """An access key as the report shows it: by column, "key 1" or "key 2", as it knows no ids."""

    slot: str
    active: bool
    last_used: datetime | None
    in_use: bool
    use: Use


@dataclass(frozen=True)
class Reading:
    """What was read of the account. `virtual` is None when the list of virtual devices was refused.

    `kinds`: the devices of the users who were asked one by one. `notes`: what could not be read, one sentence each.
    """

    caller: Caller
    account: str
    at: datetime
    users: tuple[ListedUser, ...]
    virtual: frozenset[str] | None
    report: Mapping[str, ReportRow] | None
    report_made: datetime | None
    uses: Mapping[str, Uses]
    kinds: Mapping[str, tuple[DeviceKind, ...]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outlook:
    """One user, and what enforcing would do.

    `password`, `keys`, `devices`, `actions` are None where nothing tells. `actions`: what the guard would change.
    `stopping`: the active keys in use that would stop without MFA; of a active machine about whom somebody has to
    decide, those at stake. `certain` is false when a service-specific credential, of which no bulk call tells, would
    change what is done.
    """

    name: str
    id: str
    path: str
    sort: Sort
    password: bool | None
    password_used: datetime | None
    keys: tuple[Key, ...] | None
    devices: tuple[DeviceKind, ...] | None
    outcome: Outcome
    actions: tuple[Action, ...] | None
    stopping: tuple[Key, ...]
    certain: bool
    own: bool

    @property
    def unread(self) -> bool:
        """Tell whether something about the user could not be read."""
        return None in (self.password, self.keys, self.devices) or DeviceKind.UNREAD in (self.devices or ())

    @property
    def mfa(self) -> Mfa:
        """Return what the devices come to: whether one gives the codes that a session for the CLI needs."""
        if self.devices is None:
            return Mfa.UNKNOWN
        if not self.devices:
            return Mfa.NONE
        kinds = set(self.devices)
        if kinds & {DeviceKind.TOTP_APP, DeviceKind.TOTP_TOKEN}:
            return Mfa.CODES
        return Mfa.PASSKEY if kinds == {DeviceKind.PASSKEY} else Mfa.OTHER


@dataclass(frozen=True)
class Totals:
    """How many users are what."""

    users: int
    sorts: Mapping[Sort, int]
    outcomes: Mapping[Outcome, int]
    mfa: Mapping[Mfa, int]
    keys_stopping: int
    unread: int


@dataclass(frozen=True)
class Preview:
    """The whole account, the administrator's own user first."""

    reading: Reading
    settings: Settings
    outlooks: tuple[Outlook, ...]

    @property
    def own(self) -> Outlook | None:
        """Return the user whose credentials run the program, if it is one."""
        return next((each for each in self.outlooks if each.own), None)

    @property
    def totals(self) -> Totals:
        """Return how many users are what."""
        users = self.outlooks
        return Totals(
            users=len(users),
            sorts={sort: sum(each.sort is sort for each in users) for sort in Sort},
            outcomes={outcome: sum(each.outcome is outcome for each in users) for outcome in Outcome},
            mfa={mfa: sum(each.mfa is mfa for each in users) for mfa in Mfa},
            keys_stopping=sum(len(each.stopping) for each in users if each.outcome is Outcome.KEYS_STOP),
            unread=sum(each.unread for each in users),
        )


def kind_of(serial: str) -> DeviceKind:
    """Return what a device is by its serial number: an ARN for a virtual device or a passkey, else a token's own.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_MFADevice.html
    """
    if not serial.startswith("arn:"):
        return DeviceKind.TOTP_TOKEN
    return _KINDS.get(serial.rpartition(":")[2].partition("/")[0], DeviceKind.OTHER)


_KINDS: Final[Mapping[str, DeviceKind]] = {"mfa": DeviceKind.TOTP_APP, "u2f": DeviceKind.PASSKEY}


def to_ask(users: Iterable[ListedUser], virtual: frozenset[str], report: Mapping[str, ReportRow]) -> tuple[str, ...]:
    """Return the names of the users who have a device that no list of virtual devices shows: one call for each."""
    return tuple(
        user.name for user in users if user.name not in virtual and user.name in report and report[user.name].device
    )


def foresee(reading: Reading, settings: Settings) -> Preview:
    """Return what enforcing by `settings` would do to the users of `reading`: the worst first, then by name."""
    snapshot = _snapshot(reading)
    assessments = assess(snapshot, settings, reading.at)
    found = (_outlook(user, each, snapshot, reading) for user, each in zip(snapshot.users, assessments, strict=True))
    order = {outcome: place for place, outcome in enumerate(Outcome)}
    return Preview(
        reading, settings, tuple(sorted(found, key=lambda each: (not each.own, order[each.outcome], each.name)))
    )


def _snapshot(reading: Reading) -> Snapshot:
    """Return what was read as the guard's own snapshot; a device that is gone since the report was made is none."""
    report = reading.report
    if report is not None:
        gone = [name for name, kinds in reading.kinds.items() if not kinds and name in report]
        report = {**report, **{name: replace(report[name], device=False) for name in gone}}
    return Snapshot(reading.users, reading.virtual or frozenset(), report, exemptions={})


def _outlook(user: ListedUser, assessment: Assessment, snapshot: Snapshot, reading: Reading) -> Outlook:
    state, uses = state_of(user, snapshot), reading.uses.get(user.name, Uses())
    keys = None if isinstance(state.keys, NotLoaded) else state.keys
    shown = None if keys is None else tuple(_key(key, uses, reading.at) for key in keys)
    outcome = _outcome(assessment, state, reading.at)
    at_stake = outcome in (Outcome.KEYS_STOP, Outcome.DECIDE)
    return Outlook(
        name=user.name,
        id=user.id,
        path=user.path,
        sort=_sort(state, reading.at),
        password=None if isinstance(state.password, NotLoaded) else state.password,
        password_used=uses.password_used,
        keys=shown,
        devices=_devices(state, reading),
        outcome=outcome,
        actions=None if outcome is Outcome.UNKNOWN else assessment.plan.actions,
        stopping=tuple(key for key in shown or () if key.active and key.in_use) if at_stake else (),
        certain=assessment.certain,
        own=reading.caller.kind is CallerKind.USER and user.id == reading.caller.id,
    )


def _key(key: AccessKey, uses: Uses, now: datetime) -> Key:
    return Key(key.id, key.active, key.last_used, key.in_use(now), uses.keys.get(key.id, Use()))


def _sort(state: UserState, now: datetime) -> Sort:
    if isinstance(state.password, NotLoaded) or isinstance(state.keys, NotLoaded):
        return Sort.UNKNOWN
    if state.password:
        return Sort.PERSON
    return Sort.MACHINE if replace(state, service_credentials=()).is_active_machine_user(now) else Sort.UNUSED


def _devices(state: UserState, reading: Reading) -> tuple[DeviceKind, ...] | None:
    if reading.virtual is not None and state.name in reading.virtual:
        return (DeviceKind.TOTP_APP,)
    if isinstance(state.devices, NotLoaded):
        return None
    return reading.kinds.get(state.name, (DeviceKind.UNREAD,)) if state.devices else ()


_BY_STANDING: Final[Mapping[Standing, Outcome]] = {
    Standing.EXEMPT: Outcome.EXEMPT,
    Standing.ACTIVE_MACHINE: Outcome.DECIDE,
    Standing.WITHOUT_PASSWORD: Outcome.REPORTED,
}


def _outcome(assessment: Assessment, state: UserState, now: datetime) -> Outcome:
    if assessment.enforced and not assessment.exempt:
        return Outcome.BOUND
    sort = _sort(state, now)
    if sort is Sort.UNKNOWN and not assessment.exempt:
        # The plan's assumptions would be a guess about everything that matters.
        return Outcome.UNKNOWN
    if assessment.plan.standing is not Standing.ENFORCED:
        return _BY_STANDING[assessment.plan.standing]
    if state.keys_in_use(now):
        return Outcome.KEYS_STOP
    if sort is not Sort.PERSON:
        return Outcome.IDLE
    return Outcome.READY if state.has_device() else Outcome.ENROLL
