"""One event about one user: what the guard writes, reports and reads, on an account in memory."""

import json
from datetime import timedelta

import pytest

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.cloudtrail import EventNotUnderstood, parse_user_event
from mfa_guard.core.errors import QuotaExceeded, UserGone, UserNotVisibleYet
from mfa_guard.core.exemption import MalformedExemption
from mfa_guard.core.metrics import Metric
from mfa_guard.core.settings import EnforceOn, Mode, Settings, WorkingMachineUsers
from mfa_guard.core.user import NONCOMPLIANT, SINCE_TAG, STATUS_TAG
from mfa_guard.use_cases.remediate import EnforcementMissing, Outcome, remediate
from support import factories
from support.factories import (
    MARKED,
    NOW,
    detail,
    device,
    exemption,
    key,
    long_term_key,
    service_credential,
    settings,
    user_identity,
)
from support.fakes import Crash, FakeAccount, FakeUser

MEMBERSHIP = ("in_group", "add_to_group", "remove_from_group")
READ_WRITE = ("user", "devices", "attached", "attach", "detach", *MEMBERSHIP, "mark", "clear")


def run(account: FakeAccount, record: dict[str, object], chosen: Settings | None = None) -> Outcome:
    return remediate(parse_user_event(record), chosen or settings(), account.dependencies)


def mail(account: FakeAccount, index: int = -1) -> str:
    text = json.loads(account.notifier.sent[index].body)["email"]
    assert isinstance(text, str)
    return text


def data(account: FakeAccount) -> dict[str, object]:
    """Return the newest notice as machines read it."""
    fields = json.loads(json.loads(account.notifier.sent[-1].body)["default"])
    assert isinstance(fields, dict)
    return fields


def severity(account: FakeAccount) -> str:
    return account.notifier.sent[-1].attributes["severity"]


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


class TestEventAboutAnId:
    def test_without_a_name_it_fails_and_is_never_taken_for_root(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        identity = {"type": "IAMUser", "principalId": "AIDAALICE"}
        with pytest.raises(EventNotUnderstood, match="UpdateAccessKey names its user by id only: AIDAALICE"):
            run(account, detail("UpdateAccessKey", {"status": "Active"}, userIdentity=identity))
        assert account.notifier.kinds == []


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
            run(account, detail("EnableMFADevice"))
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
        run(account, detail("EnableMFADevice"))
        assert account.alice.tags == {"team": "red"}
        assert account.notifier.kinds == ["solved"]

    @pytest.mark.parametrize("event", ["CreateAccessKey", "EnableMFADevice", "DeactivateMFADevice", "UpdateUser"])
    @pytest.mark.parametrize("route", list(AttachmentRoute))
    def test_nothing_to_do_costs_three_iam_calls(self, event: str, route: AttachmentRoute) -> None:
        account = FakeAccount(
            FakeUser(
                devices=[device()], attached=route is AttachmentRoute.DIRECT, in_group=route is AttachmentRoute.GROUP
            )
        )
        run(account, detail(event), settings(enforce_through=route))
        assert len(account.calls.of("iam.")) == 3
        assert account.notifier.sent == []

    def test_one_device_of_two_removed_leaves_a_device(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device("arn:aws:iam::111122223333:mfa/second")]))
        run(account, detail("DeactivateMFADevice", {"userName": "alice", "serialNumber": "first"}))
        assert account.alice.tags == {}
        assert account.notifier.sent == []

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
        assert account.notifier.sent == []

    def test_another_event_never_makes_a_device_stale(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device("phone", enabled_at=NOW - timedelta(days=3))]))
        run(account, detail("EnableMFADevice", {"userName": "alice", "serialNumber": "phone"}))
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
        run(account, detail("EnableMFADevice"))
        assert account.notifier.kinds == ["solved"]
        assert "detach-user-policy" in mail(account)

    def test_a_notice_about_keys_that_stop_survives_a_crash_before_it(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True, keys=[key("AKIAINUSE")]))
        record = detail("CreateAccessKey")
        account.calls.meanwhile = lambda: _crash_once_attached(account)
        with pytest.raises(Crash):
            run(account, record)
        account.calls.meanwhile = lambda: None
        assert account.notifier.sent == []
        run(account, record)
        assert account.notifier.kinds == ["enforced"]
        assert "AKIAINUSE" in mail(account)


