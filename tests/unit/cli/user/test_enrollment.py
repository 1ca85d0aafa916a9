"""Enrolling a device, and what is left when that is not done."""

import stat
from pathlib import Path

import pytest

from mfa_guard_cli.common.errors import AwsError, WrongUse
from mfa_guard_cli.user.account import VirtualDevice
from mfa_guard_cli.user.devices import Device
from mfa_guard_cli.user.enrollment import Wish, checked, enroll
from mfa_guard_cli.user.identity import identity
from mfa_guard_cli.user.terminal import Hangup, Terminal
from support.user import ACCOUNT, APP, GUARD, PASSKEY, ROLE, ROOT, SEED, FakeAws, denied, typing

CODES = ("111111", "222222")


def new(**fields: object) -> FakeAws:
    """Return an account in which alice has no device."""
    return FakeAws(**{"own": [], **fields})  # type: ignore[arg-type]


def virtual(name: str, *, assigned: bool = False) -> VirtualDevice:
    return VirtualDevice(Device(f"arn:aws:iam::{ACCOUNT}:mfa/{name}"), assigned=assigned)


class TestEnrolled:
    def test_two_codes_enable_a_device_of_the_users_name(self) -> None:
        aws = new()
        terminal, _ = typing(*CODES)
        assert enroll(aws, Wish(), terminal) == APP
        assert aws.own == [APP]
        assert "delete_device" not in aws.calls

    def test_the_qr_code_is_shown_and_the_secret_is_not(self) -> None:
        terminal, shown = typing(*CODES)
        enroll(new(), Wish(), terminal)
        assert "█" in shown.getvalue()
        assert SEED not in shown.getvalue()

    @pytest.mark.parametrize("lines", [("s", *CODES), (CODES[0], "S", CODES[1])])
    def test_the_secret_is_shown_on_request(self, lines: tuple[str, ...]) -> None:
        terminal, shown = typing(*lines)
        enroll(new(), Wish(), terminal)
        assert f"Secret: {SEED}\n" in shown.getvalue()

    def test_the_secret_is_shown_at_once_when_asked(self) -> None:
        terminal, shown = typing(*CODES)
        enroll(new(), Wish(show_qr=False, show_secret=True), terminal)
        assert f"Secret: {SEED}\n" in shown.getvalue()
        assert "█" not in shown.getvalue()

    def test_wrong_codes_can_be_tried_again_with_the_same_device(self) -> None:
        aws = new()
        terminal, shown = typing("000000", "000001", *CODES)
        enroll(aws, Wish(), terminal)
        assert aws.calls.count("create_device") == 1
        assert "Try again" in shown.getvalue()

    def test_slips_are_asked_again(self) -> None:
        terminal, _ = typing("", "11111", "111 111", "111111", "x", "222222")
        enroll(new(), Wish(), terminal)

    def test_no_secret_reaches_a_disk_unasked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        terminal, _ = typing(*CODES)
        enroll(new(), Wish(), terminal)
        assert list(tmp_path.iterdir()) == []

    def test_asked_for_it_is_saved_for_its_owner_alone(self, tmp_path: Path) -> None:
        picture, secret = tmp_path / "qr.png", tmp_path / "secret"
        terminal, shown = typing(*CODES)
        enroll(new(), Wish(save_qr=picture, save_secret=secret), terminal)
        assert secret.read_text() == f"{SEED}\n"
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert {stat.S_IMODE(path.stat().st_mode) for path in (picture, secret)} == {0o600}
        assert "delete it when your app has it" in shown.getvalue()


class TestNames:
    def test_a_name_that_is_taken_gets_a_number(self) -> None:
        aws = new(others=[virtual("alice", assigned=True), virtual("alice-2", assigned=True)])
        terminal, _ = typing(*CODES)
        assert enroll(aws, Wish(), terminal).name == "alice-3"

    def test_a_name_that_only_aws_knows_to_be_taken_gets_a_number(self) -> None:
        aws = new(hidden={"alice"}, refusals={"virtual_devices": denied(explicit=False)})
        terminal, _ = typing(*CODES)
        assert enroll(aws, Wish(), terminal).name == "alice-2"

    def test_a_name_may_be_chosen(self) -> None:
        terminal, _ = typing(*CODES)
        assert enroll(new(), Wish(name="phone"), terminal).name == "phone"

    def test_a_chosen_name_that_is_taken_is_refused(self) -> None:
        terminal, _ = typing(*CODES)
        with pytest.raises(WrongUse, match="There is a device named phone"):
            enroll(new(others=[virtual("phone")]), Wish(name="phone"), terminal)


class TestLeftovers:
    def test_they_are_named_and_not_touched(self) -> None:
        aws = new(others=[virtual("alice"), virtual("alice-old"), virtual("bob"), virtual("alice-2", assigned=True)])
        terminal, shown = typing(*CODES)
        device = enroll(aws, Wish(), terminal)
        assert "Devices named like you, and nobody's: alice, alice-old." in shown.getvalue()
        assert device.name == "alice-3"
        assert "delete_device" not in aws.calls

    def test_many_are_counted(self) -> None:
        terminal, shown = typing(*CODES)
        enroll(new(others=[virtual(f"alice-{n}") for n in range(100, 108)]), Wish(), terminal)
        assert "alice-104 and 3 more." in shown.getvalue()

    def test_one_whose_secret_the_app_has_can_be_gone_on_with(self) -> None:
        aws = new(others=[virtual("alice")])
        terminal, shown = typing("s", *CODES)
        assert enroll(aws, Wish(resume="alice"), terminal) == APP
        assert "create_device" not in aws.calls
        assert "A code has six digits" in shown.getvalue()

    def test_going_on_may_be_given_up_without_removing_anything(self) -> None:
        aws = new(others=[virtual("alice")])
        terminal, _ = typing()
        with pytest.raises(Hangup):
            enroll(aws, Wish(resume=APP.serial), terminal)
        assert "delete_device" not in aws.calls


