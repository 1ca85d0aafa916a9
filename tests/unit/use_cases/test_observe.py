"""A stale read of IAM does not deny what an event proves."""

from datetime import timedelta

import pytest

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.errors import NotVisibleYet
from mfa_guard.core.user import NONCOMPLIANT, SINCE_TAG, STATUS_TAG
from support.factories import (
    MARKED,
    NOW,
    detail,
    device,
    exemption,
    key,
    service_credential,
    settings,
    user_identity,
)
from support.fakes import Crash, FakeAccount, FakeUser
from support.remediation import crash_once_attached, mail, own, run, severity


class TestDrift:
    def test_a_detached_policy_is_attached_again_and_the_actor_is_named(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True))
        run(account, detail("DetachUserPolicy"))
        assert account.alice.attached
        assert account.notifier.kinds == ["enforcement-removed"]
        assert "role/Admin/bob@example.com" in mail(account)

    @pytest.mark.parametrize(
        ("event", "route"),
        [("DetachUserPolicy", AttachmentRoute.DIRECT), ("RemoveUserFromGroup", AttachmentRoute.GROUP)],
    )
    def test_every_removal_is_repaired_and_reported_although_iam_still_lists_the_policy(
        self, event: str, route: AttachmentRoute
    ) -> None:
        direct = route is AttachmentRoute.DIRECT
        account = FakeAccount(FakeUser(devices=[device()], password=True, attached=direct, in_group=not direct))
        account.iam.shows_the_past("attached", "in_group")
        for _ in range(2):
            account.alice.attached = account.alice.in_group = False
            run(account, detail(event), settings(enforce_through=route))
            assert (account.alice.attached, account.alice.in_group) == (direct, not direct)
        assert account.notifier.kinds == ["enforcement-removed", "enforcement-removed"]
        assert [message.attributes["severity"] for message in account.notifier.sent] == ["high", "high"]

    def test_the_same_removal_is_reported_once(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True))
        record = detail("DetachUserPolicy")
        run(account, record)
        run(account, record)
        assert account.notifier.kinds == ["enforcement-removed"]

    def test_a_removal_is_repaired_without_a_list_of_what_is_attached(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True))
        run(account, detail("DetachUserPolicy"))
        assert not {"iam.attached", "iam.in_group"} & set(account.calls.made)

    def test_a_failed_attempt_that_enforced_again_does_not_lower_the_severity(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True))
        account.calls.meanwhile = lambda: crash_once_attached(account)
        record = detail("DetachUserPolicy")
        with pytest.raises(Crash):
            run(account, record)
        account.calls.meanwhile = lambda: None
        run(account, record)
        assert account.notifier.kinds == ["enforcement-removed"]
        assert severity(account) == "high"

    def test_a_user_who_is_exempt_when_the_event_is_retried_gets_no_notice(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True))
        account.calls.meanwhile = lambda: crash_once_attached(account)
        record = detail("DetachUserPolicy")
        with pytest.raises(Crash):
            run(account, record)
        account.calls.meanwhile = lambda: None
        account.alice.attached = False
        account.exemptions.records["AIDAEXAMPLE"] = exemption()
        run(account, record)
        assert account.notifier.kinds == []

    def test_a_user_removed_from_the_group_is_added_again(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True))
        run(account, detail("RemoveUserFromGroup"), settings(enforce_through=AttachmentRoute.GROUP))
        assert account.alice.in_group
        assert not account.alice.attached

    def test_removed_tags_are_set_again(self) -> None:
        account = FakeAccount(FakeUser(attached=True, password=True))
        run(account, detail("UntagUser"))
        assert account.alice.tags[STATUS_TAG] == NONCOMPLIANT
        assert account.notifier.kinds == ["tags-changed"]

    def test_noncompliance_tags_on_a_user_with_a_device_are_removed(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device()], tags=dict(MARKED)))
        run(account, detail("TagUser"))
        assert account.alice.tags == {}
        assert account.notifier.kinds == ["tags-changed"]

    def test_tags_on_a_new_user_are_reported_as_noncompliance(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        run(account, detail("TagUser"))
        assert account.notifier.kinds == ["noncompliant"]
        assert severity(account) == "high"

    def test_a_changed_date_is_reported_although_nothing_can_be_repaired(self) -> None:
        account = FakeAccount(FakeUser(attached=True, tags=dict(MARKED)))
        assert run(account, detail("TagUser")).actions == ()
        assert account.notifier.kinds == ["tags-changed"]
        assert MARKED[SINCE_TAG] in mail(account)

    def test_a_renamed_user_is_enforced_under_the_new_name(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        run(account, detail("UpdateUser", {"userName": "old", "newUserName": "alice"}))
        assert account.alice.attached


class TestAPersonTurnedIntoAMachineUser:
    def test_a_user_who_was_enforced_stays_enforced_without_password_and_policy(self) -> None:
        account = FakeAccount(FakeUser(password=True, keys=[key()]))
        run(account, detail("CreateLoginProfile"))
        account.alice.password = account.alice.attached = False
        run(account, detail("DetachUserPolicy", userIdentity=user_identity("mallory")))
        assert account.alice.attached
        assert account.notifier.kinds == ["noncompliant", "enforcement-removed"]
        assert severity(account) == "high"
        assert "user/mallory detached the enforcement policy from alice" in mail(account)

    def test_any_event_restores_the_policy_of_a_user_who_was_enforced(self) -> None:
        account = FakeAccount(FakeUser(password=True, keys=[key()]))
        run(account, detail("CreateLoginProfile"))
        account.alice.password = account.alice.attached = False
        assert run(account, detail("DeleteLoginProfile")).standing == "enforced"
        assert account.alice.attached

    def test_an_exempt_user_who_was_enforced_stays_released(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        run(account, detail("CreateUser"))
        account.alice.attached = False
        account.exemptions.records["AIDAEXAMPLE"] = exemption()
        run(account, detail("DetachUserPolicy"))
        assert not account.alice.attached

    def test_a_machine_user_who_was_never_enforced_is_left_to_a_decision_that_names_the_actor(self) -> None:
        account = FakeAccount(FakeUser(keys=[key()], tags=dict(MARKED)))
        run(account, detail("DetachUserPolicy", userIdentity=user_identity("mallory")))
        assert not account.alice.attached
        assert account.notifier.kinds == ["decision"]
        assert "user/mallory detached the enforcement policy from alice" in mail(account)

    def test_a_deleted_password_that_iam_still_shows_counts_as_gone(self) -> None:
        account = FakeAccount(FakeUser(keys=[key()], password=True, tags=dict(MARKED)))
        account.iam.shows_the_past("password")
        account.alice.password = False
        run(account, detail("DeleteLoginProfile", userIdentity=user_identity("mallory")))
        assert not account.alice.attached
        assert account.notifier.kinds == ["decision"]
        assert "user/mallory deleted the console password of alice" in mail(account)

    def test_a_password_that_was_deleted_and_created_again_counts(self) -> None:
        account = FakeAccount(FakeUser(keys=[key()], password=True))
        run(account, detail("DeleteLoginProfile", eventTime=LONG_AGO))
        assert account.alice.attached


LONG_AGO = "2026-03-01T11:50:00Z"


def new_key(key_id: str) -> dict[str, object]:
    response = {"accessKey": {"userName": "alice", "accessKeyId": key_id, "status": "Active"}}
    return detail("CreateAccessKey", responseElements=response)


def shown_after(account: FakeAccount, seconds: float) -> None:
    """Let IAM show the users as they are after some seconds."""
    account.iam.past_ends = lambda: account.clock.now() - NOW >= timedelta(seconds=seconds)


class TestCredentialThatIamDoesNotListYet:
    def test_a_new_key_is_named_although_another_notice_was_sent_minutes_ago(self) -> None:
        account = FakeAccount(FakeUser(password=True, attached=True, tags=dict(MARKED)))
        run(account, detail("CreateLoginProfile"))
        account.iam.shows_the_past("keys", "key_owner")
        account.alice.keys = [key("AKIANEW", used=None)]
        run(account, new_key("AKIANEW"))
        assert account.notifier.kinds == ["new-credential", "new-credential"]
        assert "the access key AKIANEW for alice" in mail(account)
        assert "access key AKIANEW, which IAM does not list" in mail(account)

    def test_it_is_waited_for(self) -> None:
        account = FakeAccount(FakeUser(attached=True, tags=dict(MARKED)))
        account.iam.shows_the_past("keys")
        shown_after(account, 14)
        account.alice.keys = [key("AKIANEW", used=None)]
        run(account, new_key("AKIANEW"))
        assert account.clock.now() - NOW == timedelta(seconds=14)
        assert "access key AKIANEW." in mail(account)

    @pytest.mark.parametrize("event", ["CreateAccessKey", "UpdateAccessKey"])
    def test_an_old_event_waits_for_nothing(self, event: str) -> None:
        account = FakeAccount(FakeUser(attached=True, tags=dict(MARKED)))
        request = {"userName": "alice", "accessKeyId": "AKIAGONE", "status": "Active"}
        response = {"accessKey": {"userName": "alice", "accessKeyId": "AKIAGONE"}}
        run(account, detail(event, request, responseElements=response, eventTime=LONG_AGO))
        assert account.clock.now() == NOW
        assert account.notifier.kinds == ["new-credential"]

    def test_a_key_that_iam_still_lists_as_inactive_is_waited_for(self) -> None:
        account = FakeAccount(FakeUser(attached=True, tags=dict(MARKED), keys=[key("AKIAOLD", active=False)]))
        account.iam.shows_the_past("keys")
        shown_after(account, 6)
        account.alice.keys = [key("AKIAOLD")]
        run(account, detail("UpdateAccessKey", {"userName": "alice", "accessKeyId": "AKIAOLD", "status": "Active"}))
        assert account.clock.now() - NOW == timedelta(seconds=6)

    def test_a_password_that_never_appears_still_counts_as_exposure(self) -> None:
        account = FakeAccount(FakeUser(attached=True, tags=dict(MARKED)))
        run(account, detail("CreateLoginProfile"))
        assert account.clock.now() - NOW == timedelta(seconds=40)
        assert account.notifier.kinds == ["new-credential"]
        assert severity(account) == "high"
        assert "a console password" in mail(account)

    def test_a_password_that_iam_does_not_show_enforces_no_machine_user(self) -> None:
        account = FakeAccount(FakeUser(keys=[key()]))
        run(account, detail("CreateLoginProfile"))
        assert not account.alice.attached
        assert account.notifier.kinds == ["decision"]

    @pytest.mark.parametrize(
        ("event", "element", "id_key", "text"),
        [
            (
                "CreateServiceSpecificCredential",
                "serviceSpecificCredential",
                "serviceSpecificCredentialId",
                "service-specific credential",
            ),
            ("UploadSSHPublicKey", "sSHPublicKey", "sSHPublicKeyId", "SSH public key"),
            ("UploadSigningCertificate", "certificate", "certificateId", "signing certificate"),
        ],
    )
    def test_a_credential_of_another_kind_is_named(self, event: str, element: str, id_key: str, text: str) -> None:
        account = FakeAccount(FakeUser(attached=True, tags=dict(MARKED)))
        run(account, detail(event, responseElements={element: {"userName": "alice", id_key: "ID0EXAMPLE"}}))
        assert account.notifier.kinds == ["new-credential"]
        assert severity(account) == "high"
        assert f"created or reactivated the {text} ID0EXAMPLE for alice" in mail(account)

    def test_a_service_specific_credential_is_waited_for_where_it_can_matter(self) -> None:
        account = FakeAccount(FakeUser(service_credentials=[service_credential("ACCAOLD", active=False)]))
        account.iam.shows_the_past("service_credentials")
        shown_after(account, 6)
        account.alice.service_credentials = [service_credential("ACCAOLD")]
        request = {"userName": "alice", "serviceSpecificCredentialId": "ACCAOLD", "status": "Active"}
        run(account, detail("UpdateServiceSpecificCredential", request))
        assert account.notifier.kinds == ["decision"]


PHONE = {"userName": "alice", "serialNumber": device().serial}


class TestDeviceThatIamDoesNotListYet:
    def enrolling(self) -> FakeAccount:
        account = FakeAccount(FakeUser(attached=True, password=True, tags=dict(MARKED)))
        account.iam.shows_the_past("devices")
        account.alice.devices = [device()]
        return account

    def test_it_is_waited_for_and_solves_noncompliance(self) -> None:
        account = self.enrolling()
        shown_after(account, 14)
        run(account, own("EnableMFADevice", PHONE))
        assert account.notifier.kinds == ["solved"]
        assert account.alice.tags == {}

    def test_the_event_is_retried_and_never_becomes_a_missing_device(self) -> None:
        account = self.enrolling()
        with pytest.raises(NotVisibleYet, match="MFA device of alice"):
            run(account, own("EnableMFADevice", PHONE))
        assert account.clock.now() - NOW == timedelta(seconds=40)
        assert account.notifier.sent == []

    def test_an_old_event_believes_iam(self) -> None:
        account = self.enrolling()
        run(account, own("EnableMFADevice", PHONE, eventTime=LONG_AGO))
        assert account.alice.tags == MARKED

    def test_a_passkey_that_iam_lists_with_another_serial_number_is_recognized_by_its_time(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device("passkey", enabled_at=NOW)], tags=dict(MARKED)))
        run(account, own("EnableMFADevice", PHONE))
        assert account.clock.now() == NOW
        assert account.notifier.kinds == ["solved"]
