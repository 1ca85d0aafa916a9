"""The subject and the actor of a record, with records from AWS's documentation and captures."""

from collections.abc import Mapping

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


def named(name: str, user_id: str | None = None) -> Subject:
    return Subject(SubjectKind.USER, name, user_id)


def sign_in(**changes: object) -> dict[str, object]:
    """Return the record of a console sign-in of carol, without MFA."""
    record = detail("ConsoleLogin")
    fields: dict[str, object] = {
        "eventSource": "signin.amazonaws.com",
        "userIdentity": {"type": "IAMUser", "principalId": "AIDACAROL", "accountId": ACCOUNT, "userName": "carol"},
        "requestParameters": None,
        "responseElements": {"ConsoleLogin": "Success"},
        "additionalEventData": {"MobileVersion": "No", "MFAUsed": "No"},
    }
    return record | fields | changes


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
        record = detail("CreateUser", {"userName": "alice"}, responseElements=answer)
        assert subject_of(record) == named("Alice", "AIDA1")

    def test_a_key_created_without_a_user_name_is_the_callers(self) -> None:
        record = detail("CreateAccessKey", requestParameters=None, userIdentity=user_identity("carol"))
        assert subject_of(record) == named("carol", "AIDABOB")

    def test_a_caller_without_a_name_is_known_by_id(self) -> None:
        identity = {"type": "IAMUser", "principalId": "AIDACAROL"}
        assert subject_of(detail("UpdateAccessKey", {}, userIdentity=identity)) == Subject(
            SubjectKind.USER, None, "AIDACAROL"
        )

    def test_the_owner_of_a_new_key_is_in_the_response(self) -> None:
        record = detail(
            "CreateAccessKey",
            requestParameters=None,
            responseElements={"accessKey": {"userName": "carol", "accessKeyId": "AKIA1"}},
            userIdentity=user_identity("carol"),
        )
        assert subject_of(record) == named("carol", "AIDABOB")

    @pytest.mark.parametrize(
        "event",
        [
            "UpdateAccessKey",
            "DeactivateMFADevice",
            "DeleteAccessKey",
            "ChangePassword",
            "DeleteLoginProfile",
            "ResetServiceSpecificCredential",
            "UpdateServiceSpecificCredential",
            "UploadSigningCertificate",
            "UpdateSigningCertificate",
        ],
    )
    def test_the_subject_defaults_to_the_caller_if_the_api_does(self, event: str) -> None:
        assert subject_of(detail(event, {}, userIdentity=user_identity("carol"))) == named("carol", "AIDABOB")

    @pytest.mark.parametrize(
        "event",
        [
            "CreateServiceSpecificCredential",
            "UploadSSHPublicKey",
            "UpdateSSHPublicKey",
            "UpdateLoginProfile",
            "PutUserPermissionsBoundary",
            "DeleteUserPermissionsBoundary",
        ],
    )
    def test_the_subject_does_not_default_to_the_caller_if_the_api_does_not(self, event: str) -> None:
        assert subject_of(detail(event, {"userName": "alice"}, userIdentity=user_identity("carol"))) == named("alice")
        with pytest.raises(EventNotUnderstood, match=f"{event} does not say which user"):
            subject_of(detail(event, {}, userIdentity=user_identity("carol")))

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

    @pytest.mark.parametrize("user_id", ["AROA1", "aida1", "AIDA", "AIDA1;", "AIDA1\n", "AIDA" + "1" * 125])
    def test_an_id_that_iam_does_not_write_is_not_understood(self, user_id: str) -> None:
        answer = {"user": {"userName": "alice", "userId": user_id}}
        with pytest.raises(EventNotUnderstood, match="CreateUser names a user whose id IAM does not allow"):
            subject_of(detail("CreateUser", responseElements=answer))

    def test_the_label_is_the_name_or_else_the_id(self) -> None:
        assert named("alice", "AIDA1").label == "user/alice"
        assert Subject(SubjectKind.USER, None, "AIDA1").label == "user/AIDA1"
        assert ROOT_SUBJECT.label == "root"

    @pytest.mark.parametrize("request_parameters", ["alice", ["alice"], {"userName": 7}, {"userName": ["alice"]}])
    def test_parameters_of_a_strange_shape_do_not_fall_back_to_the_caller(self, request_parameters: object) -> None:
        record = detail("CreateAccessKey", requestParameters=request_parameters, userIdentity=user_identity("carol"))
        with pytest.raises(EventNotUnderstood):
            subject_of(record)


