"""MFA devices: who enrolled them, and which of them were removed."""

from datetime import timedelta

import pytest

from mfa_guard.core.user import NONCOMPLIANT, STATUS_TAG, Device
from support.factories import (
    MARKED,
    NOW,
    detail,
    device,
    long_term_key,
    role_identity,
    user_identity,
)
from support.fakes import FakeAccount, FakeUser
from support.remediation import mail, own, run, severity

PHONE = {"userName": "alice", "serialNumber": device().serial}


def without_mfa(name: str) -> dict[str, object]:
    """Return the userIdentity of an IAM user's console session without MFA."""
    return user_identity(name, sessionContext={"attributes": {"mfaAuthenticated": "false"}})


class TestPossibleTakeover:
    def test_a_device_enrolled_with_the_long_term_key_of_another_user_is_high(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device()]))
        run(account, detail("EnableMFADevice", userIdentity=long_term_key("mallory")))
        assert account.notifier.kinds == ["device-enrolled"]
        assert severity(account) == "high"
        assert "user/mallory" in mail(account)

    def test_a_device_enrolled_with_the_users_own_long_term_key_is_medium(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device()]))
        run(account, detail("EnableMFADevice", userIdentity=long_term_key("alice")))
        assert account.notifier.kinds == ["device-enrolled"]
        assert severity(account) == "medium"

    def test_a_device_enrolled_in_a_session_is_no_takeover(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device()]))
        run(account, detail("EnableMFADevice", userIdentity=user_identity("alice")))
        assert account.notifier.sent == []

    def test_a_takeover_is_reported_even_if_the_device_is_removed_again(self) -> None:
        account = FakeAccount(FakeUser(attached=True, password=True))
        run(account, detail("EnableMFADevice", userIdentity=long_term_key("mallory")))
        assert account.notifier.kinds == ["device-enrolled"]
        assert severity(account) == "high"
        assert account.alice.tags[STATUS_TAG] == NONCOMPLIANT

    def test_a_takeover_is_reported_right_after_the_users_own_enrollment(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device()]))
        for actor in ("alice", "mallory", "mallory"):
            run(account, detail("EnableMFADevice", userIdentity=long_term_key(actor)))
        assert [each.attributes["severity"] for each in account.notifier.sent] == ["medium", "high"]

    def test_a_device_enrolled_with_a_key_and_removed_is_reported_as_noncompliant(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        run(account, detail("CreateUser"))
        account.alice.devices = [device()]
        run(account, detail("EnableMFADevice", userIdentity=long_term_key("alice")))
        account.alice.devices = []
        run(account, detail("DeactivateMFADevice"))
        assert account.notifier.kinds == ["noncompliant", "device-enrolled", "noncompliant"]

    @pytest.mark.parametrize("identity", [role_identity(), user_identity("mallory"), long_term_key("mallory")])
    @pytest.mark.parametrize("devices", [[], [device("old", enabled_at=NOW - timedelta(days=9))]])
    def test_a_device_enrolled_by_anyone_but_the_user_is_high(
        self, identity: dict[str, object], devices: list[Device]
    ) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[*devices, device()]))
        run(account, detail("EnableMFADevice", PHONE, userIdentity=identity))
        assert account.notifier.kinds == ["device-enrolled"]
        assert severity(account) == "high"
        assert f"enrolled the MFA device {device().serial} for alice" in mail(account)

    @pytest.mark.parametrize("identity", [without_mfa("alice"), long_term_key("alice")])
    def test_a_second_device_enrolled_without_mfa_is_high(self, identity: dict[str, object]) -> None:
        old = device("old", enabled_at=NOW - timedelta(days=9))
        account = FakeAccount(FakeUser(attached=True, devices=[old, device()]))
        run(account, detail("EnableMFADevice", PHONE, userIdentity=identity))
        assert account.notifier.kinds == ["device-enrolled"]
        assert severity(account) == "high"
        assert "another device: old" in mail(account)

    def test_a_second_device_enrolled_in_a_session_with_mfa_is_quiet(self) -> None:
        old = device("old", enabled_at=NOW - timedelta(days=9))
        account = FakeAccount(FakeUser(attached=True, devices=[old, device()]))
        run(account, own("EnableMFADevice", PHONE))
        assert account.notifier.sent == []

    def test_a_first_device_enrolled_in_a_session_without_mfa_is_solved(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device()], tags=dict(MARKED)))
        run(account, detail("EnableMFADevice", PHONE, userIdentity=without_mfa("alice")))
        assert account.notifier.kinds == ["solved"]

    def test_a_first_device_enrolled_by_key_can_be_settled_in_one_glance(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device()]))
        run(account, detail("EnableMFADevice", PHONE, userIdentity=long_term_key("alice")))
        text = mail(account)
        assert "with the access key AKIAEXAMPLE9, from 192.0.2.10, user agent aws-cli/2.30." in text
        assert f"aws iam deactivate-mfa-device --user-name alice --serial-number {device().serial}" in text
        assert "If alice did this, nothing is wrong." in text

    def test_each_device_that_the_same_actor_enrolls_is_reported(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device("a"), device("b")]))
        for serial in ("a", "b", "b"):
            run(account, detail("EnableMFADevice", {"userName": "alice", "serialNumber": serial}))
        assert account.notifier.kinds == ["device-enrolled", "device-enrolled"]


class TestRemovedDevice:
    def test_another_device_that_is_left_makes_a_low_notice_that_names_the_removed_one(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device("left", enabled_at=NOW - timedelta(days=9))]))
        run(account, detail("DeactivateMFADevice", PHONE, userIdentity=long_term_key("mallory")))
        assert account.notifier.kinds == ["device-removed"]
        assert severity(account) == "low"
        said = f"user/mallory (access key AKIAEXAMPLE9) removed the MFA device {device().serial} from alice."
        assert said in mail(account)

    def test_two_devices_removed_within_minutes_are_both_named(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device("left", enabled_at=NOW - timedelta(days=9))]))
        for serial in ("a", "b"):
            run(account, detail("DeactivateMFADevice", {"userName": "alice", "serialNumber": serial}))
        assert account.notifier.kinds == ["device-removed", "device-removed"]
