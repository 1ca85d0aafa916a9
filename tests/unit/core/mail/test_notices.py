"""What the mails say, for people and for machines."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfa_guard.core.alerts import parse_alert
from mfa_guard.core.attachments import AttachmentRoute, WriteResult
from mfa_guard.core.cloudtrail import Trigger, parse_user_event
from mfa_guard.core.exemption_changes import parse_exemption_change
from mfa_guard.core.mail.layout import LARGEST, Draft, Message, compose
from mfa_guard.core.mail.notices import NoticeContext, alert_message, exemption_message, root_message, user_message
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard.core.plan import Action, DueNotice, EventContext, EventPlan, Standing, notice_of, plan_for_event
from mfa_guard.core.settings import EnforceOn, Mode, Settings
from mfa_guard.core.user import NOT_LOADED, ServiceCredential, UserState
from support.factories import (
    MARKED,
    NOW,
    ROOT_OF_THE_PROJECT,
    detail,
    exemption,
    key,
    long_term_key,
    settings,
    state,
    stream_record,
)

SCHEMA = json.loads((ROOT_OF_THE_PROJECT / "docs" / "notice.schema.json").read_text("utf-8"))
LONG = "x" * 64


def told(
    record: Mapping[str, object],
    user: UserState,
    chosen: Settings | None = None,
    done: WriteResult | None = None,
) -> Message:
    """Return the notice that the plan for `user` makes due, as if the guard had done `done`."""
    chosen = chosen or settings()
    event = parse_user_event(record)
    decided = plan_for_event(user, EventContext.of(event), chosen, NOW)
    assert isinstance(decided, EventPlan)
    result = done or WriteResult()
    notice = notice_of(decided, result)
    assert notice
    return user_message(notice, NoticeContext(event, user, decided, result, chosen, NOW))


def mail(message: Message) -> str:
    text = json.loads(message.body)["email"]
    assert isinstance(text, str)
    return text


def data(message: Message) -> dict[str, object]:
    parsed = json.loads(json.loads(message.body)["default"])
    assert isinstance(parsed, dict)
    return parsed


NONCOMPLIANT = state(devices=(), attached=False)

EVERY_KIND: dict[NoticeKind, Callable[[Settings], Message]] = {
    NoticeKind.NONCOMPLIANT: lambda s: told(
        detail("CreateUser"), NONCOMPLIANT, s, WriteResult(route=AttachmentRoute.DIRECT)
    ),
    NoticeKind.NEW_CREDENTIAL: lambda s: told(detail("CreateAccessKey"), state(devices=(), tags=MARKED), s),
    NoticeKind.SOLVED: lambda s: told(detail("EnableMFADevice"), state(tags=MARKED), s),
    NoticeKind.DECISION: lambda s: told(
        detail("CreateAccessKey"), state(devices=(), attached=False, password=False, keys=(key(),)), s
    ),
    NoticeKind.ENFORCEMENT_REMOVED: lambda s: told(
        detail("DetachUserPolicy"), state(attached=False), s, WriteResult(route=AttachmentRoute.DIRECT)
    ),
    NoticeKind.TAGS_CHANGED: lambda s: told(detail("UntagUser"), state(devices=()), s),
    NoticeKind.DEVICE_WITH_KEY: lambda s: told(detail("EnableMFADevice", userIdentity=long_term_key()), state(), s),
    NoticeKind.ENFORCED: lambda s: told(
        detail("CreateAccessKey"),
        state(attached=False, keys=(key("AKIAINUSE"),)),
        s,
        WriteResult(route=AttachmentRoute.DIRECT),
    ),
    NoticeKind.EXEMPT_WITHOUT_DEVICE: lambda s: told(
        detail("DeactivateMFADevice"), state(devices=(), attached=False, exemption=exemption()), s
    ),
    NoticeKind.RELEASED: lambda s: told(
        detail("CreateAccessKey"), state(exemption=exemption()), s, WriteResult(released=(AttachmentRoute.DIRECT,))
    ),
    NoticeKind.NOT_ENFORCED: lambda s: told(
        detail("CreateUser"), NONCOMPLIANT, s, WriteResult(problem="neither way is possible. IAM said: LimitExceeded")
    ),
    NoticeKind.NOT_TAGGED: lambda s: told(
        detail("CreateUser"),
        NONCOMPLIANT,
        s,
        WriteResult(route=AttachmentRoute.DIRECT, problem="the tags cannot be set.", not_tagged=True),
    ),
    NoticeKind.ROOT_CREDENTIALS: lambda s: root_message(
        parse_user_event(detail("EnableMFADevice", {"userName": "AWS ROOT USER"})), s
    ),
    NoticeKind.ROOT_SIGN_IN: lambda s: alert_message(
        parse_alert(
            detail("ConsoleLogin", {}, eventSource="signin.amazonaws.com", additionalEventData={"MFAUsed": "No"})
        ),
        s,
    ),
    NoticeKind.TAMPERING: lambda s: alert_message(
        parse_alert(detail("DisableRule", {"name": "mfa-guard-drift"}, eventSource="events.amazonaws.com")), s
    ),
    NoticeKind.STACK_CHANGE: lambda s: alert_message(
        parse_alert(detail("DeleteStack", {"stackName": "mfa-guard"}, eventSource="cloudformation.amazonaws.com")), s
    ),
}


EXEMPTED = {
    "user_id": "AIDA1",
    "user_name": "alice",
    "owner": "platform team",
    "reason": "build machine",
    "created_by": "bob",
    "expires_at": "2026-04-01T00:00:00Z",
}
EVERY_KIND[NoticeKind.EXEMPTION] = lambda s: exemption_message(
    parse_exemption_change(stream_record("INSERT", EXEMPTED), NOW), s, NOW
)
ONLY_TOLD = {
    NoticeKind.ROOT_CREDENTIALS,
    NoticeKind.ROOT_SIGN_IN,
    NoticeKind.TAMPERING,
    NoticeKind.STACK_CHANGE,
    NoticeKind.EXEMPTION,
}


def test_every_kind_has_a_notice_here() -> None:
    assert set(EVERY_KIND) == set(NoticeKind)
    assert set(SCHEMA["properties"]["kind"]["enum"]) == {kind.value for kind in NoticeKind}


@pytest.mark.parametrize("kind", list(NoticeKind))
@pytest.mark.parametrize("mode", list(Mode))
class TestEveryKind:
    def test_it_is_of_that_kind_and_says_so_to_filters(self, kind: NoticeKind, mode: Mode) -> None:
        message = EVERY_KIND[kind](settings(mode=mode))
        assert message.attributes["kind"] == kind.value
        assert message.attributes["account"] == "111122223333"
        assert message.attributes["severity"] in {severity.value for severity in Severity}

    def test_the_json_keeps_the_schema(self, kind: NoticeKind, mode: Mode) -> None:
        jsonschema.validate(data(EVERY_KIND[kind](settings(mode=mode))), SCHEMA)

    def test_the_mail_says_who_where_when_and_where_to_look(self, kind: NoticeKind, mode: Mode) -> None:
        text = mail(EVERY_KIND[kind](settings(mode=mode)))
        address = () if kind is NoticeKind.EXEMPTION else ("192.0.2.10",)
        for fact in (*address, "2026-03-01T11:59:30Z", "https://", "111122223333", "https://wiki.example.com/mfa"):
            assert fact in text

    def test_audit_never_claims_to_have_acted(self, kind: NoticeKind, mode: Mode) -> None:
        text = mail(EVERY_KIND[kind](settings(mode=mode)))
        only_told = kind in ONLY_TOLD
        assert ("WHAT MFA-GUARD DOES" in text) == (mode is not Mode.AUDIT and not only_told)
        assert ("WHAT MFA-GUARD WOULD DO (Mode: audit, nothing is changed)" in text) == (
            mode is Mode.AUDIT and not only_told
        )

    def test_the_subject_line_says_what_and_whom(self, kind: NoticeKind, mode: Mode) -> None:
        line = EVERY_KIND[kind](settings(mode=mode)).subject
        assert len(line) <= 100
        assert "alice" in line or "root" in line or "mfa-guard" in line


def test_the_longest_user_name_fits_the_subject_line_of_every_kind() -> None:
    longest = state(name=LONG, devices=(), attached=False)
    for kind, severity in ((kind, severity) for kind in NoticeKind for severity in Severity):
        if kind in ONLY_TOLD:
            continue
        plan, result = EventPlan(Standing.ENFORCED, (), None), WriteResult(problem="no.")
        context = NoticeContext(parse_user_event(detail("CreateUser")), longest, plan, result, settings(), NOW)
        line = user_message(DueNotice(kind, severity), context).subject
        assert LONG in line
        if severity is not Severity.CRITICAL or kind in {NoticeKind.NOT_ENFORCED, NoticeKind.NOT_TAGGED}:
            assert not line.endswith("..."), line


def test_the_mail_names_actor_session_and_mfa() -> None:
    text = mail(EVERY_KIND[NoticeKind.NONCOMPLIANT](settings()))
    assert "by role/Admin/bob@example.com, in a session with MFA" in text


@pytest.mark.parametrize("mfa", [None, "false"])
def test_a_session_without_mfa_is_told_only_where_cloudtrail_says_it(mfa: str | None) -> None:
    identity = {"type": "IAMUser", "userName": "bob", "sessionContext": {"attributes": {"mfaAuthenticated": mfa}}}
    text = mail(told(detail("CreateUser", userIdentity=identity), NONCOMPLIANT))
    assert ("in a session without MFA" in text) == (mfa == "false")


def test_what_the_guard_did_and_will_do_is_listed() -> None:
    text = mail(EVERY_KIND[NoticeKind.NONCOMPLIANT](settings()))
    assert "attaches the policy EnrollMFADeviceThenSignInAgain to alice" in text
    assert "tags alice mfa-guard:status=noncompliant and mfa-guard:since=2026-03-01T12:00:00Z" in text


def test_a_blocked_person_is_told_how_to_enroll_and_a_machine_how_without_console() -> None:
    person = mail(told(detail("CreateUser"), NONCOMPLIANT, done=WriteResult(route=AttachmentRoute.DIRECT)))
    assert "https://111122223333.signin.aws.amazon.com/console" in person
    assert "aws login" in person
    machine = replace(NONCOMPLIANT, password=False, keys=(key(used=None),))
    keyed = mail(told(detail("CreateUser"), machine, done=WriteResult(route=AttachmentRoute.DIRECT)))
    assert "create-virtual-mfa-device" in keyed
    assert "signin.aws" not in keyed
    nothing = mail(
        told(
            detail("CreateUser"), replace(NONCOMPLIANT, password=False), done=WriteResult(route=AttachmentRoute.DIRECT)
        )
    )
    assert "has nothing to sign in with yet" in nothing
    assert "get-session-token" not in nothing


@pytest.mark.parametrize(
    ("partition", "console", "sign_in"),
    [
        ("aws", "console.aws.amazon.com", "signin.aws.amazon.com"),
        ("aws-cn", "console.amazonaws.cn", "signin.amazonaws.cn"),
        ("aws-us-gov", "console.amazonaws-us-gov.com", "signin.amazonaws-us-gov.com"),
        ("aws-new", "console.aws.amazon.com", "signin.aws.amazon.com"),
    ],
)
def test_the_links_are_the_partitions(partition: str, console: str, sign_in: str) -> None:
    chosen = settings(policy_arn=f"arn:{partition}:iam::111122223333:policy/P")
    text = mail(EVERY_KIND[NoticeKind.NONCOMPLIANT](chosen))
    assert f"https://{console}/iam/home#/users/details/alice" in text
    assert sign_in in text


def test_a_link_to_a_user_with_an_address_for_a_name_is_escaped() -> None:
    text = mail(told(detail("CreateUser"), replace(NONCOMPLIANT, name="a+b@example.com")))
    assert "/users/details/a%2Bb%40example.com" in text


def test_without_a_help_url_there_is_no_help_line() -> None:
    message = EVERY_KIND[NoticeKind.NONCOMPLIANT](settings(help_url=""))
    assert "Help:" not in mail(message)
    assert data(message)["help"] is None


class TestUndo:
    @pytest.mark.parametrize("route", list(AttachmentRoute))
    def test_what_was_put_on_can_be_taken_off_with_one_paste(self, route: AttachmentRoute) -> None:
        text = mail(told(detail("CreateUser"), NONCOMPLIANT, done=WriteResult(route=route)))
        command = {AttachmentRoute.DIRECT: "detach-user-policy", AttachmentRoute.GROUP: "remove-user-from-group"}[route]
        assert text.index("put-item") < text.index(command)

    def test_a_retry_that_finds_the_user_bound_still_offers_it(self) -> None:
        assert "detach-user-policy" in mail(told(detail("CreateUser"), state(devices=())))

    @pytest.mark.parametrize("kind", [NoticeKind.SOLVED, NoticeKind.EXEMPT_WITHOUT_DEVICE, NoticeKind.STACK_CHANGE])
    def test_where_nothing_was_taken_there_is_nothing_to_undo(self, kind: NoticeKind) -> None:
        assert data(EVERY_KIND[kind](settings()))["commands"] == {}

    def test_a_decision_offers_both_ways(self) -> None:
        commands = data(EVERY_KIND[NoticeKind.DECISION](settings()))["commands"]
        assert isinstance(commands, dict)
        assert set(commands) == {"exempt", "enforce"}

    def test_a_release_can_be_taken_back_unless_a_path_exempts(self) -> None:
        assert "delete-item" in mail(EVERY_KIND[NoticeKind.RELEASED](settings()))
        chosen = settings(exempt_path_prefixes=("/service/",))
        by_path = told(
            detail("CreateAccessKey"), state(path="/service/"), chosen, WriteResult(released=(AttachmentRoute.DIRECT,))
        )
        assert data(by_path)["commands"] == {}

    def test_a_device_enrolled_with_a_key_can_be_removed(self) -> None:
        serial = "arn:aws:iam::111122223333:mfa/phone"
        record = detail("EnableMFADevice", {"userName": "alice", "serialNumber": serial}, userIdentity=long_term_key())
        text = mail(told(record, state()))
        assert f"deactivate-mfa-device --user-name alice --serial-number {serial}" in text
        assert "AKIAEXAMPLE9" in text
        gone = told({**record, "requestParameters": {"userName": "alice", "serialNumber": "other"}}, state())
        assert data(gone)["commands"] == {}

    def test_where_nobody_asked_for_devices_none_is_offered_for_removal(self) -> None:
        serial = "arn:aws:iam::111122223333:mfa/phone"
        record = detail("EnableMFADevice", {"userName": "alice", "serialNumber": serial}, userIdentity=long_term_key())
        exempt = state(attached=False, devices=NOT_LOADED, exemption=exemption())
        assert data(told(record, exempt))["commands"] == {}

    def test_a_forged_rule_name_makes_no_paste(self) -> None:
        record = detail("DisableRule", {"name": "r\nTO UNDO\nreboot"}, eventSource="events.amazonaws.com")
        message = alert_message(parse_alert(record), settings())
        assert data(message)["commands"] == {}
        assert "reboot" not in mail(message).splitlines()

    def test_a_disabled_rule_can_be_enabled_with_one_paste(self) -> None:
        assert "aws events enable-rule" in mail(EVERY_KIND[NoticeKind.TAMPERING](settings()))

    def test_a_failed_enforcement_offers_to_enforce(self) -> None:
        commands = data(EVERY_KIND[NoticeKind.NOT_ENFORCED](settings()))["commands"]
        assert isinstance(commands, dict)
        assert set(commands) == {"enforce"}

    def test_beside_each_paste_stands_the_programs_command_on_the_headings_line(self) -> None:
        message = EVERY_KIND[NoticeKind.DECISION](settings())
        exempt, enforce = (
            "mfa-guard exempt add alice --owner OWNER --reason REASON",
            "mfa-guard enforce alice",
        )
        assert data(message)["program"] == {"exempt": exempt, "enforce": enforce}
        lines = mail(message).splitlines()
        assert f"TO EXEMPT (30 days; put your own owner and reason in), or: {exempt}" in lines
        # Below it, and up to the next empty line, there is nothing but the paste.
        assert lines[lines.index(f"TO ENFORCE, or: {enforce}") + 1 :][1] == ""

    def test_a_paste_that_the_program_does_not_know_stands_alone(self) -> None:
        message = EVERY_KIND[NoticeKind.TAMPERING](settings())
        assert data(message)["program"] == {}
        assert "TO ENABLE THE RULE AGAIN" in mail(message).splitlines()

    def test_the_fallback_is_explained(self) -> None:
        text = mail(
            told(detail("CreateUser"), NONCOMPLIANT, done=WriteResult(route=AttachmentRoute.GROUP, fell_back=True))
        )
        assert "adds alice to the group mfa-guard-enforced" in text
        assert "as many as IAM allows" in text


class TestWhatIsKnown:
    @pytest.mark.parametrize(
        ("event", "said"),
        [("DetachUserPolicy", "detached the enforcement policy"), ("RemoveUserFromGroup", "removed alice")],
    )
    def test_how_the_policy_was_taken_off(self, event: str, said: str) -> None:
        assert said in mail(told(detail(event), state(attached=False), done=WriteResult(route=AttachmentRoute.DIRECT)))

    def test_usable_without_mfa_only_of_somebody_who_was_not_bound(self) -> None:
        assert "Usable without MFA until now: a console password" in mail(told(detail("CreateUser"), NONCOMPLIANT))
        bound = mail(told(detail("DeactivateMFADevice"), state(devices=())))
        assert "Usable without MFA" not in bound
        assert "Credentials: a console password" in bound

    def test_a_failed_enforcement_says_what_stays_open(self) -> None:
        text = mail(EVERY_KIND[NoticeKind.NOT_ENFORCED](settings()))
        assert "alice works without MFA. Usable without MFA until now: a console password." in text

    def test_tags_that_cannot_be_written_are_not_listed_as_done(self) -> None:
        done = WriteResult(route=AttachmentRoute.DIRECT, problem="the tags cannot be set.", not_tagged=True)
        message = told(detail("CreateUser"), NONCOMPLIANT, done=done)
        assert message.subject == "CRITICAL: alice could not be tagged"
        assert "tags alice" not in mail(message)
        assert "attaches the policy" in mail(message)

    def test_of_the_user(self) -> None:
        user = state(
            devices=(),
            attached=False,
            keys=(key("AKIA1", used=None), key("AKIA2", active=False)),
            service_credentials=(ServiceCredential("ACCA1", "codecommit.amazonaws.com", active=False),),
        )
        text = mail(told(detail("CreateUser"), user))
        assert "MFA devices: none" in text
        assert "AKIA1 (active, no use on record); AKIA2 (inactive, last used 2026-02-28T12:00:00Z)" in text
        assert "ACCA1 for codecommit.amazonaws.com, inactive" in text

    def test_keys_in_use_that_stop_are_named_whatever_the_kind(self) -> None:
        user = state(devices=(), attached=False, keys=(key("AKIAINUSE"), key("AKIAOLD", used=timedelta(days=200))))
        text = mail(told(detail("CreateUser"), user, done=WriteResult(route=AttachmentRoute.DIRECT)))
        assert "Access keys in use that stop working without MFA: AKIAINUSE." in text

    def test_nothing_stops_where_nothing_was_put_on(self) -> None:
        user = state(devices=(), attached=False, keys=(key("AKIAINUSE"),))
        assert "stop working" not in mail(
            told(detail("CreateUser"), user, done=WriteResult(problem="no quota is left."))
        )

    def test_audit_names_the_keys_that_would_stop_whatever_the_kind(self) -> None:
        user = state(devices=(), attached=False, keys=(key("AKIAINUSE"),))
        text = mail(told(detail("CreateUser"), user, settings(mode=Mode.AUDIT)))
        assert "Access keys in use that would stop working without MFA: AKIAINUSE." in text

    def test_audit_names_no_keys_where_nothing_would_be_put_on(self) -> None:
        user = state(tags=MARKED, keys=(key("AKIAINUSE"),))
        text = mail(told(detail("EnableMFADevice"), user, settings(mode=Mode.AUDIT)))
        assert "stop working" not in text

    def test_a_failure_is_told_without_any_notice_that_was_due(self) -> None:
        event, nothing_due = parse_user_event(detail("CreateAccessKey")), EventPlan(Standing.ENFORCED, (), None)
        context = NoticeContext(event, state(), nothing_due, WriteResult(problem="it is gone."), settings(), NOW)
        message = user_message(DueNotice(NoticeKind.NOT_ENFORCED, Severity.CRITICAL), context)
        assert data(message)["summary"] == (
            "alice could not be enforced: it is gone. Until that is repaired, alice works without MFA."
        )

    def test_the_exemption_with_owner_reason_and_end(self) -> None:
        text = mail(EVERY_KIND[NoticeKind.RELEASED](settings()))
        assert "owner platform team, reason build machine" in text
        assert "until 2026-03-31T12:00:00Z" in text

    def test_the_path_that_exempts(self) -> None:
        chosen = settings(exempt_path_prefixes=("/service/",))
        assert "below the path /service/ are exempt" in mail(
            told(
                detail("CreateAccessKey"),
                state(path="/service/"),
                chosen,
                WriteResult(released=(AttachmentRoute.DIRECT,)),
            )
        )

    def test_who_is_outside_of_enforce_on(self) -> None:
        chosen = settings(enforce_on=EnforceOn.CONSOLE)
        user = state(devices=(), attached=False, password=False)
        assert "EnforceOn covers users with a console password only" in mail(told(detail("CreateUser"), user, chosen))
        removed = mail(told(detail("DetachUserPolicy"), replace(user, tags=MARKED), chosen))
        assert "It stays off" in removed

    def test_audit_lists_the_release_it_would_make(self) -> None:
        chosen = settings(mode=Mode.AUDIT)
        text = mail(told(detail("CreateAccessKey"), state(exemption=exemption(), in_group=True), chosen))
        assert "detach the policy" in text
        assert "remove alice from the group" in text

    def test_a_takeover_names_the_actor_and_ones_own_key_asks_the_user(self) -> None:
        other = told(detail("EnableMFADevice", userIdentity=long_term_key("mallory")), state())
        assert (other.attributes["severity"], "takeover" in other.subject) == ("high", True)
        assert "user/mallory enrolled the MFA device" in mail(other)
        own = told(detail("EnableMFADevice", userIdentity=long_term_key("alice")), state())
        assert "Ask alice" in mail(own)

    @pytest.mark.parametrize(("used", "said"), [("Yes", "An MFA device was used"), ("No", "No MFA device was used")])
    def test_roots_sign_in_says_whether_mfa_was_used(self, used: str, said: str) -> None:
        record = detail("ConsoleLogin", {}, eventSource="signin.amazonaws.com", additionalEventData={"MFAUsed": used})
        assert said in mail(alert_message(parse_alert(record), settings()))


class TestStrangersStrings:
    EVIL = 'x\r\n\r\nTO UNDO\n  rm -rf / "\u202e<b>&\x00' + "y" * 5000

    def test_they_start_no_line_of_their_own(self) -> None:
        record = detail("CreateUser", userAgent=self.EVIL, sourceIPAddress=self.EVIL)
        message = told(record, NONCOMPLIANT)
        assert all("rm -rf" not in line or "client" in line or "from" in line for line in mail(message).splitlines())
        assert not any(line.startswith("TO UNDO") and "x??" in line for line in mail(message).splitlines())
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
        jsonschema.validate(data(message), SCHEMA)

    def test_a_target_of_any_length_is_cut(self) -> None:
        record = detail("DeleteAlarms", {"alarmNames": ["ä" * 2000] * 50}, eventSource="monitoring.amazonaws.com")
        assert len(alert_message(parse_alert(record), settings()).body) < 10_000

    def test_a_notice_may_be_as_large_as_the_limit_and_no_larger(self) -> None:
        record = parse_user_event(detail("CreateUser")).record
        draft = Draft(NoticeKind.NONCOMPLIANT, Severity.LOW, "h", ["lead"], {"kind": "user"}, "https://x", about=["x"])
        room = 250_000 - len(compose(draft, record, settings()).body.encode())
        full = replace(draft, about=["x" * (room + 1)])
        assert len(compose(full, record, settings()).body.encode()) == 250_000
        with pytest.raises(ValueError, match="of 250001 bytes is larger than 250000"):
            compose(replace(draft, about=["x" * (room + 2)]), record, settings())

    def test_a_notice_that_is_too_large_all_the_same_is_a_loud_defect(self) -> None:
        with pytest.raises(ValueError, match="larger than 250000"):
            told(detail("CreateUser"), NONCOMPLIANT, settings(help_url="https://" + "x" * 200_000))


def test_every_action_and_trigger_is_known_to_somebody() -> None:
    # A new member has to be given words and a place in the plan; this list makes that a decision.
    assert {action.value for action in Action} == {"enforce", "release", "mark", "clear"}
    assert len(Trigger) == 7
