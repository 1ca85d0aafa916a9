"""The whole account, on an account in memory: who is changed, what it costs, and what is told."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import pytest

from mfa_guard.core.account.snapshot import ReportRow
from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.errors import AwsRequestFailed, QuotaExceeded, UserGone
from mfa_guard.core.exemption import MalformedExemption
from mfa_guard.core.health.checks import NOTICES_TOPIC, Check, Verdict
from mfa_guard.core.metrics import Gauge, Metric
from mfa_guard.core.settings import EnforceOn, Mode, Settings, WorkingMachineUsers
from mfa_guard.core.sweep_request import SweepRequest
from mfa_guard.core.user import NONCOMPLIANT, SINCE_TAG, STATUS_TAG, WARNED_TAG, Device, ServiceCredential
from mfa_guard.use_cases.sweep.round import SweepOutcome, SweepStalled, sweep
from support.factories import MARKED, NOW, device, exemption, key, settings
from support.fakes import Crash, FakeAccount, FakeUser

ALL = settings(mode=Mode.ALL)
ASKED = SweepRequest("sweep-1", audit=False, round=1)
BROKEN = Check("trail", Verdict.PROBLEM, "No trail logs.", "Create one.")


def run(
    account: FakeAccount, chosen: Settings = ALL, request: SweepRequest = ASKED, *, minutes: float = 15
) -> SweepOutcome:
    return sweep(request, chosen, account.sweep_world, account.clock.now() + timedelta(minutes=minutes))


def user(name: str, **changes: object) -> FakeUser:
    return FakeUser(name=name, id=f"AIDA{name.upper()}", **changes)  # type: ignore[arg-type]


def mail(account: FakeAccount) -> str:
    text = json.loads(account.notifier.sent[-1].body)["email"]
    assert isinstance(text, str)
    return text


def iam_calls(account: FakeAccount) -> list[str]:
    return account.calls.of("iam.")


def done_user(name: str, **changes: object) -> FakeUser:
    return user(name, **{"attached": True, "password": True, "devices": [device()], **changes})


class TestWhoNeedsNothing:
    def test_costs_no_call_and_after_the_first_mail_none_is_sent(self) -> None:
        account = FakeAccount(
            done_user("ann"),
            user("bob", attached=True, password=True, tags=dict(MARKED)),
            user("ci", keys=[key()], tags=dict(MARKED)),
            user("exempt"),
            user("hw", attached=True, devices=[Device("GAHT12345678", NOW)]),
        )
        account.exemptions.records["AIDAEXEMPT"] = exemption("AIDAEXEMPT")
        run(account)
        assert iam_calls(account) == []
        assert len(account.notifier.sent) == 1
        assert run(account).mailed is False
        assert len(account.notifier.sent) == 1

    def test_a_mail_comes_once_a_week_all_the_same(self) -> None:
        account = FakeAccount(done_user("ann"))
        run(account)
        account.clock.sleep(7 * 24 * 3600 - 60)
        assert not run(account).mailed
        account.clock.sleep(60)
        assert run(account).mailed

    def test_an_idle_user_outside_of_enforce_on_costs_no_call_either(self) -> None:
        account = FakeAccount(user("idle", tags=dict(MARKED)))
        run(account, replace(ALL, enforce_on=EnforceOn.CONSOLE))
        assert iam_calls(account) == []

    def test_noncompliance_alone_is_no_news(self) -> None:
        account = FakeAccount(user("bob", attached=True, password=True, tags=dict(MARKED)))
        run(account)
        account.clock.sleep(24 * 3600)
        assert not run(account).mailed


class TestEnforcing:
    def test_a_person_without_device_costs_three_calls(self) -> None:
        account = FakeAccount(user("bob", password=True))
        run(account)
        assert account.iam.users["bob"].attached
        assert account.iam.users["bob"].tags[STATUS_TAG] == NONCOMPLIANT
        assert iam_calls(account) == ["iam.devices", "iam.attach", "iam.mark"]

    def test_a_person_with_device_is_bound_too(self) -> None:
        account = FakeAccount(done_user("ann", attached=False))
        run(account)
        assert account.iam.users["ann"].attached
        assert account.iam.users["ann"].tags == {}
        assert len(iam_calls(account)) <= 3

    def test_somebody_without_password_and_key_use_costs_at_most_four_more(self) -> None:
        account = FakeAccount(user("old", keys=[key("AKIA1", used=None), key("AKIA2", used=timedelta(days=200))]))
        run(account)
        assert account.iam.users["old"].attached
        # FakeIam counts the two GetAccessKeyLastUsed with the listing: 1 + 2 + 1 beside the three.
        assert iam_calls(account) == [
            "iam.keys",
            "iam.service_credentials",
            "iam.devices",
            "iam.attach",
            "iam.mark",
        ]

    def test_through_the_group(self) -> None:
        account = FakeAccount(user("bob", password=True))
        run(account, replace(ALL, enforce_through=AttachmentRoute.GROUP))
        assert account.iam.users["bob"].in_group

    def test_the_tags_come_after_the_mail(self) -> None:
        account = FakeAccount(user("bob", password=True))
        run(account)
        made = account.calls.made
        assert made.index("iam.attach") < made.index("notifier.notices") < made.index("iam.mark")

    def test_a_device_that_came_clears_the_tags(self) -> None:
        account = FakeAccount(done_user("ann", tags=dict(MARKED)))
        run(account)
        assert account.iam.users["ann"].tags == {}

    def test_whoever_became_exempt_is_released(self) -> None:
        account = FakeAccount(done_user("ann", in_group=True, tags=dict(MARKED)))
        account.exemptions.records["AIDAANN"] = exemption("AIDAANN")
        run(account)
        ann = account.iam.users["ann"]
        assert (ann.attached, ann.in_group, ann.tags) == (False, False, {})

    def test_an_ended_exemption_enforces_again(self) -> None:
        account = FakeAccount(done_user("ann", attached=False))
        account.exemptions.records["AIDAANN"] = exemption("AIDAANN", ends=timedelta(0))
        run(account)
        assert account.iam.users["ann"].attached
        assert "the exemption ended at 2026-03-01T12:00:00Z" in mail(account)

    def test_keys_that_stop_are_named(self) -> None:
        account = FakeAccount(user("bob", password=True, keys=[key()]))
        run(account)
        assert "access keys in use that stop working without MFA: AKIAEXAMPLE1" in mail(account)

    def test_a_recreated_user_of_the_name_is_not_exempt(self) -> None:
        account = FakeAccount(done_user("ann", attached=False))
        account.exemptions.records["AIDAOLD"] = exemption("AIDAOLD")
        run(account)
        assert account.iam.users["ann"].attached


class TestTheReportIsLate:
    def test_recent_key_use_in_it_is_enough_not_to_enforce(self) -> None:
        account = FakeAccount(user("ci", keys=[key(used=None)]))
        account.account.report = {"ci": ReportRow(device=False, password=False, keys=(key("key 1"),))}
        run(account)
        assert not account.iam.users["ci"].attached
        assert account.iam.users["ci"].tags[STATUS_TAG] == NONCOMPLIANT

    def test_a_password_that_went_since_makes_a_machine_of_somebody_with_a_device(self) -> None:
        account = FakeAccount(user("ci", devices=[device()], keys=[key()]))
        account.account.report = {"ci": ReportRow(device=True, password=True, keys=(key("key 1"),))}
        run(account)
        assert not account.iam.users["ci"].attached
        assert len(iam_calls(account)) <= 3

    def test_key_use_missing_from_it_is_looked_for_before_enforcing(self) -> None:
        account = FakeAccount(user("ci", keys=[key()]))
        account.account.report = {"ci": ReportRow(device=False, password=False, keys=())}
        run(account)
        assert not account.iam.users["ci"].attached

    def test_a_service_specific_credential_is_looked_for_before_enforcing(self) -> None:
        account = FakeAccount(user("git", service_credentials=[ServiceCredential("A", "codecommit", active=True)]))
        run(account)
        assert not account.iam.users["git"].attached

    def test_a_device_that_it_lacks_is_looked_for_before_marking(self) -> None:
        account = FakeAccount(user("bob", attached=True, password=True, devices=[Device("FIDO", NOW)]))
        account.account.report = {"bob": ReportRow(device=False, password=True, keys=())}
        run(account)
        assert account.iam.users["bob"].tags == {}

    @pytest.mark.parametrize("missing", ["row", "report"])
    def test_whom_it_does_not_know_is_asked_live(self, missing: str) -> None:
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
    def test_a_person_whom_it_does_not_know_is_no_machine(self, missing: str, enforce_on: EnforceOn) -> None:
        account = FakeAccount(user("new", password=True, keys=[key()]))
        if missing == "row":
            account.account.hidden = {"new"}
        else:
            account.account.report = None
        run(account, replace(ALL, enforce_on=enforce_on))
        assert account.iam.users["new"].attached
        assert iam_calls(account).count("iam.password") == 1

    def test_what_it_lacks_is_said(self) -> None:
        account = FakeAccount(done_user("ann"))
        account.account.report_problem = "IAM did not finish the credential report in 60 seconds."
        run(account)
        assert "IAM did not finish the credential report" in mail(account)


class TestWithoutWriting:
    USERS: tuple[Callable[[], FakeUser], ...] = (
        lambda: user("bob", password=True, keys=[key()]),
        lambda: user("ci", keys=[key()]),
        lambda: user("idle"),
        lambda: done_user("ann", tags=dict(MARKED)),
    )

    @pytest.mark.parametrize(
        ("chosen", "request_"),
        [
            (settings(mode=Mode.EVENTS), ASKED),
            (settings(mode=Mode.AUDIT), ASKED),
            (ALL, replace(ASKED, audit=True)),
        ],
    )
    def test_nothing_is_written_or_asked_and_the_mail_says_what_enforcing_would_do(
        self, chosen: Settings, request_: SweepRequest
    ) -> None:
        account = FakeAccount(*(make() for make in self.USERS))
        run(account, chosen, request_)
        assert iam_calls(account) == []
        text = mail(account)
        assert "bob (a person): would be enforced, would be tagged noncompliant; would stop working without MFA" in text
        assert "idle (no console password): would be enforced" in text
        assert "ann (a person): would lose the noncompliance tags" in text
        assert "ACTIVE MACHINE USERS AWAITING A DECISION\n  - ci: " in text
        assert "This sweep changed nothing in IAM." in text

    def test_the_same_plan_twice_is_one_mail(self) -> None:
        account = FakeAccount(*(make() for make in self.USERS))
        run(account, settings())
        assert not run(account, settings()).mailed
        account.iam.users["carl"] = user("carl", password=True)
        assert run(account, settings()).mailed


class TestOneBadUser:
    @pytest.mark.parametrize("call", ["devices", "attach"])
    @pytest.mark.parametrize("code", ["AccessDenied: not yours", "Throttling: Rate exceeded"])
    def test_a_refusal_is_in_the_mail_with_its_reason_and_the_others_are_done(self, call: str, code: str) -> None:
        account = FakeAccount(user("ann", password=True), user("bad", password=True), user("zoe", password=True))
        account.iam.refusing[call, "bad"] = AwsRequestFailed(code)
        outcome = run(account)
        assert (account.iam.users["ann"].attached, account.iam.users["zoe"].attached) == (True, True)
        assert f"bad: {code}" in mail(account)
        assert (outcome.changed, outcome.failed) == (2, 1)
        assert STATUS_TAG not in account.iam.users["bad"].tags
        assert account.telemetry.counts[Metric.SWEEP_FAILURES] == 1

    def test_a_used_up_quota_is_in_the_mail_and_the_tags_are_set_all_the_same(self) -> None:
        account = FakeAccount(user("bad", password=True, policies_left=0, groups_left=0))
        run(account)
        assert "bad: neither the policy nor the group could be given" in mail(account)
        assert account.iam.users["bad"].tags[STATUS_TAG] == NONCOMPLIANT

    def test_a_quota_where_nobody_expects_one_stops_nobody_else(self) -> None:
        account = FakeAccount(user("bad", password=True), user("zoe", password=True))
        account.iam.refusing["devices", "bad"] = QuotaExceeded("a limit")
        run(account)
        assert "bad: a limit" in mail(account)
        assert account.iam.users["zoe"].attached

    def test_somebody_deleted_meanwhile_is_no_failure(self) -> None:
        account = FakeAccount(user("gone", password=True), user("zoe", password=True))
        account.iam.refusing["devices", "gone"] = UserGone("no such user")
        account.iam.refusing["user", "gone"] = UserGone("no such user")
        outcome = run(account)
        assert "gone: was deleted while the sweep ran" in mail(account)
        assert outcome.failed == 0
        assert account.iam.users["zoe"].attached
        assert account.telemetry.gauges[Gauge.USERS_NONCOMPLIANT] == 1

    def test_a_missing_policy_is_a_failure(self) -> None:
        account = FakeAccount(user("bob", password=True))
        account.iam.policy_exists = False
        run(account)
        assert "bob: the enforcement policy or group does not exist" in mail(account)

    def test_iam_that_does_not_say_whether_somebody_is_there_is_a_failure(self) -> None:
        account = FakeAccount(user("bob", password=True))
        account.iam.refusing["attach", "bob"] = UserGone("?")
        account.iam.refusing["user", "bob"] = AwsRequestFailed("Throttling: Rate exceeded")
        assert run(account).failed == 1

    @pytest.mark.parametrize(
        "refusal",
        [QuotaExceeded("TagsPerUser: 50"), AwsRequestFailed("Throttling: Rate exceeded"), UserGone("no such user")],
    )
    def test_tags_that_cannot_be_written_after_the_mail_are_in_the_next_one(self, refusal: Exception) -> None:
        account = FakeAccount(user("bad", password=True), user("zoe", password=True))
        account.iam.refusing["mark", "bad"] = refusal
        run(account)
        assert account.iam.users["zoe"].tags[STATUS_TAG] == NONCOMPLIANT
        account.iam.refusing.clear()
        run(account)
        gone = isinstance(refusal, UserGone)
        assert ("(at the end of the last sweep)" in mail(account)) is not gone


class TestOutOfTime:
    def crowd(self, count: int) -> FakeAccount:
        account = FakeAccount(*(user(f"u{index}", password=True) for index in range(count)))
        account.calls.meanwhile = lambda: account.clock.sleep(10)
        return account

    def test_it_stops_in_time_and_wakes_itself_until_everybody_is_done(self) -> None:
        account = self.crowd(100)
        outcome, rounds = run(account, minutes=10), 1
        assert account.clock.now() < NOW + timedelta(minutes=10)
        while outcome.left:
            [detail] = account.sweep_starter.woken
            account.sweep_starter.woken.clear()
            assert Metric.SWEEP_FINISHED not in account.telemetry.counts
            rounds = int(str(detail["round"]))
            outcome = run(account, request=replace(ASKED, round=rounds), minutes=10)
            assert rounds < 100
        assert all(each.attached and STATUS_TAG in each.tags for each in account.iam.users.values())
        assert account.telemetry.counts[Metric.SWEEP_FINISHED] == 1
        assert rounds > 1

    def test_a_round_that_gets_nowhere_ends_the_chain_loudly(self) -> None:
        account = self.crowd(3)
        with pytest.raises(SweepStalled, match="Round 1 changed no user and left 3"):
            run(account, minutes=0.3)
        assert account.sweep_starter.woken == []
        assert account.telemetry.counts[Metric.SWEEP_FAILURES] >= 1

    def test_it_goes_on_in_audit_as_it_began(self) -> None:
        account = self.crowd(30)
        run(account, minutes=5)
        assert account.sweep_starter.woken == [{"round": 2}]


def _die_once_attached(account: FakeAccount, name: str) -> None:
    if account.iam.users[name].attached:
        raise Crash("after attach")


class TestASweepThatBreaksOff:
    """Whoever has a device shows nothing of having been bound, so that a note has to."""

    def died(self, *users: FakeUser, name: str = "ann") -> FakeAccount:
        account = FakeAccount(*users)
        run(FakeAccount())
        account.calls.meanwhile = lambda: _die_once_attached(account, name)
        with pytest.raises(Crash):
            run(account)
        account.calls.meanwhile = lambda: None
        return account

    def test_whom_it_bound_the_next_one_tells_of_with_the_keys_that_stop(self) -> None:
        account = self.died(user("ann", password=True, devices=[device()], keys=[key()]), user("zoe", password=True))
        run(account)
        assert "ann: enforced by an earlier sweep that did not finish, access keys in use that stop" in mail(account)
        assert "zoe: enforced: the policy attached" in mail(account)
        account.calls.made.clear()
        run(account)
        assert len(account.notifier.sent) == 1

    def test_whom_it_released_as_well(self) -> None:
        account = FakeAccount(user("ex", attached=True))
        account.exemptions.records["AIDAEX"] = exemption("AIDAEX")
        account.notifier.notices = _refusing  # type: ignore[assignment, method-assign]
        with pytest.raises(AwsRequestFailed):
            run(account)
        del account.notifier.notices
        run(account)
        assert "ex: released because exempt, by an earlier sweep that did not finish" in mail(account)

    def test_an_audit_in_between_leaves_the_note(self) -> None:
        account = self.died(user("ann", password=True, devices=[device()]))
        run(account, request=SweepRequest("audit", audit=True, round=1))
        assert "did not finish" not in mail(account)
        run(account)
        assert "ann: enforced by an earlier sweep that did not finish" in mail(account)

    def test_whom_it_set_out_to_bind_and_did_not_is_bound_and_told_as_ever(self) -> None:
        account = self.died(done_user("ann", attached=False), user("zoe", password=True))
        account.iam.users["ann"].attached = False
        run(account)
        assert "ann: enforced: the policy attached" in mail(account)
        assert "did not finish" not in mail(account)

    def test_whom_the_note_has_no_room_for_waits_for_the_next_round(self) -> None:
        account = FakeAccount(*(done_user(f"{number:064}", attached=False) for number in range(4_690)))
        outcome = run(account)
        assert (outcome.changed, outcome.left) == (4_687, 3)
        assert len(account.sweep_starter.woken) == 1


def _refusing(_: object) -> None:
    raise AwsRequestFailed("InternalError: later")


class TestEscalation:
    LATE: ClassVar = {STATUS_TAG: NONCOMPLIANT, SINCE_TAG: "2026-01-01T00:00:00Z"}
    ESCALATING = replace(ALL, deactivate_keys_after_days=30)

    def bob(self, **changes: object) -> FakeUser:
        return user("bob", **{"attached": True, "password": True, "tags": dict(self.LATE), "keys": [key()], **changes})

    def test_it_is_announced_and_the_announcement_noted_after_the_mail(self) -> None:
        account = FakeAccount(self.bob())
        run(account, self.ESCALATING)
        bob = account.iam.users["bob"]
        assert bob.keys[0].active
        assert bob.tags[WARNED_TAG] == "2026-03-01T12:00:00Z"
        assert "announced: access keys AKIAEXAMPLE1 are deactivated on 2026-03-08T12:00:00Z" in mail(account)
        assert "ACCESS KEYS TO BE DEACTIVATED, AND WHEN\n  - bob: 2026-03-08T12:00:00Z" in mail(account)
        made = account.calls.made
        assert made.index("notifier.notices") < made.index("iam.warn")

    def test_the_week_in_between_costs_nothing(self) -> None:
        account = FakeAccount(self.bob())
        run(account, self.ESCALATING)
        account.clock.sleep(6 * 24 * 3600)
        account.calls.made.clear()
        assert run(account, self.ESCALATING).changed == 0
        assert iam_calls(account) == []

    def test_after_a_week_the_keys_go_and_the_mail_brings_them_back(self) -> None:
        account = FakeAccount(self.bob(keys=[key("AKIA1"), key("AKIA2", active=False)]))
        run(account, self.ESCALATING)
        account.clock.sleep(7 * 24 * 3600)
        run(account, self.ESCALATING)
        assert [each.active for each in account.iam.users["bob"].keys] == [False, False]
        back = "aws iam update-access-key --user-name bob --access-key-id AKIA1 --status Active"
        assert back in mail(account)
        assert "AKIA2" not in mail(account)
        assert account.telemetry.counts[Metric.KEYS_DEACTIVATED] == 1
        account.calls.made.clear()
        assert run(account, self.ESCALATING).changed == 0

    def test_a_key_that_goes_meanwhile_stops_none_of_the_others(self) -> None:
        account = FakeAccount(
            self.bob(tags={**self.LATE, WARNED_TAG: "2026-02-01T00:00:00Z"}, keys=[key("AKIA1"), key("AKIA2")])
        )
        switch_off = account.iam.deactivate

        def deactivate(name: str, key_id: str) -> None:
            if key_id == "AKIA1":
                raise UserGone("no such key")
            switch_off(name, key_id)

        account.iam.deactivate = deactivate  # type: ignore[method-assign]
        run(account, self.ESCALATING)
        assert {each.id: each.active for each in account.iam.users["bob"].keys} == {"AKIA1": True, "AKIA2": False}
        assert account.telemetry.counts[Metric.KEYS_DEACTIVATED] == 1

    def test_a_key_brought_back_is_announced_again_and_lives_another_week(self) -> None:
        account = FakeAccount(self.bob(tags={**self.LATE, WARNED_TAG: "2026-02-01T00:00:00Z"}))
        run(account, self.ESCALATING)
        bob = account.iam.users["bob"]
        bob.keys = [key()]
        run(account, self.ESCALATING)
        assert bob.keys[0].active
        assert "announced: access keys" in mail(account)
        account.clock.sleep(7 * 24 * 3600)
        run(account, self.ESCALATING)
        assert not bob.keys[0].active

    def test_a_device_that_the_report_lacks_saves_the_keys(self) -> None:
        account = FakeAccount(self.bob(tags={**self.LATE, WARNED_TAG: "2026-02-01T00:00:00Z"}, devices=[device()]))
        account.account.report = {"bob": ReportRow(device=False, password=True, keys=(key("key 1"),))}
        account.account.blind = True
        run(account, self.ESCALATING)
        bob = account.iam.users["bob"]
        assert bob.keys[0].active
        assert bob.tags == {}

    def test_a_working_machine_under_review_is_never_escalated(self) -> None:
        account = FakeAccount(self.bob(attached=False, password=False))
        run(account, self.ESCALATING)
        account.clock.sleep(30 * 24 * 3600)
        account.iam.users["bob"].keys = [replace(key(), last_used=account.clock.now())]
        run(account, self.ESCALATING)
        assert account.iam.users["bob"].keys[0].active
        assert WARNED_TAG not in account.iam.users["bob"].tags

    @pytest.mark.parametrize("chosen", [ALL, replace(ESCALATING, mode=Mode.EVENTS)])
    def test_without_the_parameter_or_the_mode_nothing_is_announced(self, chosen: Settings) -> None:
        account = FakeAccount(self.bob())
        run(account, chosen)
        assert account.iam.users["bob"].tags == self.LATE

    def test_somebody_who_could_not_be_confirmed_keeps_his_keys(self) -> None:
        account = FakeAccount(self.bob(tags={**self.LATE, WARNED_TAG: "2026-02-01T00:00:00Z"}))
        account.iam.refusing["devices", "bob"] = AwsRequestFailed("Throttling: Rate exceeded")
        run(account, self.ESCALATING)
        assert account.iam.users["bob"].keys[0].active

    def test_somebody_who_could_not_be_bound_keeps_his_keys(self) -> None:
        late = {**self.LATE, WARNED_TAG: "2026-02-01T00:00:00Z"}
        account = FakeAccount(self.bob(attached=False, policies_left=0, groups_left=0, tags=late))
        run(account, self.ESCALATING)
        assert account.iam.users["bob"].keys[0].active

    def test_whose_keys_the_report_does_not_know_are_asked_for(self) -> None:
        account = FakeAccount(self.bob(keys=[key(used=None)]))
        account.account.hidden = {"bob"}
        run(account, self.ESCALATING)
        assert account.iam.users["bob"].tags[WARNED_TAG] == "2026-03-01T12:00:00Z"

    def test_without_an_active_key_nothing_is_announced(self) -> None:
        account = FakeAccount(self.bob(keys=[]))
        account.account.hidden = {"bob"}
        run(account, self.ESCALATING)
        assert account.iam.users["bob"].tags == self.LATE


class TestMetrics:
    def test_every_sweep_measures_the_account(self) -> None:
        account = FakeAccount(
            done_user("ann"),
            user("bob", attached=True, password=True, tags=dict(MARKED)),
            user("carl", password=True),
            user("exempt"),
        )
        account.exemptions.records["AIDAEXEMPT"] = exemption("AIDAEXEMPT")
        account.health.found = (BROKEN,)
        run(account)
        assert account.telemetry.gauges == {
            Gauge.USERS_COMPLIANT: 1,
            Gauge.USERS_NONCOMPLIANT: 2,
            Gauge.USERS_EXEMPT: 1,
            Gauge.USERS_UNDER_ENFORCEMENT: 3,
            Gauge.OLDEST_NONCOMPLIANT_DAYS: 28,
            Gauge.SWEEP_DURATION: 0,
            Gauge.HEALTH_PROBLEMS: 1,
        }
        assert account.telemetry.counts[Metric.USERS_ENFORCED] == 1
        assert account.telemetry.counts[Metric.SWEEP_FINISHED] == 1


class TestNews:
    def test_a_mail_that_nobody_could_get_was_none(self) -> None:
        account = FakeAccount(done_user("ann"))
        account.health.found = (Check(NOTICES_TOPIC, Verdict.PROBLEM, "Nobody is subscribed.", "Subscribe."),)
        run(account)
        assert run(account).mailed
        account.health.found = ()
        assert run(account).mailed
        assert not run(account).mailed

    def test_a_new_problem_is_and_the_same_again_is_not(self) -> None:
        account = FakeAccount(done_user("ann"))
        run(account)
        account.health.found = (BROKEN,)
        assert run(account).mailed
        assert "problem: trail. No trail logs. Create one." in mail(account)
        assert not run(account).mailed

    def test_a_malformed_exemption_is(self) -> None:
        account = FakeAccount(done_user("ann"))
        run(account)
        account.exemptions.records["AIDAANN"] = MalformedExemption("The exemption record lacks owner.")
        assert run(account).mailed
        assert "the record of user id AIDAANN does not count: The exemption record lacks owner." in mail(account)

    def test_an_exemption_that_ends_soon_is_listed(self) -> None:
        account = FakeAccount(user("ann"), user("bob"))
        account.exemptions.records["AIDAANN"] = exemption("AIDAANN", ends=timedelta(days=14))
        account.exemptions.records["AIDABOB"] = replace(exemption("AIDABOB", ends=timedelta(days=15)), user_name="bob")
        run(account)
        assert "alice: until 2026-03-15T12:00:00Z, then enforced again (owner platform team" in mail(account)
        assert "bob: until" not in mail(account)


@pytest.mark.parametrize(
    ("chosen", "bound"),
    [
        (ALL, False),
        (replace(ALL, working_machine_users=WorkingMachineUsers.ENFORCE), True),
        (replace(ALL, working_machine_users=WorkingMachineUsers.ENFORCE, enforce_on=EnforceOn.CONSOLE), False),
    ],
)
def test_machine_users_follow_the_same_plan_as_for_events(chosen: Settings, bound: bool) -> None:
    account = FakeAccount(user("ci", keys=[key()]))
    run(account, chosen)
    assert account.iam.users["ci"].attached is bound
