"""The credential report as IAM writes it: what is parsed, what is left out, and what is not a report."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mfa_guard.core.account.credential_report import CredentialReport, ReportNotUnderstood, parse_report
from mfa_guard.core.account.snapshot import ReportRow
from mfa_guard.core.user import AccessKey

CREATED = datetime(2025, 6, 1, 8, 0, 0, tzinfo=UTC)
USED = datetime(2026, 2, 20, 9, 15, 0, tzinfo=UTC)
CHANGED = datetime(2025, 7, 1, tzinfo=UTC)

# The columns in IAM's order, for a user without credentials.
BARE = {
    "user": "alice",
    "arn": "arn:aws:iam::111122223333:user/alice",
    "user_creation_time": "2025-06-01T08:00:00Z",
    "password_enabled": "false",
    "password_last_used": "N/A",
    "password_last_changed": "N/A",
    "password_next_rotation": "N/A",
    "mfa_active": "false",
    "access_key_1_active": "false",
    "access_key_1_last_rotated": "N/A",
    "access_key_1_last_used_date": "N/A",
    "access_key_1_last_used_region": "N/A",
    "access_key_1_last_used_service": "N/A",
    "access_key_2_active": "false",
    "access_key_2_last_rotated": "N/A",
    "access_key_2_last_used_date": "N/A",
    "access_key_2_last_used_region": "N/A",
    "access_key_2_last_used_service": "N/A",
    "cert_1_active": "false",
    "cert_1_last_rotated": "N/A",
    "cert_2_active": "false",
    "cert_2_last_rotated": "N/A",
}
ROOT = BARE | {
    "user": "<root_account>",
    "arn": "arn:aws:iam::111122223333:root",
    "user_creation_time": "2019-01-01T00:00:00+00:00",
    "password_enabled": "not_supported",
    "password_last_used": "no_information",
    "password_last_changed": "not_supported",
    "password_next_rotation": "not_supported",
    "mfa_active": "true",
}
REQUIRED = [
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
]


def content(*rows: Mapping[str, str]) -> bytes:
    """Return a report of `rows`, root first, unquoted and without a newline at the end, as IAM writes it."""
    return "\n".join([",".join(BARE), *(",".join(row.values()) for row in (ROOT, *rows))]).encode()


def parse(*rows: Mapping[str, str]) -> CredentialReport:
    return without_root(parse_report(content(*rows)))


def without_root(report: CredentialReport) -> CredentialReport:
    return replace(report, rows={name: row for name, row in report.rows.items() if name != ROOT["user"]})


def alice(**changes: str) -> ReportRow:
    return parse(BARE | changes).rows["alice"]


def test_a_user_without_credentials() -> None:
    assert alice() == ReportRow(CREATED, device=False, password=False, keys=())


def test_a_device_and_a_password() -> None:
    row = alice(mfa_active="true", password_enabled="true", password_last_used="no_information")
    assert row == ReportRow(CREATED, device=True, password=True, keys=())


def test_true_and_false_in_the_guides_spelling() -> None:
    assert alice(mfa_active="TRUE", password_enabled="FALSE") == ReportRow(
        CREATED, device=True, password=False, keys=()
    )


def test_a_password_that_is_not_supported_is_none() -> None:
    assert not alice(password_enabled="not_supported").password


@pytest.mark.parametrize("time", ["2026-02-20T09:15:00Z", "2026-02-20T09:15:00+00:00"])
def test_the_use_of_a_key_in_both_forms_of_time(time: str) -> None:
    row = alice(
        access_key_1_active="true",
        access_key_1_last_rotated="2025-07-01T00:00:00Z",
        access_key_1_last_used_date=time,
    )
    assert row.keys == (AccessKey("key 1", active=True, last_used=USED, created_at=CHANGED),)


@pytest.mark.parametrize("never", ["N/A", "no_information", "not_supported"])
def test_an_active_key_without_use_on_record(never: str) -> None:
    row = alice(
        access_key_2_active="true",
        access_key_2_last_rotated="2025-07-01T00:00:00Z",
        access_key_2_last_used_date=never,
    )
    assert row.keys == (AccessKey("key 2", active=True, last_used=None, created_at=CHANGED),)


def test_a_key_without_a_date_is_as_old_as_the_user() -> None:
    row = alice(access_key_1_active="true")
    assert row.keys == (AccessKey("key 1", active=True, last_used=None, created_at=CREATED),)


def test_the_use_of_an_inactive_key_counts() -> None:
    row = alice(access_key_1_last_rotated="2025-07-01T00:00:00Z", access_key_1_last_used_date="2026-02-20T09:15:00Z")
    assert row.keys == (AccessKey("key 1", active=False, last_used=USED, created_at=CHANGED),)


def test_roots_row_can_be_read() -> None:
    assert parse_report(content(BARE)).rows.keys() == {"<root_account>", "alice"}
    assert parse(BARE).unread == 0


def test_names_with_commas_in_quotes() -> None:
    row = BARE | {"user": '"smith,alice"', "arn": '"arn:aws:iam::111122223333:user/smith,alice"'}
    assert parse(row).rows.keys() == {"smith,alice"}


def test_a_comma_without_quotes_affects_its_own_row_only() -> None:
    row = BARE | {"user": "alice,smith", "arn": "arn:aws:iam::111122223333:user/alice,smith", "mfa_active": "true"}
    report = parse(BARE, row)
    assert report == CredentialReport(parse(BARE).rows, 1)


def test_columns_in_another_order_and_among_others() -> None:
    columns = ["additional_credentials_info", *reversed(BARE)]
    row = {"additional_credentials_info": "", **BARE, "mfa_active": "true"}
    report = parse_report("\r\n".join([",".join(columns), ",".join(row[c] for c in columns), ""]).encode())
    assert report.rows == {"alice": ReportRow(CREATED, device=True, password=False, keys=())}


def test_of_a_repeated_column_the_first_counts() -> None:
    header, row = ",".join([*BARE, "mfa_active"]), ",".join([*BARE.values(), "true"])
    assert not parse_report(f"{header}\n{row}".encode()).rows["alice"].device


def test_of_two_rows_the_last_counts() -> None:
    assert parse(BARE, BARE | {"mfa_active": "true"}).rows["alice"].device


@pytest.mark.parametrize(
    "broken",
    [
        {"mfa_active": "perhaps"},
        {"password_enabled": ""},
        {"access_key_2_active": "N/A"},
        {"access_key_1_last_used_date": "yesterday"},
        {"access_key_1_last_used_date": "2026-02-20T09:15:00"},
        {"user_creation_time": "N/A"},
    ],
)
def test_a_row_that_cannot_be_read_is_counted_and_affects_no_other(broken: dict[str, str]) -> None:
    report = parse(BARE | broken, BARE | {"user": "bob"})
    assert (set(report.rows), report.unread) == ({"bob"}, 1)


def test_a_row_that_was_cut_off_is_counted() -> None:
    assert without_root(parse_report(content(BARE)[:-20])) == CredentialReport({}, 1)


def test_bytes_that_are_not_text_affect_their_row_only() -> None:
    report = without_root(parse_report(content(BARE, BARE | {"user": "bob"}).replace(b"alice", b"\xff\xfe")))
    assert (set(report.rows), report.unread) == ({"\ufffd\ufffd", "bob"}, 0)


@pytest.mark.parametrize("column", REQUIRED)
def test_a_missing_column_is_named(column: str) -> None:
    with pytest.raises(ReportNotUnderstood, match=rf"no column {column}\."):
        parse_report(content(BARE).replace(column.encode() + b",", b"other,", 1))


@pytest.mark.parametrize("empty", [b"", b"\n", b"Service unavailable"])
def test_content_without_columns_is_not_a_report(empty: bytes) -> None:
    with pytest.raises(ReportNotUnderstood, match="no column user, user_creation_time"):
        parse_report(empty)


def test_an_unclosed_quote_is_not_csv() -> None:
    with pytest.raises(ReportNotUnderstood, match="not CSV"):
        parse_report(content(BARE) + b'\n"' + b"x" * 200_000)
