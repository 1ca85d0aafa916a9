"""Active machine users: an administrator decides about them."""

from datetime import timedelta

import pytest

from mfa_guard.core.settings import WorkingMachineUsers
from mfa_guard.core.user import NONCOMPLIANT, STATUS_TAG, AccessKey
from mfa_guard.core.user_record import UserRecord
from support.factories import (
    MARKED,
    NOW,
    detail,
    device,
    key,
    service_credential,
    settings,
)
from support.fakes import FakeAccount, FakeUser
from support.remediation import mail, own, run, severity


class TestActiveMachineUsers:
    @pytest.mark.parametrize(
        "event", ["CreateUser", "CreateAccessKey", "UpdateAccessKey", "DetachUserPolicy", "UpdateUser"]
    )
    def test_a_machine_user_with_a_key_in_use_is_not_enforced_by_any_event(self, event: str) -> None:
        account = FakeAccount(FakeUser(keys=[key(used=timedelta(days=90)), key("AKIANEW", used=None)]))
        run(account, detail(event))
        assert not account.alice.attached
        assert not account.alice.in_group
        assert account.alice.tags[STATUS_TAG] == NONCOMPLIANT
        assert account.notifier.kinds == ["decision"]
        assert "attach-user-policy" in mail(account)
        assert "put-item" in mail(account)

    def test_a_key_rotated_a_minute_ago_still_counts(self) -> None:
        account = FakeAccount(FakeUser(keys=[key(active=False), key("AKIANEW", used=None)]))
        run(account, detail("CreateAccessKey"))
        assert not account.alice.attached

    def test_an_active_service_specific_credential_makes_an_active_machine_user(self) -> None:
        account = FakeAccount(FakeUser(service_credentials=[service_credential()]))
        run(account, detail("CreateAccessKey"))
        assert not account.alice.attached

    def test_the_decision_is_asked_for_once_per_change(self) -> None:
        account = FakeAccount(FakeUser(keys=[key()], tags=dict(MARKED)))
        run(account, detail("UpdateUser"))
        assert account.notifier.sent == []

    @pytest.mark.parametrize("used", [None, timedelta(days=90, seconds=1)])
    def test_a_key_that_is_not_in_use_makes_no_machine_user(self, used: timedelta | None) -> None:
        account = FakeAccount(FakeUser(keys=[key(used=used)]))
        run(account, detail("CreateAccessKey"))
        assert account.alice.attached

    def test_a_machine_user_with_a_device_is_reported_once_in_a_burst(self) -> None:
        account = FakeAccount(FakeUser(keys=[key()], devices=[device()]))
        run(account, detail("UpdateUser"))
        run(account, detail("UpdateUser"))
        assert account.notifier.kinds == ["decision"]
        assert severity(account) == "medium"

    def test_a_machine_user_with_a_new_device_is_solved_and_still_undecided(self) -> None:
        account = FakeAccount(FakeUser(keys=[key()], devices=[device()], tags=dict(MARKED)))
        assert run(account, own("EnableMFADevice")).standing == "active machine user"
        assert account.notifier.kinds == ["solved"]
        assert not account.alice.attached

    def test_a_user_with_a_password_is_no_machine_user(self) -> None:
        account = FakeAccount(FakeUser(keys=[key()], password=True))
        run(account, detail("CreateAccessKey"))
        assert account.alice.attached
        assert "AKIAEXAMPLE1" in mail(account)

    def test_enforcing_them_is_a_setting(self) -> None:
        account = FakeAccount(FakeUser(keys=[key()]))
        run(account, detail("CreateAccessKey"), settings(working_machine_users=WorkingMachineUsers.ENFORCE))
        assert account.alice.attached

    def test_an_administrators_decision_to_enforce_holds(self) -> None:
        account = FakeAccount(FakeUser(keys=[key()], attached=True, tags=dict(MARKED)))
        run(account, detail("UpdateAccessKey"))
        assert account.alice.attached


