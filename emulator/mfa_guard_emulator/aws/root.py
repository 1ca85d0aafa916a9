"""Answer the root user's calls about its own credentials, which moto does not store.

A call of root without a user name is about root itself. In requests and records about its MFA device, root has a pseudo
name that no IAM user can have.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, TypeAlias

from moto.iam.models import IAMBackend
from moto.iam.utils import generate_access_key_id_from_account_id
from werkzeug.wrappers import Response

from mfa_guard.core.cloudtrail import ROOT_NAME
from mfa_guard_emulator.aws.calls import Call
from mfa_guard_emulator.aws.codes import Codes
from mfa_guard_emulator.aws.responses import answer, error

_Answering: TypeAlias = Callable[["Root", Call], Response]
ROOT_DEVICE: Final = "root-account-mfa-device"


@dataclass(frozen=True)
class RootKey:
    """One access key of root."""

    id: str
    created: datetime
    status: str = "Active"

    def shown(self) -> Mapping[str, object]:
        """Return the key as IAM's API returns it."""
        return {"AccessKeyId": self.id, "Status": self.status, "CreateDate": self.created}


@dataclass
class Root:
    """The root user's access keys, and its MFA devices with the time when each was enabled."""

    iam: IAMBackend
    codes: Codes
    keys: dict[str, RootKey] = field(default_factory=dict)
    devices: dict[str, datetime] = field(default_factory=dict)

    def answer(self, call: Call) -> Response | None:
        """Return the answer to a call of root about itself; None when the call is about another user."""
        about = call.parameters.get("UserName", ROOT_NAME)
        answering = _ANSWERS.get(call.name) if about == ROOT_NAME else None
        return answering(self, call) if answering else None

    def create_key(self, call: Call) -> Response:
        """Answer CreateAccessKey."""
        key_id = generate_access_key_id_from_account_id(self.iam.account_id, prefix="AKIA", total_length=20)
        key = self.keys[key_id] = RootKey(key_id, datetime.now(UTC).replace(microsecond=0))
        self._count()
        # There is no UserName, neither in AWS's answer to root nor in CloudTrail's record.
        return answer(call, {"AccessKey": {**key.shown(), "SecretAccessKey": secrets.token_urlsafe(30)}})

    def update_key(self, call: Call) -> Response:
        """Answer UpdateAccessKey."""
        key = self.keys.get(str(call.parameters.get("AccessKeyId")))
        if key is None:
            return self._missing(call)
        self.keys[key.id] = replace(key, status=str(call.parameters.get("Status")))
        return answer(call, {})

    def delete_key(self, call: Call) -> Response:
        """Answer DeleteAccessKey."""
        if self.keys.pop(str(call.parameters.get("AccessKeyId")), None) is None:
            return self._missing(call)
        self._count()
        return answer(call, {})

    def list_keys(self, call: Call) -> Response:
        """Answer ListAccessKeys."""
        listed = [key.shown() for key in self.keys.values()]
        return answer(call, {"AccessKeyMetadata": listed, "IsTruncated": False})

    def enable_device(self, call: Call) -> Response:
        """Answer EnableMFADevice. Here, root can have one device, with AWS's default name."""
        serial = str(call.parameters.get("SerialNumber"))
        device = self.iam.virtual_mfa_devices.get(serial)
        if device is None or not serial.endswith(f"/{ROOT_DEVICE}"):
            return error(call, "iam", "NoSuchEntity", f"MFA Device {serial} does not exist.", 404)
        first, second = (str(call.parameters.get(f"AuthenticationCode{number}")) for number in (1, 2))
        if not self.codes.consecutive(serial, device.base32_string_seed, first, second):
            message = "Authentication code for device is not valid."
            return error(call, "iam", "InvalidAuthenticationCode", message, 403)
        self.devices[serial] = datetime.now(UTC).replace(microsecond=0)
        self.iam.account_summary._account_mfa_enabled = 1  # noqa: SLF001 - moto has no call that sets it
        return answer(call, {})

    def deactivate_device(self, call: Call) -> Response:
        """Answer DeactivateMFADevice."""
        self.devices.pop(str(call.parameters.get("SerialNumber")), None)
        self.iam.account_summary._account_mfa_enabled = 0  # noqa: SLF001 - moto has no call that sets it
        return answer(call, {})

    def list_devices(self, call: Call) -> Response:
        """Answer ListMFADevices."""
        listed = [{"SerialNumber": serial, "EnableDate": since} for serial, since in self.devices.items()]
        return answer(call, {"MFADevices": listed, "IsTruncated": False})

    def _count(self) -> None:
        self.iam.account_summary._account_access_keys_present = len(self.keys)  # noqa: SLF001 - moto has no call that sets it

    def _missing(self, call: Call) -> Response:
        message = f"The Access Key with id {call.parameters.get('AccessKeyId')} cannot be found."
        return error(call, "iam", "NoSuchEntity", message, 404)


_ANSWERS: Final[Mapping[str, _Answering]] = {
    "CreateAccessKey": Root.create_key,
    "DeactivateMFADevice": Root.deactivate_device,
    "DeleteAccessKey": Root.delete_key,
    "EnableMFADevice": Root.enable_device,
    "ListAccessKeys": Root.list_keys,
    "ListMFADevices": Root.list_devices,
    "UpdateAccessKey": Root.update_key,
}
