"""Check calls about MFA devices as IAM does and moto does not: codes, quota, conflicts, and a valid QR code."""

import io
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias
from urllib.parse import quote

import segno
from moto.iam.models import IAMBackend, User
from werkzeug.wrappers import Response

from mfa_guard_emulator.aws.callers import Caller
from mfa_guard_emulator.aws.calls import Call
from mfa_guard_emulator.aws.codes import Codes
from mfa_guard_emulator.aws.responses import answer, error

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
DEVICES_PER_USER: Final = 8

_Check: TypeAlias = Callable[[Call, User | None, IAMBackend, Codes], Response | None]


def device_call_error(call: Call, caller: Caller, iam: IAMBackend, codes: Codes) -> Response | None:
    """Return IAM's error for a call about a device; None when moto can answer the call."""
    check = _CHECKS.get(call.name)
    if check is None:
        return None
    user = iam.users.get(str(call.parameters.get("UserName", caller.user)))
    return check(call, user, iam, codes)


def with_qr_code(call: Call, caller: Caller, response: Response, iam: IAMBackend) -> Response:
    """Return the answer of CreateVirtualMFADevice with a QR code that an app can scan; moto's is random bytes."""
    answered, failure = call.answered(response)
    device = answered.get("VirtualMFADevice")
    if failure or not isinstance(device, Mapping):
        return response
    made = iam.virtual_mfa_devices[device["SerialNumber"]]
    issuer, name = "Amazon Web Services", f"{caller.user or made.serial_number.rpartition('/')[2]}@{iam.account_id}"
    label = f"{quote(issuer)}:{quote(name, safe='@')}"
    uri = f"otpauth://totp/{label}?secret={made.base32_string_seed}&issuer={quote(issuer)}"
    png = io.BytesIO()
    segno.make(uri, micro=False).save(png, kind="png", scale=4)
    made.qr_code_png = png.getvalue()
    seed = made.base32_string_seed.encode()
    shown = {"SerialNumber": made.serial_number, "Base32StringSeed": seed, "QRCodePNG": made.qr_code_png}
    return answer(call, {"VirtualMFADevice": shown})


def _enable(call: Call, user: User | None, iam: IAMBackend, codes: Codes) -> Response | None:
    serial = str(call.parameters.get("SerialNumber"))
    device = iam.virtual_mfa_devices.get(serial)
    if user is None:
        return None
    if len(user.mfa_devices) >= DEVICES_PER_USER:
        return error(
            call, "iam", "LimitExceeded", f"Cannot exceed quota for MFADevicesPerUser: {DEVICES_PER_USER}", 409
        )
    if device is None:
        # moto accepts any serial number. IAM accepts devices that exist.
        return error(call, "iam", "NoSuchEntity", f"MFA Device {serial} does not exist.", 404)
    if device.user is not None:
        message = f"MFADevice entity at the same path and name already exists: {serial}"
        return error(call, "iam", "EntityAlreadyExists", message, 409)
    return _code_error(call, serial, device.base32_string_seed, codes)


def _resync(call: Call, user: User | None, iam: IAMBackend, codes: Codes) -> Response | None:
    serial = str(call.parameters.get("SerialNumber"))
    device = iam.virtual_mfa_devices.get(serial)
    if user is None or device is None or serial not in user.mfa_devices:
        return error(call, "iam", "NoSuchEntity", f"MFA Device {serial} does not exist.", 404)
    return _code_error(call, serial, device.base32_string_seed, codes) or answer(call, {})


def _delete(call: Call, _user: User | None, iam: IAMBackend, _codes: Codes) -> Response | None:
    device = iam.virtual_mfa_devices.get(str(call.parameters.get("SerialNumber")))
    if device is None or device.user is None:
        return None
    return error(call, "iam", "DeleteConflict", "MFA VirtualDevice in use. Must deactivate first.", 409)


def _code_error(call: Call, serial: str, seed: str, codes: Codes) -> Response | None:
    first, second = (str(call.parameters.get(f"AuthenticationCode{number}")) for number in (1, 2))
    if codes.consecutive(serial, seed, first, second):
        return None
    message = "Authentication code for device is not valid."
    return error(call, "iam", "InvalidAuthenticationCode", message, 403)


_CHECKS: Final[Mapping[str, _Check]] = {
    "DeleteVirtualMFADevice": _delete,
    "EnableMFADevice": _enable,
    "ResyncMFADevice": _resync,
}