class _Interrupted(Terminal):
    """A terminal on which somebody types Ctrl-C at the first code."""

    def ask(self, question: str) -> str:
        if "code" in question:
            raise KeyboardInterrupt
        return super().ask(question)


class TestGivenUp:
    def test_what_may_be_removed_is_removed(self) -> None:
        aws = new()
        terminal, shown = typing()
        with pytest.raises(Hangup):
            enroll(aws, Wish(), terminal)
        assert aws.made == []
        assert "removed again; nothing is left behind" in shown.getvalue()

    def test_what_must_stay_is_named_with_the_way_on(self) -> None:
        aws = new(refusals={"delete_device": denied(GUARD)})
        terminal, shown = typing("111111")
        with pytest.raises(Hangup):
            enroll(aws, Wish(), terminal)
        assert f"{APP.serial} is left behind" in shown.getvalue()
        assert "mfa-guard enroll --resume alice" in shown.getvalue()

    def test_an_interrupt_does_the_same_and_stays_an_interrupt(self) -> None:
        aws = new()
        _, shown = typing()
        with pytest.raises(KeyboardInterrupt):
            enroll(aws, Wish(), _Interrupted(shown, shown, {}))
        assert aws.made == []


class TestNotAllowed:
    def test_an_explicit_deny_leads_to_the_console(self) -> None:
        terminal, _ = typing()
        with pytest.raises(AwsError) as refused:
            enroll(new(refusals={"create_device": denied(GUARD)}), Wish(), terminal)
        for part in (GUARD, "https://111122223333.signin.aws.amazon.com/console", "iam/home#/security_credentials"):
            assert part in str(refused.value)

    def test_a_missing_permission_leads_to_the_console_and_to_the_administrator(self) -> None:
        terminal, _ = typing()
        with pytest.raises(AwsError, match=r"no permission .* console .* ask your administrator"):
            enroll(new(refusals={"create_device": denied(explicit=False)}), Wish(), terminal)

    def test_the_console_is_the_partitions(self) -> None:
        caller = identity(f"arn:aws-us-gov:iam::{ACCOUNT}:user/alice")
        terminal, _ = typing()
        with pytest.raises(AwsError, match=r"console\.amazonaws-us-gov\.com"):
            enroll(new(caller=caller, refusals={"create_device": denied(GUARD)}), Wish(), terminal)

    def test_a_device_that_may_be_made_but_not_enabled_is_told_of(self) -> None:
        terminal, shown = typing(*CODES)
        with pytest.raises(AwsError, match="not allowed here"):
            enroll(new(refusals={"enable_device": denied(GUARD), "delete_device": denied(GUARD)}), Wish(), terminal)
        assert "is left behind" in shown.getvalue()

    def test_root_enrolls_in_the_console(self) -> None:
        terminal, _ = typing()
        with pytest.raises(WrongUse, match="root user"):
            enroll(new(caller=ROOT), Wish(), terminal)

    def test_a_role_has_no_devices(self) -> None:
        terminal, _ = typing()
        with pytest.raises(WrongUse, match="is no IAM user"):
            enroll(new(caller=ROLE), Wish(), terminal)

    def test_nine_devices_are_too_many(self) -> None:
        aws = new(own=[Device(f"arn:aws:iam::{ACCOUNT}:mfa/{n}") for n in range(8)])
        terminal, _ = typing("y", *CODES)
        with pytest.raises(WrongUse, match="no user can have more than 8"):
            enroll(aws, Wish(), terminal)
        assert aws.made == []


class TestAnother:
    @pytest.mark.parametrize("answer", ["y", "Yes"])
    def test_a_second_device_is_asked_about(self, answer: str) -> None:
        aws = new(own=[PASSKEY])
        terminal, shown = typing(answer, *CODES)
        enroll(aws, Wish(), terminal)
        assert len(aws.own) == 2
        assert "mfa-guard session" not in shown.getvalue()

    @pytest.mark.parametrize("answer", ["", "n", "no"])
    def test_no_makes_nothing(self, answer: str) -> None:
        aws = new(own=[APP])
        terminal, shown = typing(answer)
        with pytest.raises(WrongUse, match="Nothing was made"):
            enroll(aws, Wish(), terminal)
        assert aws.made == []
        assert "mfa-guard session" in shown.getvalue()

    def test_yes_beforehand_spares_the_question(self) -> None:
        terminal, _ = typing(*CODES)
        enroll(new(own=[PASSKEY]), Wish(another=True), terminal)


class TestChecked:
    @pytest.mark.parametrize(
        "wish",
        [
            Wish(name="with space"),
            Wish(name=""),
            Wish(name="a/b"),
            Wish(resume="alice", name="bob"),
            Wish(resume="alice", show_secret=True),
            Wish(save_qr=Path("qr.gif")),
            Wish(save_secret=Path("/no/such/folder/secret")),
        ],
    )
    def test_what_cannot_be_is_refused_before_anything_is_made(self, wish: Wish) -> None:
        with pytest.raises(WrongUse):
            checked(wish)

    def test_a_file_that_exists_is_not_overwritten(self, tmp_path: Path) -> None:
        (tmp_path / "qr.png").write_text("mine")
        with pytest.raises(WrongUse, match="exists"):
            checked(Wish(save_qr=tmp_path / "qr.png"))

    def test_a_link_to_nowhere_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "secret").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(WrongUse, match="exists"):
            checked(Wish(save_secret=tmp_path / "secret"))
