"""A preview as rows of the table and of CSV, and as JSON."""

import json
from dataclasses import replace

from mfa_guard_cli.preview import formats
from mfa_guard_cli.preview.advice import exempt_command
from mfa_guard_cli.preview.descriptions import what_stops
from mfa_guard_cli.preview.model import DeviceKind, LastUses, Outcome, UserKind
from support.factories import ACCOUNT, NOW
from support.preview import KEY, SampleUser, forecast_of, last_used_for, preview_of, user_caller

BOT = SampleUser("bot", "/ci/", keys=(KEY,), last_uses=last_used_for("s3"))
ANNA = SampleUser("anna", password=True, virtual=True, last_uses=LastUses(password=NOW))
NEW = SampleUser("new", reported=False)


def cells(user: SampleUser) -> dict[str, str]:
    return dict(zip(formats.CSV_COLUMNS, formats.csv_row(forecast_of(user)), strict=True))


def test_a_table_row_has_a_cell_for_each_heading() -> None:
    user = forecast_of(BOT)
    row = dict(zip(formats.TABLE_COLUMNS, formats.table_row(user, NOW), strict=True))
    assert row == {
        "USER": "bot (/ci/)",
        "KIND": UserKind.MACHINE,
        "PASSWORD": "no",
        "ACCESS KEYS": "key 1: s3 in us-east-1, 1 d ago",
        "MFA DEVICES": "none",
        "OUTCOME": Outcome.DECIDE,
        "WHAT STOPS": "; ".join(what_stops(user)),
    }


def test_the_table_marks_the_callers_own_user() -> None:
    assert "these credentials" in formats.table_row(forecast_of(ANNA, caller=user_caller("anna")), NOW)[0]
    assert "these credentials" not in formats.table_row(forecast_of(ANNA), NOW)[0]


def test_a_csv_row_has_columns_for_each_key_and_leaves_missing_keys_empty() -> None:
    row = cells(BOT)
    assert (row["user"], row["path"], row["kind"], row["password"]) == ("bot", "/ci/", UserKind.MACHINE, "no")
    assert [row[f"key_1_{field}"] for field in ("active", "last_used", "last_service", "last_region")] == [
        "yes",
        "2026-02-28T12:00:00Z",
        "s3",
        "us-east-1",
    ]
    assert {row[f"key_2_{field}"] for field in ("active", "last_used", "last_service", "last_region")} == {""}
    assert cells(ANNA)["password_last_used"] == "2026-03-01T12:00:00Z"


def test_a_csv_row_leaves_unknown_values_empty() -> None:
    row = cells(NEW)
    assert (row["password"], row["key_1_active"], row["mfa_devices"], row["outcome"]) == ("", "", "unknown", "unknown")


def test_json_has_everything() -> None:
    sample = (BOT, ANNA, NEW, SampleUser("lone", keys=(replace(KEY, last_used=None),)), SampleUser("work", keys=(KEY,)))
    answer = json.loads(
        json.dumps(formats.as_json(preview_of(*sample, caller=user_caller("anna"), notes=("A note.",))))
    )
    assert answer["account"] == ACCOUNT
    assert answer["credential_report_created_at"] == "2026-03-01T11:25:00Z"
    assert answer["parameters"] == {
        "EnforceOn": "all",
        "WorkingMachineUsers": "review",
        "ExemptPathPrefixes": "",
    }
    assert (answer["caller"]["kind"], answer["caller"]["long_term_key"]) == ("user", True)
    assert answer["caller"]["warnings"]
    assert answer["totals"]["users"] == 5
    assert answer["totals"]["incomplete"] == 1
    assert answer["advice"] == {
        "exempt_path_prefixes": ["/ci/"],
        "exempt_users": [{"user": "work", "command": exempt_command("work")}],
    }
    assert answer["notes"] == ["A note."]
    users = {each["user"]: each for each in answer["users"]}
    assert next(iter(users)) == "anna"
    assert users["anna"]["mfa_devices"] == [DeviceKind.TOTP_APP]
    assert (users["new"]["password"], users["new"]["access_keys"], users["new"]["mfa_devices"]) == (None, None, None)
    assert users["bot"]["keys_stopping"] == ["key 1"]
    assert (users["bot"]["actions"], users["new"]["actions"]) == (["mark"], None)
    assert users["lone"]["access_keys"] == [
        {
            "key": "key 1",
            "active": True,
            "in_use": False,
            "last_used": None,
            "last_service": None,
            "last_region": None,
        }
    ]
