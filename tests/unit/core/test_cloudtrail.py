"""The subject and the actor of a record, with records from AWS's documentation and captures."""

import pytest

from mfa_guard.core.cloudtrail import (
    ROOT_SUBJECT,
    EventNotUnderstood,
    Subject,
    SubjectKind,
    Trigger,
    actor_of,
    parse_record,
    parse_user_event,
    subject_of,
)
from support.factories import ACCOUNT, detail, long_term_key, role_identity, user_identity

ROOT = {"type": "Root", "principalId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root", "accountId": ACCOUNT}


def named(name: str) -> Subject:
    return Subject(SubjectKind.USER, name)


class TestSubject:
    @pytest.mark.parametrize(
        "event", ["EnableMFADevice", "TagUser", "UntagUser", "DetachUserPolicy", "RemoveUserFromGroup", "UpdateUser"]
    )
    def test_the_request_names_it(self, event: str) -> None:
        assert subject_of(detail(event)) == named("alice")

    @pytest.mark.parametrize("name", ["alice@example.com", "a", "x" * 64, "_+=,.@-", "-rf"])
    def test_every_name_that_iam_allows_is_accepted(self, name: str) -> None:
        assert subject_of(detail("CreateUser", {"userName": name})) == named(name)

    def test_a_created_user_is_the_user_in_the_response(self) -> None:
        answer = {"user": {"userName": "Alice", "userId": "AIDA1"}}
        assert subject_of(detail("CreateUser", {"userName": "alice"}, responseElements=answer)) == named("Alice")

    def test_a_key_created_without_a_user_name_is_the_callers(self) -> None:
        record = detail("CreateAccessKey", requestParameters=None, userIdentity=user_identity("carol"))
        assert subject_of(record) == named("carol")

    def test_the_owner_of_a_new_key_is_in_the_response(self) -> None:
        record = detail(
            "CreateAccessKey",
            requestParameters=None,
            responseElements={"accessKey": {"userName": "carol", "accessKeyId": "AKIA1"}},
            userIdentity=user_identity("carol"),
        )
        assert subject_of(record) == named("carol")

    @pytest.mark.parametrize("event", ["UpdateAccessKey", "DeactivateMFADevice", "DeleteAccessKey", "ChangePassword"])
    def test_the_subject_defaults_to_the_caller_if_the_api_does(self, event: str) -> None:
        assert subject_of(detail(event, {}, userIdentity=user_identity("carol"))) == named("carol")

    def test_the_actor_is_never_the_subject_of_a_call_that_must_name_one(self) -> None:
        with pytest.raises(EventNotUnderstood, match="EnableMFADevice does not say which user"):
            subject_of(detail("EnableMFADevice", {}, userIdentity=user_identity("carol")))

    def test_a_role_session_is_never_the_subject(self) -> None:
        with pytest.raises(EventNotUnderstood):
            subject_of(detail("CreateAccessKey", requestParameters=None, userIdentity=role_identity()))

    def test_a_renamed_user_is_the_new_name(self) -> None:
        assert subject_of(detail("UpdateUser", {"userName": "alice", "newUserName": "eve"})) == named("eve")

    @pytest.mark.parametrize("identity", [ROOT, {**ROOT, "userName": "my-alias"}])
    def test_roots_own_key_is_roots(self, identity: dict[str, object]) -> None:
        answer = {"accessKey": {"userName": "my-alias", "accessKeyId": "AKIA1"}}
        record = detail("CreateAccessKey", requestParameters=None, responseElements=answer, userIdentity=identity)
        assert subject_of(record) == ROOT_SUBJECT

    def test_roots_device_is_roots(self) -> None:
        serial = f"arn:aws:iam::{ACCOUNT}:mfa/root-account-mfa-device"
        record = detail("EnableMFADevice", {"userName": "AWS ROOT USER", "serialNumber": serial}, userIdentity=ROOT)
        assert subject_of(record) == ROOT_SUBJECT

    def test_a_device_named_like_roots_does_not_make_its_owner_root(self) -> None:
        serial = f"arn:aws:iam::{ACCOUNT}:mfa/root-account-mfa-device"
        assert subject_of(detail("EnableMFADevice", {"userName": "eve", "serialNumber": serial})) == named("eve")

    def test_a_user_created_by_root_is_the_subject(self) -> None:
        assert subject_of(detail("CreateAccessKey", {"userName": "alice"}, userIdentity=ROOT)) == named("alice")

    @pytest.mark.parametrize(
        "event", ["CreateVirtualMFADevice", "DeleteVirtualMFADevice", "CreatePolicyVersion", 7, None]
    )
    def test_some_events_are_about_no_user(self, event: object) -> None:
        assert subject_of(detail("X", {"virtualMFADeviceName": "alice"}) | {"eventName": event}) is None

    def test_the_same_event_name_of_another_service_is_about_no_user(self) -> None:
        assert subject_of(detail("CreateUser", eventSource="identitystore.amazonaws.com")) is None

    @pytest.mark.parametrize("name", ["a b", "", "x" * 65, "al/ice", "ålice", "alice\n"])
    def test_a_name_that_iam_does_not_allow_is_not_understood(self, name: str) -> None:
        with pytest.raises(EventNotUnderstood):
            subject_of(detail("EnableMFADevice", {"userName": name}))

    @pytest.mark.parametrize("request_parameters", ["alice", ["alice"], {"userName": 7}, {"userName": ["alice"]}])
    def test_parameters_of_a_strange_shape_do_not_fall_back_to_the_caller(self, request_parameters: object) -> None:
        record = detail("CreateAccessKey", requestParameters=request_parameters, userIdentity=user_identity("carol"))
        with pytest.raises(EventNotUnderstood):
            subject_of(record)


