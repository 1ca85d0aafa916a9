"""A preview as rows and as JSON: what programs read."""

import json
from dataclasses import replace

from mfa_guard_cli.preview import rows
from mfa_guard_cli.preview.model import DeviceKind, Uses
from support.factories import ACCOUNT, NOW
from support.preview import KEY, Somebody, by_user, outlook_of, preview_of, used_for

BOT = Somebody("bot", "/ci/", keys=(KEY,), uses=used_for("s3"))
ANNA = Somebody("anna", password=True, virtual=True, uses=Uses(password_used=NOW))
NEW = Somebody("new", reported=False)


def cells(somebody: Somebody) -> dict[str, str]:
    return dict(zip(rows.CSV, rows.csv_row(outlook_of(somebody)), strict=True))


def test_a_table_row_has_a_cell_for_each_heading() -> None:
    row = dict(zip(rows.TABLE, rows.table_row(outlook_of(BOT), NOW), strict=True))
    assert row == {
        "USER": "bot (/ci/)",
        "KIND": "active machine",
        "PASSWORD": "no",
        "ACCESS KEYS": "key 1: s3 in us-east-1, 1 d ago",
        "MFA": "none",
        "ENFORCING": "your decision",
        "WHAT STOPS": "key 1 (s3), if you enforce",
    }


def test_the_own_row_says_so() -> None:
    assert "these credentials" in rows.table_row(outlook_of(ANNA, caller=by_user("anna")), NOW)[0]
    assert "these credentials" not in rows.table_row(outlook_of(ANNA), NOW)[0]


def test_a_csv_row_tells_keys_apart_and_leaves_empty_what_is_not_there() -> None:
    row = cells(BOT)
    assert (row["user"], row["path"], row["kind"], row["password"]) == ("bot", "/ci/", "active machine", "no")
    assert [row[f"key_1_{field}"] for field in ("active", "last_used", "last_service", "last_region")] == [
        "yes",
        "2026-02-28T12:00:00Z",
        "s3",
        "us-east-1",
    ]
    assert {row[f"key_2_{field}"] for field in ("active", "last_used", "last_service", "last_region")} == {""}
    assert cells(ANNA)["password_last_used"] == "2026-03-01T12:00:00Z"


def test_a_csv_row_leaves_empty_what_is_not_known() -> None:
    row = cells(NEW)
    assert (row["password"], row["key_1_active"], row["mfa_devices"], row["outcome"]) == ("", "", "unknown", "unknown")


def test_json_tells_everything() -> None:
    people = (BOT, ANNA, NEW, Somebody("lone", keys=(replace(KEY, last_used=None),)), Somebody("work", keys=(KEY,)))
    answer = json.loads(json.dumps(rows.as_json(preview_of(*people, caller=by_user("anna"), notes=("A note.",)))))
    assert answer["account"] == ACCOUNT
    assert answer["credential_report_made_at"] == "2026-03-01T11:25:00Z"
    assert answer["parameters"] == {
        "EnforceOn": "all",
        "WorkingMachineUsers": "review",
        "ExemptPathPrefixes": "",
    }
    assert (answer["caller"]["kind"], answer["caller"]["long_term_key"]) == ("user", True)
    assert answer["caller"]["warnings"]
    assert answer["totals"]["users"] == 5
    assert answer["totals"]["not_fully_read"] == 1
    assert answer["advice"] == {
        "exempt_path_prefixes": ["/ci/"],
        "exempt_users": [{"user": "work", "command": "mfa-guard exempt add work"}],
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
