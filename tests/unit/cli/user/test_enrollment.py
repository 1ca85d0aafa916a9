"""Enrolling a device, and what remains if that is not finished."""

import stat
from pathlib import Path

import pytest

from mfa_guard_cli.common.errors import AwsError, WrongUse
from mfa_guard_cli.user.account import VirtualDevice
from mfa_guard_cli.user.devices import Device
from mfa_guard_cli.user.enrollment import EnrollmentOptions, enroll
from mfa_guard_cli.user.identity import identity
from mfa_guard_cli.user.terminal import EndOfInput, Terminal
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
        assert enroll(aws, EnrollmentOptions(), terminal) == APP
        assert aws.own == [APP]
        assert "delete_device" not in aws.calls

    def test_the_qr_code_is_shown_and_the_secret_is_not(self) -> None:
        terminal, shown = typing(*CODES)
        enroll(new(), EnrollmentOptions(), terminal)
        assert "█" in shown.getvalue()
        assert SEED not in shown.getvalue()

    @pytest.mark.parametrize("lines", [("s", *CODES), (CODES[0], "S", CODES[1])])
    def test_the_secret_is_shown_on_request(self, lines: tuple[str, ...]) -> None:
        terminal, shown = typing(*lines)
        enroll(new(), EnrollmentOptions(), terminal)
        assert f"Secret: {SEED}\n" in shown.getvalue()

    def test_the_secret_is_shown_at_once_when_asked(self) -> None:
        terminal, shown = typing(*CODES)
        enroll(new(), EnrollmentOptions(show_qr=False, show_secret=True), terminal)
        assert f"Secret: {SEED}\n" in shown.getvalue()
        assert "█" not in shown.getvalue()

    def test_wrong_codes_can_be_tried_again_with_the_same_device(self) -> None:
        aws = new()
        terminal, shown = typing("000000", "000001", *CODES)
        enroll(aws, EnrollmentOptions(), terminal)
        assert aws.calls.count("create_device") == 1
        assert "Try again" in shown.getvalue()

    def test_slips_are_asked_again(self) -> None:
        terminal, _ = typing("", "11111", "111 111", "111111", "x", "222222")
        enroll(new(), EnrollmentOptions(), terminal)

    def test_by_default_no_secret_is_written_to_a_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        terminal, _ = typing(*CODES)
        enroll(new(), EnrollmentOptions(), terminal)
        assert list(tmp_path.iterdir()) == []

    def test_on_request_it_is_saved_for_its_owner_alone(self, tmp_path: Path) -> None:
        picture, secret = tmp_path / "qr.png", tmp_path / "secret"
        terminal, shown = typing(*CODES)
        enroll(new(), EnrollmentOptions(save_qr=picture, save_secret=secret), terminal)
        assert secret.read_text() == f"{SEED}\n"
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert {stat.S_IMODE(path.stat().st_mode) for path in (picture, secret)} == {0o600}
        assert "delete it when your app has it" in shown.getvalue()


class TestNames:
    def test_a_name_that_is_taken_gets_a_number(self) -> None:
        aws = new(others=[virtual("alice", assigned=True), virtual("alice-2", assigned=True)])
        terminal, _ = typing(*CODES)
        assert enroll(aws, EnrollmentOptions(), terminal).name == "alice-3"

    def test_a_name_that_only_aws_knows_to_be_taken_gets_a_number(self) -> None:
        aws = new(hidden={"alice"}, refusals={"virtual_devices": denied(explicit=False)})
        terminal, _ = typing(*CODES)
        assert enroll(aws, EnrollmentOptions(), terminal).name == "alice-2"

    def test_a_name_may_be_chosen(self) -> None:
        terminal, _ = typing(*CODES)
        assert enroll(new(), EnrollmentOptions(name="phone"), terminal).name == "phone"

    def test_a_chosen_name_that_is_taken_is_refused(self) -> None:
        terminal, _ = typing(*CODES)
        with pytest.raises(WrongUse, match="already a device named phone"):
            enroll(new(others=[virtual("phone")]), EnrollmentOptions(name="phone"), terminal)


class TestLeftovers:
    def test_they_are_named_and_not_changed(self) -> None:
        aws = new(others=[virtual("alice"), virtual("alice-old"), virtual("bob"), virtual("alice-2", assigned=True)])
        terminal, shown = typing(*CODES)
        device = enroll(aws, EnrollmentOptions(), terminal)
        assert "no user has: alice, alice-old." in shown.getvalue()
        assert device.name == "alice-3"
        assert "delete_device" not in aws.calls

    def test_many_are_counted(self) -> None:
        terminal, shown = typing(*CODES)
        enroll(new(others=[virtual(f"alice-{n}") for n in range(100, 108)]), EnrollmentOptions(), terminal)
        assert "alice-104 and 3 more." in shown.getvalue()

    def test_one_whose_secret_the_app_has_can_be_resumed(self) -> None:
        aws = new(others=[virtual("alice")])
        terminal, shown = typing("s", *CODES)
        assert enroll(aws, EnrollmentOptions(resume="alice"), terminal) == APP
        assert "create_device" not in aws.calls
        assert "A code has six digits" in shown.getvalue()

    def test_an_interrupted_resume_deletes_nothing(self) -> None:
        aws = new(others=[virtual("alice")])
        terminal, _ = typing()
        with pytest.raises(EndOfInput):
            enroll(aws, EnrollmentOptions(resume=APP.serial), terminal)
        assert "delete_device" not in aws.calls


class _Interrupted(Terminal):
    """A terminal on which the user types Ctrl-C at the first code."""

    def ask(self, question: str) -> str:
        if "code" in question:
            raise KeyboardInterrupt
        return super().ask(question)