class TestSignIn:
    def test_the_subject_is_the_user_who_signed_in(self) -> None:
        event = parse_user_event(sign_in())
        assert event.subject == named("carol", "AIDACAROL")
        assert (event.trigger, event.by_subject) == (Trigger.SIGNED_IN_WITHOUT_MFA, True)

    def test_a_user_without_a_name_is_known_by_id(self) -> None:
        event = parse_user_event(sign_in(userIdentity={"type": "IAMUser", "principalId": "AIDACAROL"}))
        assert (event.subject.name, event.subject.id, event.by_subject) == (None, "AIDACAROL", True)

    @pytest.mark.parametrize("data", [{"MFAUsed": "no"}, {"MFAUsed": ""}, {"MFAUsed": False}, {}, None, "No"])
    def test_whatever_does_not_say_yes_is_no_mfa(self, data: object) -> None:
        assert parse_user_event(sign_in(additionalEventData=data)).trigger is Trigger.SIGNED_IN_WITHOUT_MFA

    @pytest.mark.parametrize("used", ["Yes", "YES", "yes"])
    def test_with_mfa_it_is_no_event_for_the_guard(self, used: str) -> None:
        record = sign_in(additionalEventData={"MFAUsed": used})
        with pytest.raises(EventNotUnderstood, match="not an event about a user"):
            parse_user_event(record)
        assert subject_of(record) == named("carol", "AIDACAROL")

    @pytest.mark.parametrize("answer", [{"ConsoleLogin": "Failure"}, {}, None])
    def test_without_success_it_is_no_event_for_the_guard(self, answer: object) -> None:
        with pytest.raises(EventNotUnderstood, match="not an event about a user"):
            parse_user_event(sign_in(responseElements=answer))

    @pytest.mark.parametrize("identity", [ROOT, role_identity(), {"type": "FederatedUser"}, None])
    def test_of_anyone_else_it_is_about_no_user(self, identity: object) -> None:
        assert subject_of(sign_in(userIdentity=identity)) is None

    @pytest.mark.parametrize(
        "identity",
        [
            {"principalId": "AIDACAROL", "userName": "no such name"},
            {"principalId": "AROAADMIN:carol", "userName": "carol"},
            {"principalId": ""},
        ],
    )
    def test_an_identity_that_iam_does_not_have_is_not_understood(self, identity: dict[str, object]) -> None:
        with pytest.raises(EventNotUnderstood, match="ConsoleLogin"):
            subject_of(sign_in(userIdentity={"type": "IAMUser", **identity}))


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
            ({"invokedBy": "cloudtrail.amazonaws.com"}, "service/cloudtrail.amazonaws.com"),
            ({"type": "Unknown"}, "unknown"),
            ({"type": "Unknown", "userName": "eve", "principalId": "P"}, "unknown/eve"),
            ({"type": "Unknown", "invokedBy": "x.amazonaws.com"}, "unknown"),
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

    def test_the_id_is_that_of_an_iam_user(self) -> None:
        assert actor_of(detail("X", userIdentity=user_identity())).id == "AIDABOB"
        for identity in (user_identity(principalId="AROA1:bob"), user_identity(principalId=7), role_identity(), ROOT):
            assert actor_of(detail("X", userIdentity=identity)).id is None

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

    def test_two_ids_tell_more_about_who_is_who_than_two_names(self) -> None:
        def by_subject(actor: str, actor_id: object) -> bool:
            answer = {"user": {"userName": "alice", "userId": "AIDAALICE"}}
            identity = user_identity(actor, principalId=actor_id)
            return parse_user_event(detail("CreateUser", responseElements=answer, userIdentity=identity)).by_subject

        assert by_subject("renamed", "AIDAALICE")
        assert not by_subject("alice", "AIDABOB")
        assert by_subject("alice", None)

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