class TestActor:
    @pytest.mark.parametrize(
        ("identity", "label"),
        [
            (user_identity("carol"), "user/carol"),
            ({"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/staff/carol"}, "user/carol"),
            (role_identity(), "role/Admin/bob@example.com"),
            ({"type": "AssumedRole", "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/bob"}, "role/Admin/bob"),
            ({"type": "AssumedRole", "principalId": "AROA1:bob"}, "role/bob"),
            ({"type": "Role", "arn": f"arn:aws:iam::{ACCOUNT}:role/Admin"}, "role/Admin"),
            (ROOT, "root"),
            ({**ROOT, "userName": "my-alias"}, "root"),
            ({"type": "AWSService", "invokedBy": "autoscaling.amazonaws.com"}, "service/autoscaling.amazonaws.com"),
            ({"type": "FederatedUser", "arn": f"arn:aws:sts::{ACCOUNT}:federated-user/dan"}, "federated/dan"),
            ({"type": "SAMLUser", "userName": "dan"}, "saml/dan"),
            ({"type": "WebIdentityUser", "userName": "dan"}, "web-identity/dan"),
            ({"type": "IdentityCenterUser", "onBehalfOf": {"userId": "u-1"}}, "identity-center/u-1"),
            ({"type": "AWSAccount", "accountId": "444455556666"}, "account/444455556666"),
            ({"type": "Directory", "userName": "dan"}, "directory/dan"),
            ({"type": "Unknown"}, "unknown"),
            ({"type": "Hovercraft", "principalId": "P"}, "unknown/P"),
            ({}, "unknown"),
            (None, "unknown"),
            (["x"], "unknown"),
        ],
    )
    def test_label(self, identity: object, label: str) -> None:
        assert actor_of(detail("CreateUser", userIdentity=identity)).label == label

    def test_a_long_term_key_has_no_session(self) -> None:
        assert actor_of(detail("X", userIdentity=long_term_key())).key_id == "AKIAEXAMPLE9"
        for session in (user_identity(), user_identity(accessKeyId="AKIA1"), ROOT, {"accessKeyId": "ASIA1"}):
            assert actor_of(detail("X", userIdentity=session)).key_id is None

    @pytest.mark.parametrize(("text", "mfa"), [("true", True), ("false", False), (None, None), (True, None)])
    def test_mfa_is_a_string_and_the_actors(self, text: object, mfa: bool | None) -> None:
        identity = user_identity(sessionContext={"attributes": {"mfaAuthenticated": text}})
        assert actor_of(detail("X", userIdentity=identity)).mfa is mfa


class TestEvent:
    def test_it_says_why_the_guard_looks_and_which_device(self) -> None:
        event = parse_user_event(detail("DeactivateMFADevice", {"userName": "alice", "serialNumber": "phone"}))
        assert (event.trigger, event.device) == (Trigger.DEVICE_REMOVED, "phone")

    def test_by_subject_means_the_actor_is_the_subject(self) -> None:
        assert parse_user_event(detail("EnableMFADevice", userIdentity=user_identity("alice"))).by_subject
        assert not parse_user_event(detail("EnableMFADevice", userIdentity=user_identity("bob"))).by_subject
        assert not parse_user_event(detail("EnableMFADevice", userIdentity=role_identity("alice", "alice"))).by_subject

    @pytest.mark.parametrize("missing", ["eventID", "eventName", "eventSource", "eventTime"])
    def test_a_record_without_a_required_field_is_not_understood(self, missing: str) -> None:
        record = detail("CreateUser")
        del record[missing]
        with pytest.raises(EventNotUnderstood, match=missing):
            parse_record(record)

    @pytest.mark.parametrize(
        "time",
        [
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-23:59",
            "yesterday",
            "2026-03-01T12:00:00",
            "Jul 10, 2023 12:23:05 PM",
        ],
    )
    def test_a_time_that_is_not_utc_is_not_understood(self, time: str) -> None:
        with pytest.raises(EventNotUnderstood, match="eventTime"):
            parse_record(detail("CreateUser", eventTime=time))

    @pytest.mark.parametrize("event", ["DeleteUser", "CreateVirtualMFADevice", "StopLogging"])
    def test_an_event_without_trigger_or_subject_is_not_understood(self, event: str) -> None:
        with pytest.raises(EventNotUnderstood, match="not an event about a user"):
            parse_user_event(detail(event))
