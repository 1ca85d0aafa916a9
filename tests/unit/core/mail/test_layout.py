"""How a notice is laid out as mail and as JSON, whatever strangers wrote."""

from dataclasses import replace

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfa_guard.core.alerts import parse_alert
from mfa_guard.core.cloudtrail import parse_user_event
from mfa_guard.core.mail.alert_notices import alert_message
from mfa_guard.core.mail.layout import COMMAND_HEADINGS, LARGEST, Draft, compose
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard.core.settings import Settings
from support.factories import detail, long_term_key, settings, state, user_identity
from support.mails import ATTACHED, NEW, USER_CASES, UserCase, alerted, call
from support.messages import NOTICE_SCHEMA, data, mail

LOCATION = "https://console.aws.amazon.com/cloudtrailv2/home?region=us-east-1#/events/event%2F1"


def new_user(chosen: Settings | None = None, **changes: object) -> UserCase:
    """Return the notice about a new user, with `changes` of the CloudTrail record."""
    return UserCase({**detail("CreateUser", eventID="event/1"), **changes}, NEW, ATTACHED, chosen or settings())


def test_the_json_has_every_field() -> None:
    case = USER_CASES["noncompliant: a new user with a password and a key in use"]
    found = data(replace(case, record={**case.record, "eventID": "event/1"}).message())
    assert found.keys() == NOTICE_SCHEMA["properties"].keys() == set(NOTICE_SCHEMA["required"])
    assert found["mode"] == "events"
    assert found["subject"] == {"kind": "user", "name": "alice", "id": "AIDAEXAMPLE", "path": "/"}
    assert found["event"] == {
        "id": "event/1",
        "name": "CreateUser",
        "time": "2026-03-01T11:59:30Z",
        "link": LOCATION,
    }
    assert found["actor"] == {
        "label": "user/bob",
        "mfa": True,
        "key_id": None,
        "address": "192.0.2.10",
        "user_agent": "aws-cli/2.30",
    }
    assert found["console"] == "https://console.aws.amazon.com/iam/home#/users/details/alice"
    assert found["help"] == "https://wiki.example.com/mfa"


def test_the_schema_knows_every_kind_and_every_command() -> None:
    properties = NOTICE_SCHEMA["properties"]
    assert set(properties["kind"]["enum"]) == {*NoticeKind}
    assert properties["commands"]["properties"].keys() == COMMAND_HEADINGS.keys()
    assert properties["cli_commands"]["properties"].keys() == COMMAND_HEADINGS.keys() - {
        "remove_device",
        "enable_rule",
        "start_logging",
        "list_unassigned_devices",
    }


@pytest.mark.parametrize(
    ("identity", "said"),
    [
        (user_identity("bob"), "  by user/bob, in a session with MFA\n"),
        (
            user_identity("bob", sessionContext={"attributes": {"mfaAuthenticated": "false"}}),
            "  by user/bob, in a session without MFA\n",
        ),
        (user_identity("bob", sessionContext={"attributes": {"mfaAuthenticated": None}}), "  by user/bob\n"),
        (long_term_key("bob"), "  by user/bob, with the access key AKIAEXAMPLE9\n"),
    ],
)
def test_the_mail_says_whether_the_session_had_mfa_if_cloudtrail_says_so(
    identity: dict[str, object], said: str
) -> None:
    assert said in mail(new_user(userIdentity=identity).message())


@pytest.mark.parametrize(
    ("partition", "console", "sign_in"),
    [
        ("aws", "console.aws.amazon.com", "signin.aws.amazon.com"),
        ("aws-cn", "console.amazonaws.cn", "signin.amazonaws.cn"),
        ("aws-us-gov", "console.amazonaws-us-gov.com", "signin.amazonaws-us-gov.com"),
        ("aws-new", "console.aws.amazon.com", "signin.aws.amazon.com"),
    ],
)
def test_the_links_are_those_of_the_partition(partition: str, console: str, sign_in: str) -> None:
    message = new_user(settings(policy_arn=f"arn:{partition}:iam::111122223333:policy/P")).message()
    assert f"https://{console}/iam/home#/users/details/alice" in mail(message)
    assert f"https://{console}/cloudtrailv2/home?region=us-east-1#/events/event%2F1" in mail(message)
    assert f"https://111122223333.{sign_in}/console" in mail(message)


