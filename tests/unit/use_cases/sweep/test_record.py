"""What a sweep records: the note, the news in its digest, and the metrics."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mfa_guard.core.errors import AwsRequestFailed
from mfa_guard.core.exemption import MalformedExemption
from mfa_guard.core.health.checks import NOTICES_TOPIC, Check, Verdict, doublings
from mfa_guard.core.metrics import Gauge, Metric
from support.factories import MARKED, device, exemption, key
from support.fakes import Crash, FakeAccount, FakeUser
from support.sweeps import ASKED, compliant_user, lines, run, user

BROKEN = Check("trail", Verdict.PROBLEM, "No trail logs.", "Create one.")


def _crash_once_attached(account: FakeAccount, name: str) -> None:
    if account.iam.users[name].attached:
        raise Crash("after attach")


class TestASweepThatDoesNotFinish:
    """Nothing on a user with a device shows that a digest is due, so a note does."""

    def crashed(self, *users: FakeUser, name: str = "ann") -> FakeAccount:
        account = FakeAccount(*users)
        run(FakeAccount())
        account.calls.meanwhile = lambda: _crash_once_attached(account, name)
        with pytest.raises(Crash):
            run(account)
        account.calls.meanwhile = lambda: None
        return account

    def test_users_it_enforced_are_in_the_next_digest_with_the_keys_that_stop(self) -> None:
        account = self.crashed(user("ann", password=True, devices=[device()], keys=[key()]), user("zoe", password=True))
        run(account)
        changes = lines(account, "changes")
        assert "earlier sweep" in changes["ann"]
        assert "AKIAEXAMPLE1" in changes["ann"]
        assert "earlier sweep" not in changes["zoe"]
        account.calls.made.clear()
        run(account)
        assert len(account.notifier.sent) == 1

    def test_users_it_released_are_in_the_next_digest(self) -> None:
        account = FakeAccount(user("ex", attached=True))
        account.exemptions.records["AIDAEX"] = exemption("AIDAEX")
        account.notifier.notices = _refusing  # type: ignore[assignment, method-assign]
        with pytest.raises(AwsRequestFailed):
            run(account)
        del account.notifier.notices
        run(account)
        assert "earlier sweep" in lines(account, "changes")["ex"]

    def test_an_audit_in_between_keeps_the_note(self) -> None:
        account = self.crashed(user("ann", password=True, devices=[device()]))
        # The crashed sweep no longer counts as running.
        account.clock.sleep(15 * 60)
        run(account, request=replace(ASKED, id="audit", sweep="audit", audit=True))
        assert lines(account, "changes") == {}
        run(account)
        assert "earlier sweep" in lines(account, "changes")["ann"]

    def test_a_user_it_did_not_come_to_enforce_is_enforced_and_reported_as_usual(self) -> None:
        account = self.crashed(compliant_user("ann", attached=False), user("zoe", password=True))
        account.iam.users["ann"].attached = False
        run(account)
        assert list(lines(account, "changes")) == ["ann", "zoe"]
        assert "earlier sweep" not in lines(account, "changes")["ann"]

    def test_users_for_whom_the_note_has_no_room_wait_for_the_next_round(self) -> None:
        # Each takes the room of an id of 128 characters and of one action.
        people = (replace(compliant_user(f"u{n}", attached=False), id=f"AIDA{n:0124}") for n in range(1_710))
        account = FakeAccount(*people)
        outcome = run(account)
        assert (outcome.changed, outcome.left) == (1_703, 7)
        assert len(account.sweep_starter.requested) == 1


def _refusing(_: object) -> None:
    raise AwsRequestFailed("InternalError: later")


class TestMetrics:
    def test_every_sweep_measures_the_account(self) -> None:
        account = FakeAccount(
            compliant_user("ann"),
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
            Gauge.TRAIL_PROBLEM: 1,
        }
        assert account.telemetry.counts[Metric.USERS_ENFORCED] == 1
        assert account.telemetry.counts[Metric.SWEEP_FINISHED] == 1

    def counted(self, account: FakeAccount, metric: Metric) -> int:
        account.telemetry.counts.clear()
        run(account)
        return account.telemetry.counts.get(metric, 0)

    def test_a_problem_counts_as_new_once(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        account.health.found = (BROKEN,)
        assert [self.counted(account, Metric.NEW_HEALTH_PROBLEMS) for _ in range(2)] == [1, 0]
        account.health.found = (BROKEN, replace(BROKEN, name="root", reason="Root has access keys."))
        assert [self.counted(account, Metric.NEW_HEALTH_PROBLEMS) for _ in range(2)] == [1, 0]

    def test_another_description_of_a_problem_counts_as_new(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        account.health.found = (BROKEN,)
        run(account)
        account.health.found = (replace(BROKEN, reason="Another trail stopped, too."),)
        assert self.counted(account, Metric.NEW_HEALTH_PROBLEMS) == 1

    def test_a_problem_that_ends_and_comes_back_counts_as_new(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        found = []
        for checks in ((BROKEN,), (), (BROKEN,)):
            account.health.found = checks
            found.append(self.counted(account, Metric.NEW_HEALTH_PROBLEMS))
        assert found == [1, 0, 1]

    def test_a_user_for_whom_sweeps_fail_counts_as_new_once(self) -> None:
        account = FakeAccount(user("ann", password=True))
        account.iam.refusing[("attach", "ann")] = AwsRequestFailed("Throttling: later")
        assert [self.counted(account, Metric.NEW_SWEEP_FAILURES) for _ in range(2)] == [1, 0]
        assert self.counted(account, Metric.SWEEP_FAILURES) == 1

    def test_a_user_whose_tags_cannot_be_written_counts_as_new_once(self) -> None:
        account = FakeAccount(user("ann", password=True, attached=True))
        account.iam.refusing[("mark", "ann")] = AwsRequestFailed("Throttling: later")
        assert [self.counted(account, Metric.NEW_SWEEP_FAILURES) for _ in range(2)] == [1, 0]

    @pytest.mark.parametrize(
        ("verdict", "expected"), [(Verdict.FINE, 0), (Verdict.PROBLEM, 1), (Verdict.CANNOT_VERIFY, None)]
    )
    @pytest.mark.parametrize(
        ("name", "gauge"),
        [
            ("trail", Gauge.TRAIL_PROBLEM),
            ("rules", Gauge.RULES_PROBLEM),
            (NOTICES_TOPIC, Gauge.NOTICES_TOPIC_PROBLEM),
        ],
    )
    def test_three_checks_are_measured_unless_they_cannot_be_verified(
        self, name: str, gauge: Gauge, verdict: Verdict, expected: float | None
    ) -> None:
        account = FakeAccount(compliant_user("ann"))
        account.health.found = (Check(name, verdict, "So.", ""),)
        run(account)
        assert account.telemetry.gauges.get(gauge) == expected


class TestNews:
    def test_dead_letters_are_news_when_their_number_doubles(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        run(account)
        mailed = []
        for count in (1, 1, 2, 3, 3, 4, 500, 480, 300, 511, 512, 3, 4, 1_000):
            account.health.found = (
                Check("dead-letter queue", Verdict.PROBLEM, f"Events: {count}.", "Redrive.", parts=doublings(count)),
            )
            mailed.append((count, run(account).mailed))
        assert [count for count, sent in mailed if sent] == [1, 2, 4, 500, 512, 4, 1_000]

    def test_a_digest_without_a_subscriber_counts_as_not_sent(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        account.health.found = (Check(NOTICES_TOPIC, Verdict.PROBLEM, "There is no subscription.", "Subscribe."),)
        run(account)
        assert run(account).mailed
        account.health.found = ()
        assert run(account).mailed
        assert not run(account).mailed

    def test_a_new_problem_is_news_and_the_same_problem_again_is_not(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        run(account)
        account.health.found = (BROKEN,)
        assert run(account).mailed
        assert lines(account, "health") == {"problem": " trail. No trail logs. Create one."}
        assert not run(account).mailed

    def test_a_malformed_exemption_is_news(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        run(account)
        account.exemptions.records["AIDAANN"] = MalformedExemption("The exemption record lacks owner.")
        assert run(account).mailed
        assert "lacks owner" in str(lines(account, "exemptions"))

    def test_an_exemption_that_ends_soon_is_listed(self) -> None:
        account = FakeAccount(user("ann"), user("bob"))
        account.exemptions.records["AIDAANN"] = exemption("AIDAANN", ends=timedelta(days=14))
        account.exemptions.records["AIDABOB"] = replace(exemption("AIDABOB", ends=timedelta(days=15)), user_name="bob")
        run(account)
        assert list(lines(account, "exemptions")) == ["alice"]
        assert "2026-03-15T12:00:00Z" in lines(account, "exemptions")["alice"]
