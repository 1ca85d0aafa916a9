"""The treatment of each user in a sweep: confirmed live, enforced or released, keys deactivated."""

from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import pytest

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.errors import AwsRequestFailed, QuotaExceeded, UserGone
from mfa_guard.core.metrics import Gauge, Metric
from mfa_guard.core.settings import EnforceOn, Mode, Settings
from mfa_guard.core.user import NONCOMPLIANT, SINCE_TAG, STATUS_TAG, WARNED_TAG, Device
from support.factories import (
    MARKED,
    NOW,
    device,
    exemption,
    key,
    service_credential,
)
from support.fakes import FakeAccount, FakeUser
from support.sweep_fakes import reported
from support.sweeps import ALL, compliant_user, digest, iam_calls, lines, run, user


class TestEnforcing:
    def test_a_person_without_device_costs_three_calls(self) -> None:
        account = FakeAccount(user("bob", password=True))
        run(account)
        assert account.iam.users["bob"].attached
        assert account.iam.users["bob"].tags[STATUS_TAG] == NONCOMPLIANT
        assert iam_calls(account) == ["iam.devices", "iam.attach", "iam.mark"]

    def test_a_person_with_device_is_enforced_too(self) -> None:
        account = FakeAccount(compliant_user("ann", attached=False))
        run(account)
        assert account.iam.users["ann"].attached
        assert account.iam.users["ann"].tags == {}
        assert len(iam_calls(account)) <= 3

    def test_a_user_without_password_and_key_use_costs_at_most_four_more(self) -> None:
        account = FakeAccount(user("old", keys=[key("AKIA1", used=None), key("AKIA2", used=timedelta(days=200))]))
        run(account)
        assert account.iam.users["old"].attached
        # FakeIam counts the two GetAccessKeyLastUsed as part of the listing: 1 + 2 + 1 calls more than the three.
        assert iam_calls(account) == [
            "iam.keys",
            "iam.service_credentials",
            "iam.devices",
            "iam.attach",
            "iam.mark",
        ]

    def test_users_are_enforced_through_the_group(self) -> None:
        account = FakeAccount(user("bob", password=True))
        run(account, replace(ALL, enforce_through=AttachmentRoute.GROUP))
        assert account.iam.users["bob"].in_group

    def test_the_user_is_noted_before_anything_is_changed_and_the_digest_is_sent_after_it(self) -> None:
        account = FakeAccount(user("bob", password=True))
        run(account)
        made = account.calls.made
        assert made.index("exemptions.current") < made.index("memory.note") < made.index("iam.attach")
        assert made.index("iam.attach") < made.index("iam.mark") < made.index("notifier.notices")

    def test_the_tags_of_a_user_with_a_new_device_are_removed(self) -> None:
        account = FakeAccount(compliant_user("ann", tags=dict(MARKED)))
        run(account)
        assert account.iam.users["ann"].tags == {}

    def test_a_user_who_became_exempt_is_released(self) -> None:
        account = FakeAccount(compliant_user("ann", in_group=True, tags=dict(MARKED)))
        account.exemptions.records["AIDAANN"] = exemption("AIDAANN")
        run(account)
        ann = account.iam.users["ann"]
        assert (ann.attached, ann.in_group, ann.tags) == (False, False, {})

    def test_an_ended_exemption_enforces_again(self) -> None:
        account = FakeAccount(compliant_user("ann", attached=False))
        account.exemptions.records["AIDAANN"] = exemption("AIDAANN", ends=timedelta(0))
        run(account)
        assert account.iam.users["ann"].attached
        assert "2026-03-01T12:00:00Z" in lines(account, "changes")["ann"]

    def test_keys_that_stop_are_named(self) -> None:
        account = FakeAccount(user("bob", password=True, keys=[key()]))
        run(account)
        assert "AKIAEXAMPLE1" in lines(account, "changes")["bob"]

    def test_a_new_user_with_the_name_of_an_exempt_user_is_not_exempt(self) -> None:
        account = FakeAccount(compliant_user("ann", attached=False))
        account.exemptions.records["AIDAOLD"] = exemption("AIDAOLD")
        run(account)
        assert account.iam.users["ann"].attached