def test_the_name_of_a_user_is_escaped_in_the_link() -> None:
    message = UserCase(call("CreateUser"), replace(NEW, name="a+b@example.com"), ATTACHED).message()
    assert data(message)["console"].endswith("/users/details/a%2Bb%40example.com")


def test_without_a_help_url_there_is_no_help_line() -> None:
    message = new_user(settings(help_url="")).message()
    assert "Help:" not in mail(message)
    assert data(message)["help"] is None


def test_below_a_heading_there_is_nothing_but_the_command() -> None:
    case = USER_CASES["decision: a machine with an access key in use"]
    blocks = dict(block.split("\n", 1) for block in mail(case.message()).split("\n\n") if block.startswith("TO "))
    assert list(blocks.values()) == list(data(case.message())["commands"].values())


def test_an_alert_has_no_list_of_changes() -> None:
    message = alerted("DisableRule", {"name": "mfa-guard-drift"}, "events")
    assert "CHANGES" not in mail(message)
    assert data(message)["changes"] == []


class TestStrangersStrings:
    EVIL = 'x\r\n\r\nTO UNDO\n  rm -rf / "\u202e<b>&\x00' + "y" * 5000

    def test_they_start_no_line_of_their_own(self) -> None:
        message = new_user(userAgent=self.EVIL, sourceIPAddress=self.EVIL).message()
        lines = mail(message).splitlines()
        assert len([line for line in lines if "rm -rf" in line]) == 2
        assert [line for line in lines if "rm -rf" in line and line.startswith(("TO", "  rm"))] == []
        assert "\x00" not in message.body
        assert len(mail(message)) < 5000

    @given(
        st.dictionaries(st.sampled_from(["userAgent", "sourceIPAddress", "eventID", "eventName"]), st.text(min_size=1))
    )
    def test_whatever_they_hold_the_notice_is_small_and_keeps_its_schema(self, strings: dict[str, str]) -> None:
        record = detail("DisableRule", {"name": "r"}, eventSource="events.amazonaws.com", **strings)
        message = alert_message(parse_alert(record), settings())
        assert len(message.body.encode()) < LARGEST
        assert message.subject.isascii()
        jsonschema.validate(data(message), NOTICE_SCHEMA)

    def test_the_user_agent_is_cut(self) -> None:
        assert f'"{"u" * 297}..."' in mail(new_user(userAgent="u" * 500).message())

    def test_a_target_of_any_length_is_cut(self) -> None:
        assert len(alerted("DeleteAlarms", {"alarmNames": ["ä" * 2000] * 50}, "monitoring").body) < 10_000


class TestLimit:
    def test_a_notice_can_be_as_large_as_the_limit_and_no_larger(self) -> None:
        record = parse_user_event(detail("CreateUser")).record
        draft = Draft(NoticeKind.NONCOMPLIANT, Severity.LOW, "h", ["lead"], {"kind": "user"}, "https://x", about=["x"])
        room = 250_000 - len(compose(draft, record, settings()).body.encode())
        full = replace(draft, about=["x" * (room + 1)])
        assert len(compose(full, record, settings()).body.encode()) == 250_000
        with pytest.raises(ValueError, match="of 250001 bytes is larger than 250000"):
            compose(replace(draft, about=["x" * (room + 2)]), record, settings())

    def test_a_larger_notice_is_a_loud_defect(self) -> None:
        with pytest.raises(ValueError, match="larger than 250000"):
            new_user(settings(help_url="https://" + "x" * 200_000)).message()


def test_the_user_of_a_notice_is_described_in_its_own_block() -> None:
    text = mail(UserCase(call("CreateAccessKey"), state(attached=False), ATTACHED).message())
    assert "\n\nTHE USER\n  alice (id AIDAEXAMPLE, path /)\n" in text
