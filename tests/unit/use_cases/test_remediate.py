"""One event about one user: what the guard writes, reports and reads, on an account in memory."""

from datetime import timedelta

import pytest

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.settings import EnforceOn, Mode
from mfa_guard.core.user import NONCOMPLIANT, SINCE_TAG, STATUS_TAG
from support import factories
from support.factories import (
    MARKED,
    NOW,
    detail,
    device,
    exemption,
    key,
    settings,
)
from support.fakes import Crash, FakeAccount, FakeUser
from support.remediation import crash_once_attached, data, mail, own, run, severity

MEMBERSHIP = ("in_group", "add_to_group", "remove_from_group")


READ_WRITE = ("user", "devices", "attached", "attach", "detach", *MEMBERSHIP, "mark", "clear")


def plain_calls(account: FakeAccount) -> list[str]:
    """Return the IAM calls within the budget: all but those that recognize machine users."""
    return [call for call in account.calls.of("iam.") if call.removeprefix("iam.") in READ_WRITE]


class TestUserWithoutDevice:
    def test_a_new_user_is_enforced_tagged_and_reported(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        run(account, detail("CreateUser"))
        assert account.alice.attached
        assert account.alice.tags == {STATUS_TAG: NONCOMPLIANT, SINCE_TAG: "2026-03-01T12:00:00Z"}
        assert account.notifier.kinds == ["noncompliant"]
        assert severity(account) == "high"

    def test_a_user_without_credentials_is_of_medium_severity(self) -> None:
        account = FakeAccount(FakeUser())
        run(account, detail("CreateUser"))
        assert severity(account) == "medium"

    def test_tags_set_at_creation_do_not_hide_a_user(self) -> None:
        account = FakeAccount(FakeUser(password=True, tags=dict(MARKED)))
        run(account, detail("CreateUser"))
        assert account.notifier.kinds == ["noncompliant"]
        assert severity(account) == "high"

    def test_a_tagged_user_who_is_newly_enforced_is_reported_as_noncompliant(self) -> None:
        account = FakeAccount(FakeUser(password=True, tags=dict(MARKED)))
        run(account, detail("UpdateUser"))
        assert account.alice.attached
        assert account.notifier.kinds == ["noncompliant"]

    def test_a_second_credential_within_minutes_is_reported_too(self) -> None:
        account = FakeAccount(FakeUser(password=True, attached=True, tags=dict(MARKED)))
        run(account, detail("CreateLoginProfile"))
        account.alice.keys = [key("AKIASECOND", used=None)]
        run(account, detail("CreateAccessKey"))
        assert account.notifier.kinds == ["new-credential", "new-credential"]
        assert "AKIASECOND" in mail(account)

    def test_a_new_credential_of_a_tagged_user_is_reported(self) -> None:
        account = FakeAccount(FakeUser(password=True, attached=True, tags=dict(MARKED)))
        run(account, detail("CreateLoginProfile"))
        assert account.notifier.kinds == ["new-credential"]
        assert severity(account) == "high"
        assert account.alice.tags == MARKED

    @pytest.mark.parametrize("since", ["", "yesterday", "2026-03-02T00:00:00Z"])
    def test_a_missing_malformed_or_future_date_starts_again(self, since: str) -> None:
        account = FakeAccount(FakeUser(attached=True, tags={STATUS_TAG: NONCOMPLIANT, SINCE_TAG: since}))
        run(account, detail("CreateAccessKey"))
        assert account.alice.tags[SINCE_TAG] == "2026-03-01T12:00:00Z"

    def test_a_removed_device_is_reported_even_if_a_crash_left_the_tags(self) -> None:
        account = FakeAccount(FakeUser(attached=True, password=True, tags=dict(MARKED)))
        run(account, detail("DeactivateMFADevice"))
        assert account.notifier.kinds == ["noncompliant"]

    def test_an_inactive_key_is_no_exposure(self) -> None:
        account = FakeAccount(FakeUser(keys=[key(active=False, used=None)]))
        run(account, detail("CreateUser"))
        assert severity(account) == "medium"


class TestOneNoticeOutOfABurst:
    BURST = ("CreateUser", "CreateLoginProfile", "CreateAccessKey")

    @pytest.mark.parametrize("first", range(3))
    def test_the_console_wizard_makes_one_mail_in_any_order(self, first: int) -> None:
        account = FakeAccount(FakeUser(password=True, keys=[key(used=None)]))
        for offset in range(3):
            run(account, detail(self.BURST[(first + offset) % 3]))
        assert account.notifier.kinds == ["noncompliant"]

    def test_a_credential_created_after_the_notice_is_reported(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        run(account, detail("CreateUser"))
        account.alice.keys.append(key(used=None))
        run(account, detail("CreateAccessKey"))
        assert account.notifier.kinds == ["noncompliant", "new-credential"]

    def test_the_same_kind_is_sent_again_after_fifteen_minutes(self) -> None:
        account = FakeAccount(FakeUser(password=True, attached=True, tags=dict(MARKED)))
        run(account, detail("CreateAccessKey"))
        account.clock.sleep(14 * 60)
        run(account, detail("CreateAccessKey"))
        assert len(account.notifier.sent) == 1
        account.clock.sleep(2 * 60)
        run(account, detail("CreateAccessKey"))
        assert len(account.notifier.sent) == 2

    def test_a_device_enabled_and_removed_within_minutes_is_reported_each_time(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        run(account, detail("CreateUser"))
        for _ in range(2):
            account.alice.devices = [device()]
            run(account, own("EnableMFADevice"))
            account.alice.devices = []
            run(account, detail("DeactivateMFADevice"))
        assert account.notifier.kinds == ["noncompliant", "solved", "noncompliant", "solved", "noncompliant"]

    def test_an_unfinished_lease_is_taken_over(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        account.calls.crash_before = 10**6
        first = detail("CreateUser")
        publish = len(_calls_until_publish(first))
        account.calls.crash_before = publish
        with pytest.raises(Crash):
            run(account, first)
        account.calls.crash_before = None
        run(account, detail("CreateLoginProfile"))
        assert account.notifier.kinds == ["noncompliant"]
        assert account.clock.now() - NOW < timedelta(seconds=20)


def _calls_until_publish(record: dict[str, object]) -> list[str]:
    account = FakeAccount(FakeUser(password=True))
    run(account, record)
    return account.calls.made[: account.calls.made.index("notifier.notices")]


class TestUserWithDevice:
    def test_a_device_solves_noncompliance_and_removes_the_tags(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device()], tags={**MARKED, "team": "red"}))
        run(account, own("EnableMFADevice"))
        assert account.alice.tags == {"team": "red"}
        assert account.notifier.kinds == ["solved"]

    @pytest.mark.parametrize("event", ["CreateAccessKey", "CreateLoginProfile", "EnableMFADevice", "UpdateUser"])
    @pytest.mark.parametrize("route", list(AttachmentRoute))
    def test_nothing_to_do_costs_three_iam_calls(self, event: str, route: AttachmentRoute) -> None:
        account = FakeAccount(
            FakeUser(
                devices=[device()], attached=route is AttachmentRoute.DIRECT, in_group=route is AttachmentRoute.GROUP
            )
        )
        run(account, own(event), settings(enforce_through=route))
        assert len(account.calls.of("iam.")) == 3
        assert account.notifier.sent == []

    def test_one_device_of_two_removed_leaves_a_device(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device("arn:aws:iam::111122223333:mfa/second")]))
        run(account, detail("DeactivateMFADevice", {"userName": "alice", "serialNumber": "first"}))
        assert account.alice.tags == {}
        assert account.notifier.kinds == ["device-removed"]
        assert severity(account) == "low"
        assert "role/Admin/bob@example.com removed the MFA device first from alice" in mail(account)

    def test_the_removed_device_that_iam_still_lists_is_stale(self) -> None:
        account = FakeAccount(
            FakeUser(attached=True, password=True, devices=[device("phone", enabled_at=NOW - timedelta(days=3))])
        )
        run(account, detail("DeactivateMFADevice", {"userName": "alice", "serialNumber": "phone"}))
        assert account.notifier.kinds == ["noncompliant"]

    def test_a_device_enabled_in_the_second_of_its_removal_is_stale(self) -> None:
        removed_at = NOW - timedelta(seconds=30)
        account = FakeAccount(FakeUser(attached=True, password=True, devices=[device("phone", enabled_at=removed_at)]))
        run(account, detail("DeactivateMFADevice", {"userName": "alice", "serialNumber": "phone"}))
        assert account.notifier.kinds == ["noncompliant"]

    def test_a_device_enabled_again_after_the_event_counts(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device("phone", enabled_at=NOW)]))
        run(account, detail("DeactivateMFADevice", {"userName": "alice", "serialNumber": "phone"}))
        assert account.notifier.kinds == ["device-removed"]

    def test_another_event_never_makes_a_device_stale(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device("phone", enabled_at=NOW - timedelta(days=3))]))
        run(account, own("EnableMFADevice", {"userName": "alice", "serialNumber": "phone"}))
        assert account.alice.tags == {}

    def test_keys_in_use_that_stop_are_named(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True, keys=[key("AKIAINUSE")]))
        run(account, detail("CreateAccessKey"))
        assert account.alice.attached
        assert account.notifier.kinds == ["enforced"]
        assert "AKIAINUSE" in mail(account)

    def test_a_newly_enforced_user_without_a_key_in_use_is_a_low_notice_with_the_undo(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True))
        run(account, detail("CreateLoginProfile"))
        assert account.notifier.kinds == ["enforced"]
        assert severity(account) == "low"
        assert "detach-user-policy" in mail(account)

    def test_a_solved_user_who_is_newly_enforced_gets_the_undo(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True, tags=dict(MARKED)))
        run(account, own("EnableMFADevice"))
        assert account.notifier.kinds == ["solved"]
        assert "detach-user-policy" in mail(account)

    def test_a_notice_about_keys_that_stop_survives_a_crash_before_it(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True, keys=[key("AKIAINUSE")]))
        record = detail("CreateAccessKey")
        account.calls.meanwhile = lambda: crash_once_attached(account)
        with pytest.raises(Crash):
            run(account, record)
        account.calls.meanwhile = lambda: None
        assert account.notifier.sent == []
        run(account, record)
        assert account.notifier.kinds == ["enforced"]
        assert "AKIAINUSE" in mail(account)