def _crash_once_attached(account: FakeAccount) -> None:
    if account.alice.attached:
        raise Crash("after attach")


class TestDrift:
    def test_a_detached_policy_is_attached_again_and_the_actor_is_named(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True))
        run(account, detail("DetachUserPolicy"))
        assert account.alice.attached
        assert account.notifier.kinds == ["enforcement-removed"]
        assert "role/Admin/bob@example.com" in mail(account)

    def test_another_actor_within_minutes_is_named_too(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True))
        for actor in ("bob", "eve", "eve"):
            account.alice.attached = False
            run(account, detail("DetachUserPolicy", userIdentity=user_identity(actor)))
        assert [("user/bob" in mail(account, 0)), ("user/eve" in mail(account, 1))] == [True, True]
        assert len(account.notifier.sent) == 2

    def test_a_user_still_enforced_is_not_reported_as_enforced_again(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True, attached=True))
        run(account, detail("RemoveUserFromGroup"))
        assert severity(account) == "medium"
        assert data(account)["changes"] == []

    def test_a_failed_attempt_that_enforced_again_does_not_lower_the_severity(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True))
        account.calls.meanwhile = lambda: _crash_once_attached(account)
        record = detail("DetachUserPolicy")
        with pytest.raises(Crash):
            run(account, record)
        account.calls.meanwhile = lambda: None
        run(account, record)
        assert account.notifier.kinds == ["enforcement-removed"]
        assert severity(account) == "high"

    def test_a_user_who_is_exempt_when_the_event_is_retried_gets_no_notice(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True))
        account.calls.meanwhile = lambda: _crash_once_attached(account)
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
        assert run(account, detail("EnableMFADevice")).standing == "active machine user"
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


