"""Facts about a user that a notice has, or must not have, beyond the cases of the golden file."""

from datetime import timedelta

import pytest

from mfa_guard.core.attachments import AttachmentRoute, WriteResult
from mfa_guard.core.mail.user_notices import about_user
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.user import UserState
from mfa_guard.core.user_record import NoticeRecord, UserRecord
from support.factories import (
    MARKED,
    NOW,
    device,
    key,
    long_term_key,
    service_credential,
    settings,
    state,
    user_identity,
)
from support.mails import ATTACHED, AUDIT, NEW, USER_CASES, UserCase, call
from support.messages import data, mail

# What the record says while an earlier attempt at the same event enforced and has not sent its notice.
ENFORCING = UserRecord(
    enforced=True, notices={NoticeKind.ENFORCED: NoticeRecord(sent=False, holder="1c9b0c5e", until=NOW)}
)
ENROLLS = call("EnableMFADevice", userIdentity=user_identity("alice"))


def summary(case: UserCase) -> str:
    return str(data(case.message())["summary"])


class TestAboutTheUser:
    def test_a_field_that_was_not_loaded_has_no_line(self) -> None:
        assert about_user(UserState("alice", "AIDAEXAMPLE", "/x/", {}, NOW)) == ["alice (id AIDAEXAMPLE, path /x/)"]

    def test_every_field_that_was_loaded_has_a_line(self) -> None:
        user = state(
            devices=(device("a"), device("b")),
            password=False,
            keys=(key("AKIA1", used=None), key("AKIA2", active=False)),
            service_credentials=(
                service_credential("ACCA1"),
                service_credential("ACCA2", "cassandra.amazonaws.com", active=False),
            ),
        )
        assert about_user(user)[1:] == [
            "MFA devices: a, b",
            "Console password: no",
            "Access keys: AKIA1 (active, no recorded use); AKIA2 (inactive, last used 2026-02-28T12:00:00Z)",
            "Service-specific credentials: ACCA1 for codecommit.amazonaws.com, active; "
            "ACCA2 for cassandra.amazonaws.com, inactive",
        ]

    def test_a_path_is_cut_at_what_iam_allows(self) -> None:
        assert about_user(state(path="/" + "x" * 600))[0] == f"alice (id AIDAEXAMPLE, path /{'x' * 508}...)"

    def test_a_serial_number_is_sanitized(self) -> None:
        assert about_user(state(devices=(device("a\nb"),)))[1] == "MFA devices: a?b"


class TestCredentials:
    """Whether credentials worked without MFA until now, still do, or did not before."""

    @pytest.mark.parametrize(
        ("user", "result", "worked", "work"),
        [
            (NEW, ATTACHED, True, False),
            (NEW, WriteResult(problem="no quota is left."), False, True),
            (state(devices=()), WriteResult(), False, False),
            (state(devices=(), attached=False, in_group=True), WriteResult(), False, False),
        ],
    )
    def test_in_a_mode_that_enforces(self, user: UserState, result: WriteResult, worked: bool, work: bool) -> None:
        said = summary(UserCase(call("DeactivateMFADevice"), user, result))
        assert "a console password" in said
        assert ("that worked without MFA" in said, "that work without MFA" in said) == (worked, work)

    def test_in_audit_mode_they_still_work(self) -> None:
        assert "that work without MFA" in summary(UserCase(call("CreateUser"), NEW, chosen=AUDIT))

    def test_in_audit_mode_the_policy_denies_access_to_a_user_who_is_enforced_already(self) -> None:
        said = summary(UserCase(call("DeactivateMFADevice"), state(devices=()), chosen=AUDIT))
        assert "policy denies" in said

    def test_keys_are_sorted_and_inactive_keys_are_left_out(self) -> None:
        user = state(devices=(), keys=(key("AKIA2"), key("AKIA1"), key("AKIA0", active=False)))
        assert "a console password, access key AKIA1, access key AKIA2." in summary(UserCase(call("CreateUser"), user))


