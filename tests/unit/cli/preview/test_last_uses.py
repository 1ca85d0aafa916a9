"""Where keys and passwords were used last, by the credential report."""

from datetime import UTC, datetime

import pytest

from mfa_guard_cli.preview.last_uses import parse_last_uses
from mfa_guard_cli.preview.model import KeyUse, LastUses

USED = "2026-02-20T09:15:00+00:00"
COLUMNS = {
    "user": "alice",
    "password_last_used": USED,
    "access_key_1_last_used_service": "s3",
    "access_key_1_last_used_region": "eu-west-1",
    "access_key_2_last_used_service": "sts",
    "access_key_2_last_used_region": "N/A",
}


def report(columns: dict[str, str]) -> bytes:
    return f"{','.join(columns)}\n{','.join(columns.values())}".encode()


def test_the_last_use_of_password_and_keys_is_read() -> None:
    assert parse_last_uses(report(COLUMNS)) == {
        "alice": LastUses(
            datetime(2026, 2, 20, 9, 15, tzinfo=UTC), {"key 1": KeyUse("s3", "eu-west-1"), "key 2": KeyUse("sts", "")}
        )
    }


@pytest.mark.parametrize("no_time", ["N/A", "no_information", "", "soon", "2026-02-20"])
def test_a_password_without_a_time_has_no_last_use(no_time: str) -> None:
    assert parse_last_uses(report(COLUMNS | {"password_last_used": no_time}))["alice"].password is None


def test_missing_columns_are_empty() -> None:
    assert parse_last_uses(b"user\nalice") == {"alice": LastUses(None, {"key 1": KeyUse(), "key 2": KeyUse()})}


def test_the_missing_end_of_a_row_is_empty() -> None:
    header = ",".join(COLUMNS)
    assert parse_last_uses(f"{header}\nalice,{USED},s3".encode())["alice"].keys == {
        "key 1": KeyUse("s3", ""),
        "key 2": KeyUse(),
    }