class TestExemptUsers:
    def test_they_are_left_alone(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        account.exemptions.records["AIDAEXAMPLE"] = exemption()
        run(account, detail("CreateAccessKey"))
        assert not account.alice.attached
        assert account.alice.tags == {}
        assert account.notifier.sent == []

    def test_a_path_prefix_exempts(self) -> None:
        account = FakeAccount(FakeUser(path="/service/ci/"))
        run(account, detail("CreateUser"), settings(exempt_path_prefixes=("/service/",)))
        assert not account.alice.attached

    @pytest.mark.parametrize(("attached", "in_group"), [(True, False), (False, True), (True, True)])
    def test_a_user_who_becomes_exempt_is_released_by_the_next_event(self, attached: bool, in_group: bool) -> None:
        account = FakeAccount(FakeUser(attached=attached, in_group=in_group, tags=dict(MARKED)))
        account.exemptions.records["AIDAEXAMPLE"] = exemption()
        run(account, detail("UpdateAccessKey"))
        assert (account.alice.attached, account.alice.in_group, account.alice.tags) == (False, False, {})
        assert account.notifier.kinds == ["released"]
        assert severity(account) == "low"

    def test_an_undo_holds_against_drift_repair(self) -> None:
        account = FakeAccount(FakeUser(password=True, tags=dict(MARKED)))
        account.exemptions.records["AIDAEXAMPLE"] = exemption()
        run(account, detail("DetachUserPolicy"))
        assert not account.alice.attached
        assert account.alice.tags == {}

    def test_the_last_device_removed_is_a_low_notice(self) -> None:
        account = FakeAccount(FakeUser())
        account.exemptions.records["AIDAEXAMPLE"] = exemption()
        run(account, detail("DeactivateMFADevice"))
        assert account.notifier.kinds == ["exempt-without-device"]
        assert severity(account) == "low"
        assert account.alice.tags == {}

    def test_an_exemption_of_a_former_user_with_the_same_name_does_not_exempt(self) -> None:
        account = FakeAccount(FakeUser(id="AIDANEW", password=True))
        account.exemptions.records["AIDAOLD"] = exemption("AIDAOLD")
        run(account, detail("CreateUser"))
        assert account.alice.attached

    def test_an_ended_exemption_is_reported_and_the_user_is_enforced_again(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        account.exemptions.records["AIDAEXAMPLE"] = exemption(ends=timedelta(0))
        run(account, detail("CreateAccessKey"))
        assert account.alice.attached
        assert "expired at 2026-03-01T12:00:00Z" in mail(account)

    def test_a_malformed_exemption_does_not_exempt_and_is_reported(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        account.exemptions.records["AIDAEXAMPLE"] = MalformedExemption("The exemption record lacks owner.")
        run(account, detail("CreateAccessKey"))
        assert account.alice.attached
        assert "The exemption record lacks owner." in mail(account)

    def test_a_policy_that_was_detached_in_the_meantime_is_no_failure(self) -> None:
        account = FakeAccount(FakeUser(attached=True))
        account.exemptions.records["AIDAEXAMPLE"] = exemption()

        def another_administrator_detaches() -> None:
            if account.calls.made and account.calls.made[-1] == "records.claim":
                account.alice.attached = False

        account.calls.meanwhile = another_administrator_detaches
        assert run(account, detail("UpdateAccessKey")).standing == "exempt"

    def test_a_release_that_crashed_before_its_notice_is_not_reported_once_the_exemption_is_gone(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device()]))
        account.exemptions.records["AIDAEXAMPLE"] = exemption()
        account.calls.meanwhile = lambda: _crash_once_claimed(account)
        record = detail("UpdateAccessKey")
        with pytest.raises(Crash):
            run(account, record)
        account.calls.meanwhile = lambda: None
        account.exemptions.records.clear()
        run(account, record)
        assert account.notifier.sent == []


def _crash_once_claimed(account: FakeAccount) -> None:
    if account.records.items:
        raise Crash("after the claim")


class TestPossibleTakeover:
    def test_a_device_enrolled_with_the_long_term_key_of_another_user_is_high(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device()]))
        run(account, detail("EnableMFADevice", userIdentity=long_term_key("mallory")))
        assert account.notifier.kinds == ["device-with-key"]
        assert severity(account) == "high"
        assert "user/mallory" in mail(account)

    def test_a_device_enrolled_with_the_users_own_long_term_key_is_medium(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device()]))
        run(account, detail("EnableMFADevice", userIdentity=long_term_key("alice")))
        assert account.notifier.kinds == ["device-with-key"]
        assert severity(account) == "medium"

    def test_a_device_enrolled_in_a_session_is_no_takeover(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device()]))
        run(account, detail("EnableMFADevice", userIdentity=user_identity("alice")))
        assert account.notifier.sent == []

    def test_a_takeover_is_reported_even_if_the_device_is_removed_again(self) -> None:
        account = FakeAccount(FakeUser(attached=True, password=True))
        run(account, detail("EnableMFADevice", userIdentity=long_term_key("mallory")))
        assert account.notifier.kinds == ["device-with-key"]
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
        assert account.notifier.kinds == ["noncompliant", "device-with-key", "noncompliant"]


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
        run(account, detail(event), self.AUDIT)
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