class TestEnforceOnConsole:
    def test_a_user_without_password_is_tagged_and_reported_but_not_enforced(self) -> None:
        account = FakeAccount(FakeUser(keys=[key(used=None)]))
        run(account, detail("CreateAccessKey"), settings(enforce_on=EnforceOn.CONSOLE))
        assert not account.alice.attached
        assert account.alice.tags[STATUS_TAG] == NONCOMPLIANT
        assert account.notifier.kinds == ["noncompliant"]

    def test_a_user_with_password_is_enforced(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        run(account, detail("CreateLoginProfile"), settings(enforce_on=EnforceOn.CONSOLE))
        assert account.alice.attached

    def test_a_detached_policy_is_not_attached_again_and_is_reported(self) -> None:
        account = FakeAccount(FakeUser(tags=dict(MARKED)))
        run(account, detail("DetachUserPolicy"), settings(enforce_on=EnforceOn.CONSOLE))
        assert not account.alice.attached
        assert account.notifier.kinds == ["enforcement-removed"]


class TestRoot:
    def test_root_is_reported_without_a_call_to_iam(self) -> None:
        account = FakeAccount()
        root = {"type": "Root", "accountId": factories.ACCOUNT, "userName": "alias"}
        run(account, detail("CreateAccessKey", requestParameters=None, userIdentity=root))
        assert account.calls.of("iam.") == []
        assert account.notifier.kinds == ["root-credentials"]
        assert severity(account) == "critical"

    def test_the_same_event_is_reported_once(self) -> None:
        account = FakeAccount()
        record = detail("EnableMFADevice", {"userName": "AWS ROOT USER"})
        run(account, record)
        run(account, record)
        assert len(account.notifier.sent) == 1


class TestAudit:
    AUDIT = settings(mode=Mode.AUDIT)

    @pytest.mark.parametrize(
        ("user", "event", "kind"),
        [
            (FakeUser(password=True), "CreateUser", "noncompliant"),
            (FakeUser(devices=[device()], attached=True, tags=dict(MARKED)), "EnableMFADevice", "solved"),
            (FakeUser(devices=[device()], password=True), "DetachUserPolicy", "enforcement-removed"),
            (FakeUser(attached=True, tags=dict(MARKED)), "UpdateUser", None),
            (FakeUser(attached=True, devices=[device()], tags=dict(MARKED)), "TagUser", "tags-changed"),
            (FakeUser(keys=[key()]), "CreateAccessKey", "decision"),
            (FakeUser(devices=[device()], password=True, keys=[key()]), "CreateAccessKey", "enforced"),
        ],
    )
    def test_the_plan_is_reported_and_nothing_is_written(self, user: FakeUser, event: str, kind: str | None) -> None:
        account = FakeAccount(user)
        before = dict(vars(user)) | {"tags": dict(user.tags)}
        run(account, own(event), self.AUDIT)
        assert vars(account.alice) == before
        assert account.notifier.kinds == ([kind] if kind else [])
        assert not set(account.calls.made) & {"iam.attach", "iam.add_to_group", "iam.mark", "iam.clear", "iam.detach"}

    def test_an_exempt_user_is_not_released(self) -> None:
        account = FakeAccount(FakeUser(attached=True))
        account.exemptions.records["AIDAEXAMPLE"] = exemption()
        run(account, detail("UpdateAccessKey"), self.AUDIT)
        assert account.alice.attached
        assert "EnrollMFADeviceThenSignInAgain from alice" in str(data(account)["changes"])

    def test_the_notice_says_what_would_be_done_and_has_no_undo(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        run(account, detail("CreateUser"), self.AUDIT)
        assert data(account)["mode"] == "audit"
        assert "detach-user-policy" not in mail(account)


class TestBudget:
    @pytest.mark.parametrize(
        "user",
        [
            FakeUser(password=True),
            FakeUser(keys=[key(used=None)]),
            FakeUser(devices=[device()], tags=dict(MARKED)),
            FakeUser(devices=[device()], password=True, keys=[key()]),
            FakeUser(keys=[key()]),
        ],
    )
    @pytest.mark.parametrize("event", ["CreateUser", "CreateAccessKey", "DetachUserPolicy", "DeactivateMFADevice"])
    @pytest.mark.parametrize("route", list(AttachmentRoute))
    def test_at_most_six_iam_calls_without_those_for_machine_users(
        self, user: FakeUser, event: str, route: AttachmentRoute
    ) -> None:
        account = FakeAccount(FakeUser(**vars(user) | {"tags": dict(user.tags)}))
        run(account, detail(event), settings(enforce_through=route))
        assert len(plain_calls(account)) <= 6

    def test_credentials_are_not_read_where_they_cannot_matter(self) -> None:
        account = FakeAccount(FakeUser(attached=True, tags=dict(MARKED), keys=[key()]))
        run(account, detail("UpdateUser"))
        assert account.calls.of("iam.") == ["iam.user", "iam.attached", "iam.devices"]
