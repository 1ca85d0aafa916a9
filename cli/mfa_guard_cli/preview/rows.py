"""A preview as rows and as JSON, for programs. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from mfa_guard.core.times import utc_text
from mfa_guard_cli.preview.advice import advise, exempt_command
from mfa_guard_cli.preview.model import Key, Outlook, Preview
from mfa_guard_cli.preview.wording import (
    LIMITS,
    caller_lines,
    devices_text,
    keys_text,
    password_text,
    settings_facts,
    stops,
)

TABLE: Final = ("USER", "KIND", "PASSWORD", "ACCESS KEYS", "MFA", "ENFORCING", "WHAT STOPS")

_SLOTS: Final = ("key 1", "key 2")
_KEY: Final = ("active", "last_used", "last_service", "last_region")

CSV: Final = (
    "user",
    "path",
    "kind",
    "password",
    "password_last_used",
    *(f"{slot.replace(' ', '_')}_{field}" for slot in _SLOTS for field in _KEY),
    "mfa_devices",
    "mfa",
    "outcome",
    "actions",
    "stops",
    "certain",
    "own",
)


def table_row(outlook: Outlook, now: datetime) -> tuple[str, ...]:
    """Return the cells below `TABLE`."""
    path = "" if outlook.path == "/" else f" ({outlook.path})"
    return (
        f"{outlook.name}{path}{' <- these credentials' if outlook.own else ''}",
        outlook.sort,
        password_text(outlook, now),
        "; ".join(keys_text(outlook, now)),
        devices_text(outlook),
        outlook.outcome,
        "; ".join(stops(outlook)) or "-",
    )


def csv_row(outlook: Outlook) -> tuple[str, ...]:
    """Return the cells below `CSV`: yes, no or empty for unknown, and times in UTC."""
    keys = {key.slot: key for key in outlook.keys or ()}
    return (
        outlook.name,
        outlook.path,
        outlook.sort,
        _yes(outlook.password),
        _time(outlook.password_used) or "",
        *(cell for slot in _SLOTS for cell in _key_cells(keys.get(slot))),
        devices_text(outlook),
        outlook.mfa,
        outlook.outcome,
        " ".join(outlook.actions or ()),
        "; ".join(stops(outlook)),
        _yes(outlook.certain),
        _yes(outlook.own),
    )


def as_json(preview: Preview) -> Mapping[str, object]:
    """Return the whole preview; what is not known is null."""
    reading, totals, advice = preview.reading, preview.totals, advise(preview)
    lines, warnings = caller_lines(preview)
    return {
        "account": reading.account,
        "read_at": utc_text(reading.at),
        "credential_report_made_at": _time(reading.report_made),
        "parameters": settings_facts(preview.settings),
        "caller": {
            "arn": reading.caller.arn,
            "kind": reading.caller.kind,
            "long_term_key": reading.caller.long_term,
            "facts": lines,
            "warnings": warnings,
        },
        "totals": {
            "users": totals.users,
            "kinds": totals.sorts,
            "outcomes": totals.outcomes,
            "mfa": totals.mfa,
            "keys_stopping": totals.keys_stopping,
            "not_fully_read": totals.unread,
        },
        "advice": {
            "exempt_path_prefixes": advice.paths,
            "exempt_users": [{"user": name, "command": exempt_command(name)} for name in advice.names],
        },
        "users": [_user(outlook) for outlook in preview.outlooks],
        "notes": reading.notes,
        "limits": LIMITS,
    }


def _user(outlook: Outlook) -> Mapping[str, object]:
    return {
        "user": outlook.name,
        "id": outlook.id,
        "path": outlook.path,
        "own": outlook.own,
        "kind": outlook.sort,
        "password": outlook.password,
        "password_last_used": _time(outlook.password_used),
        "access_keys": None if outlook.keys is None else [_key(key) for key in outlook.keys],
        "mfa_devices": outlook.devices,
        "mfa": outlook.mfa,
        "outcome": outlook.outcome,
        "actions": outlook.actions,
        "certain": outlook.certain,
        "keys_stopping": [key.slot for key in outlook.stopping],
        "stops": stops(outlook),
    }


def _key(key: Key) -> Mapping[str, object]:
    return {
        "key": key.slot,
        "active": key.active,
        "in_use": key.in_use,
        "last_used": _time(key.last_used),
        "last_service": key.use.service or None,
        "last_region": key.use.region or None,
    }


def _key_cells(key: Key | None) -> tuple[str, ...]:
    if key is None:
        return ("",) * len(_KEY)
    return _yes(key.active), _time(key.last_used) or "", key.use.service, key.use.region


def _time(time: datetime | None) -> str | None:
    return None if time is None else utc_text(time)


def _yes(value: bool | None) -> str:  # noqa: FBT001 - a value to show, no switch
    return {True: "yes", False: "no", None: ""}[value]
