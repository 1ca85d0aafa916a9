"""Somebody with credentials of his own in a local account that runs in the test's process."""

from dataclasses import dataclass, field
from datetime import timedelta

import pyotp

from mfa_guard_emulator.aws.account import LocalAccount
from mfa_guard_emulator.aws.callers import Caller, Credentials
from mfa_guard_emulator.aws.delivery import Delivery, Invocation
from mfa_guard_emulator.aws.keys import ADMINISTRATOR_KEY, ROOT_KEY
from mfa_guard_emulator.aws.resources import Clients

SETTLE_SECONDS = 60


@dataclass
class Heard:
    """What a watcher hears."""

    remarks: list[str] = field(default_factory=list)
    deliveries: dict[int, Delivery] = field(default_factory=dict)

    def told(self, sentence: str) -> None:
        self.remarks.append(sentence)

    def delivered(self, delivery: Delivery, _invocation: Invocation | None) -> None:
        self.deliveries[id(delivery)] = delivery


def with_credentials(account: LocalAccount, credentials: Credentials) -> Clients:
    return Clients(account.session(credentials), account.endpoint)


def acting_as(account: LocalAccount, caller: Caller) -> Clients:
    """Return the clients of a caller, with new credentials."""
    return with_credentials(account, account.callers.hand_out(caller))


def administrator(account: LocalAccount) -> Clients:
    return with_credentials(account, Credentials(*ADMINISTRATOR_KEY))


def root(account: LocalAccount) -> Clients:
    return with_credentials(account, Credentials(*ROOT_KEY))


def new_key(account: LocalAccount, user: str) -> Credentials:
    """Return a new long-term key of a user, made by IAM's own call, unrecorded."""
    made = account.clients.iam.create_access_key(UserName=user)["AccessKey"]
    return Credentials(made["AccessKeyId"], made["SecretAccessKey"])


def new_device(account: LocalAccount, serial: str) -> str:
    """Return the seed of a new virtual device with this serial number, in place of one that was there."""
    path, _, name = serial.partition(":mfa/")[2].rpartition("/")
    account.iam.virtual_mfa_devices.pop(serial, None)
    for user in account.iam.users.values():
        user.mfa_devices.pop(serial, None)
    made = account.iam.create_virtual_mfa_device(name, f"/{path}/" if path else "/")
    assert made.serial_number == serial
    return str(made.base32_string_seed)


def code(account: LocalAccount, seed: str, seconds: int = 0) -> str:
    """Return what a device shows whose clock is off by some seconds."""
    return pyotp.TOTP(seed).at(account.clock.now() + timedelta(seconds=seconds))


def settle(account: LocalAccount) -> None:
    """Wait until everything that was caused has come to its end."""
    assert account.bus.settle(SETTLE_SECONDS), "The account did not come to rest."
