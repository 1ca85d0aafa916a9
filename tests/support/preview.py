"""Accounts as `mfa-guard preview` reads them, with defaults that no test depends on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from mfa_guard.core.account.snapshot import ListedUser, ReportRow
from mfa_guard.core.user import AccessKey
from mfa_guard_cli.preview.forecast import predict
from mfa_guard_cli.preview.model import (
    AccountData,
    Caller,
    CallerKind,
    DeviceKind,
    KeyUse,
    LastUses,
    Preview,
    UserForecast,
)
from support.factories import (
    ACCOUNT,
    NOW,
    OLD,
    settings,
)

KEY = AccessKey("key 1", active=True, last_used=NOW - timedelta(days=1), created_at=NOW - OLD)


@dataclass(frozen=True)
class SampleUser:
    """One user of the account.

    `reported` is false for a user who is newer than the credential report. `other_devices` are what ListMFADevices
    answers, None if it is not called.
    """

    name: str = "alice"
    path: str = "/"
    password: bool = False
    keys: tuple[AccessKey, ...] = ()
    device: bool = False
    virtual: bool = False
    other_devices: tuple[DeviceKind, ...] | None = None
    attached: bool = False
    reported: bool = True
    last_uses: LastUses | None = None

    @property
    def id(self) -> str:
        return f"AIDA{self.name.upper()}"


def user_caller(name: str = "alice", *, long_term: bool = True) -> Caller:
    arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    return Caller(CallerKind.USER, arn, name, f"AIDA{name.upper()}", "WXYZ", long_term)


def role_caller(name: str = "Admin") -> Caller:
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/bob"
    return Caller(CallerKind.ROLE, arn, name, "AROAEXAMPLE", "WXYZ", long_term=False)


def account_data(*users: SampleUser, **changes: object) -> AccountData:
    """Return what is read of an account with these users, by a role unless `changes` say otherwise."""
    base = AccountData(
        caller=role_caller(),
        account=ACCOUNT,
        read_at=NOW,
        users=tuple(
            ListedUser(each.name, each.id, each.path, {}, NOW - OLD, each.attached, in_group=False) for each in users
        ),
        virtual_device_owners=frozenset(each.id for each in users if each.virtual),
        report={
            each.name: ReportRow(NOW - OLD, each.device or each.virtual, each.password, each.keys)
            for each in users
            if each.reported
        },
        report_created=NOW - timedelta(minutes=35),
        last_uses={each.name: each.last_uses for each in users if each.last_uses},
        other_devices={each.name: each.other_devices for each in users if each.other_devices is not None},
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def preview_of(*users: SampleUser, chosen: Mapping[str, object] | None = None, **changes: object) -> Preview:
    """Return the preview of an account with these users. `chosen` are settings, `changes` change the account's data."""
    return predict(account_data(*users, **changes), settings(**(chosen or {})))


def forecast_of(user: SampleUser, chosen: Mapping[str, object] | None = None, **changes: object) -> UserForecast:
    """Return the forecast for the only user of an account."""
    [forecast] = preview_of(user, chosen=chosen, **changes).users
    return forecast


def last_used_for(service: str, region: str = "us-east-1", keys: Iterable[str] = ("key 1",)) -> LastUses:
    return LastUses(None, {slot: KeyUse(service, region) for slot in keys})
