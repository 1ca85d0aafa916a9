"""Predict what enforcing MFA would do to each user, by the guard's own plan. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from mfa_guard.core.account.assessment import Assessment, assess
from mfa_guard.core.account.snapshot import ListedUser, Snapshot, Sources, state_of
from mfa_guard.core.settings import Settings
from mfa_guard.core.user import AccessKey, NotLoaded, UserState
from mfa_guard.core.user_record import Standing
from mfa_guard_cli.preview.model import (
    AccountData,
    CallerKind,
    DeviceKind,
    KeyUse,
    LastUses,
    Outcome,
    Preview,
    ReportedKey,
    UserForecast,
    UserKind,
)


def predict(data: AccountData, settings: Settings) -> Preview:
    """Return what enforcing MFA with `settings` would do: the caller's own user, then by outcome and name."""
    snapshot = _snapshot(data)
    assessments = assess(snapshot, settings, data.read_at)
    users = (_forecast(user, each, snapshot, data) for user, each in zip(snapshot.users, assessments, strict=True))
    rank = {outcome: number for number, outcome in enumerate(Outcome)}
    return Preview(
        data, settings, tuple(sorted(users, key=lambda each: (not each.is_caller, rank[each.outcome], each.name)))
    )


def _snapshot(data: AccountData) -> Snapshot:
    """Return the data as the guard's own snapshot, without devices that were removed after the report was created."""
    report = data.report
    if report is not None:
        removed = [name for name, devices in data.other_devices.items() if not devices and name in report]
        report = {**report, **{name: replace(report[name], device=False) for name in removed}}
    return Snapshot(data.users, Sources(data.virtual_device_owners or frozenset(), report), exemptions={})


def _forecast(user: ListedUser, assessment: Assessment, snapshot: Snapshot, data: AccountData) -> UserForecast:
    state, last_uses = state_of(user, snapshot), data.last_uses.get(user.name, LastUses())
    keys = (
        None
        if isinstance(state.keys, NotLoaded)
        else tuple(_reported_key(key, last_uses, data.read_at) for key in state.keys)
    )
    kind = _kind(state, data.read_at)
    outcome = _outcome(assessment, state, kind, data.read_at)
    at_stake = outcome in (Outcome.KEYS_STOP, Outcome.DECIDE)
    return UserForecast(
        name=user.name,
        id=user.id,
        path=user.path,
        kind=kind,
        password=None if isinstance(state.password, NotLoaded) else state.password,
        password_last_used=last_uses.password,
        keys=keys,
        devices=_devices(state, data),
        outcome=outcome,
        actions=None if outcome is Outcome.UNKNOWN else assessment.plan.actions,
        stopping_keys=tuple(key for key in keys or () if key.active and key.in_use) if at_stake else (),
        certain=assessment.certain,
        is_caller=data.caller.kind is CallerKind.USER and user.id == data.caller.id,
    )


def _reported_key(key: AccessKey, last_uses: LastUses, now: datetime) -> ReportedKey:
    return ReportedKey(key.id, key.active, key.last_used, key.in_use(now), last_uses.keys.get(key.id, KeyUse()))


def _kind(state: UserState, now: datetime) -> UserKind:
    if isinstance(state.password, NotLoaded) or isinstance(state.keys, NotLoaded):
        return UserKind.UNKNOWN
    if state.password:
        return UserKind.PERSON
    active_machine = replace(state, service_credentials=()).is_active_machine_user(now)
    return UserKind.MACHINE if active_machine else UserKind.UNUSED


def _devices(state: UserState, data: AccountData) -> tuple[DeviceKind, ...] | None:
    if data.virtual_device_owners is not None and state.id in data.virtual_device_owners:
        return (DeviceKind.TOTP_APP,)
    if isinstance(state.devices, NotLoaded):
        return None
    return data.other_devices.get(state.name, (DeviceKind.UNREAD,)) if state.devices else ()


_BY_STANDING: Final[Mapping[Standing, Outcome]] = {
    Standing.EXEMPT: Outcome.EXEMPT,
    Standing.ACTIVE_MACHINE: Outcome.DECIDE,
    Standing.WITHOUT_PASSWORD: Outcome.REPORTED,
}


def _outcome(assessment: Assessment, state: UserState, kind: UserKind, now: datetime) -> Outcome:
    if assessment.enforced and not assessment.exempt:
        return Outcome.ENFORCED_ALREADY
    if kind is UserKind.UNKNOWN and not assessment.exempt:
        # The assessment assumes no password and no key in use, which would be a guess about what matters most.
        return Outcome.UNKNOWN
    if assessment.plan.standing is not Standing.ENFORCED:
        return _BY_STANDING[assessment.plan.standing]
    if state.keys_in_use(now):
        return Outcome.KEYS_STOP
    if kind is not UserKind.PERSON:
        return Outcome.IDLE
    return Outcome.READY if state.has_device() else Outcome.ENROLL
