"""One user, one event: what the guard does, tells and asks, on an account in memory."""

import json
from datetime import timedelta

import pytest

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.cloudtrail import parse_user_event
from mfa_guard.core.errors import QuotaExceeded, UserGone, UserNotVisibleYet
from mfa_guard.core.exemption import MalformedExemption
from mfa_guard.core.metrics import Metric
from mfa_guard.core.settings import EnforceOn, Mode, Settings, WorkingMachineUsers
from mfa_guard.core.user import NONCOMPLIANT, SINCE_TAG, STATUS_TAG, ServiceCredential
from mfa_guard.use_cases.remediate import EnforcementMissing, Outcome, remediate
from support import factories
from support.factories import MARKED, NOW, detail, device, exemption, key, long_term_key, settings, user_identity
from support.fakes import Crash, FakeAccount, FakeUser

MEMBERSHIP = ("in_group", "add_to_group", "remove_from_group")
READ_WRITE = ("user", "devices", "attached", "attach", "detach", *MEMBERSHIP, "mark", "clear")


def run(account: FakeAccount, record: dict[str, object], chosen: Settings | None = None) -> Outcome:
    return remediate(parse_user_event(record), chosen or settings(), account.dependencies)


def mail(account: FakeAccount, index: int = -1) -> str:
    text = json.loads(account.notifier.sent[index].body)["email"]
    assert isinstance(text, str)
    return text


def severity(account: FakeAccount) -> str:
    return account.notifier.sent[-1].attributes["severity"]


def plain_calls(account: FakeAccount) -> list[str]:
    """Return the IAM calls of the budget: all but those of the machine question."""
    return [call for call in account.calls.of("iam.") if call.removeprefix("iam.") in READ_WRITE]


class TestSomebodyWithoutDevice:
    def test_a_new_user_is_enforced_tagged_and_told(self) -> None:
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

    def test_tags_given_at_birth_hide_nobody(self) -> None:
        account = FakeAccount(FakeUser(password=True, tags=dict(MARKED)))
        run(account, detail("CreateUser"))
        assert account.notifier.kinds == ["noncompliant"]
        assert severity(account) == "high"

    def test_somebody_marked_who_is_bound_only_now_is_told_as_without_device(self) -> None:
        account = FakeAccount(FakeUser(password=True, tags=dict(MARKED)))
        run(account, detail("UpdateUser"))
        assert account.alice.attached
        assert account.notifier.kinds == ["noncompliant"]

    def test_a_second_credential_within_minutes_is_told_too(self) -> None:
        account = FakeAccount(FakeUser(password=True, attached=True, tags=dict(MARKED)))
        run(account, detail("CreateLoginProfile"))
        account.alice.keys = [key("AKIASECOND", used=None)]
        run(account, detail("CreateAccessKey"))
        assert account.notifier.kinds == ["new-credential", "new-credential"]
        assert "AKIASECOND" in mail(account)

    def test_a_new_credential_of_a_marked_user_is_told(self) -> None:
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

    def test_a_device_that_went_is_told_though_a_crash_left_the_tags(self) -> None:
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

    def test_a_credential_made_after_the_mail_is_told(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        run(account, detail("CreateUser"))
        account.alice.keys.append(key(used=None))
        run(account, detail("CreateAccessKey"))
        assert account.notifier.kinds == ["noncompliant", "new-credential"]

    def test_the_same_kind_is_news_again_after_fifteen_minutes(self) -> None:
        account = FakeAccount(FakeUser(password=True, attached=True, tags=dict(MARKED)))
        run(account, detail("CreateAccessKey"))
        account.clock.sleep(14 * 60)
        run(account, detail("CreateAccessKey"))
        assert len(account.notifier.sent) == 1
        account.clock.sleep(2 * 60)
        run(account, detail("CreateAccessKey"))
        assert len(account.notifier.sent) == 2

    def test_a_device_that_comes_and_goes_within_minutes_is_told_each_time(self) -> None:
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
        account.calls.die_before = 10**6
        first = detail("CreateUser")
        publish = len(_calls_until_publish(first))
        account.calls.die_before = publish
        with pytest.raises(Crash):
            run(account, first)
        account.calls.die_before = None
        run(account, detail("CreateLoginProfile"))
        assert account.notifier.kinds == ["noncompliant"]
        assert account.clock.now() - NOW < timedelta(seconds=20)


def _calls_until_publish(record: dict[str, object]) -> list[str]:
    account = FakeAccount(FakeUser(password=True))
    run(account, record)
    return account.calls.made[: account.calls.made.index("notifier.notices")]


class TestSomebodyWithDevice:
    def test_a_device_solves_and_the_tags_go(self) -> None:
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

    def test_one_device_less_is_not_none(self) -> None:
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

    def test_a_device_enabled_in_the_very_second_of_its_removal_is_stale(self) -> None:
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

    def test_somebody_bound_without_a_key_in_use_is_told_low_with_the_undo(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True))
        run(account, detail("CreateLoginProfile"))
        assert account.notifier.kinds == ["enforced"]
        assert severity(account) == "low"
        assert "detach-user-policy" in mail(account)

    def test_a_solved_user_who_is_bound_only_now_gets_the_undo(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True, tags=dict(MARKED)))
        run(account, detail("EnableMFADevice"))
        assert account.notifier.kinds == ["solved"]
        assert "detach-user-policy" in mail(account)

    def test_a_mail_on_stopping_keys_survives_a_crash_before_it(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True, keys=[key("AKIAINUSE")]))
        record = detail("CreateAccessKey")
        account.calls.meanwhile = lambda: _die_once_attached(account)
        with pytest.raises(Crash):
            run(account, record)
        account.calls.meanwhile = lambda: None
        assert account.notifier.sent == []
        run(account, record)
        assert account.notifier.kinds == ["enforced"]
        assert "AKIAINUSE" in mail(account)


