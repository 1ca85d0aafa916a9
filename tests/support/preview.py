"""Accounts as `mfa-guard preview` reads them, with defaults that no test depends on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from mfa_guard.core.account.snapshot import ListedUser, ReportRow
from mfa_guard.core.user import AccessKey
from mfa_guard_cli.preview.model import (
    Caller,
    CallerKind,
    DeviceKind,
    Outlook,
    Preview,
    Reading,
    Use,
    Uses,
    foresee,
)
from support.factories import ACCOUNT, NOW, settings

KEY = AccessKey("key 1", active=True, last_used=NOW - timedelta(days=1))


@dataclass(frozen=True)
class Somebody:
    """One user of the account. `reported` is false for whoever is newer than the report; `kinds`: what a call says."""

    name: str = "alice"
    path: str = "/"
    password: bool = False
    keys: tuple[AccessKey, ...] = ()
    device: bool = False
    virtual: bool = False
    kinds: tuple[DeviceKind, ...] | None = None
    attached: bool = False
    reported: bool = True
    uses: Uses | None = None

    @property
    def id(self) -> str:
        return f"AIDA{self.name.upper()}"


def by_user(name: str = "alice", *, long_term: bool = True) -> Caller:
    arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    return Caller(CallerKind.USER, arn, name, f"AIDA{name.upper()}", "WXYZ", long_term)


def by_role(name: str = "Admin") -> Caller:
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/bob"
    return Caller(CallerKind.ROLE, arn, name, "AROAEXAMPLE", "WXYZ", long_term=False)


def reading(*people: Somebody, **changes: object) -> Reading:
    """Return what is read of an account with these people, by a role unless `changes` says otherwise."""
    base = Reading(
        caller=by_role(),
        account=ACCOUNT,
        at=NOW,
        users=tuple(ListedUser(each.name, each.id, each.path, {}, each.attached, in_group=False) for each in people),
        virtual=frozenset(each.name for each in people if each.virtual),
        report={
            each.name: ReportRow(each.device or each.virtual, each.password, each.keys)
            for each in people
            if each.reported
        },
        report_made=NOW - timedelta(minutes=35),
        uses={each.name: each.uses for each in people if each.uses},
        kinds={each.name: each.kinds for each in people if each.kinds is not None},
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def preview_of(*people: Somebody, chosen: Mapping[str, object] | None = None, **changes: object) -> Preview:
    """Return the preview of an account with these people; `chosen` are settings, `changes` those of the reading."""
    return foresee(reading(*people, **changes), settings(**(chosen or {})))


def outlook_of(person: Somebody, chosen: Mapping[str, object] | None = None, **changes: object) -> Outlook:
    """Return what enforcing would do to the only user of an account."""
    [outlook] = preview_of(person, chosen=chosen, **changes).outlooks
    return outlook


def used_for(service: str, region: str = "us-east-1", keys: Iterable[str] = ("key 1",)) -> Uses:
    return Uses(None, {slot: Use(service, region) for slot in keys})
