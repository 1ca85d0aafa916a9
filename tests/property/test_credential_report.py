"""Any bytes are parsed as a report or refused, and what IAM writes is read back."""

import csv
import io
from contextlib import suppress
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from mfa_guard.core.account.credential_report import CredentialReport, ReportNotUnderstood, parse_report
from mfa_guard.core.account.snapshot import ReportRow
from mfa_guard.core.user import AccessKey

COLUMNS = (
    "user",
    "user_creation_time",
    "password_enabled",
    "mfa_active",
    "access_key_1_active",
    "access_key_1_last_rotated",
    "access_key_1_last_used_date",
    "access_key_2_active",
    "access_key_2_last_rotated",
    "access_key_2_last_used_date",
)
NAMES = st.text("abcXYZ019_+=,.@-", min_size=1, max_size=64)
TIMES = st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1)).map(  # noqa: DTZ001 - made aware in the next line
    lambda time: time.replace(microsecond=0, tzinfo=UTC)
)
USES = st.none() | TIMES
USERS = st.dictionaries(
    NAMES,
    st.tuples(TIMES, st.booleans(), st.booleans(), st.booleans(), TIMES, USES, st.booleans(), TIMES, USES),
    max_size=5,
)
VALUES = st.sampled_from(["true", "FALSE", "N/A", "no_information", "2026-01-01T00:00:00Z", "2026-01-01", "alice"])
ALMOST = st.lists(st.lists(VALUES | st.text(max_size=5), min_size=9, max_size=11), max_size=4)


def written(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


@given(st.binary() | st.text().map(str.encode) | ALMOST.map(lambda rows: written([[*COLUMNS], *rows])))
def test_any_bytes_are_parsed_or_refused_as_declared(content: bytes) -> None:
    with suppress(ReportNotUnderstood):
        assert all(row.created_at.tzinfo for row in parse_report(content).rows.values())


@given(USERS, st.permutations([*COLUMNS, "arn", "cert_1_active"]))
def test_a_written_report_is_read_back(
    users: dict[str, tuple[datetime, bool, bool, bool, datetime, datetime | None, bool, datetime, datetime | None]],
    columns: list[str],
) -> None:
    rows, expected = [], {}
    for name, (created, device, password, active_1, made_1, used_1, active_2, made_2, used_2) in users.items():
        times = [time.isoformat() if time else "N/A" for time in (created, made_1, used_1, made_2, used_2)]
        flags = [str(flag).lower() for flag in (password, device, active_1, active_2)]
        values = [name, times[0], *flags[:3], *times[1:3], flags[3], *times[3:]]
        cells = dict(zip(COLUMNS, values, strict=True)) | {"arn": f"arn:aws:iam::111122223333:user/{name}"}
        rows.append([cells.get(column, "false") for column in columns])
        keys = (AccessKey("key 1", active_1, used_1, made_1), AccessKey("key 2", active_2, used_2, made_2))
        expected[name] = ReportRow(created, device, password, tuple(key for key in keys if key.active or key.last_used))
    assert parse_report(written([columns, *rows])) == CredentialReport(expected, 0)
