"""What the credential report says beyond what the plan needs: where keys and passwords were used last. Pure."""

import csv
import io
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from mfa_guard_cli.preview.model import Use, Uses

_SLOTS: Final = (1, 2)
_NOTHING: Final = frozenset({"N/A", "no_information", "not_supported"})


def parse_uses(content: bytes) -> Mapping[str, Uses]:
    """Return the uses by user name. A column that is missing or says nothing is empty here, and no error.

    `content` is what `mfa_guard.core.report.parse_report` has accepted, which also says whose rows count.
    """
    rows = csv.DictReader(io.TextIOWrapper(io.BytesIO(content), "utf-8", errors="replace", newline=""))
    return {
        row["user"]: Uses(
            _time(_said(row, "password_last_used")),
            {
                f"key {slot}": Use(
                    _said(row, f"access_key_{slot}_last_used_service"),
                    _said(row, f"access_key_{slot}_last_used_region"),
                )
                for slot in _SLOTS
            },
        )
        for row in rows
    }


def _said(row: Mapping[str, str | None], column: str) -> str:
    value = row.get(column) or ""
    return "" if value in _NOTHING else value


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else None
