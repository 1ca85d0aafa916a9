"""MFA devices by kind, and which of them to take a code from.

The serial number shows the kind; https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa.html
    arn:aws:iam::ACCOUNT:mfa/NAME                virtual: an authenticator app
    arn:aws:iam::ACCOUNT:u2f/user/NAME/KEY       passkey or security key: makes no codes
    arn:aws:iam::ACCOUNT:sms-mfa/NAME            text message: no longer offered
    GAHT12345678                                 hardware token that shows codes
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.common.output import printable
from mfa_guard_cli.user.terminal import Terminal


class DeviceKind(StrEnum):
    """The kind of an MFA device."""

    VIRTUAL = "authenticator app"
    PASSKEY = "passkey or security key"
    HARDWARE = "hardware token"
    OTHER = "unknown"


_KINDS: Final[Mapping[str, DeviceKind]] = {"mfa": DeviceKind.VIRTUAL, "u2f": DeviceKind.PASSKEY}


@dataclass(frozen=True)
class Device:
    """An MFA device of a user."""

    serial: str

    @property
    def kind(self) -> DeviceKind:
        """Return the kind that the serial number shows."""
        if not self.serial.startswith("arn:"):
            return DeviceKind.HARDWARE
        return _KINDS.get(self.serial.split(":", 5)[-1].partition("/")[0], DeviceKind.OTHER)

    @property
    def name(self) -> str:
        """Return the last part of the serial number. For a hardware token it is the whole serial number."""
        return self.serial.rpartition("/")[2]

    @property
    def makes_codes(self) -> bool:
        """Return whether GetSessionToken accepts the device's codes."""
        return self.kind in (DeviceKind.VIRTUAL, DeviceKind.HARDWARE)


def is_serial(text: str) -> bool:
    """Return whether a text is the whole serial number of a virtual device, not its name."""
    return text.startswith("arn:") and Device(text).makes_codes


def choose(devices: Sequence[Device], requested: str | None, terminal: Terminal | None) -> Device:
    """Return the device to take a code from: the requested one, the only one, or the one that the user chooses.

    `requested` is a serial number or a name. Raises WrongUse, with the next step.
    """
    able = [device for device in devices if device.makes_codes]
    if requested is not None:
        return _requested(devices, requested)
    if not devices:
        raise WrongUse("You have no MFA device yet; create one with: mfa-guard enroll")
    if not able:
        raise WrongUse(
            "Your only MFA devices are passkeys or security keys, which make no codes for sts:GetSessionToken; sign in"
            " with aws login (AWS CLI 2.32.0 or later), or add an authenticator app with mfa-guard enroll."
        )
    if len(able) == 1:
        return able[0]
    if terminal is None:
        names = ", ".join(printable(device.serial) for device in able)
        raise WrongUse(f"You have {len(able)} devices that make codes; choose one with --device: {names}.")
    return _ask(able, terminal)


def _requested(devices: Sequence[Device], requested: str) -> Device:
    found = [device for device in devices if requested in (device.serial, device.name)]
    if not found:
        names = ", ".join(printable(device.serial) for device in devices) or "none"
        raise WrongUse(f"You have no MFA device {printable(requested)}; your devices: {names}.")
    for device in found:
        if device.makes_codes:
            return device
    raise WrongUse(f"{printable(found[0].serial)} is a {found[0].kind}, which makes no codes; sign in with aws login.")


def _ask(devices: Sequence[Device], terminal: Terminal) -> Device:
    terminal.show("You have several devices that make codes:")
    for number, device in enumerate(devices, start=1):
        terminal.show(f"  {number}  {printable(device.serial)} ({device.kind})")
    by_answer = {str(number): device for number, device in enumerate(devices, start=1)}
    by_answer |= {device.name: device for device in devices}
    while True:
        answer = terminal.ask(f"Which one (1-{len(devices)}; --device chooses it without a question)? ")
        if answer in by_answer:
            return by_answer[answer]
