"""What a preview makes of what was read: by the guard's own plan, and with no guess where nothing is known."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mfa_guard.core.plan import Action
from mfa_guard.core.settings import EnforceOn, WorkingMachineUsers
from mfa_guard_cli.preview.model import DeviceKind, Mfa, Outcome, Sort, kind_of, to_ask
from support.factories import ACCOUNT, NOW
from support.preview import KEY, Somebody, by_role, by_user, outlook_of, preview_of, reading

OLD_KEY = replace(KEY, last_used=NOW - timedelta(days=91))
PERSON = Somebody(password=True)
MACHINE = Somebody(keys=(KEY,))
ENFORCE: dict[str, object] = {"working_machine_users": WorkingMachineUsers.ENFORCE}
CONSOLE: dict[str, object] = {"enforce_on": EnforceOn.CONSOLE}


class TestSort:
    @pytest.mark.parametrize(
        ("somebody", "sort"),
        [
            (PERSON, Sort.PERSON),
            (replace(PERSON, keys=(KEY,)), Sort.PERSON),
            (MACHINE, Sort.MACHINE),
            (Somebody(keys=(replace(KEY, active=False),)), Sort.MACHINE),
            (Somebody(keys=(OLD_KEY,)), Sort.UNUSED),
            (Somebody(keys=(replace(KEY, last_used=None),)), Sort.UNUSED),
            (Somebody(), Sort.UNUSED),
            (Somebody(reported=False), Sort.UNKNOWN),
            (Somebody(reported=False, virtual=True), Sort.UNKNOWN),
        ],
    )
    def test_is_the_plans(self, somebody: Somebody, sort: Sort) -> None:
        assert outlook_of(somebody).sort is sort


class TestOutcome:
    @pytest.mark.parametrize(
        ("somebody", "chosen", "outcome"),
        [
            (PERSON, {}, Outcome.ENROLL),
            (replace(PERSON, virtual=True), {}, Outcome.READY),
            (replace(PERSON, device=True, kinds=(DeviceKind.PASSKEY,)), {}, Outcome.READY),
            (replace(PERSON, virtual=True, keys=(KEY,)), {}, Outcome.KEYS_STOP),
            (replace(PERSON, keys=(replace(KEY, active=False),)), {}, Outcome.ENROLL),
            (MACHINE, {}, Outcome.DECIDE),
            (MACHINE, ENFORCE, Outcome.KEYS_STOP),
            (MACHINE, ENFORCE | CONSOLE, Outcome.REPORTED),
            (MACHINE, CONSOLE, Outcome.DECIDE),
            (Somebody(), {}, Outcome.IDLE),
            (Somebody(keys=(OLD_KEY,)), {}, Outcome.IDLE),
            (Somebody(), CONSOLE, Outcome.REPORTED),
            (PERSON, CONSOLE, Outcome.ENROLL),
            (replace(PERSON, attached=True), {}, Outcome.BOUND),
            (replace(MACHINE, attached=True), {}, Outcome.BOUND),
            (Somebody(reported=False), {}, Outcome.UNKNOWN),
            (Somebody(reported=False, attached=True), {}, Outcome.BOUND),
            (replace(MACHINE, path="/ci/build/"), {"exempt_path_prefixes": ("/ci/",)}, Outcome.EXEMPT),
            (Somebody(path="/ci/", reported=False), {"exempt_path_prefixes": ("/ci/",)}, Outcome.EXEMPT),
            (replace(MACHINE, path="/cia/"), {"exempt_path_prefixes": ("/ci/",)}, Outcome.DECIDE),
        ],
    )
    def test_is_what_the_guard_would_do(self, somebody: Somebody, chosen: dict[str, object], outcome: Outcome) -> None:
        assert outlook_of(somebody, chosen).outcome is outcome

    def test_without_a_report_is_unknown_and_never_a_guess(self) -> None:
        outlook = outlook_of(PERSON, report=None)
        assert (outlook.outcome, outlook.password, outlook.keys, outlook.devices) == (Outcome.UNKNOWN, None, None, None)
        assert outlook.unread

    @pytest.mark.parametrize(
        ("somebody", "actions"),
        [
            (PERSON, (Action.ENFORCE, Action.MARK)),
            (replace(PERSON, virtual=True), (Action.ENFORCE,)),
            (MACHINE, (Action.MARK,)),
            (replace(PERSON, attached=True, virtual=True), ()),
            (Somebody(reported=False), None),
        ],
    )
    def test_comes_with_the_plans_own_actions(self, somebody: Somebody, actions: tuple[Action, ...] | None) -> None:
        assert outlook_of(somebody).actions == actions

    def test_of_an_unused_user_hangs_on_credentials_that_no_bulk_call_shows(self) -> None:
        assert not outlook_of(Somebody()).certain
        assert outlook_of(Somebody(), ENFORCE).certain
        assert outlook_of(PERSON).certain


class TestStoppingKeys:
    def test_are_active_and_in_use(self) -> None:
        second = replace(KEY, id="key 2")
        keys = (KEY, replace(second, active=False))
        assert [key.slot for key in outlook_of(replace(PERSON, keys=keys)).stopping] == ["key 1"]
        assert [key.slot for key in outlook_of(replace(PERSON, keys=(OLD_KEY, second))).stopping] == ["key 2"]

    def test_of_a_machine_are_what_is_at_stake(self) -> None:
        assert len(outlook_of(MACHINE).stopping) == 1

    def test_are_none_of_who_is_exempt_reported_or_bound_already(self) -> None:
        exempt = {"exempt_path_prefixes": ("/ci/",)}
        assert outlook_of(replace(MACHINE, path="/ci/"), exempt).stopping == ()
        assert outlook_of(MACHINE, ENFORCE | CONSOLE).stopping == ()
        assert outlook_of(replace(MACHINE, attached=True)).stopping == ()


class TestDevices:
    @pytest.mark.parametrize(
        ("serial", "kind"),
        [
            (f"arn:aws:iam::{ACCOUNT}:mfa/phone", DeviceKind.TOTP_APP),
            (f"arn:aws-cn:iam::{ACCOUNT}:mfa/u2f/key", DeviceKind.TOTP_APP),
            (f"arn:aws:iam::{ACCOUNT}:u2f/user/alice/key-ABC", DeviceKind.PASSKEY),
            (f"arn:aws-us-gov:iam::{ACCOUNT}:u2f/user/path/alice/mfa-ABC", DeviceKind.PASSKEY),
            ("GAHT12345678", DeviceKind.TOTP_TOKEN),
            ("1234567890", DeviceKind.TOTP_TOKEN),
            (f"arn:aws:iam::{ACCOUNT}:sms-mfa/alice", DeviceKind.OTHER),
        ],
    )
    def test_are_told_apart_by_their_serial_number(self, serial: str, kind: DeviceKind) -> None:
        assert kind_of(serial) is kind

    @pytest.mark.parametrize(
        ("somebody", "mfa"),
        [
            (replace(PERSON, virtual=True), Mfa.CODES),
            (replace(PERSON, device=True, kinds=(DeviceKind.TOTP_TOKEN, DeviceKind.PASSKEY)), Mfa.CODES),
            (replace(PERSON, device=True, kinds=(DeviceKind.PASSKEY, DeviceKind.PASSKEY)), Mfa.PASSKEY),
            (replace(PERSON, device=True, kinds=(DeviceKind.PASSKEY, DeviceKind.OTHER)), Mfa.OTHER),
            (replace(PERSON, device=True), Mfa.OTHER),
            (PERSON, Mfa.NONE),
            (Somebody(reported=False), Mfa.UNKNOWN),
            (Somebody(reported=False, virtual=True), Mfa.CODES),
        ],
    )
    def test_come_to_codes_for_the_cli_or_not(self, somebody: Somebody, mfa: Mfa) -> None:
        assert outlook_of(somebody).mfa is mfa

    def test_that_went_after_the_report_are_none(self) -> None:
        outlook = outlook_of(replace(PERSON, device=True, kinds=()))
        assert (outlook.devices, outlook.outcome) == ((), Outcome.ENROLL)

    def test_whose_kind_nobody_may_ask_for_are_devices_all_the_same(self) -> None:
        outlook = outlook_of(replace(PERSON, virtual=True), virtual=None)
        assert (outlook.devices, outlook.outcome, outlook.unread) == ((DeviceKind.UNREAD,), Outcome.READY, True)

    def test_are_asked_for_of_those_alone_whom_the_lists_leave_open(self) -> None:
        people = (
            Somebody("app", virtual=True),
            Somebody("none"),
            Somebody("key", device=True),
            Somebody("new", reported=False),
        )
        read = reading(*people)
        assert to_ask(read.users, read.virtual or frozenset(), read.report or {}) == ("key",)


class TestPreview:
    def test_has_the_own_user_first_then_the_worst_then_names(self) -> None:
        people = (
            Somebody("zoe", password=True),
            Somebody("adam", password=True),
            Somebody("carl", password=True, keys=(KEY,)),
            Somebody("anna", password=True, virtual=True),
        )
        outlooks = preview_of(*people, caller=by_user("anna")).outlooks
        assert [each.name for each in outlooks] == ["anna", "carl", "adam", "zoe"]
        assert [each.own for each in outlooks] == [True, False, False, False]

    def test_knows_the_own_user_by_id_and_not_by_name(self) -> None:
        namesake = replace(by_user("alice"), id="AIDAOTHER")
        assert preview_of(PERSON, caller=namesake).own is None
        assert preview_of(PERSON, caller=replace(by_role("alice"), id=PERSON.id)).own is None

    def test_counts_everybody_once(self) -> None:
        people = (
            replace(PERSON, name="p1"),
            replace(PERSON, name="p2", keys=(KEY, replace(KEY, id="key 2"))),
            replace(PERSON, name="p3", device=True, kinds=(DeviceKind.PASSKEY,)),
            replace(MACHINE, name="m1"),
            Somebody("u1"),
            Somebody("n1", reported=False),
        )
        totals = preview_of(*people).totals
        assert totals.users == sum(totals.sorts.values()) == sum(totals.outcomes.values()) == sum(totals.mfa.values())
        assert totals.sorts == {Sort.PERSON: 3, Sort.MACHINE: 1, Sort.UNUSED: 1, Sort.UNKNOWN: 1}
        assert totals.keys_stopping == 2
        assert (totals.mfa[Mfa.PASSKEY], totals.mfa[Mfa.NONE], totals.mfa[Mfa.UNKNOWN]) == (1, 4, 1)
        assert totals.unread == 1

    def test_of_an_empty_account_is_empty(self) -> None:
        preview = preview_of()
        assert (preview.outlooks, preview.own, preview.totals.users) == ((), None, 0)
