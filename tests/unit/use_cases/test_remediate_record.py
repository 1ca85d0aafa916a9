"""Every event about a user leaves a decision in the user's record."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mfa_guard.core.settings import Mode
from mfa_guard.core.user_record import ScopeReason, Standing, UserRecord
from support.factories import MARKED, NOW, detail, device, exemption, key, settings
from support.fakes import FakeAccount, FakeUser
from support.remediation import own, run

AUDIT = settings(mode=Mode.AUDIT)
LATER = timedelta(hours=1)


def recorded(account: FakeAccount) -> UserRecord:
    return replace(account.records.of("AIDAEXAMPLE"), notices={})


def test_a_new_user_is_in_scope_because_of_the_creation() -> None:
    account = FakeAccount(FakeUser(password=True))
    run(account, detail("CreateUser"))
    assert recorded(account) == UserRecord(
        name="alice",
        in_scope_since=NOW,
        in_scope_because=ScopeReason.CREATED,
        standing=Standing.ENFORCED,
        decided_at=NOW,
        enforced=True,
    )


@pytest.mark.parametrize("event", ["CreateAccessKey", "UpdateUser", "TagUser", "DeleteLoginProfile"])
def test_an_event_without_a_notice_brings_an_older_user_into_scope(event: str) -> None:
    account = FakeAccount(FakeUser(attached=True, devices=[device()]))
    run(account, own(event))
    assert account.notifier.sent == []
    assert recorded(account).in_scope_because is ScopeReason.EVENT
    assert recorded(account).enforced


def test_a_decision_that_is_no_news_is_not_written() -> None:
    account = FakeAccount(FakeUser(attached=True, devices=[device()]))
    run(account, own("UpdateUser"))
    account.clock.time += LATER
    run(account, own("UpdateUser"))
    assert account.calls.made.count("records.remember") == 1


def test_an_exempt_user_is_in_scope_and_not_enforced() -> None:
    account = FakeAccount(FakeUser())
    account.exemptions.records["AIDAEXAMPLE"] = exemption()
    account.records.items["AIDAEXAMPLE"] = UserRecord(enforced=True)
    run(account, detail("UpdateUser"))
    assert (recorded(account).standing, recorded(account).enforced) == (Standing.EXEMPT, False)
    assert recorded(account).in_scope_because is ScopeReason.EVENT


def test_a_user_exempt_by_path_is_recorded_too() -> None:
    account = FakeAccount(FakeUser(path="/machines/"))
    run(account, detail("UpdateUser"), settings(exempt_path_prefixes=("/machines/",)))
    assert recorded(account).standing is Standing.EXEMPT


def test_a_machine_user_is_recorded_by_the_credentials() -> None:
    account = FakeAccount(FakeUser(keys=[key()], tags=dict(MARKED)))
    run(account, detail("UpdateUser"))
    assert (recorded(account).standing, recorded(account).machine_user_at) == (Standing.ACTIVE_MACHINE, NOW)
    assert not recorded(account).enforced


def test_a_user_who_could_not_be_enforced_is_not_recorded_as_enforced() -> None:
    account = FakeAccount(FakeUser(password=True, policies_left=0, groups_left=0))
    run(account, detail("CreateUser"))
    assert account.notifier.kinds == ["not-enforced"]
    assert not recorded(account).enforced


def test_a_failure_does_not_forget_that_the_user_was_enforced() -> None:
    """Scenario 5: otherwise the next event takes a person whose password is gone for an active machine user."""
    account = FakeAccount(FakeUser(keys=[key()], policies_left=0, groups_left=0))
    account.records.items["AIDAEXAMPLE"] = UserRecord(enforced=True)
    run(account, detail("DeleteLoginProfile"))
    assert account.notifier.kinds == ["not-enforced"]
    assert recorded(account).enforced


def test_an_event_in_audit_mode_does_not_forget_that_the_user_was_enforced() -> None:
    account = FakeAccount(FakeUser(password=True))
    account.records.items["AIDAEXAMPLE"] = UserRecord(enforced=True)
    run(account, detail("UpdateUser"), AUDIT)
    assert not account.alice.attached
    assert recorded(account).enforced


def test_a_user_whose_tags_could_not_be_set_is_recorded_as_enforced() -> None:
    account = FakeAccount(FakeUser(password=True, tags_left=0))
    run(account, detail("CreateUser"))
    assert account.notifier.kinds == ["noncompliant", "not-tagged"]
    assert recorded(account).enforced


@pytest.mark.parametrize("attached", [True, False])
def test_audit_mode_records_neither_a_scope_nor_enforcement(attached: bool) -> None:
    account = FakeAccount(FakeUser(password=True, attached=attached))
    run(account, detail("CreateUser"), AUDIT)
    assert (recorded(account).in_scope_since, recorded(account).enforced) == (None, False)
    assert recorded(account).standing is Standing.ENFORCED


def test_without_the_state_table_the_user_is_still_enforced_and_reported() -> None:
    account = FakeAccount(FakeUser(password=True))
    account.records.reachable = False
    run(account, detail("CreateUser"))
    assert account.alice.attached
    assert account.notifier.kinds == ["noncompliant"]


def test_a_late_event_about_a_creation_does_not_report_the_enforcement_again() -> None:
    account = FakeAccount(FakeUser(password=True, devices=[device()]))
    run(account, detail("CreateLoginProfile"))
    account.clock.time += LATER
    run(account, detail("CreateUser"))
    assert account.notifier.kinds == ["enforced"]
