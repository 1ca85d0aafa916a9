"""A round of a sweep: which users it leaves alone, what an audit writes, and what happens when time runs out."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from mfa_guard.core.errors import AwsRequestFailed
from mfa_guard.core.metrics import Metric
from mfa_guard.core.settings import EnforceOn, Mode, Settings, WorkingMachineUsers
from mfa_guard.core.sweep_memory import MOST_HELD
from mfa_guard.core.sweep_request import DETAIL_TYPE, SOURCE, SweepRequest, parse_sweep_request
from mfa_guard.core.user import STATUS_TAG, Device
from mfa_guard.use_cases.sweep.round import SweepOutcome, SweepStalled
from support.factories import MARKED, NOW, exemption, key, settings
from support.fakes import Crash, FakeAccount, FakeUser
from support.sweeps import ALL, ASKED, SCHEDULED, compliant_user, digest, iam_calls, lines, run, user


class TestUsersWhoNeedNothing:
    def test_they_cost_no_call_and_after_the_first_digest_no_mail(self) -> None:
        account = FakeAccount(
            compliant_user("ann"),
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

    def test_a_digest_is_sent_once_a_week_even_without_news(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        run(account)
        account.clock.sleep(7 * 24 * 3600 - 60)
        assert not run(account).mailed
        account.clock.sleep(60)
        assert run(account).mailed

    def test_an_idle_user_whom_enforce_on_leaves_out_costs_no_call(self) -> None:
        account = FakeAccount(user("idle", tags=dict(MARKED)))
        run(account, replace(ALL, enforce_on=EnforceOn.CONSOLE))
        assert iam_calls(account) == []

    def test_noncompliance_alone_is_no_news(self) -> None:
        account = FakeAccount(user("bob", attached=True, password=True, tags=dict(MARKED)))
        run(account)
        account.clock.sleep(24 * 3600)
        assert not run(account).mailed


class TestWithoutWriting:
    USERS: tuple[Callable[[], FakeUser], ...] = (
        lambda: user("bob", password=True, keys=[key()]),
        lambda: user("ci", keys=[key()]),
        lambda: user("idle"),
        lambda: compliant_user("ann", tags=dict(MARKED)),
    )

    @pytest.mark.parametrize(
        ("chosen", "request_"),
        [
            (settings(mode=Mode.AUDIT), ASKED),
            (settings(mode=Mode.EVENTS), replace(ASKED, audit=True)),
            (ALL, replace(ASKED, audit=True)),
        ],
    )
    def test_nothing_is_written_and_the_digest_says_what_enforcing_would_do(
        self, chosen: Settings, request_: SweepRequest
    ) -> None:
        account = FakeAccount(*(make() for make in self.USERS))
        run(account, chosen, request_)
        assert iam_calls(account) == []
        planned = {name.partition(" ")[0]: line for name, line in lines(account, "planned").items()}
        assert set(planned) == {"bob", "ci", "idle", "ann"}
        assert "AKIAEXAMPLE1" in planned["bob"]
        assert list(lines(account, "awaiting_decision")) == ["ci"]
        assert lines(account, "changes") == {}
        assert digest(account)["writes"] is False

    def test_the_same_plan_twice_is_one_digest(self) -> None:
        account = FakeAccount(*(make() for make in self.USERS))
        run(account, settings())
        assert not run(account, settings()).mailed
        account.iam.users["carl"] = user("carl", password=True)
        assert run(account, settings()).mailed


class TestOutOfTime:
    def account_of(self, count: int) -> FakeAccount:
        account = FakeAccount(*(user(f"u{index}", password=True) for index in range(count)))
        account.calls.meanwhile = lambda: account.clock.sleep(10)
        return account

    def test_a_sweep_stops_in_time_and_requests_rounds_until_all_users_are_enforced(self) -> None:
        account = self.account_of(100)
        outcome, rounds = run(account, minutes=10), 1
        assert account.clock.now() < NOW + timedelta(minutes=10)
        while outcome.left:
            [detail] = account.sweep_starter.requested
            account.sweep_starter.requested.clear()
            assert Metric.SWEEP_FINISHED not in account.telemetry.counts
            rounds = int(str(detail["round"]))
            outcome = run(account, request=replace(ASKED, round=rounds), minutes=10)
            assert rounds < 100
        assert all(each.attached and STATUS_TAG in each.tags for each in account.iam.users.values())
        assert account.telemetry.counts[Metric.SWEEP_FINISHED] == 1
        assert rounds > 1

    def test_a_round_that_changes_no_user_raises_and_requests_no_other(self) -> None:
        account = self.account_of(3)
        with pytest.raises(SweepStalled, match="Round 1 changed no user and left 3"):
            run(account, minutes=0.3)
        assert account.sweep_starter.requested == []
        assert account.telemetry.counts[Metric.SWEEP_FAILURES] >= 1

    def test_the_next_round_has_the_next_number(self) -> None:
        account = self.account_of(30)
        run(account, minutes=5)
        assert account.sweep_starter.requested == [{"round": 2, "sweep": "sweep-1"}]


@pytest.mark.parametrize(
    ("chosen", "enforced"),
    [
        (ALL, False),
        (replace(ALL, working_machine_users=WorkingMachineUsers.ENFORCE), True),
        (replace(ALL, working_machine_users=WorkingMachineUsers.ENFORCE, enforce_on=EnforceOn.CONSOLE), False),
    ],
)
def test_machine_users_follow_the_same_plan_as_for_events(chosen: Settings, enforced: bool) -> None:
    account = FakeAccount(user("ci", keys=[key()]))
    run(account, chosen)
    assert account.iam.users["ci"].attached is enforced


class TestTwoSweepsAtOnce:
    def test_the_second_ends_at_once_and_changes_nothing(self) -> None:
        account = FakeAccount(user("ann", password=True))
        account.running.holder, account.running.until = "another", NOW + timedelta(minutes=5)
        outcome = run(account)
        assert outcome == SweepOutcome(skipped=True)
        assert account.calls.made == []
        assert account.telemetry.counts == {}
        assert account.telemetry.lines == ["Another sweep is running, so this one does nothing"]

    def test_a_sweep_that_ended_lets_the_next_one_run(self) -> None:
        account = FakeAccount(user("ann", password=True))
        run(account)
        assert not run(account, request=replace(ASKED, id="2", sweep="2")).skipped

    def test_the_rounds_of_a_sweep_keep_another_one_out(self) -> None:
        account = FakeAccount(*(user(f"u{index}", password=True) for index in range(60)))
        account.calls.meanwhile = lambda: account.clock.sleep(4)
        run(account, minutes=5)
        [detail] = account.sweep_starter.requested
        assert run(account, request=replace(ASKED, id="2", sweep="2")).skipped
        second = parse_sweep_request({"id": "3", "source": SOURCE, "detail-type": DETAIL_TYPE, "detail": detail})
        assert not run(account, request=second, minutes=30).skipped

    def test_a_sweep_that_stalled_lets_the_next_one_run(self) -> None:
        account = FakeAccount(user("ann", password=True))
        account.calls.meanwhile = lambda: account.clock.sleep(10)
        with pytest.raises(SweepStalled):
            run(account, minutes=0.1)
        assert account.running.holder is None


class TestNewsThatIsNotUrgent:
    """A schedule of one hour must not become a mail of every hour, and no news may be lost."""

    def sweep_at(self, account: FakeAccount, hours: float, chosen: Settings = ALL) -> SweepOutcome:
        account.clock.time = NOW + timedelta(hours=hours)
        return run(account, chosen, replace(SCHEDULED, id=str(hours), sweep=str(hours)))

    def test_it_waits_for_the_sweep_at_six_and_is_sent_with_the_time_at_which_it_happened(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        self.sweep_at(account, 0)
        account.iam.users["bob"] = user("bob", password=True)
        assert not self.sweep_at(account, 1).mailed
        assert account.iam.users["bob"].attached
        assert not self.sweep_at(account, 2).mailed
        account.iam.users["carl"] = compliant_user("carl", attached=False)
        assert self.sweep_at(account, 18).mailed
        assert digest(account)["sections"]["changes"]["lines"] == [
            "bob: enforced (policy attached); tagged noncompliant (no MFA device) (at 2026-03-01 13:00 UTC)",
            "carl: enforced (policy attached)",
        ]
        assert not self.sweep_at(account, 19).mailed

    def test_urgent_news_takes_it_along(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        self.sweep_at(account, 0)
        account.iam.users["bob"] = user("bob", password=True)
        self.sweep_at(account, 1)
        account.iam.users["zoe"] = user("zoe", password=True, keys=[key()])
        assert self.sweep_at(account, 2).mailed
        assert list(lines(account, "changes")) == ["bob", "zoe"]

    def test_a_planned_change_waits_and_stays_news_until_a_digest_has_shown_it(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        self.sweep_at(account, 0, settings())
        account.iam.users["bob"] = user("bob", password=True)
        assert not self.sweep_at(account, 1, settings()).mailed
        assert self.sweep_at(account, 18, settings()).mailed
        assert not self.sweep_at(account, 42, settings()).mailed

    def test_a_problem_is_sent_at_once_and_once(self) -> None:
        account = FakeAccount(user("bad", password=True))
        self.sweep_at(account, 0)
        account.iam.users["bad"].attached = False
        account.iam.refusing["attach", "bad"] = AwsRequestFailed("AccessDenied: no")
        assert self.sweep_at(account, 1).mailed
        assert not self.sweep_at(account, 2).mailed

    def test_more_than_the_memory_holds_is_sent_at_once(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        self.sweep_at(account, 0)
        account.iam.users |= {f"u{n}": compliant_user(f"u{n}", attached=False) for n in range(MOST_HELD + 1)}
        assert self.sweep_at(account, 1).mailed

    def test_keys_are_announced_and_deactivated_only_by_a_sweep_that_sends(self) -> None:
        late = {**MARKED, "mfa-guard:since": "2026-01-01T00:00:00Z"}
        bob = user("bob", attached=True, password=True, keys=[key()], tags=late)
        account, deactivating = FakeAccount(compliant_user("ann")), replace(ALL, deactivate_keys_after_days=30)
        self.sweep_at(account, 0, deactivating)
        account.iam.users["bob"] = bob
        self.sweep_at(account, 1, deactivating)
        assert "mfa-guard:warned" not in bob.tags
        self.sweep_at(account, 18, deactivating)
        assert bob.tags["mfa-guard:warned"] == "2026-03-02T06:00:00Z"
        self.sweep_at(account, 18 + 7 * 24 - 1, deactivating)
        assert bob.keys[0].active
        self.sweep_at(account, 18 + 7 * 24, deactivating)
        assert not bob.keys[0].active

    def test_a_later_round_of_a_scheduled_sweep_sends_what_it_changed(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        self.sweep_at(account, 0)
        account.iam.users["bob"] = user("bob", password=True)
        assert run(account, request=replace(SCHEDULED, round=2)).mailed


class TestExemptionsThatNoDigestHasShown:
    def test_each_is_in_the_digest_once_and_a_removed_one_too(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        run(account, request=SCHEDULED)
        account.exemptions.records["AIDAGHOST"] = exemption("AIDAGHOST")
        again = replace(SCHEDULED, id="2", sweep="2")
        assert run(account, request=again).mailed
        assert "AIDAGHOST" in str(digest(account)["sections"]["exemption_changes"]["lines"])
        assert not run(account, request=again).mailed
        account.exemptions.records.clear()
        assert run(account, request=again).mailed
        assert digest(account)["sections"]["exemption_changes"]["lines"] == ["user id AIDAGHOST: removed"]

    def test_a_crash_before_the_digest_does_not_lose_it(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        run(account, request=SCHEDULED)
        account.exemptions.records["AIDAGHOST"] = exemption("AIDAGHOST")
        account.calls.crash_before = len(account.calls.made) + 4
        with pytest.raises(Crash):
            run(account, request=SCHEDULED)
        account.calls.crash_before = None
        assert run(account, request=SCHEDULED).mailed
        assert "AIDAGHOST" in str(digest(account)["sections"]["exemption_changes"]["lines"])


def test_a_user_whom_an_unfinished_sweep_changed_and_who_is_gone_is_reported() -> None:
    account = FakeAccount(compliant_user("ann"))
    account.memory.kept = replace(account.memory.kept, unreported={"AIDAGONE": "enforce"})
    run(account)
    assert "set out to change this user, who is gone" in lines(account, "changes")["user id AIDAGONE"]


def test_unreadable_windows_are_in_the_digest_and_stop_no_enforcement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = FakeAccount(user("bob", password=True))

    def refuse(*_: object) -> None:
        raise AwsRequestFailed("LimitExceededException: no")

    monkeypatch.setattr(account.windows, "ended", refuse)
    run(account)
    assert account.iam.users["bob"].attached
    assert (
        "notices that wait for a summary could not be read (LimitExceededException: no)"
        in account.notifier.sent[-1].body
    )
