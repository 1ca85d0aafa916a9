"""Callers with credentials of their own, in a local account that runs in the test's process."""

from dataclasses import dataclass, field
from datetime import timedelta

import pyotp

from mfa_guard_emulator.account import LocalAccount
from mfa_guard_emulator.aws.callers import Caller
from mfa_guard_emulator.aws.delivery import Delivery, Invocation
from mfa_guard_emulator.aws.resources import Clients
from mfa_guard_emulator.endpoint import ADMINISTRATOR_KEY, ROOT_KEY, Credentials

IDLE_SECONDS = 60


@dataclass
class Recorder:
    """Records the messages and the deliveries of an account."""

    messages: list[str] = field(default_factory=list)
    deliveries: dict[int, Delivery] = field(default_factory=dict)

    def on_message(self, sentence: str) -> None:
        self.messages.append(sentence)

    def on_delivery(self, delivery: Delivery, _invocation: Invocation | None) -> None:
        self.deliveries[id(delivery)] = delivery


def with_credentials(account: LocalAccount, credentials: Credentials) -> Clients:
    return Clients(account.session(credentials), account.endpoint)


def acting_as(account: LocalAccount, caller: Caller) -> Clients:
    """Return the clients of a caller, with new credentials."""
    return with_credentials(account, account.callers.issue(caller))


def administrator(account: LocalAccount) -> Clients:
    return with_credentials(account, ADMINISTRATOR_KEY)


def root(account: LocalAccount) -> Clients:
    return with_credentials(account, ROOT_KEY)


def new_key(account: LocalAccount, user: str) -> Credentials:
    """Return a new long-term access key of a user, created without a record."""
    created = account.clients.iam.create_access_key(UserName=user)["AccessKey"]
    return Credentials(created["AccessKeyId"], created["SecretAccessKey"])


def new_device(account: LocalAccount, serial: str) -> str:
    """Return the seed of a new virtual device with this serial number, after removing an older one."""
    path, _, name = serial.partition(":mfa/")[2].rpartition("/")
    account.iam.virtual_mfa_devices.pop(serial, None)
    for user in account.iam.users.values():
        user.mfa_devices.pop(serial, None)
    created = account.iam.create_virtual_mfa_device(name, f"/{path}/" if path else "/")
    assert created.serial_number == serial
    return str(created.base32_string_seed)


def code(account: LocalAccount, seed: str, seconds: int = 0) -> str:
    """Return the code of a device whose clock is `seconds` ahead."""
    return pyotp.TOTP(seed).at(account.clock.now() + timedelta(seconds=seconds))


def wait_until_idle(account: LocalAccount) -> None:
    """Wait until every invocation has ended."""
    assert account.bus.wait_until_idle(IDLE_SECONDS), "The account did not become idle."
