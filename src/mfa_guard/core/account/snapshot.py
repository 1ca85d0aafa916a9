"""The whole account, as IAM's bulk calls show it.

Tags, the policy, the group and virtual devices are moments old. Other devices, passwords and the use of keys come from
the credential report, which may be four hours old. Before the guard changes a user, it reads again from IAM what the
change depends on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.user import NOT_LOADED, AccessKey, Device, Field, UserState
from mfa_guard.core.user_record import NO_RECORD


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class ReportRow:
    """One user of the credential report, up to four hours old. `device` counts devices of every type.

    `keys` are the keys that are active or have a recorded use. The report has no ids of keys, so their ids are "key 1"
    and "key 2". Their `created_at` is the time of the key's last change, which may be later than its creation.
    """

    device: bool
    password: bool
    keys: tuple[AccessKey, ...]


@dataclass(frozen=True)
class Snapshot:
    """The account at one moment.

    `virtual_device_owners` are the names of the users with an assigned virtual device. `report` is None if IAM did not
    finish it in time, and lacks users who are newer than the report. `exemptions` are keyed by user id.
    `report_problem` is one sentence about what the report lacks, or None.
    """

    users: tuple[ListedUser, ...]
    virtual_device_owners: frozenset[str]
    report: Mapping[str, ReportRow] | None
    exemptions: Mapping[str, Exemption | MalformedExemption]
    report_problem: str | None = None


def state_of(user: ListedUser, snapshot: Snapshot) -> UserState:
    """Return the user's state with every field that the snapshot has, however old; other fields are not loaded."""
    row = snapshot.report.get(user.name) if snapshot.report is not None else None
    device: bool | None = True if user.name in snapshot.virtual_device_owners else row.device if row else None
    return UserState(
        name=user.name,
        id=user.id,
        path=user.path,
        tags=user.tags,
        created_at=user.created_at,
        exemption=snapshot.exemptions.get(user.id),
        devices=NOT_LOADED if device is None else (_SOME_DEVICE,) if device else (),
        attached=user.attached,
        in_group=user.in_group,
        password=row.password if row else NOT_LOADED,
        keys=row.keys if row else NOT_LOADED,
        record=NO_RECORD,
    )


def unload_stale_fields(state: UserState, now: datetime, assumed: frozenset[Field] = frozenset()) -> UserState:
    """Return `state` without the fields that are `assumed`, or too old to change the user for.

    Keys that the report shows at work stay loaded: they can keep the guard from enforcing, and never make it enforce.
    For a user with such keys, the password decides between a person and a machine user. It is read again if the user
    has a device: such a user needs no tags, so the budget of three calls for each user has room for it.
    """
    at_work = isinstance(state.keys, tuple) and any(key.shows_work(now) for key in state.keys)
    return replace(
        state,
        devices=NOT_LOADED,
        password=NOT_LOADED if Field.PASSWORD in assumed or (at_work and state.devices) else state.password,
        keys=state.keys if at_work else NOT_LOADED,
        service_credentials=NOT_LOADED,
    )


_SOME_DEVICE = Device("a device", datetime.min)  # noqa: DTZ901 - the time is never compared
