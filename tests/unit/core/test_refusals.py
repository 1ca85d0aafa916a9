"""The sentences with which the core refuses input. The log and the dead-letter queue show nothing else."""

from collections.abc import Callable, Mapping

import pytest

from mfa_guard.core.account.credential_report import parse_report
from mfa_guard.core.account.snapshot import ListedUser, Sources
from mfa_guard.core.alerts import parse_alert
from mfa_guard.core.cloudtrail import actor_of, parse_record, parse_user_event
from mfa_guard.core.custom_resource import Response, Status, parse_request, parse_stack_id
from mfa_guard.core.exemption import Exemption, MalformedExemption, parse_exemption
from mfa_guard.core.exemption_changes import parse_exemption_change
from mfa_guard.core.settings import SettingsError, parse_settings, required_variable
from mfa_guard.core.sweep_request import parse_sweep_request
from support.factories import NOW, detail, stream_record
from support.teardown import STACK, request, request_event
from unit.core.test_settings import GOOD

SWEEP = {"id": "1", "source": "mfa-guard", "detail-type": "Sweep requested", "detail": {}}
RECORD = {
    "user_id": "AIDA1",
    "user_name": "ci",
    "owner": "platform",
    "reason": "build machine",
    "created_by": "bob",
    "expires_at": "2026-04-01T00:00:00Z",
}
STREAM = stream_record("INSERT", RECORD)
LONG = "x" * 200


@pytest.mark.parametrize(
    ("parse", "event", "sentence"),
    [
        (parse_sweep_request, {**SWEEP, "source": "x"}, "The event is not a 'Sweep requested' of 'mfa-guard'."),
        (parse_sweep_request, {**SWEEP, "id": ""}, "The event has no id."),
        (
            parse_sweep_request,
            {**SWEEP, "detail": {"mode": "all"}},
            "The event requests a mode other than audit.",
        ),
        (
            parse_sweep_request,
            {**SWEEP, "detail": {"round": 0}},
            "The event's round is not a whole number of 1 or more.",
        ),
        (
            lambda event: parse_exemption_change(event, NOW),
            {**STREAM, "eventID": None},
            "The record is not from the exemption table's stream.",
        ),
        (
            lambda event: parse_exemption_change(event, NOW),
            {**STREAM, "eventName": LONG},
            f"The stream record's eventName or time is not valid: '{'x' * 40}'.",
        ),
        (
            parse_user_event,
            {**detail("CreateUser"), "eventTime": LONG},
            f"The record's eventTime is not a UTC time: '{'x' * 40}'.",
        ),
        (
            parse_user_event,
            detail(LONG, eventSource=LONG),
            f"'{'x' * 80}' of '{'x' * 80}' is not an event about a user.",
        ),
        (
            parse_user_event,
            detail("CreateUser", {"userName": "+" * 100}),
            f"CreateUser names a user whose name IAM does not allow: '{'+' * 80}'.",
        ),
        (
            parse_user_event,
            detail("CreateUser", {"userName": ["alice"]}),
            "CreateUser has request parameters that CloudTrail does not write.",
        ),
        (parse_user_event, detail("CreateUser", {}), "CreateUser does not say which user it is about."),
        (
            parse_alert,
            detail(LONG, eventSource=LONG),
            f"'{'x' * 80}' of '{'x' * 80}' is not an event that the guard alerts about.",
        ),
        (
            parse_alert,
            detail(LONG, {}, eventSource="events.amazonaws.com"),
            f"'{'x' * 80}' does not name the resource that it changed.",
        ),
        (
            lambda event: parse_request(event, STACK),
            request_event(LONG),
            f"The request has an unknown RequestType: '{'x' * 80}'.",
        ),
        (
            lambda event: parse_request(event, STACK),
            request_event(StackId="arn:aws:cloudformation:us-east-1:111122223333:stack/other/1"),
            "The request is about another stack.",
        ),
        (
            lambda event: parse_request(event, STACK),
            request_event(ResponseURL="https://example.com/"),
            "The request's ResponseURL does not belong to CloudFormation, so no response was sent.",
        ),
    ],
)
def test_a_refusal_is_one_sentence(parse: Callable[[object], object], event: object, sentence: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole message is compared
        parse(event)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"owner": " ", "reason": ""}, "The exemption record lacks owner, reason."),
        ({"user_id": "AIDA2"}, "The exemption record belongs to another user."),
        (
            {"expires_at": "tomorrow"},
            "The exemption record's expires_at is not a UTC time like 2027-01-31T00:00:00Z.",
        ),
        (
            {"expires_at": "2027-03-01T12:00:01Z"},
            "The exemption record's expires_at is more than 365 days ahead.",
        ),
    ],
)
def test_what_is_wrong_with_an_exemption_is_one_sentence(changes: Mapping[str, str], problem: str) -> None:
    assert parse_exemption({**RECORD, **changes}, "AIDA1", NOW) == MalformedExemption(problem)


