"""A round of a sweep: which users it leaves alone, what an audit writes, and what happens when time runs out."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from mfa_guard.core.metrics import Metric
from mfa_guard.core.settings import EnforceOn, Mode, Settings, WorkingMachineUsers
from mfa_guard.core.sweep_request import SweepRequest
from mfa_guard.core.user import STATUS_TAG, Device
from mfa_guard.use_cases.sweep.round import SweepStalled
from support.factories import MARKED, NOW, exemption, key, settings
from support.fakes import FakeAccount, FakeUser
from support.sweeps import ALL, ASKED, compliant_user, digest, iam_calls, lines, run, user


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
            (settings(mode=Mode.EVENTS), ASKED),
            (settings(mode=Mode.AUDIT), ASKED),
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
        assert account.sweep_starter.requested == [{"round": 2}]


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