def _die_once_attached(account: FakeAccount) -> None:
    if account.alice.attached:
        raise Crash("after attach")


class TestDrift:
    def test_a_detached_policy_comes_back_and_the_actor_is_named(self) -> None:
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

    def test_somebody_still_bound_is_not_said_to_be_put_back(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True, attached=True))
        run(account, detail("RemoveUserFromGroup"))
        assert severity(account) == "medium"
        assert account.notifier.sent[-1].subject == "MEDIUM: policy taken off alice, still bound"

    def test_a_failed_attempt_that_put_the_policy_back_makes_the_notice_no_lighter(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True))
        account.calls.meanwhile = lambda: _die_once_attached(account)
        record = detail("DetachUserPolicy")
        with pytest.raises(Crash):
            run(account, record)
        account.calls.meanwhile = lambda: None
        run(account, record)
        assert account.notifier.sent[-1].subject == "HIGH: policy taken off alice, bound now"

    def test_somebody_exempt_by_the_time_of_the_retry_is_told_of_only_by_the_exemption(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True))
        account.calls.meanwhile = lambda: _die_once_attached(account)
        record = detail("DetachUserPolicy")
        with pytest.raises(Crash):
            run(account, record)
        account.calls.meanwhile = lambda: None
        account.alice.attached = False
        account.exemptions.records["AIDAEXAMPLE"] = exemption()
        run(account, record)
        assert account.notifier.kinds == []

    def test_a_user_taken_out_of_the_group_is_put_back(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True))
        run(account, detail("RemoveUserFromGroup"), settings(enforce_through=AttachmentRoute.GROUP))
        assert account.alice.in_group
        assert not account.alice.attached

    def test_removed_tags_come_back(self) -> None:
        account = FakeAccount(FakeUser(attached=True, password=True))
        run(account, detail("UntagUser"))
        assert account.alice.tags[STATUS_TAG] == NONCOMPLIANT
        assert account.notifier.kinds == ["tags-changed"]

    def test_tags_that_say_too_much_go(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device()], tags=dict(MARKED)))
        run(account, detail("TagUser"))
        assert account.alice.tags == {}
        assert account.notifier.kinds == ["tags-changed"]

    def test_tags_on_somebody_nobody_saw_before_are_the_lesser_news(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        run(account, detail("TagUser"))
        assert account.notifier.kinds == ["noncompliant"]
        assert severity(account) == "high"

    def test_a_moved_date_is_told_though_nothing_can_be_repaired(self) -> None:
        account = FakeAccount(FakeUser(attached=True, tags=dict(MARKED)))
        assert run(account, detail("TagUser")).actions == ()
        assert account.notifier.kinds == ["tags-changed"]
        assert "without a device since 2026-02-01T00:00:00Z" in mail(account)

    def test_a_renamed_user_is_looked_at_under_the_new_name(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        run(account, detail("UpdateUser", {"userName": "old", "newUserName": "alice"}))
        assert account.alice.attached


class TestWorkingMachineUsers:
    @pytest.mark.parametrize(
        "event", ["CreateUser", "CreateAccessKey", "UpdateAccessKey", "DetachUserPolicy", "UpdateUser"]
    )
    def test_a_key_in_use_keeps_a_machine_running_whatever_the_event(self, event: str) -> None:
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

    def test_an_active_service_specific_credential_is_a_working_machine(self) -> None:
        account = FakeAccount(FakeUser(service_credentials=[ServiceCredential("ACCA1", "codecommit", active=True)]))
        run(account, detail("CreateAccessKey"))
        assert not account.alice.attached

    def test_the_decision_is_asked_for_once_per_change(self) -> None:
        account = FakeAccount(FakeUser(keys=[key()], tags=dict(MARKED)))
        run(account, detail("UpdateUser"))
        assert account.notifier.sent == []

    @pytest.mark.parametrize("used", [None, timedelta(days=90, seconds=1)])
    def test_a_key_out_of_use_makes_no_machine(self, used: timedelta | None) -> None:
        account = FakeAccount(FakeUser(keys=[key(used=used)]))
        run(account, detail("CreateAccessKey"))
        assert account.alice.attached

    def test_a_machine_with_a_device_is_told_at_every_event_and_once_in_a_burst(self) -> None:
        account = FakeAccount(FakeUser(keys=[key()], devices=[device()]))
        run(account, detail("UpdateUser"))
        run(account, detail("UpdateUser"))
        assert account.notifier.kinds == ["decision"]
        assert severity(account) == "medium"

    def test_a_machine_that_got_a_device_is_solved_and_still_undecided(self) -> None:
        account = FakeAccount(FakeUser(keys=[key()], devices=[device()], tags=dict(MARKED)))
        run(account, detail("EnableMFADevice"))
        assert account.notifier.kinds == ["solved"]
        assert "waits for your decision" in mail(account)

    def test_a_password_makes_a_person(self) -> None:
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
    def test_without_password_tagged_and_reported_but_not_enforced(self) -> None:
        account = FakeAccount(FakeUser(keys=[key(used=None)]))
        run(account, detail("CreateAccessKey"), settings(enforce_on=EnforceOn.CONSOLE))
        assert not account.alice.attached
        assert account.alice.tags[STATUS_TAG] == NONCOMPLIANT
        assert account.notifier.kinds == ["noncompliant"]

    def test_with_password_enforced(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        run(account, detail("CreateLoginProfile"), settings(enforce_on=EnforceOn.CONSOLE))
        assert account.alice.attached

    def test_a_detached_policy_stays_off_and_is_told(self) -> None:
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

    def test_a_path_prefix_exempts_without_asking_the_table(self) -> None:
        account = FakeAccount(FakeUser(path="/service/ci/"))
        run(account, detail("CreateUser"), settings(exempt_path_prefixes=("/service/",)))
        assert not account.alice.attached
        assert "exemptions.get" not in account.calls.made

    @pytest.mark.parametrize("bound", [(True, False), (False, True), (True, True)])
    def test_whoever_becomes_exempt_is_released_with_the_next_event(self, bound: tuple[bool, bool]) -> None:
        account = FakeAccount(FakeUser(attached=bound[0], in_group=bound[1], tags=dict(MARKED)))
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

    def test_the_last_device_gone_is_a_low_notice(self) -> None:
        account = FakeAccount(FakeUser())
        account.exemptions.records["AIDAEXAMPLE"] = exemption()
        run(account, detail("DeactivateMFADevice"))
        assert account.notifier.kinds == ["exempt-without-device"]
        assert severity(account) == "low"
        assert account.alice.tags == {}

    def test_an_exemption_of_a_former_user_of_the_name_exempts_nobody(self) -> None:
        account = FakeAccount(FakeUser(id="AIDANEW", password=True))
        account.exemptions.records["AIDAOLD"] = exemption("AIDAOLD")
        run(account, detail("CreateUser"))
        assert account.alice.attached

    def test_an_ended_exemption_enforces_again_and_says_so(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        account.exemptions.records["AIDAEXAMPLE"] = exemption(ends=timedelta(0))
        run(account, detail("CreateAccessKey"))
        assert account.alice.attached
        assert "ended at 2026-03-01T12:00:00Z" in mail(account)

    def test_a_malformed_exemption_does_not_exempt_and_says_so(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        account.exemptions.records["AIDAEXAMPLE"] = MalformedExemption("The exemption record lacks owner.")
        run(account, detail("CreateAccessKey"))
        assert account.alice.attached
        assert "The exemption record lacks owner." in mail(account)

    def test_a_policy_that_somebody_else_took_off_meanwhile_is_no_failure(self) -> None:
        account = FakeAccount(FakeUser(attached=True))
        account.exemptions.records["AIDAEXAMPLE"] = exemption()

        def somebody_detaches() -> None:
            if account.calls.made and account.calls.made[-1] == "leases.claim":
                account.alice.attached = False

        account.calls.meanwhile = somebody_detaches
        assert run(account, detail("UpdateAccessKey")).standing == "exempt"

    def test_a_release_that_died_before_its_mail_is_not_told_of_somebody_no_longer_exempt(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device()]))
        account.exemptions.records["AIDAEXAMPLE"] = exemption()
        account.calls.meanwhile = lambda: _die_once_claimed(account)
        record = detail("UpdateAccessKey")
        with pytest.raises(Crash):
            run(account, record)
        account.calls.meanwhile = lambda: None
        account.exemptions.records.clear()
        run(account, record)
        assert account.notifier.sent == []


def _die_once_claimed(account: FakeAccount) -> None:
    if account.leases.items:
        raise Crash("after the claim")


class TestPossibleTakeover:
    def test_a_device_enrolled_with_somebody_elses_long_term_key_is_high(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device()]))
        run(account, detail("EnableMFADevice", userIdentity=long_term_key("mallory")))
        assert account.notifier.kinds == ["device-with-key"]
        assert severity(account) == "high"
        assert "user/mallory" in mail(account)

    def test_a_device_enrolled_with_ones_own_long_term_key_is_medium(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device()]))
        run(account, detail("EnableMFADevice", userIdentity=long_term_key("alice")))
        assert account.notifier.kinds == ["device-with-key"]
        assert severity(account) == "medium"

    def test_a_device_enrolled_in_a_session_is_ordinary(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device()]))
        run(account, detail("EnableMFADevice", userIdentity=user_identity("alice")))
        assert account.notifier.sent == []

    def test_a_device_that_is_gone_again_hides_no_takeover(self) -> None:
        account = FakeAccount(FakeUser(attached=True, password=True))
        run(account, detail("EnableMFADevice", userIdentity=long_term_key("mallory")))
        assert account.notifier.kinds == ["device-with-key"]
        assert severity(account) == "high"
        assert "no longer listed" in mail(account)
        assert account.alice.tags[STATUS_TAG] == NONCOMPLIANT

    def test_ones_own_enrollment_a_moment_ago_silences_no_takeover(self) -> None:
        account = FakeAccount(FakeUser(attached=True, devices=[device()]))
        for actor in ("alice", "mallory", "mallory"):
            run(account, detail("EnableMFADevice", userIdentity=long_term_key(actor)))
        assert [each.attributes["severity"] for each in account.notifier.sent] == ["medium", "high"]

    def test_a_device_enrolled_with_a_key_and_removed_leaves_nobody_silently_without(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        run(account, detail("CreateUser"))
        account.alice.devices = [device()]
        run(account, detail("EnableMFADevice", userIdentity=long_term_key("alice")))
        account.alice.devices = []
        run(account, detail("DeactivateMFADevice"))
        assert account.notifier.kinds == ["noncompliant", "device-with-key", "noncompliant"]


class TestRoot:
    def test_root_is_told_and_iam_is_never_asked(self) -> None:
        account = FakeAccount()
        root = {"type": "Root", "accountId": factories.ACCOUNT, "userName": "alias"}
        run(account, detail("CreateAccessKey", requestParameters=None, userIdentity=root))
        assert account.calls.of("iam.") == []
        assert account.notifier.kinds == ["root-credentials"]
        assert severity(account) == "critical"

    def test_the_same_event_is_told_once(self) -> None:
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
    def test_the_plan_is_told_and_nothing_is_written(self, user: FakeUser, event: str, kind: str | None) -> None:
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
        assert "detach the policy EnrollMFADeviceThenSignInAgain from alice" in mail(account)

    def test_the_mail_says_what_would_be_done_and_offers_no_undo(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        run(account, detail("CreateUser"), self.AUDIT)
        assert "Mode: audit" in mail(account)
        assert "detach-user-policy" not in mail(account)


class TestIamRefuses:
    @pytest.mark.parametrize("event", ["CreateUser", "UpdateUser"])
    def test_a_new_user_or_name_that_iam_does_not_show_yet_is_retried(self, event: str) -> None:
        account = FakeAccount()
        with pytest.raises(UserNotVisibleYet, match="alice"):
            run(account, detail(event, eventTime="2026-03-01T11:58:01Z"))

    def test_tags_that_cannot_be_taken_off_raise(self) -> None:
        account = FakeAccount(FakeUser(devices=[device()], password=True, attached=True, tags=dict(MARKED)))
        account.iam.refusing["clear", "alice"] = QuotaExceeded("no")
        with pytest.raises(QuotaExceeded):
            run(account, detail("EnableMFADevice"))

    @pytest.mark.parametrize(
        ("event", "time"),
        [("CreateUser", "2026-03-01T11:58:00Z"), ("EnableMFADevice", "2026-03-01T11:59:59Z")],
    )
    def test_otherwise_a_missing_user_is_gone(self, event: str, time: str) -> None:
        account = FakeAccount()
        assert run(account, detail(event, eventTime=time)) == Outcome("gone")
        assert account.notifier.sent == []

    def test_a_full_user_falls_back_to_the_group(self) -> None:
        account = FakeAccount(FakeUser(password=True, policies_left=0))
        run(account, detail("CreateUser"))
        assert account.alice.in_group
        assert account.notifier.kinds == ["noncompliant"]
        assert "mfa-guard-enforced" in mail(account)
        assert "remove-user-from-group" in mail(account)

    def test_a_full_group_list_falls_back_to_the_policy(self) -> None:
        account = FakeAccount(FakeUser(password=True, groups_left=0))
        run(account, detail("CreateUser"), settings(enforce_through=AttachmentRoute.GROUP))
        assert account.alice.attached

    def test_when_neither_is_possible_it_is_critical_counted_and_finished(self) -> None:
        account = FakeAccount(FakeUser(password=True, policies_left=0, groups_left=0))
        outcome = run(account, detail("CreateUser"))
        assert outcome.actions == ("mark",)
        assert account.notifier.kinds == ["not-enforced"]
        assert severity(account) == "critical"
        assert account.telemetry.counts[Metric.ENFORCEMENT_FAILED] == 1
        assert Metric.USERS_ENFORCED not in account.telemetry.counts
        assert account.alice.tags[STATUS_TAG] == NONCOMPLIANT

    def test_when_the_tags_fail_too_both_are_told(self) -> None:
        account = FakeAccount(FakeUser(password=True, policies_left=0, groups_left=0, tags_left=0))
        run(account, detail("CreateUser"))
        assert account.notifier.kinds == ["not-enforced", "not-tagged"]

    def test_a_password_that_iam_does_not_show_yet_is_retried(self) -> None:
        account = FakeAccount(FakeUser(keys=[key()]))
        with pytest.raises(UserNotVisibleYet, match="password of alice"):
            run(account, detail("CreateLoginProfile"))
        assert account.notifier.sent == []

    def test_something_missing_of_a_user_who_is_there_is_no_reason_to_think_him_gone(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        account.iam.refusing["devices", "alice"] = UserGone("what?")
        with pytest.raises(UserNotVisibleYet, match="in one place"):
            run(account, detail("UpdateUser"))

    def test_somebody_who_goes_meanwhile_is_gone(self) -> None:
        account = FakeAccount(FakeUser(password=True))

        def goes() -> None:
            if "iam.devices" in account.calls.made:
                account.iam.users.clear()

        account.calls.meanwhile = goes
        assert run(account, detail("EnableMFADevice")) == Outcome("gone")

    def test_tags_over_quota_are_critical_counted_and_finished(self) -> None:
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

    def test_a_user_who_is_not_everywhere_visible_is_retried(self) -> None:
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
    def test_at_most_six_iam_calls_beside_the_machine_question(
        self, user: FakeUser, event: str, route: AttachmentRoute
    ) -> None:
        account = FakeAccount(FakeUser(**vars(user) | {"tags": dict(user.tags)}))
        run(account, detail(event), settings(enforce_through=route))
        assert len(plain_calls(account)) <= 6

    def test_the_machine_question_is_not_asked_where_it_cannot_matter(self) -> None:
        account = FakeAccount(FakeUser(attached=True, tags=dict(MARKED), keys=[key()]))
        run(account, detail("UpdateUser"))
        assert account.calls.of("iam.") == ["iam.user", "iam.attached", "iam.devices"]
