"""Read from the credential report where keys and passwords were used last, which the plan does not need. Pure."""

import csv
import io
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from mfa_guard_cli.preview.model import KeyUse, LastUses

_SLOTS: Final = (1, 2)
_NO_VALUE: Final = frozenset({"N/A", "no_information", "not_supported"})


def parse_last_uses(content: bytes) -> Mapping[str, LastUses]:
    """Return the last uses by user name. A missing column or value is empty and not an error.

    `content` is a report that `parse_report` has accepted, which also decides whose rows count.
    """
    rows = csv.DictReader(io.TextIOWrapper(io.BytesIO(content), "utf-8", errors="replace", newline=""))
    return {
        row["user"]: LastUses(
            _time(_value(row, "password_last_used")),
            {
                f"key {slot}": KeyUse(
                    _value(row, f"access_key_{slot}_last_used_service"),
                    _value(row, f"access_key_{slot}_last_used_region"),
                )
                for slot in _SLOTS
            },
        )
        for row in rows
    }


def _value(row: Mapping[str, str | None], column: str) -> str:
    value = row.get(column) or ""
    return "" if value in _NO_VALUE else value


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else None
