"""Where keys and passwords were used last, as the credential report says it."""

from datetime import UTC, datetime

import pytest

from mfa_guard_cli.preview.model import Use, Uses
from mfa_guard_cli.preview.uses import parse_uses

USED = "2026-02-20T09:15:00+00:00"
SAID = {
    "user": "alice",
    "password_last_used": USED,
    "access_key_1_last_used_service": "s3",
    "access_key_1_last_used_region": "eu-west-1",
    "access_key_2_last_used_service": "sts",
    "access_key_2_last_used_region": "N/A",
}


def written(columns: dict[str, str]) -> bytes:
    return f"{','.join(columns)}\n{','.join(columns.values())}".encode()


def test_the_last_use_of_password_and_keys_is_read() -> None:
    assert parse_uses(written(SAID)) == {
        "alice": Uses(
            datetime(2026, 2, 20, 9, 15, tzinfo=UTC), {"key 1": Use("s3", "eu-west-1"), "key 2": Use("sts", "")}
        )
    }


@pytest.mark.parametrize("nothing", ["N/A", "no_information", "", "soon", "2026-02-20"])
def test_a_password_without_a_time_of_use_has_none(nothing: str) -> None:
    assert parse_uses(written(SAID | {"password_last_used": nothing}))["alice"].password_used is None


def test_columns_that_are_missing_say_nothing() -> None:
    assert parse_uses(b"user\nalice") == {"alice": Uses(None, {"key 1": Use(), "key 2": Use()})}


def test_a_row_that_is_cut_off_says_nothing_of_the_rest() -> None:
    header = ",".join(SAID)
    assert parse_uses(f"{header}\nalice,{USED},s3".encode())["alice"].keys == {"key 1": Use("s3", ""), "key 2": Use()}