DAY = timedelta(days=1)


class TestNewUsers:
    @pytest.mark.parametrize("event", ["CreateUser", "CreateAccessKey", "UpdateUser"])
    def test_a_user_a_minute_old_with_used_credentials_is_enforced(self, event: str) -> None:
        minute = timedelta(minutes=1)
        young = FakeUser(
            created_at=NOW - minute,
            keys=[key(used=timedelta(0), age=minute)],
            service_credentials=[service_credential(age=minute)],
        )
        account = FakeAccount(young)
        run(account, detail(event))
        assert account.alice.attached
        assert account.notifier.kinds == ["noncompliant"]

    @pytest.mark.parametrize(("age", "attached"), [(7 * DAY, False), (7 * DAY - timedelta(seconds=1), True)])
    @pytest.mark.parametrize("which", ["user", "key"])
    def test_seven_days_make_work_that_could_break(self, age: timedelta, attached: bool, which: str) -> None:
        created_at = NOW - (age if which == "user" else 400 * DAY)
        account = FakeAccount(FakeUser(created_at=created_at, keys=[key(age=age)]))
        run(account, detail("UpdateUser"))
        assert account.alice.attached is attached


class TestRotatedKeys:
    """A user who was recorded as an active machine user, and whose old key is gone."""

    def recorded(self, ago: timedelta, **changes: object) -> FakeAccount:
        account = FakeAccount(FakeUser(**changes))  # type: ignore[arg-type]
        account.records.items["AIDAEXAMPLE"] = UserRecord(machine_user_at=NOW - ago)
        return account

    @pytest.mark.parametrize(("ago", "attached"), [(7 * DAY - timedelta(seconds=1), False), (7 * DAY, True)])
    def test_a_machine_user_without_any_credential_stays_one_for_seven_days(
        self, ago: timedelta, attached: bool
    ) -> None:
        account = self.recorded(ago)
        run(account, detail("UpdateUser"))
        assert account.alice.attached is attached

    @pytest.mark.parametrize(
        ("new", "attached"),
        [
            (key("AKIANEW", used=None, age=7 * DAY - timedelta(seconds=1)), False),
            (key("AKIANEW", used=None, age=7 * DAY), True),
            (key("AKIANEW", used=None, age=DAY, active=False), True),
        ],
        ids=["a week", "older and never used", "inactive"],
    )
    def test_a_key_created_after_the_work_was_seen_counts_until_it_shows_its_own(
        self, new: AccessKey, attached: bool
    ) -> None:
        account = self.recorded(20 * DAY, keys=[new])
        run(account, detail("UpdateUser"))
        assert account.alice.attached is attached

    def test_a_service_specific_credential_can_be_rotated_too(self) -> None:
        account = self.recorded(20 * DAY, service_credentials=[service_credential(age=DAY)])
        run(account, detail("UpdateUser"))
        assert not account.alice.attached

    def test_work_of_more_than_ninety_days_ago_does_not_count(self) -> None:
        account = self.recorded(91 * DAY, keys=[key("AKIANEW", used=None, age=DAY)])
        run(account, detail("UpdateUser"))
        assert account.alice.attached

    def test_a_password_ends_it(self) -> None:
        account = self.recorded(DAY, password=True)
        run(account, detail("CreateLoginProfile"))
        assert account.alice.attached

    def test_the_record_alone_is_no_reason_to_record_it_again(self) -> None:
        account = self.recorded(DAY)
        run(account, detail("UpdateUser"))
        assert account.records.of("AIDAEXAMPLE").machine_user_at == NOW - DAY

    def test_the_users_own_credentials_are_recorded(self) -> None:
        account = self.recorded(20 * DAY, keys=[key()])
        run(account, detail("UpdateUser"))
        assert account.records.of("AIDAEXAMPLE").machine_user_at == NOW