class TestInterrupted:
    def test_a_device_that_can_be_deleted_is_deleted(self) -> None:
        aws = new()
        terminal, shown = typing()
        with pytest.raises(EndOfInput):
            enroll(aws, EnrollmentOptions(), terminal)
        assert aws.made == []
        assert "was deleted again; nothing remains" in shown.getvalue()

    def test_a_device_that_cannot_be_deleted_is_named_with_the_next_step(self) -> None:
        aws = new(refusals={"delete_device": denied(GUARD)})
        terminal, shown = typing("111111")
        with pytest.raises(EndOfInput):
            enroll(aws, EnrollmentOptions(), terminal)
        assert f"{APP.serial} remains, assigned to no user" in shown.getvalue()
        assert "mfa-guard enroll --resume alice" in shown.getvalue()

    def test_ctrl_c_does_the_same_and_stays_an_interrupt(self) -> None:
        aws = new()
        _, shown = typing()
        with pytest.raises(KeyboardInterrupt):
            enroll(aws, EnrollmentOptions(), _Interrupted(shown, shown, {}))
        assert aws.made == []


class TestNotAllowed:
    def test_an_explicit_deny_leads_to_the_console(self) -> None:
        terminal, _ = typing()
        with pytest.raises(AwsError) as refused:
            enroll(new(refusals={"create_device": denied(GUARD)}), EnrollmentOptions(), terminal)
        for part in (GUARD, "https://111122223333.signin.aws.amazon.com/console", "iam/home#/security_credentials"):
            assert part in str(refused.value)

    def test_a_missing_permission_leads_to_the_console_and_to_the_administrator(self) -> None:
        terminal, _ = typing()
        with pytest.raises(AwsError, match=r"no permission .* console .* ask your administrator"):
            enroll(new(refusals={"create_device": denied(explicit=False)}), EnrollmentOptions(), terminal)

    def test_the_console_is_the_partitions(self) -> None:
        caller = identity(f"arn:aws-us-gov:iam::{ACCOUNT}:user/alice")
        terminal, _ = typing()
        with pytest.raises(AwsError, match=r"console\.amazonaws-us-gov\.com"):
            enroll(new(caller=caller, refusals={"create_device": denied(GUARD)}), EnrollmentOptions(), terminal)

    def test_a_device_that_can_be_created_but_not_enabled_is_named(self) -> None:
        terminal, shown = typing(*CODES)
        with pytest.raises(AwsError, match="not allowed here"):
            enroll(
                new(refusals={"enable_device": denied(GUARD), "delete_device": denied(GUARD)}),
                EnrollmentOptions(),
                terminal,
            )
        assert "remains, assigned to no user" in shown.getvalue()

    def test_root_enrolls_in_the_console(self) -> None:
        terminal, _ = typing()
        with pytest.raises(WrongUse, match="root user"):
            enroll(new(caller=ROOT), EnrollmentOptions(), terminal)

    def test_a_role_has_no_devices(self) -> None:
        terminal, _ = typing()
        with pytest.raises(WrongUse, match="is not an IAM user"):
            enroll(new(caller=ROLE), EnrollmentOptions(), terminal)

    def test_nine_devices_are_too_many(self) -> None:
        aws = new(own=[Device(f"arn:aws:iam::{ACCOUNT}:mfa/{n}") for n in range(8)])
        terminal, _ = typing("y", *CODES)
        with pytest.raises(WrongUse, match="a user can have 8 at most"):
            enroll(aws, EnrollmentOptions(), terminal)
        assert aws.made == []


class TestAnother:
    @pytest.mark.parametrize("answer", ["y", "Yes"])
    def test_a_second_device_is_asked_about(self, answer: str) -> None:
        aws = new(own=[PASSKEY])
        terminal, shown = typing(answer, *CODES)
        enroll(aws, EnrollmentOptions(), terminal)
        assert len(aws.own) == 2
        assert "mfa-guard session" not in shown.getvalue()

    @pytest.mark.parametrize("answer", ["", "n", "no"])
    def test_no_creates_nothing(self, answer: str) -> None:
        aws = new(own=[APP])
        terminal, shown = typing(answer)
        with pytest.raises(WrongUse, match="nothing was created"):
            enroll(aws, EnrollmentOptions(), terminal)
        assert aws.made == []
        assert "mfa-guard session" in shown.getvalue()

    def test_with_yes_there_is_no_question(self) -> None:
        terminal, _ = typing(*CODES)
        enroll(new(own=[PASSKEY]), EnrollmentOptions(another=True), terminal)


class TestOptions:
    @pytest.mark.parametrize(
        "options",
        [
            EnrollmentOptions(name="with space"),
            EnrollmentOptions(name=""),
            EnrollmentOptions(name="a/b"),
            EnrollmentOptions(resume="alice", name="bob"),
            EnrollmentOptions(resume="alice", show_secret=True),
            EnrollmentOptions(save_qr=Path("qr.gif")),
            EnrollmentOptions(save_secret=Path("/no/such/folder/secret")),
        ],
    )
    def test_options_that_cannot_work_are_refused_before_a_device_is_created(self, options: EnrollmentOptions) -> None:
        with pytest.raises(WrongUse):
            options.check()

    def test_a_file_that_exists_is_not_overwritten(self, tmp_path: Path) -> None:
        (tmp_path / "qr.png").write_text("mine")
        with pytest.raises(WrongUse, match="exists"):
            EnrollmentOptions(save_qr=tmp_path / "qr.png").check()

    def test_a_link_to_nowhere_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "secret").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(WrongUse, match="exists"):
            EnrollmentOptions(save_secret=tmp_path / "secret").check()
