"""`mfa-guard exempt`: records that the guard accepts, and every state that a record can be in."""

from datetime import UTC, datetime, timedelta

import pytest

from mfa_guard.core.exemption import Exemption, parse_exemption
from mfa_guard.core.times import parse_utc, utc_text
from support.deployed import Deployed

ADD = ("exempt", "add", "alice", "--owner", "platform team", "--reason", "build machine")
CAROL = "arn:aws:iam::111122223333:user/carol"


class TestAdd:
    def test_what_is_recorded_is_what_the_guard_accepts(self, deployed: Deployed) -> None:
        user_id = deployed.user()
        assert deployed.run(*ADD, "--days", "365", "--yes").exit_code == 0
        record = deployed.record(user_id)
        assert record is not None
        now = datetime.now(UTC)
        parsed = parse_exemption(record, user_id, now)
        assert isinstance(parsed, Exemption)
        assert (parsed.user_name, parsed.owner, parsed.reason) == ("alice", "platform team", "build machine")
        assert parsed.created_by == CAROL
        assert timedelta(days=364) < parsed.expires_at - now <= timedelta(days=365)

    def test_by_default_it_is_thirty_days(self, deployed: Deployed) -> None:
        user_id = deployed.user()
        deployed.run(*ADD, "--yes")
        end = parse_utc((deployed.record(user_id) or {})["expires_at"])
        assert end is not None
        assert timedelta(days=29) < end - datetime.now(UTC) <= timedelta(days=30)

    @pytest.mark.parametrize(("given", "kept"), [("", "T00:00:00Z"), ("T18:30:00Z", "T18:30:00Z")])
    def test_the_end_is_a_date_or_a_time(self, deployed: Deployed, given: str, kept: str) -> None:
        user_id = deployed.user()
        day = (datetime.now(UTC) + timedelta(days=40)).strftime("%Y-%m-%d")
        assert deployed.run(*ADD, "--until", day + given, "--yes").exit_code == 0
        assert (deployed.record(user_id) or {})["expires_at"] == day + kept

    @pytest.mark.parametrize(
        "options",
        [
            ("--days", "366"),
            ("--days", "0"),
            ("--days", "soon"),
            ("--days", "3", "--until", "2027-01-31"),
            ("--until", "2020-01-31"),
            ("--until", "next week"),
            ("--until", "2999-01-31"),
            ("--owner", " "),
            ("--reason", "a\x1b[2Jb"),
            ("--reason", "two\nlines"),
            ("--owner", "x" * 201),
        ],
    )
    def test_a_malformed_exemption_is_not_recorded(self, deployed: Deployed, options: tuple[str, ...]) -> None:
        user_id = deployed.user()
        result = deployed.run(*ADD, *options, "--yes")
        assert result.exit_code == 2
        assert "Traceback" not in result.stderr
        assert "\x1b[2J" not in result.stderr
        assert deployed.record(user_id) is None

    def test_without_a_terminal_and_yes_nothing_is_changed(self, deployed: Deployed) -> None:
        user_id = deployed.user()
        result = deployed.run(*ADD, typed="y\n")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "will be exempt until" in result.stderr
        assert "add --yes to confirm" in result.stderr
        assert deployed.record(user_id) is None

    def test_the_outcome_shows_how_to_undo_it_and_that_it_ends(self, deployed: Deployed) -> None:
        deployed.user()
        outcome = deployed.json(*ADD, "--yes")
        assert outcome["undo"] == ["mfa-guard exempt remove alice"]
        assert "enforces again" in str(outcome["notes"])

    def test_the_replaced_exemption_is_shown_and_can_be_restored(self, deployed: Deployed) -> None:
        deployed.exempt(deployed.user(), expires_at="2026-12-31T00:00:00Z", ends=timedelta(0))
        result = deployed.run(*ADD, "--yes")
        assert "This replaces the exemption until 2026-12-31T00:00:00Z, owner platform" in result.stderr
        back = "mfa-guard exempt add alice --owner platform --reason 'build machine' --until 2026-12-31T00:00:00Z"
        assert back in result.stdout

    def test_an_error_of_the_table_is_a_failed_request(self, deployed: Deployed) -> None:
        deployed.user()
        deployed.failing = {"PutItem": "AccessDeniedException"}
        result = deployed.run(*ADD, "--yes")
        assert (result.exit_code, result.stdout) == (3, "")
        assert "The AWS request PutItem failed" in result.stderr


