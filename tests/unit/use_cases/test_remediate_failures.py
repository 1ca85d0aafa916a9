"""What remediation makes of the errors of IAM."""

import pytest

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.errors import NotVisibleYet, QuotaExceeded, UserGone
from mfa_guard.core.metrics import Metric
from mfa_guard.core.user import NONCOMPLIANT, STATUS_TAG
from mfa_guard.use_cases.remediate import EnforcementMissing, Outcome
from support.factories import (
    MARKED,
    detail,
    device,
    settings,
)
from support.fakes import FakeAccount, FakeUser
from support.remediation import mail, run, severity


class TestErrorsOfIam:
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

    def test_a_missing_part_of_a_user_who_exists_is_retried(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        account.iam.refusing["devices", "alice"] = UserGone("what?")
        with pytest.raises(NotVisibleYet, match="in one place"):
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
        with pytest.raises(NotVisibleYet):
            run(account, detail("CreateUser"))
