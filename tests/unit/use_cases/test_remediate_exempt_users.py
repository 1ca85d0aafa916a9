"""Exempt users: the guard releases them, and does nothing else."""

from datetime import timedelta

import pytest

from mfa_guard.core.exemption import MalformedExemption
from support.factories import (
    MARKED,
    detail,
    device,
    exemption,
    settings,
)
from support.fakes import Crash, FakeAccount, FakeUser
from support.remediation import mail, run, severity


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