class TestList:
    def test_every_state_is_shown(self, deployed: Deployed) -> None:
        deployed.exempt(deployed.user("valid"), "valid")
        deployed.exempt(deployed.user("over"), "over", ends=timedelta(days=-1))
        deployed.exempt(deployed.user("broken"), "broken", owner="")
        deployed.exempt("AIDAGONE", "gone")
        rows = {row["user"]: row for row in deployed.rows("exempt", "list", exit_code=1)}
        assert {name: row["state"] for name, row in rows.items()} == {
            "valid": "valid",
            "over": "expired",
            "broken": "malformed",
            "gone": "user gone",
        }
        assert rows["broken"]["problem"] == "The exemption record lacks owner."
        assert (rows["valid"]["owner"], rows["valid"]["created_by"]) == ("platform", "nadia")

    def test_a_renamed_user_is_shown_with_the_new_name(self, deployed: Deployed) -> None:
        deployed.exempt(deployed.user("alice"), "alice")
        deployed.account.iam.update_user("alice", new_user_name="alicia")
        assert [row["user"] for row in deployed.rows("exempt", "list")] == ["alicia"]

    def test_an_empty_table_is_no_row_and_exit_code_0(self, deployed: Deployed) -> None:
        assert deployed.rows("exempt", "list") == []

    def test_csv_has_one_line_for_each_and_no_formula(self, deployed: Deployed) -> None:
        deployed.exempt(deployed.user(), owner="=HYPERLINK(1)")
        lines = deployed.run("exempt", "list", "--format", "csv").stdout.splitlines()
        assert lines[0] == "user,user_id,state,until,owner,reason,created_by,problem"
        assert ",'=HYPERLINK(1)," in lines[1]

    def test_control_characters_of_a_reason_are_escaped(self, deployed: Deployed) -> None:
        deployed.exempt(deployed.user(), reason="x\x1b[2J\x9b31m\u202ey")
        for form in ("table", "json", "csv"):
            text = deployed.run("exempt", "list", "--format", form).stdout
            assert not {"\x1b", "\x9b", "\u202e"} & set(text)


class TestRemove:
    def test_the_record_is_deleted_and_can_be_restored(self, deployed: Deployed) -> None:
        user_id = deployed.user()
        end = utc_text(datetime.now(UTC) + timedelta(days=30))
        deployed.exempt(user_id, expires_at=end)
        outcome = deployed.json("exempt", "remove", "alice", "--yes")
        assert deployed.record(user_id) is None
        assert outcome["undo"] == [
            f"mfa-guard exempt add alice --owner platform --reason 'build machine' --until {end}"
        ]

    def test_of_a_deleted_user_by_name_or_id(self, deployed: Deployed) -> None:
        for asked in ("gone", "AIDAGONE"):
            deployed.exempt("AIDAGONE", "gone")
            assert deployed.run("exempt", "remove", asked, "--yes").exit_code == 0
            assert deployed.record("AIDAGONE") is None

    def test_a_new_user_of_the_same_name_is_not_the_exempt_one(self, deployed: Deployed) -> None:
        # alice was renamed, and another user has the name alice now.
        deployed.exempt(deployed.user("alice"), "alice")
        deployed.account.iam.update_user("alice", new_user_name="alicia")
        deployed.user("alice")
        result = deployed.run("exempt", "remove", "alice", "--yes")
        assert (result.exit_code, "There is no exemption of alice" in result.stderr) == (2, True)

    def test_several_deleted_users_of_one_name_are_told_apart_by_id(self, deployed: Deployed) -> None:
        for user_id in ("AIDAONE", "AIDATWO"):
            deployed.exempt(user_id, "gone")
        result = deployed.run("exempt", "remove", "gone", "--yes")
        assert (result.exit_code, "AIDAONE, AIDATWO" in result.stderr) == (2, True)

    def test_a_malformed_record_can_be_removed(self, deployed: Deployed) -> None:
        user_id = deployed.user()
        deployed.exempt(user_id, owner="")
        assert deployed.run("exempt", "remove", "alice", "--yes").exit_code == 0
        assert deployed.record(user_id) is None

    def test_without_yes_it_stays(self, deployed: Deployed) -> None:
        user_id = deployed.user()
        deployed.exempt(user_id)
        assert deployed.run("exempt", "remove", "alice").exit_code == 2
        assert deployed.record(user_id) is not None
