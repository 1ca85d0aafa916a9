"""The whole account as the bulk calls show it: cheap, partly late, and never the ground for changing anybody.

Every user is a `UserState` whose fields are as good as their source: tags, policy and group are a moment old, virtual
devices as well; other devices, passwords and the use of keys come from the credential report, which lags up to four
hours. Before anybody is changed, what the change depends on is read again from IAM.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.user import NOT_LOADED, AccessKey, Device, Field, UserState


@dataclass(frozen=True)
class ListedUser:
    """One user of GetAccountAuthorizationDetails: who he is, and how the policy reaches him.

    `tags` are the guard's own: everybody else's could take 19 KB a user.
    """

    name: str
    id: str
    path: str
    tags: Mapping[str, str]
    attached: bool
    in_group: bool


@dataclass(frozen=True)
class ReportRow:
    """One user of the credential report, up to four hours late; `device` tells of devices of every type.

    `keys` are those that are active or have a use on record. The report knows columns and no ids: "key 1", "key 2".
    """

    device: bool
    password: bool
    keys: tuple[AccessKey, ...]


@dataclass(frozen=True)
class Snapshot:
    """The account at one moment. `report` is None when IAM made none in time; users newer than it are not in it.

    `virtual` are the names of users with an assigned virtual device; `exemptions` are keyed by user id. `late` is one
    sentence on what the report lacks, or None.
    """

    users: tuple[ListedUser, ...]
    virtual_device_owners: frozenset[str]
    report: Mapping[str, ReportRow] | None
    exemptions: Mapping[str, Exemption | MalformedExemption]
    report_problem: str | None = None


def state_of(user: ListedUser, snapshot: Snapshot) -> UserState:
    """Return the user with every answer that the snapshot has, however late; what it lacks stays unasked."""
    row = snapshot.report.get(user.name) if snapshot.report is not None else None
    device: bool | None = True if user.name in snapshot.virtual_device_owners else row.device if row else None
    return UserState(
        name=user.name,
        id=user.id,
        path=user.path,
        tags=user.tags,
        exemption=snapshot.exemptions.get(user.id),
        devices=NOT_LOADED if device is None else (_SOME_DEVICE,) if device else (),
        attached=user.attached,
        in_group=user.in_group,
        password=row.password if row else NOT_LOADED,
        keys=row.keys if row else NOT_LOADED,
        unfinished=None,
    )


def unload_stale_fields(state: UserState, now: datetime, assumed: frozenset[Field] = frozenset()) -> UserState:
    """Return `state` without the answers that are too late to change anybody for, or were `assumed`.

    Keys that the report shows in use stay: that is enough not to enforce, and never enough to enforce. Beside such keys
    a password decides between a person and a machine, so it is asked for again, where the budget of three calls a user
    has room for it: with a device there is nothing to tag.
    """
    in_use = isinstance(state.keys, tuple) and any(key.in_use(now) for key in state.keys)
    return replace(
        state,
        devices=NOT_LOADED,
        password=NOT_LOADED if Field.PASSWORD in assumed or (in_use and state.devices) else state.password,
        keys=state.keys if in_use else NOT_LOADED,
        service_credentials=NOT_LOADED,
    )


_SOME_DEVICE = Device("a device", datetime.min)  # noqa: DTZ901 - never compared, only counted
