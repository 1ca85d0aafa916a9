"""How the reader identifies MFA devices, and which users it reads one by one."""

import pytest

from mfa_guard_cli.preview.account_reader import device_kind, users_with_other_devices
from mfa_guard_cli.preview.model import DeviceKind
from support.factories import ACCOUNT
from support.preview import SampleUser, account_data


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
def test_the_serial_number_shows_the_kind_of_a_device(serial: str, kind: DeviceKind) -> None:
    assert device_kind(serial) is kind


def test_only_users_with_a_device_that_is_not_virtual_are_read_one_by_one() -> None:
    data = account_data(
        SampleUser("app", virtual=True),
        SampleUser("none"),
        SampleUser("key", device=True),
        SampleUser("new", reported=False),
    )
    assert users_with_other_devices(data.users, data.virtual_device_owners or frozenset(), data.report or {}) == ["key"]