CREDENTIALS: Mapping[str, tuple[dict[str, object], dict[str, object] | None, str]] = {
    "CreateAccessKey": ({}, {"accessKey": {"accessKeyId": "AKIA1", "userName": "alice"}}, "AKIA1"),
    "UpdateAccessKey": ({"accessKeyId": "AKIA1", "status": "Active"}, None, "AKIA1"),
    "CreateLoginProfile": ({}, {"loginProfile": {"userName": "alice"}}, "password"),
    "UpdateLoginProfile": ({"passwordResetRequired": True}, None, "password"),
    "CreateServiceSpecificCredential": (
        {"serviceName": "bedrock.amazonaws.com"},
        {"serviceSpecificCredential": {"serviceSpecificCredentialId": "ACCA1", "userName": "alice"}},
        "ACCA1",
    ),
    "ResetServiceSpecificCredential": (
        {"serviceSpecificCredentialId": "ACCA1"},
        {"serviceSpecificCredential": {"serviceSpecificCredentialId": "ACCA1", "userName": "alice"}},
        "ACCA1",
    ),
    "UpdateServiceSpecificCredential": ({"serviceSpecificCredentialId": "ACCA1", "status": "Active"}, None, "ACCA1"),
    "UploadSSHPublicKey": (
        {"sSHPublicKeyBody": "ssh-rsa AAAA"},
        {"sSHPublicKey": {"sSHPublicKeyId": "APKA1", "userName": "alice"}},
        "APKA1",
    ),
    "UpdateSSHPublicKey": ({"sSHPublicKeyId": "APKA1", "status": "Active"}, None, "APKA1"),
    "UploadSigningCertificate": (
        {"certificateBody": "-----BEGIN CERTIFICATE-----"},
        {"certificate": {"certificateId": "TA7S1", "userName": "alice"}},
        "TA7S1",
    ),
    "UpdateSigningCertificate": ({"certificateId": "TA7S1", "status": "Active"}, None, "TA7S1"),
}


def credential_event(event: str, **changes: object) -> dict[str, object]:
    request, answer, _ = CREDENTIALS[event]
    return detail(event, {"userName": "alice"} | request | changes, responseElements=answer)


class TestAnnouncedCredential:
    @pytest.mark.parametrize("event", CREDENTIALS)
    def test_it_is_the_credential_that_works_since_the_call(self, event: str) -> None:
        parsed = parse_user_event(credential_event(event))
        assert (parsed.trigger, parsed.subject) == (Trigger.NEW_CREDENTIAL, named("alice"))
        assert parsed.announced == CREDENTIALS[event][2]
        assert parsed.key_id == ("AKIA1" if "AccessKey" in event else None)

    @pytest.mark.parametrize("event", [event for event, (request, *_) in CREDENTIALS.items() if "status" in request])
    def test_a_deactivated_credential_is_not_announced(self, event: str) -> None:
        assert parse_user_event(credential_event(event, status="Inactive")).announced is None

    @pytest.mark.parametrize("event", [event for event, (_, answer, _) in CREDENTIALS.items() if answer])
    def test_a_response_that_cloudtrail_left_out_announces_no_id(self, event: str) -> None:
        parsed = parse_user_event({**credential_event(event), "responseElements": None})
        in_the_request = {"CreateLoginProfile": "password", "ResetServiceSpecificCredential": "ACCA1"}
        assert (parsed.subject, parsed.announced) == (named("alice"), in_the_request.get(event))

    @pytest.mark.parametrize("key_id", ["AKIA 1", "AKIA1'", "$(id)", "A" * 129, "AKIA1\n"])
    def test_an_id_that_iam_does_not_write_is_not_understood(self, key_id: str) -> None:
        with pytest.raises(EventNotUnderstood, match="UpdateAccessKey names a credential whose id IAM does not allow"):
            parse_user_event(credential_event("UpdateAccessKey", accessKeyId=key_id))

    @pytest.mark.parametrize(
        ("event", "trigger"),
        [
            ("CreateUser", Trigger.NEW_USER),
            ("DeleteLoginProfile", Trigger.PASSWORD_REMOVED),
            ("PutUserPermissionsBoundary", Trigger.BOUNDARY_CHANGED),
            ("DeleteUserPermissionsBoundary", Trigger.BOUNDARY_CHANGED),
        ],
    )
    def test_other_events_announce_none(self, event: str, trigger: Trigger) -> None:
        parsed = parse_user_event(detail(event))
        assert (parsed.trigger, parsed.announced, parsed.key_id) == (trigger, None, None)


class TestRenamedUser:
    def test_the_old_name_is_known(self) -> None:
        event = parse_user_event(detail("UpdateUser", {"userName": "alice", "newUserName": "eve"}))
        assert (event.trigger, event.subject, event.old_name) == (Trigger.RENAMED, named("eve"), "alice")

    @pytest.mark.parametrize("request_parameters", [{"newPath": "/staff/"}, {"newUserName": "alice"}])
    def test_a_user_who_keeps_the_name_has_no_old_name(self, request_parameters: dict[str, object]) -> None:
        event = parse_user_event(detail("UpdateUser", {"userName": "alice", **request_parameters}))
        assert (event.subject, event.old_name) == (named("alice"), None)

    def test_an_old_name_that_iam_does_not_allow_is_not_understood(self) -> None:
        with pytest.raises(EventNotUnderstood, match="UpdateUser"):
            parse_user_event(detail("UpdateUser", {"userName": "a b", "newUserName": "eve"}))