class TestKeysThatStop:
    def test_only_keys_in_use_stop(self) -> None:
        user = state(devices=(), attached=False, keys=(key("AKIAINUSE"), key("AKIAOLD", used=timedelta(days=200))))
        assert "stop working without MFA: AKIAINUSE." in summary(UserCase(call("CreateUser"), user, ATTACHED))

    @pytest.mark.parametrize(
        "case",
        [
            UserCase(call("CreateUser"), state(devices=(), attached=False, keys=(key(),)), WriteResult(problem="no.")),
            UserCase(call("CreateAccessKey"), state(devices=(), tags=MARKED, keys=(key(),))),
            UserCase(ENROLLS, state(tags=MARKED, keys=(key(),)), chosen=AUDIT),
        ],
        ids=["enforcement failed", "enforced before", "audit mode would not enforce"],
    )
    def test_no_key_stops_where_mfa_guard_does_not_enforce(self, case: UserCase) -> None:
        assert "stop working" not in summary(case)

    def test_keys_stop_if_an_earlier_attempt_enforced(self) -> None:
        case = UserCase(ENROLLS, state(keys=(key(),), record=ENFORCING))
        assert "stop working without MFA: AKIAEXAMPLE1." in summary(case)
        assert "stop working" in case.message().subject


class TestChanges:
    def test_a_full_quota_explains_the_other_route(self) -> None:
        policies = data(USER_CASES["noncompliant: a user with as many policies as IAM allows"].message())["changes"][0]
        groups = data(USER_CASES["noncompliant: a user in as many groups as IAM allows"].message())["changes"][0]
        assert "as many managed policies as IAM allows" in policies
        assert "as many groups as IAM allows" in groups

    def test_tags_that_cannot_be_written_are_no_change(self) -> None:
        result = WriteResult(route=AttachmentRoute.DIRECT, problem="the tags cannot be set.", not_tagged=True)
        assert "tag" not in "".join(data(UserCase(call("CreateUser"), NEW, result).message())["changes"])

    def test_audit_mode_would_use_the_route_of_the_settings(self) -> None:
        chosen = settings(mode=AUDIT.mode, enforce_through=AttachmentRoute.GROUP)
        changes = data(UserCase(call("CreateUser"), NEW, chosen=chosen).message())["changes"]
        assert changes[0].startswith("mfa-guard would add alice to the group mfa-guard-enforced")

    def test_tags_carry_the_time_of_the_notice(self) -> None:
        changes = data(UserCase(call("CreateUser"), NEW, ATTACHED).message())["changes"]
        assert "mfa-guard:status=noncompliant and mfa-guard:since=2026-03-01T12:00:00Z" in changes[1]

    def test_where_nothing_is_changed_the_mail_says_so(self) -> None:
        case = USER_CASES["tags-changed: another date"]
        assert "CHANGES BY MFA-GUARD\n  - no further changes\n" in mail(case.message())
        assert "(Mode: audit, nothing is changed)\n  - none\n" in mail(case.in_audit_mode().message())


class TestSubjectLines:
    """The variants of one kind that an administrator has to tell apart in a list of mails."""

    @pytest.mark.parametrize("kind", ["enforced", "device-enrolled"])
    def test_they_differ(self, kind: str) -> None:
        subjects = {
            title: case.message().subject
            for title, case in USER_CASES.items()
            if title.startswith(f"{kind}:") and "exemption" not in title
        }
        same = {
            "enforced: the user was renamed",
            "device-enrolled: the user's own key, and the device is gone",
            "device-enrolled: another device, by the user's own key",
            "device-enrolled: by another user's key",
        }
        different = [subject for title, subject in subjects.items() if title not in same]
        assert len(set(different)) == len(different)

    def test_a_takeover_is_called_one(self) -> None:
        case = UserCase(call("EnableMFADevice", userIdentity=long_term_key("mallory")), state())
        assert "takeover of alice" in case.message().subject


def test_a_serial_number_in_an_event_is_sanitized() -> None:
    record = call(
        "EnableMFADevice", {"userName": "alice", "serialNumber": "a\nb"}, userIdentity=long_term_key("mallory")
    )
    assert "the MFA device a?b for alice" in summary(UserCase(record, state()))