def test_an_exemption_keeps_what_was_recorded() -> None:
    found = parse_exemption({**RECORD, "expires_at": "2027-03-01T12:00:00Z"}, "AIDA1", NOW)
    assert isinstance(found, Exemption)
    assert (found.user_id, found.user_name, found.owner, found.reason, found.created_by) == (
        "AIDA1",
        "ci",
        "platform",
        "build machine",
        "bob",
    )


def test_an_actor_of_an_unknown_kind_is_known_by_principal_or_arn() -> None:
    arn = "arn:aws:iam::111122223333:thing/x"
    assert actor_of(detail("CreateUser", userIdentity={"type": "Thing", "arn": arn})).name == "x"
    assert actor_of(detail("CreateUser", userIdentity={"type": "Thing", "principalId": "P", "arn": arn})).name == "P"


@pytest.mark.parametrize(
    ("identity", "label"),
    [
        ({"arn": "arn:aws:sts::111122223333:assumed-role/Admin/bob/x"}, "role/Admin/bob/x"),
        ({"principalId": "AROA1:bob:x"}, "role/bob:x"),
        ({}, "role"),
    ],
)
def test_a_role_session_is_found_in_the_arn_or_the_principal(identity: Mapping[str, str], label: str) -> None:
    assert actor_of(detail("CreateUser", userIdentity={"type": "AssumedRole", **identity})).label == label


def test_a_role_and_its_session_are_told_apart_at_the_first_slash() -> None:
    identity = {"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/Admin/bob/x"}
    actor = actor_of(detail("CreateUser", userIdentity=identity))
    assert (actor.name, actor.session) == ("Admin", "bob/x")


def test_a_user_has_no_session() -> None:
    assert actor_of(detail("CreateUser", userIdentity={"type": "IAMUser", "userName": "bob"})).session is None


def test_a_record_keeps_address_and_client_and_its_time_in_utc() -> None:
    record = parse_record(detail("CreateUser", eventTime="2026-03-01T13:59:30+02:00"))
    assert (record.address, record.user_agent) == ("192.0.2.10", "aws-cli/2.30")
    assert record.time.isoformat() == "2026-03-01T11:59:30+00:00"


def test_a_change_of_the_exemption_table_is_known_by_its_events_id_and_utc_time() -> None:
    change = parse_exemption_change({**STREAM, "eventID": "e-1"}, NOW)
    assert (change.record.id, change.record.time.isoformat()) == ("e-1", "2026-03-01T11:59:30+00:00")
    assert parse_exemption_change(stream_record("INSERT", {"user_id": "A"}), NOW).user_name == ""


