"""Forecasts follow the guard's own plan, and guess nothing where nothing is known."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mfa_guard.core.plan import Action
from mfa_guard.core.settings import EnforceOn, WorkingMachineUsers
from mfa_guard_cli.preview.model import DeviceKind, Outcome, UserKind
from support.factories import NOW
from support.preview import KEY, SampleUser, forecast_of, preview_of, role_caller, user_caller

OLD_KEY = replace(KEY, last_used=NOW - timedelta(days=91))
PERSON = SampleUser(password=True)
MACHINE = SampleUser(keys=(KEY,))
ENFORCE: dict[str, object] = {"working_machine_users": WorkingMachineUsers.ENFORCE}
CONSOLE: dict[str, object] = {"enforce_on": EnforceOn.CONSOLE}


class TestKind:
    @pytest.mark.parametrize(
        ("user", "kind"),
        [
            (PERSON, UserKind.PERSON),
            (replace(PERSON, keys=(KEY,)), UserKind.PERSON),
            (MACHINE, UserKind.MACHINE),
            (SampleUser(keys=(replace(KEY, active=False),)), UserKind.MACHINE),
            (SampleUser(keys=(OLD_KEY,)), UserKind.UNUSED),
            (SampleUser(keys=(replace(KEY, last_used=None),)), UserKind.UNUSED),
            (SampleUser(), UserKind.UNUSED),
            (SampleUser(reported=False), UserKind.UNKNOWN),
            (SampleUser(reported=False, virtual=True), UserKind.UNKNOWN),
        ],
    )
    def test_is_the_kind_that_the_plan_sees(self, user: SampleUser, kind: UserKind) -> None:
        assert forecast_of(user).kind is kind


class TestOutcome:
    @pytest.mark.parametrize(
        ("user", "chosen", "outcome"),
        [
            (PERSON, {}, Outcome.ENROLL),
            (replace(PERSON, virtual=True), {}, Outcome.READY),
            (replace(PERSON, device=True, other_devices=(DeviceKind.PASSKEY,)), {}, Outcome.READY),
            (replace(PERSON, virtual=True, keys=(KEY,)), {}, Outcome.KEYS_STOP),
            (replace(PERSON, keys=(replace(KEY, active=False),)), {}, Outcome.ENROLL),
            (MACHINE, {}, Outcome.DECIDE),
            (MACHINE, ENFORCE, Outcome.KEYS_STOP),
            (MACHINE, ENFORCE | CONSOLE, Outcome.REPORTED),
            (MACHINE, CONSOLE, Outcome.DECIDE),
            (SampleUser(), {}, Outcome.IDLE),
            (SampleUser(keys=(OLD_KEY,)), {}, Outcome.IDLE),
            (SampleUser(), CONSOLE, Outcome.REPORTED),
            (PERSON, CONSOLE, Outcome.ENROLL),
            (replace(PERSON, attached=True), {}, Outcome.ENFORCED_ALREADY),
            (replace(MACHINE, attached=True), {}, Outcome.ENFORCED_ALREADY),
            (SampleUser(reported=False), {}, Outcome.UNKNOWN),
            (SampleUser(reported=False, attached=True), {}, Outcome.ENFORCED_ALREADY),
            (replace(MACHINE, path="/ci/build/"), {"exempt_path_prefixes": ("/ci/",)}, Outcome.EXEMPT),
            (SampleUser(path="/ci/", reported=False), {"exempt_path_prefixes": ("/ci/",)}, Outcome.EXEMPT),
            (replace(MACHINE, path="/cia/"), {"exempt_path_prefixes": ("/ci/",)}, Outcome.DECIDE),
        ],
    )
    def test_is_what_the_guard_would_do(self, user: SampleUser, chosen: dict[str, object], outcome: Outcome) -> None:
        assert forecast_of(user, chosen).outcome is outcome

    def test_is_unknown_without_a_report(self) -> None:
        user = forecast_of(PERSON, report=None)
        assert (user.outcome, user.password, user.keys, user.devices) == (Outcome.UNKNOWN, None, None, None)
        assert user.incomplete

    @pytest.mark.parametrize(
        ("user", "actions"),
        [
            (PERSON, (Action.ENFORCE, Action.MARK)),
            (replace(PERSON, virtual=True), (Action.ENFORCE,)),
            (MACHINE, (Action.MARK,)),
            (replace(PERSON, attached=True, virtual=True), ()),
            (SampleUser(reported=False), None),
        ],
    )
    def test_comes_with_the_actions_of_the_plan(self, user: SampleUser, actions: tuple[Action, ...] | None) -> None:
        assert forecast_of(user).actions == actions

    def test_of_an_unused_user_depends_on_credentials_that_no_bulk_call_lists(self) -> None:
        assert not forecast_of(SampleUser()).certain
        assert forecast_of(SampleUser(), ENFORCE).certain
        assert forecast_of(PERSON).certain


class TestStoppingKeys:
    def test_are_active_and_in_use(self) -> None:
        second = replace(KEY, id="key 2")
        keys = (KEY, replace(second, active=False))
        assert [key.slot for key in forecast_of(replace(PERSON, keys=keys)).stopping_keys] == ["key 1"]
        assert [key.slot for key in forecast_of(replace(PERSON, keys=(OLD_KEY, second))).stopping_keys] == ["key 2"]

    def test_of_an_active_machine_user_are_those_at_stake(self) -> None:
        assert len(forecast_of(MACHINE).stopping_keys) == 1

    def test_are_none_for_exempt_reported_and_enforced_users(self) -> None:
        exempt = {"exempt_path_prefixes": ("/ci/",)}
        assert forecast_of(replace(MACHINE, path="/ci/"), exempt).stopping_keys == ()
        assert forecast_of(MACHINE, ENFORCE | CONSOLE).stopping_keys == ()
        assert forecast_of(replace(MACHINE, attached=True)).stopping_keys == ()


class TestDevices:
    def test_that_were_removed_after_the_report_are_none(self) -> None:
        user = forecast_of(replace(PERSON, device=True, other_devices=()))
        assert (user.devices, user.outcome) == ((), Outcome.ENROLL)

    def test_of_unknown_kind_are_still_devices(self) -> None:
        user = forecast_of(replace(PERSON, virtual=True), virtual_device_owners=None)
        assert (user.devices, user.outcome, user.incomplete) == ((DeviceKind.UNREAD,), Outcome.READY, True)


class TestOrder:
    def test_is_the_callers_own_user_then_outcome_then_name(self) -> None:
        sample = (
            SampleUser("zoe", password=True),
            SampleUser("adam", password=True),
            SampleUser("carl", password=True, keys=(KEY,)),
            SampleUser("anna", password=True, virtual=True),
        )
        users = preview_of(*sample, caller=user_caller("anna")).users
        assert [each.name for each in users] == ["anna", "carl", "adam", "zoe"]
        assert [each.is_caller for each in users] == [True, False, False, False]

    def test_finds_the_callers_own_user_by_id_and_not_by_name(self) -> None:
        same_name = replace(user_caller("alice"), id="AIDAOTHER")
        assert preview_of(PERSON, caller=same_name).caller_user is None
        assert preview_of(PERSON, caller=replace(role_caller("alice"), id=PERSON.id)).caller_user is None
