"""Users of the account, as IAM's bulk calls show them.

A user's id, name, tags, policy and group are as old as the page that listed the user. Virtual devices are listed once,
before the pages. Other devices, passwords and the use of keys come from the credential report, which may be four hours
old. Before the guard changes a user, it reads again from IAM what the change depends on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.user import NOT_LOADED, AccessKey, Device, Field, UserState
from mfa_guard.core.user_record import NO_RECORD, UserRecord


@dataclass(frozen=True, slots=True)
class ListedUser:
    """One user, as GetAccountAuthorizationDetails shows it.

    `tags` are the guard's tags only, because a user's other tags may take up 19 KB.
    """

    name: str
    id: str
    path: str
    tags: Mapping[str, str]
    created_at: datetime
    attached: bool
    in_group: bool


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One user of the credential report, up to four hours old. `device` counts devices of every type.

    `created_at` is when the user was created: it tells the user from another user of the same name. `keys` are the keys
    that are active or have a recorded use. The report has no ids of keys, so their ids are "key 1" and "key 2". Their
    `created_at` is the time of the key's last change, which may be later than its creation.
    """

    created_at: datetime
    device: bool
    password: bool
    keys: tuple[AccessKey, ...]


# GetAccountAuthorizationDetails and the report show the same time of creation in seconds. The margin allows for
# different rounding. A deleted user of the same name that existed for less than a minute had no time to enroll.
_SAME_CREATION: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class Sources:
    """What is read once for all users, before they are listed.

    `virtual_device_owners` are the ids of the users with an assigned virtual device. `report` has the rows of the
    credential report by user name; it is None if IAM did not finish the report in time, and lacks users who are newer
    than the report. `report_problem` is one sentence about what the report lacks, or None.
    """

    virtual_device_owners: frozenset[str]
    report: Mapping[str, ReportRow] | None
    report_problem: str | None = None

    def row(self, user: ListedUser) -> ReportRow | None:
        """Return the user's row of the report, or None if the report has none or has another user of that name."""
        row = self.report.get(user.name) if self.report is not None else None
        return row if row and abs(row.created_at - user.created_at) <= _SAME_CREATION else None


@dataclass(frozen=True)
class Snapshot:
    """Users as one listing shows them, with what else the guard knows about them.

    `exemptions` and `records` are keyed by user id.
    """

    users: tuple[ListedUser, ...]
    sources: Sources
    exemptions: Mapping[str, Exemption | MalformedExemption]
    records: Mapping[str, UserRecord] = field(default_factory=dict)


def state_of(user: ListedUser, snapshot: Snapshot) -> UserState:
    """Return the user's state with every field that the snapshot has, however old; other fields are not loaded."""
    row, virtual = snapshot.sources.row(user), user.id in snapshot.sources.virtual_device_owners
    devices = _VIRTUAL_DEVICE if virtual else NOT_LOADED if row is None else _REPORTED_DEVICE if row.device else ()
    return UserState(
        name=user.name,
        id=user.id,
        path=user.path,
        tags=user.tags,
        created_at=user.created_at,
        exemption=snapshot.exemptions.get(user.id),
        devices=devices,
        attached=user.attached,
        in_group=user.in_group,
        password=row.password if row else NOT_LOADED,
        keys=row.keys if row else NOT_LOADED,
        record=snapshot.records.get(user.id, NO_RECORD),
    )


def unload_stale_fields(state: UserState, now: datetime, assumed: frozenset[Field] = frozenset()) -> UserState:
    """Return `state` without the fields that are `assumed`, or too old to change the user for.

    A virtual device stays loaded, because the list of virtual devices shows the present. Keys that the report shows at
    work stay loaded: they can keep the guard from enforcing, and never make it enforce.
    For a user with such keys, the password decides between a person and a machine user. It is read again if the user
    has a device: such a user needs no tags, so the budget of three calls for each user has room for it.
    """
    at_work = isinstance(state.keys, tuple) and any(key.shows_work(now) for key in state.keys)
    return replace(
        state,
        devices=_VIRTUAL_DEVICE if state.devices == _VIRTUAL_DEVICE else NOT_LOADED,
        password=NOT_LOADED if Field.PASSWORD in assumed or (at_work and state.devices) else state.password,
        keys=state.keys if at_work else NOT_LOADED,
        service_credentials=NOT_LOADED,
    )


# The times are never compared.
_VIRTUAL_DEVICE: Final = (Device("a virtual device", datetime.min.replace(tzinfo=UTC)),)
_REPORTED_DEVICE: Final = (Device("a device", datetime.min.replace(tzinfo=UTC)),)
