"""Convert a preview to the rows of the table and of CSV, and to JSON. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from mfa_guard.core.times import utc_text
from mfa_guard_cli.preview.advice import advise, exempt_command
from mfa_guard_cli.preview.descriptions import (
    LIMITATIONS,
    caller_text,
    devices_text,
    keys_text,
    parameters,
    password_text,
    what_stops,
)
from mfa_guard_cli.preview.model import Preview, ReportedKey, UserForecast

TABLE_COLUMNS: Final = ("USER", "KIND", "PASSWORD", "ACCESS KEYS", "MFA DEVICES", "OUTCOME", "WHAT STOPS")

_SLOTS: Final = ("key 1", "key 2")
_KEY_COLUMNS: Final = ("active", "last_used", "last_service", "last_region")

CSV_COLUMNS: Final = (
    "user",
    "path",
    "kind",
    "password",
    "password_last_used",
    *(f"{slot.replace(' ', '_')}_{column}" for slot in _SLOTS for column in _KEY_COLUMNS),
    "mfa_devices",
    "mfa",
    "outcome",
    "actions",
    "stops",
    "certain",
    "is_caller",
)


def table_row(user: UserForecast, now: datetime) -> tuple[str, ...]:
    """Return the cells below `TABLE_COLUMNS`."""
    path = "" if user.path == "/" else f" ({user.path})"
    return (
        f"{user.name}{path}{' <- these credentials' if user.is_caller else ''}",
        user.kind,
        password_text(user, now),
        "; ".join(keys_text(user, now)),
        devices_text(user),
        user.outcome,
        "; ".join(what_stops(user)) or "-",
    )


def csv_row(user: UserForecast) -> tuple[str, ...]:
    """Return the cells below `CSV_COLUMNS`: yes, no, or empty if unknown. Times are in UTC."""
    keys = {key.slot: key for key in user.keys or ()}
    return (
        user.name,
        user.path,
        user.kind,
        _yes_or_no(user.password),
        _time(user.password_last_used) or "",
        *(cell for slot in _SLOTS for cell in _key_cells(keys.get(slot))),
        devices_text(user),
        user.mfa_method,
        user.outcome,
        " ".join(user.actions or ()),
        "; ".join(what_stops(user)),
        _yes_or_no(user.certain),
        _yes_or_no(user.is_caller),
    )


def as_json(preview: Preview) -> Mapping[str, object]:
    """Return the whole preview. What is unknown is null."""
    data, totals, advice = preview.data, preview.totals, advise(preview)
    facts, warnings = caller_text(preview)
    return {
        "account": data.account,
        "read_at": utc_text(data.read_at),
        "credential_report_created_at": _time(data.report_created),
        "parameters": parameters(preview.settings),
        "caller": {
            "arn": data.caller.arn,
            "kind": data.caller.kind,
            "long_term_key": data.caller.long_term,
            "facts": facts,
            "warnings": warnings,
        },
        "totals": {
            "users": totals.users,
            "kinds": totals.kinds,
            "outcomes": totals.outcomes,
            "mfa": totals.mfa_methods,
            "keys_stopping": totals.keys_stopping,
            "incomplete": totals.incomplete,
        },
        "advice": {
            "exempt_path_prefixes": advice.paths,
            "exempt_users": [{"user": name, "command": exempt_command(name)} for name in advice.names],
        },
        "users": [_user(user) for user in preview.users],
        "notes": data.notes,
        "limitations": LIMITATIONS,
    }


def _user(user: UserForecast) -> Mapping[str, object]:
    return {
        "user": user.name,
        "id": user.id,
        "path": user.path,
        "is_caller": user.is_caller,
        "kind": user.kind,
        "password": user.password,
        "password_last_used": _time(user.password_last_used),
        "access_keys": None if user.keys is None else [_key(key) for key in user.keys],
        "mfa_devices": user.devices,
        "mfa": user.mfa_method,
        "outcome": user.outcome,
        "actions": user.actions,
        "certain": user.certain,
        "keys_stopping": [key.slot for key in user.stopping_keys],
        "stops": what_stops(user),
    }


def _key(key: ReportedKey) -> Mapping[str, object]:
    return {
        "key": key.slot,
        "active": key.active,
        "in_use": key.in_use,
        "last_used": _time(key.last_used),
        "last_service": key.use.service or None,
        "last_region": key.use.region or None,
    }


def _key_cells(key: ReportedKey | None) -> tuple[str, ...]:
    if key is None:
        return ("",) * len(_KEY_COLUMNS)
    return _yes_or_no(key.active), _time(key.last_used) or "", key.use.service, key.use.region


def _time(time: datetime | None) -> str | None:
    return None if time is None else utc_text(time)


def _yes_or_no(value: bool | None) -> str:  # noqa: FBT001 - a value to show, not a switch
    return {True: "yes", False: "no", None: ""}[value]