class TestTheCredentialReportIsLate:
    def test_recent_key_use_in_the_report_is_enough_not_to_enforce(self) -> None:
        account = FakeAccount(user("ci", keys=[key(used=None)]))
        account.account.report = {"ci": reported(device=False, password=False, keys=(key("key 1"),))}
        run(account)
        assert not account.iam.users["ci"].attached
        assert account.iam.users["ci"].tags[STATUS_TAG] == NONCOMPLIANT

    def test_a_password_deleted_since_the_report_makes_a_machine_user(self) -> None:
        account = FakeAccount(user("ci", devices=[device()], keys=[key()]))
        account.account.report = {"ci": reported(device=True, password=True, keys=(key("key 1"),))}
        run(account)
        assert not account.iam.users["ci"].attached
        assert len(iam_calls(account)) <= 3

    def test_key_use_missing_from_the_report_is_read_before_enforcing(self) -> None:
        account = FakeAccount(user("ci", keys=[key()]))
        account.account.report = {"ci": reported(device=False, password=False, keys=())}
        run(account)
        assert not account.iam.users["ci"].attached

    def test_service_specific_credentials_are_read_before_enforcing(self) -> None:
        account = FakeAccount(user("git", service_credentials=[service_credential()]))
        run(account)
        assert not account.iam.users["git"].attached

    def test_a_device_missing_from_the_report_is_read_before_tagging(self) -> None:
        account = FakeAccount(user("bob", attached=True, password=True, devices=[Device("FIDO", NOW)]))
        account.account.report = {"bob": reported(device=False, password=True, keys=())}
        run(account)
        assert account.iam.users["bob"].tags == {}

    @pytest.mark.parametrize("missing", ["row", "report"])
    def test_a_user_missing_from_the_report_is_read_live(self, missing: str) -> None:
        account = FakeAccount(user("new", attached=True, devices=[Device("FIDO", NOW)]))
        if missing == "row":
            account.account.hidden = {"new"}
        else:
            account.account.report = None
        run(account)
        assert iam_calls(account) == ["iam.devices"]
        assert account.iam.users["new"].tags == {}

    @pytest.mark.parametrize("enforce_on", EnforceOn)
    @pytest.mark.parametrize("missing", ["row", "report"])
    def test_a_person_missing_from_the_report_is_no_machine_user(self, missing: str, enforce_on: EnforceOn) -> None:
        account = FakeAccount(user("new", password=True, keys=[key()]))
        if missing == "row":
            account.account.hidden = {"new"}
        else:
            account.account.report = None
        run(account, replace(ALL, enforce_on=enforce_on))
        assert account.iam.users["new"].attached
        assert iam_calls(account).count("iam.password") == 1

    def test_what_the_report_lacks_is_in_the_digest(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        account.account.report_problem = "IAM did not finish the credential report in 60 seconds."
        run(account)
        assert digest(account)["report_problem"] == account.account.report_problem


class TestOneUserFails:
    @pytest.mark.parametrize("call", ["devices", "attach"])
    @pytest.mark.parametrize("code", ["AccessDenied: not yours", "Throttling: Rate exceeded"])
    def test_a_failure_is_in_the_digest_with_its_reason_and_the_other_users_are_enforced(
        self, call: str, code: str
    ) -> None:
        account = FakeAccount(user("ann", password=True), user("bad", password=True), user("zoe", password=True))
        account.iam.refusing[call, "bad"] = AwsRequestFailed(code)
        outcome = run(account)
        assert (account.iam.users["ann"].attached, account.iam.users["zoe"].attached) == (True, True)
        assert code in lines(account, "failures")["bad"]
        assert (outcome.changed, outcome.failed) == (2, 1)
        assert STATUS_TAG not in account.iam.users["bad"].tags
        assert account.telemetry.counts[Metric.SWEEP_FAILURES] == 1

    def test_a_used_up_quota_is_in_the_digest_and_the_tags_are_set(self) -> None:
        account = FakeAccount(user("bad", password=True, policies_left=0, groups_left=0))
        run(account)
        assert "PoliciesPerUser" in lines(account, "failures")["bad"]
        assert account.iam.users["bad"].tags[STATUS_TAG] == NONCOMPLIANT

    def test_an_unexpected_quota_does_not_stop_the_other_users(self) -> None:
        account = FakeAccount(user("bad", password=True), user("zoe", password=True))
        account.iam.refusing["devices", "bad"] = QuotaExceeded("LimitExceeded: a limit")
        run(account)
        assert "a limit" in lines(account, "failures")["bad"]
        assert account.iam.users["zoe"].attached

    def test_a_user_deleted_during_the_sweep_is_no_failure(self) -> None:
        account = FakeAccount(user("gone", password=True), user("zoe", password=True))
        attach = account.iam.attach

        def deleted(name: str) -> None:
            account.iam.users.pop("gone", None)
            attach(name)

        account.iam.attach = deleted  # type: ignore[method-assign]
        outcome = run(account)
        assert list(lines(account, "changes")) == ["zoe", "gone"]
        assert outcome.failed == 0
        assert account.iam.users["zoe"].attached
        assert account.telemetry.gauges[Gauge.USERS_NONCOMPLIANT] == 1

    def test_a_user_whom_iam_lists_and_does_not_find_is_a_failure(self) -> None:
        account = FakeAccount(user("odd", password=True), user("zoe", password=True))
        account.iam.refusing["devices", "odd"] = UserGone("no such user")
        assert run(account).failed == 1
        assert "tries again" in lines(account, "failures")["odd"]
        assert account.iam.users["zoe"].attached

    def test_a_missing_policy_is_a_failure(self) -> None:
        account = FakeAccount(user("bob", password=True))
        account.iam.policy_exists = False
        run(account)
        assert list(lines(account, "failures")) == ["bob"]

    def test_it_is_a_failure_when_iam_does_not_say_whether_the_user_exists(self) -> None:
        account = FakeAccount(user("bob", password=True))
        account.iam.refusing["attach", "bob"] = UserGone("?")
        account.iam.refusing["user", "bob"] = AwsRequestFailed("Throttling: Rate exceeded")
        assert run(account).failed == 1

    @pytest.mark.parametrize(
        "refusal", [QuotaExceeded("LimitExceeded: TagsPerUser: 50"), AwsRequestFailed("Throttling: Rate exceeded")]
    )
    def test_tags_that_cannot_be_written_are_a_failure_and_the_enforcement_is_reported(
        self, refusal: Exception
    ) -> None:
        account = FakeAccount(user("bad", password=True), user("zoe", password=True))
        account.iam.refusing["mark", "bad"] = refusal
        run(account)
        assert account.iam.users["zoe"].tags[STATUS_TAG] == NONCOMPLIANT
        assert list(lines(account, "failures")) == ["bad"]
        assert lines(account, "changes")["bad"] == " enforced (policy attached)"

    def test_a_user_deleted_between_the_policy_and_the_tags_is_reported_as_both(self) -> None:
        account = FakeAccount(user("bad", password=True))
        account.iam.refusing["mark", "bad"] = UserGone("no such user")
        account.calls.meanwhile = lambda: _delete_once_attached(account, "bad")
        run(account)
        changes = digest(account)["sections"]["changes"]["lines"]
        assert changes == ["bad: enforced (policy attached)", "bad: deleted while the sweep ran"]


def _delete_once_attached(account: FakeAccount, name: str) -> None:
    if name in account.iam.users and account.iam.users[name].attached:
        del account.iam.users[name]


class TestKeyDeactivation:
    LATE: ClassVar = {STATUS_TAG: NONCOMPLIANT, SINCE_TAG: "2026-01-01T00:00:00Z"}
    DEACTIVATING = replace(ALL, deactivate_keys_after_days=30)

    def bob(self, **changes: object) -> FakeUser:
        return user("bob", **{"attached": True, "password": True, "tags": dict(self.LATE), "keys": [key()], **changes})

    def test_it_is_announced_and_the_user_is_tagged_after_the_digest(self) -> None:
        account = FakeAccount(self.bob())
        run(account, self.DEACTIVATING)
        bob = account.iam.users["bob"]
        assert bob.keys[0].active
        assert bob.tags[WARNED_TAG] == "2026-03-01T12:00:00Z"
        assert "AKIAEXAMPLE1 will be deactivated at 2026-03-08T12:00:00Z" in lines(account, "changes")["bob"]
        assert lines(account, "key_deactivation") == {"bob": " 2026-03-08T12:00:00Z"}
        made = account.calls.made
        assert made.index("notifier.notices") < made.index("iam.warn")

    def test_the_week_in_between_costs_no_call(self) -> None:
        account = FakeAccount(self.bob())
        run(account, self.DEACTIVATING)
        account.clock.sleep(6 * 24 * 3600)
        account.calls.made.clear()
        assert run(account, self.DEACTIVATING).changed == 0
        assert iam_calls(account) == []

    def test_after_a_week_the_keys_are_deactivated_and_the_digest_has_the_undo(self) -> None:
        account = FakeAccount(self.bob(keys=[key("AKIA1"), key("AKIA2", active=False)]))
        run(account, self.DEACTIVATING)
        account.clock.sleep(7 * 24 * 3600)
        run(account, self.DEACTIVATING)
        assert [each.active for each in account.iam.users["bob"].keys] == [False, False]
        back = "aws iam update-access-key --user-name bob --access-key-id AKIA1 --status Active"
        assert back in lines(account, "changes")["bob"]
        assert "AKIA2" not in lines(account, "changes")["bob"]
        assert account.telemetry.counts[Metric.KEYS_DEACTIVATED] == 1
        account.calls.made.clear()
        assert run(account, self.DEACTIVATING).changed == 0

    def test_a_key_deleted_in_the_meantime_does_not_stop_the_others(self) -> None:
        account = FakeAccount(
            self.bob(tags={**self.LATE, WARNED_TAG: "2026-02-01T00:00:00Z"}, keys=[key("AKIA1"), key("AKIA2")])
        )
        switch_off = account.iam.deactivate

        def deactivate(name: str, key_id: str) -> None:
            if key_id == "AKIA1":
                raise UserGone("no such key")
            switch_off(name, key_id)

        account.iam.deactivate = deactivate  # type: ignore[method-assign]
        run(account, self.DEACTIVATING)
        assert {each.id: each.active for each in account.iam.users["bob"].keys} == {"AKIA1": True, "AKIA2": False}
        assert account.telemetry.counts[Metric.KEYS_DEACTIVATED] == 1

    def test_a_key_activated_again_is_announced_again_and_stays_for_another_week(self) -> None:
        account = FakeAccount(self.bob(tags={**self.LATE, WARNED_TAG: "2026-02-01T00:00:00Z"}))
        run(account, self.DEACTIVATING)
        bob = account.iam.users["bob"]
        bob.keys = [key()]
        run(account, self.DEACTIVATING)
        assert bob.keys[0].active
        assert "will be deactivated at" in lines(account, "changes")["bob"]
        account.clock.sleep(7 * 24 * 3600)
        run(account, self.DEACTIVATING)
        assert not bob.keys[0].active

    def test_a_device_missing_from_the_report_keeps_the_keys(self) -> None:
        account = FakeAccount(self.bob(tags={**self.LATE, WARNED_TAG: "2026-02-01T00:00:00Z"}, devices=[device()]))
        account.account.report = {"bob": reported(device=False, password=True, keys=(key("key 1"),))}
        account.account.blind = True
        run(account, self.DEACTIVATING)
        bob = account.iam.users["bob"]
        assert bob.keys[0].active
        assert bob.tags == {}

    def test_the_keys_of_an_active_machine_user_under_review_are_never_deactivated(self) -> None:
        account = FakeAccount(self.bob(attached=False, password=False))
        run(account, self.DEACTIVATING)
        account.clock.sleep(30 * 24 * 3600)
        account.iam.users["bob"].keys = [replace(key(), last_used=account.clock.now())]
        run(account, self.DEACTIVATING)
        assert account.iam.users["bob"].keys[0].active
        assert WARNED_TAG not in account.iam.users["bob"].tags

    @pytest.mark.parametrize("chosen", [ALL, replace(DEACTIVATING, mode=Mode.EVENTS)])
    def test_without_the_parameter_or_the_mode_nothing_is_announced(self, chosen: Settings) -> None:
        account = FakeAccount(self.bob())
        run(account, chosen)
        assert account.iam.users["bob"].tags == self.LATE

    def test_a_user_who_could_not_be_confirmed_keeps_the_keys(self) -> None:
        account = FakeAccount(self.bob(tags={**self.LATE, WARNED_TAG: "2026-02-01T00:00:00Z"}))
        account.iam.refusing["devices", "bob"] = AwsRequestFailed("Throttling: Rate exceeded")
        run(account, self.DEACTIVATING)
        assert account.iam.users["bob"].keys[0].active

    def test_a_user_who_could_not_be_enforced_keeps_the_keys(self) -> None:
        late = {**self.LATE, WARNED_TAG: "2026-02-01T00:00:00Z"}
        account = FakeAccount(self.bob(attached=False, policies_left=0, groups_left=0, tags=late))
        run(account, self.DEACTIVATING)
        assert account.iam.users["bob"].keys[0].active

    def test_keys_missing_from_the_report_are_read(self) -> None:
        account = FakeAccount(self.bob(keys=[key(used=None)]))
        account.account.hidden = {"bob"}
        run(account, self.DEACTIVATING)
        assert account.iam.users["bob"].tags[WARNED_TAG] == "2026-03-01T12:00:00Z"

    def test_without_an_active_key_nothing_is_announced(self) -> None:
        account = FakeAccount(self.bob(keys=[]))
        account.account.hidden = {"bob"}
        run(account, self.DEACTIVATING)
        assert account.iam.users["bob"].tags == self.LATE
