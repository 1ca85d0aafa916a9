"""What bulk calls show of a user, and what is read again before a change."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mfa_guard.core.account.snapshot import ListedUser, ReportRow, Snapshot, Sources, state_of, unload_stale_fields
from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.user import NOT_LOADED
from mfa_guard.core.user_record import NO_RECORD, UserRecord
from support.factories import (
    MARKED,
    NOW,
    OLD,
    exemption,
    key,
    state,
)

ALICE = ListedUser("alice", "AIDAEXAMPLE", "/staff/", MARKED, NOW - OLD, attached=True, in_group=False)
ROW = ReportRow(NOW - OLD, device=True, password=True, keys=(key("key 1"),))
SNAPSHOT = Snapshot((ALICE,), Sources(frozenset(), {"alice": ROW}), exemptions={})
ENROLLED = frozenset({"AIDAEXAMPLE"})


def with_sources(virtual: frozenset[str], report: dict[str, ReportRow] | None) -> Snapshot:
    return replace(SNAPSHOT, sources=Sources(virtual, report))


def test_identity_and_enforcement_come_from_the_listing() -> None:
    seen = state_of(ALICE, SNAPSHOT)
    assert (seen.name, seen.id, seen.path, seen.tags) == ("alice", "AIDAEXAMPLE", "/staff/", MARKED)
    assert (seen.attached, seen.in_group) == (True, False)


def test_device_password_and_keys_come_from_the_report() -> None:
    seen = state_of(ALICE, SNAPSHOT)
    assert seen.has_device()
    assert seen.has_password()
    assert seen.access_keys() == (key("key 1"),)


def test_a_report_without_device_says_so() -> None:
    without = with_sources(frozenset(), {"alice": replace(ROW, device=False)})
    assert state_of(ALICE, without).devices == ()


def test_a_virtual_device_counts_although_the_report_does_not_show_it_yet() -> None:
    enrolled = with_sources(ENROLLED, {"alice": replace(ROW, device=False)})
    assert state_of(ALICE, enrolled).has_device()


@pytest.mark.parametrize("report", [None, {}, {"bob": ROW}])
def test_fields_of_a_user_who_is_not_in_the_report_are_not_loaded(report: dict[str, ReportRow] | None) -> None:
    seen = state_of(ALICE, with_sources(frozenset(), report))
    assert (seen.devices, seen.password, seen.keys) == (NOT_LOADED, NOT_LOADED, NOT_LOADED)


def test_a_virtual_device_is_known_without_a_report() -> None:
    seen = state_of(ALICE, with_sources(ENROLLED, None))
    assert seen.has_device()
    assert seen.password is NOT_LOADED


def test_service_specific_credentials_are_not_loaded() -> None:
    assert state_of(ALICE, SNAPSHOT).service_credentials is NOT_LOADED


@pytest.mark.parametrize("later", [timedelta(days=300), timedelta(minutes=2), timedelta(minutes=-2)])
def test_a_row_about_another_user_of_the_same_name_does_not_count(later: timedelta) -> None:
    recreated = replace(ALICE, created_at=ALICE.created_at + later)
    assert state_of(recreated, SNAPSHOT).password is NOT_LOADED


def test_a_difference_of_a_second_is_the_same_user() -> None:
    assert state_of(replace(ALICE, created_at=ALICE.created_at + timedelta(seconds=1)), SNAPSHOT).has_password()


def test_a_virtual_device_belongs_to_the_id_and_not_to_the_name() -> None:
    enrolled = with_sources(ENROLLED, {})
    assert state_of(replace(ALICE, name="alice.miller"), enrolled).has_device()
    assert state_of(replace(ALICE, id="AIDANEW"), enrolled).devices is NOT_LOADED


def test_what_the_guard_remembers_belongs_to_the_id() -> None:
    record = UserRecord(enforced=True)
    remembered = replace(SNAPSHOT, records={"AIDAEXAMPLE": record})
    assert state_of(ALICE, remembered).recorded() is record
    assert state_of(replace(ALICE, id="AIDANEW"), remembered).recorded() is NO_RECORD


def test_a_virtual_device_is_not_read_again_and_another_device_is() -> None:
    virtual = state_of(ALICE, with_sources(ENROLLED, {"alice": ROW}))
    assert unload_stale_fields(virtual, NOW).has_device()
    assert unload_stale_fields(state_of(ALICE, SNAPSHOT), NOW).devices is NOT_LOADED


def test_a_user_about_whom_nothing_is_remembered_has_no_record() -> None:
    assert state_of(ALICE, SNAPSHOT).recorded() is NO_RECORD


def test_an_exemption_belongs_to_the_id_and_not_to_the_name() -> None:
    records: dict[str, Exemption | MalformedExemption] = {
        "AIDAEXAMPLE": exemption(),
        "AIDAOTHER": MalformedExemption("The exemption record lacks owner."),
    }
    with_records = replace(SNAPSHOT, exemptions=records)
    assert state_of(ALICE, with_records).exemption_record() == exemption()
    assert state_of(replace(ALICE, id="AIDANEW"), with_records).exemption_record() is None


def test_devices_and_service_specific_credentials_are_read_again() -> None:
    asked = unload_stale_fields(state(), NOW)
    assert (asked.devices, asked.service_credentials) == (NOT_LOADED, NOT_LOADED)


def test_keys_that_the_report_shows_unused_are_read_again() -> None:
    assert unload_stale_fields(state(keys=(key(used=None), key(used=timedelta(days=91)))), NOW).keys is NOT_LOADED


@pytest.mark.parametrize("active", [True, False])
def test_a_key_that_the_report_shows_in_use_is_enough(active: bool) -> None:
    used = key(active=active, used=timedelta(days=90))
    assert unload_stale_fields(state(keys=(used,)), NOW).keys == (used,)


def test_keys_that_are_not_loaded_stay_so() -> None:
    assert unload_stale_fields(state(keys=NOT_LOADED), NOW).keys is NOT_LOADED


def test_nothing_else_is_read_again() -> None:
    seen = state(tags=MARKED, attached=False, in_group=True, password=False)
    asked = unload_stale_fields(seen, NOW)
    assert replace(asked, devices=seen.devices, keys=seen.keys, service_credentials=()) == seen