class TestErrorsOfIam:
    @pytest.mark.parametrize("event", ["CreateUser", "UpdateUser"])
    def test_a_new_user_or_name_that_iam_does_not_show_yet_is_retried(self, event: str) -> None:
        account = FakeAccount()
        with pytest.raises(UserNotVisibleYet, match="alice"):
            run(account, detail(event, eventTime="2026-03-01T11:58:01Z"))

    def test_tags_that_cannot_be_removed_raise(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True, attached=True, tags=dict(MARKED)))
        account.iam.refusing["clear", "alice"] = QuotaExceeded("LimitExceeded: no")
        with pytest.raises(QuotaExceeded):
            run(account, detail("EnableMFADevice"))

    @pytest.mark.parametrize(
        ("event", "time"),
        [("CreateUser", "2026-03-01T11:58:00Z"), ("EnableMFADevice", "2026-03-01T11:59:59Z")],
    )
    def test_a_user_missing_later_or_after_another_event_is_gone(self, event: str, time: str) -> None:
        account = FakeAccount()
        assert run(account, detail(event, eventTime=time)) == Outcome("gone")
        assert account.notifier.sent == []

    def test_a_used_up_policy_quota_falls_back_to_the_group(self) -> None:
        account = FakeAccount(FakeUser(password=True, policies_left=0))
        run(account, detail("CreateUser"))
        assert account.alice.in_group
        assert account.notifier.kinds == ["noncompliant"]
        assert "mfa-guard-enforced" in mail(account)
        assert "remove-user-from-group" in mail(account)

    def test_a_used_up_group_quota_falls_back_to_the_policy(self) -> None:
        account = FakeAccount(FakeUser(password=True, groups_left=0))
        run(account, detail("CreateUser"), settings(enforce_through=AttachmentRoute.GROUP))
        assert account.alice.attached

    def test_when_both_quotas_are_used_up_the_notice_is_critical_and_the_event_is_finished(self) -> None:
        account = FakeAccount(FakeUser(password=True, policies_left=0, groups_left=0))
        outcome = run(account, detail("CreateUser"))
        assert outcome.actions == ("mark",)
        assert account.notifier.kinds == ["not-enforced"]
        assert severity(account) == "critical"
        assert account.telemetry.counts[Metric.ENFORCEMENT_FAILED] == 1
        assert Metric.USERS_ENFORCED not in account.telemetry.counts
        assert account.alice.tags[STATUS_TAG] == NONCOMPLIANT

    def test_when_the_tags_fail_too_both_failures_are_reported(self) -> None:
        account = FakeAccount(FakeUser(password=True, policies_left=0, groups_left=0, tags_left=0))
        run(account, detail("CreateUser"))
        assert account.notifier.kinds == ["not-enforced", "not-tagged"]

    def test_a_password_that_iam_does_not_show_yet_is_retried(self) -> None:
        account = FakeAccount(FakeUser(keys=[key()]))
        with pytest.raises(UserNotVisibleYet, match="password of alice"):
            run(account, detail("CreateLoginProfile"))
        assert account.notifier.sent == []

    def test_a_missing_part_of_a_user_who_exists_is_retried(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        account.iam.refusing["devices", "alice"] = UserGone("what?")
        with pytest.raises(UserNotVisibleYet, match="in one place"):
            run(account, detail("UpdateUser"))

    def test_a_user_deleted_in_the_meantime_is_gone(self) -> None:
        account = FakeAccount(FakeUser(password=True))

        def deleted_in_the_meantime() -> None:
            if "iam.devices" in account.calls.made:
                account.iam.users.clear()

        account.calls.meanwhile = deleted_in_the_meantime
        assert run(account, detail("EnableMFADevice")) == Outcome("gone")

    def test_when_the_tag_quota_is_used_up_the_notice_is_critical_and_the_event_is_finished(self) -> None:
        account = FakeAccount(FakeUser(password=True, tags_left=0))
        run(account, detail("CreateUser"))
        assert account.alice.attached
        assert account.notifier.kinds == ["noncompliant", "not-tagged"]
        assert account.telemetry.counts[Metric.ENFORCEMENT_FAILED] == 1
        assert "detach-user-policy" in mail(account)

    def test_a_missing_policy_is_critical_and_retried(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        account.iam.policy_exists = False
        with pytest.raises(EnforcementMissing):
            run(account, detail("CreateUser", eventTime="2026-03-01T11:50:00Z"))
        assert account.notifier.kinds == ["not-enforced"]
        assert account.alice.tags == {}

    def test_a_new_user_whom_iam_does_not_show_everywhere_is_retried(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        account.iam.policy_exists = False
        with pytest.raises(UserNotVisibleYet):
            run(account, detail("CreateUser"))


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
