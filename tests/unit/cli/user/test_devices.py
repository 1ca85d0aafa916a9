"""Devices by kind, and which one a code is taken from."""

import pytest

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.user.devices import Device, DeviceKind, choose
from support.user import APP, PASSKEY, TOKEN, typing

WORK = Device("arn:aws:iam::111122223333:mfa/work")


@pytest.mark.parametrize(
    ("serial", "kind", "makes_codes"),
    [
        ("arn:aws:iam::111122223333:mfa/alice", DeviceKind.VIRTUAL, True),
        ("arn:aws-us-gov:iam::111122223333:mfa/team/alice", DeviceKind.VIRTUAL, True),
        ("arn:aws:iam::111122223333:mfa/u2f", DeviceKind.VIRTUAL, True),
        ("GAHT12345678", DeviceKind.HARDWARE, True),
        ("arn:aws:iam::111122223333:u2f/user/alice/mfa-K4ZQ2M7X", DeviceKind.PASSKEY, False),
        ("arn:aws:iam::111122223333:sms-mfa/alice", DeviceKind.OTHER, False),
    ],
)
def test_a_serial_number_says_what_a_device_is(serial: str, kind: DeviceKind, makes_codes: bool) -> None:
    device = Device(serial)
    assert (device.kind, device.makes_codes) == (kind, makes_codes)


@pytest.mark.parametrize("devices", [[APP], [PASSKEY, APP], [APP, PASSKEY]])
def test_the_only_device_that_makes_codes_is_found_by_itself(devices: list[Device]) -> None:
    assert choose(devices, None, None) == APP


def test_without_any_device_enroll_is_the_way() -> None:
    with pytest.raises(WrongUse, match="mfa-guard enroll"):
        choose([], None, None)


def test_with_passkeys_only_aws_login_is_the_way() -> None:
    with pytest.raises(WrongUse, match="aws login"):
        choose([PASSKEY], None, None)


@pytest.mark.parametrize("wanted", ["work", WORK.serial])
def test_a_device_is_chosen_by_name_or_serial_number(wanted: str) -> None:
    assert choose([APP, WORK, TOKEN], wanted, None) == WORK


def test_a_hardware_token_is_chosen_by_its_serial_number() -> None:
    assert choose([APP, TOKEN], "GAHT12345678", None) == TOKEN


def test_a_device_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(WrongUse, match=r"no MFA device phone; your devices: .*mfa/alice, .*mfa/work"):
        choose([APP, WORK], "phone", None)


def test_a_passkey_cannot_be_chosen() -> None:
    with pytest.raises(WrongUse, match="makes no codes; sign in with aws login"):
        choose([APP, PASSKEY], PASSKEY.serial, None)


def test_a_person_is_asked_which_of_several() -> None:
    terminal, shown = typing("", "7", "2")
    assert choose([APP, PASSKEY, WORK], None, terminal) == WORK
    assert "u2f" not in shown.getvalue()


def test_a_person_may_answer_with_a_name() -> None:
    terminal, _ = typing("work")
    assert choose([APP, WORK], None, terminal) == WORK


def test_without_a_terminal_several_devices_are_named() -> None:
    with pytest.raises(WrongUse, match=r"--device: .*mfa/alice, .*mfa/work"):
        choose([APP, WORK], None, None)
