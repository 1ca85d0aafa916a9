"""Parse IAM's credential report, a CSV file with every user's MFA devices, passwords and use of access keys.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mfa_guard.core.account.snapshot import ReportRow
from mfa_guard.core.user import AccessKey


class ReportNotUnderstood(ValueError):
    """The content is not a credential report; the message is one sentence."""


@dataclass(frozen=True)
class CredentialReport:
    """The report's rows by user name. `unread` counts the rows that could not be read."""

    rows: Mapping[str, ReportRow]
    unread: int


def parse_report(content: bytes) -> CredentialReport:
    """Return every row, also of root and of users who were deleted since.

    Columns are found by name, so their order and additional columns do not matter. If a user has several rows, the last
    row counts. Raises ReportNotUnderstood if the content is not CSV or lacks a column.
    """
    # The rows are read one by one from the bytes, because the report of a large account takes much memory as text.
    lines = io.TextIOWrapper(
        io.BytesIO(content),
        "utf-8",  # pragma: no mutate: It is the default in Lambda and in the tests, and UTF-8 is the same.
        errors="replace",
        newline="",
    )
    reader = csv.reader(lines)
    rows: dict[str, ReportRow] = {}
    unread = 0
    try:
        columns = _columns(next(reader, []))
        for values in filter(None, reader):
            if len(values) != columns.count:
                unread += 1
            else:
                try:
                    rows[values[columns.at["user"]]] = _row(values, columns.at)
                except _ValueNotUnderstood:
                    unread += 1
    except csv.Error as error:
        raise ReportNotUnderstood(f"The credential report is not CSV: {error}.") from error
    return CredentialReport(rows, unread)


class _ValueNotUnderstood(ValueError):
    pass


@dataclass(frozen=True)
class _Columns:
    count: int
    at: Mapping[str, int]


_KEY_COLUMNS: Final = tuple(
    (f"access_key_{n}_active", f"access_key_{n}_last_used_date", f"access_key_{n}_last_rotated") for n in (1, 2)
)
_REQUIRED: Final = (
    "user",
    "user_creation_time",
    "password_enabled",
    "mfa_active",
    *(column for columns in _KEY_COLUMNS for column in columns),
)

# IAM writes lower case where its guide says TRUE and FALSE. Root's password was "not_supported" for years.
_BOOLEANS: Final = {"true": True, "false": False, "not_supported": False}
_NEVER: Final = {"N/A", "no_information", "not_supported"}


def _columns(header: Sequence[str]) -> _Columns:
    if missing := [column for column in _REQUIRED if column not in header]:
        raise ReportNotUnderstood(f"The credential report has no column {', '.join(missing)}.")
    return _Columns(len(header), {column: header.index(column) for column in _REQUIRED})


def _row(values: Sequence[str], at: Mapping[str, int]) -> ReportRow:
    created = _time(values[at["user_creation_time"]])
    keys = (
        AccessKey(
            f"key {slot}",
            _boolean(values[at[active]]),
            _time_or_never(values[at[used]]),
            _time_or_never(values[at[rotated]]) or created,
        )
        for slot, (active, used, rotated) in enumerate(_KEY_COLUMNS, 1)
    )
    return ReportRow(
        created_at=created,
        device=_boolean(values[at["mfa_active"]]),
        password=_boolean(values[at["password_enabled"]]),
        keys=tuple(key for key in keys if key.active or key.last_used),
    )


def _boolean(text: str) -> bool:
    if (value := _BOOLEANS.get(text.lower())) is None:
        raise _ValueNotUnderstood
    return value


def _time_or_never(text: str) -> datetime | None:
    return None if text in _NEVER else _time(text)


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise _ValueNotUnderstood from error
    if time.tzinfo is None:
        raise _ValueNotUnderstood
    return time
