"""AWS as one user sees it, without AWS, and a user who types."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from botocore.exceptions import ClientError

from mfa_guard_cli.user.account import CodeRefused, NameTaken, NewDevice, NotAllowed, VirtualDevice
from mfa_guard_cli.user.credentials import Credentials
from mfa_guard_cli.user.devices import Device
from mfa_guard_cli.user.identity import Identity, identity
from mfa_guard_cli.user.terminal import Terminal

ACCOUNT = "111122223333"
ALICE = identity(f"arn:aws:iam::{ACCOUNT}:user/alice")
ROOT = identity(f"arn:aws:iam::{ACCOUNT}:root")
ROLE = identity(f"arn:aws:sts::{ACCOUNT}:assumed-role/Deployer/alice")
APP = Device(f"arn:aws:iam::{ACCOUNT}:mfa/alice")
TOKEN = Device("GAHT12345678")
PASSKEY = Device(f"arn:aws:iam::{ACCOUNT}:u2f/user/alice/laptop-K4ZQ2M7XHB5TWNRD6YJC3VPLSE")
GUARD = f"arn:aws:iam::{ACCOUNT}:policy/EnrollMFADeviceThenSignInAgain"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def client_error(code: str, message: str = "", operation: str = "ListAccountAliases", date: str = "") -> ClientError:
    """Return an error of boto3."""
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "HTTPHeaders": {"date": date} if date else {},
                "RequestId": "",
                "HostId": "",
                "HTTPStatusCode": 403,
                "RetryAttempts": 0,
            },
        },
        operation,
    )


def denied(policy: str | None = None, *, explicit: bool = True) -> ClientError:
    """Return AWS's refusal, with or without the policy's ARN."""
    why = "with an explicit deny in an identity-based policy" + (f": {policy}" if policy else "")
    if not explicit:
        why = "because no identity-based policy allows the iam:ListAccountAliases action"
    who = f"User: {ALICE.arn} is not authorized to perform: iam:ListAccountAliases on resource: *"
    return client_error("AccessDenied", f"{who} {why}")


def typing(*lines: str) -> tuple[Terminal, io.StringIO]:
    """Return a terminal on which a user types these lines and then closes the input, and what it shows."""
    shown = io.StringIO()
    return Terminal(io.StringIO("".join(f"{line}\n" for line in lines)), shown, {"TERM": "xterm"}), shown


def credentials(name: str = "session", *, at: datetime = NOW, seconds: int = 43_200) -> Credentials:
    """Return credentials that last so long."""
    return Credentials(f"ASIA{name.upper()}", f"secret of {name}", f"token of {name}", at + timedelta(seconds=seconds))


@dataclass
class FakeAws:
    """AWS as one user sees it. `good` are the codes that it accepts, each once. `refusals` are errors by call."""

    caller: Identity = ALICE
    own: list[Device] = field(default_factory=lambda: [APP])
    others: list[VirtualDevice] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    good: list[str] = field(default_factory=lambda: ["111111", "222222"])
    refusals: dict[str, ClientError] = field(default_factory=dict)
    ahead: timedelta | None = timedelta()
    calls: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    endpoint: str = "https://sts.us-east-1.amazonaws.com"
    asked_seconds: list[int] = field(default_factory=list)

    def whoami(self) -> Identity:
        """Return the caller."""
        self.calls.append("whoami")
        return self.caller

    def whoami_and_skew(self) -> tuple[Identity, timedelta | None]:
        """Return the caller, and the clock's error."""
        if error := self.refusals.get("whoami"):
            raise error
        return self.caller, self.ahead

    def probe(self) -> None:
        """Response the probe."""
        if error := self.refusals.get("probe"):
            raise error

    def devices(self, caller: Identity) -> Sequence[Device]:
        """Return the caller's devices."""
        assert caller == self.caller
        self._call("devices")
        return self.own

    def virtual_devices(self) -> Sequence[VirtualDevice]:
        """Return all virtual devices."""
        self._call("virtual_devices")
        return self.others

    def create_device(self, name: str) -> NewDevice:
        """Make a device."""
        self._call("create_device")
        if name in self.hidden | {other.device.name for other in self.others}:
            raise NameTaken(name)
        self.made.append(name)
        return NewDevice(Device(f"arn:aws:iam::{ACCOUNT}:mfa/{name}"), SEED)

    def enable_device(self, user: str, device: Device, codes: tuple[str, str]) -> None:
        """Assign a device."""
        assert user == self.caller.name
        self._call("enable_device")
        if list(codes) != self.good[:2]:
            raise CodeRefused("AWS did not accept these codes.")
        self.own.append(device)

    def delete_device(self, device: Device) -> bool:
        """Remove a device."""
        self.calls.append("delete_device")
        if "delete_device" in self.refusals:
            return False
        self.made.remove(device.name)
        return True

    def session(self, device: Device, code: str, seconds: int) -> Credentials:
        """Give a session for a code."""
        self._call("session")
        if code not in self.good:
            raise CodeRefused(f"AWS did not accept the code of {device.serial}.")
        self.good.remove(code)
        self.asked_seconds.append(seconds)
        return credentials(f"{device.name} {code}", seconds=seconds)

    def role(self, session: Credentials, arn: str, name: str, seconds: int) -> Credentials:
        """Assume a role."""
        self._call("role")
        self.asked_seconds.append(seconds)
        return credentials(f"{arn} {name} by {session.access_key_id}", seconds=seconds)

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if error := self.refusals.get(name):
            raise NotAllowed(error) from error