class TestCloudFormation:
    @pytest.mark.parametrize(
        ("reason", "shown"),
        [
            ("a b~", "a b~"),
            ("M\u00fcller\n\x7f", "M?ller??"),
            ("x" * 1000, "x" * 1000),
            ("x" * 1001, "x" * 997 + "..."),
        ],
    )
    def test_a_reason_is_printable_and_bounded(self, reason: str, shown: str) -> None:
        assert f'"Reason": "{shown}"'.encode() in request().body(Response(Status.FAILED, reason))

    @pytest.mark.parametrize("arn", ["", "arn:aws:cloudformation:us-east-1:111122223333", "stack:a:b:c:d:e"])
    def test_a_stack_is_named_by_an_arn(self, arn: str) -> None:
        with pytest.raises(SettingsError) as refused:
            parse_stack_id({"STACK_ID": arn})
        assert str(refused.value) == f"The environment variable STACK_ID is {arn!r}, which is not an ARN."

    def test_a_missing_variable_is_reported_as_empty(self) -> None:
        with pytest.raises(SettingsError, match="STACK_ID is '', which"):
            parse_stack_id({})

    def test_a_date_that_cannot_be_read_does_not_hide_the_next_date(self) -> None:
        url = f"{request_event()['ResponseURL']}&X-Amz-Date=soon&X-Amz-Date=20260301T120000Z"
        assert request(ResponseURL=url).began == NOW


class TestSettings:
    def test_an_optional_variable_has_a_default(self) -> None:
        optional = {"EXEMPT_PATH_PREFIXES", "HELP_URL", "DEACTIVATE_KEYS_AFTER_DAYS"}
        chosen = parse_settings({name: value for name, value in GOOD.items() if name not in optional})
        assert (chosen.exempt_path_prefixes, chosen.help_url, chosen.deactivate_keys_after_days) == ((), "", 0)
        assert parse_settings(GOOD).help_url == "https://wiki.example.com/mfa"

    def test_a_missing_variable_is_an_error(self) -> None:
        with pytest.raises(SettingsError) as refused:
            required_variable({}, "STACK_NAME")
        assert str(refused.value) == "The environment variable STACK_NAME is missing or empty."

    def test_errors_show_the_choices_and_the_arn(self) -> None:
        with pytest.raises(SettingsError, match=r"MODE is 'x'; it must be one of audit, events, all\."):
            parse_settings({**GOOD, "MODE": "x"})
        with pytest.raises(SettingsError, match=r"'arn:aws:iam::1', which is not an ARN\."):
            parse_settings({**GOOD, "ENFORCEMENT_POLICY_ARN": "arn:aws:iam::1"})


class TestReport:
    HEADER = (
        "user,user_creation_time,password_enabled,mfa_active,access_key_1_active,access_key_1_last_rotated,"
        "access_key_1_last_used_date,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date\n"
    )

    def test_every_row_that_cannot_be_read_is_counted(self) -> None:
        row = "alice,2026-01-01T00:00:00Z,maybe,true,false,N/A,N/A,false,N/A,N/A\n"
        found = parse_report(f"{self.HEADER}{row}{row}short\nshort\n".encode())
        assert found.unread == 4

    def test_a_creation_a_minute_apart_is_the_same_user_and_no_more(self) -> None:
        row = "alice,2026-03-01T12:01:0{},true,true,false,N/A,N/A,false,N/A,N/A\n"
        alice = ListedUser("alice", "AIDAEXAMPLE", "/", {}, NOW, attached=False, in_group=False)
        for second, known in ((0, True), (1, False)):
            report = f"{self.HEADER}{row.format(f'{second}Z')}".encode()
            assert (Sources(frozenset(), parse_report(report).rows).row(alice) is not None) is known

    def test_names_are_read_as_utf_8_and_line_ends_inside_of_quotes_stay(self) -> None:
        rest = ",2026-03-01T12:00:00Z,true,true,false,N/A,N/A,false,N/A,N/A\n"
        report = (self.HEADER + "M\u00fcller" + rest + '"a\r\nb"' + rest).encode()
        assert parse_report(report).rows.keys() == {"M\u00fcller", "a\r\nb"}
