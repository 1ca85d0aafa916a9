"""Answer STS calls: GetCallerIdentity, GetSessionToken and AssumeRole.

https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final, TypeAlias

from moto.iam.models import IAMBackend
from werkzeug.wrappers import Response

from mfa_guard_emulator.aws.callers import Caller, Callers, CredentialsRefused
from mfa_guard_emulator.aws.calls import Call
from mfa_guard_emulator.aws.codes import Codes
from mfa_guard_emulator.aws.responses import answer, error
from mfa_guard_emulator.endpoint import Credentials

_Answering: TypeAlias = Callable[[Call, Caller, Callers, IAMBackend, Codes], Response]

# Durations in seconds.
_MINIMUM: Final = 900
_USER_MAXIMUM: Final = 129_600
_USER_DEFAULT: Final = 43_200
_ROOT_MAXIMUM: Final = 3_600
_ROLE_MAXIMUM: Final = 43_200
_ROLE_DEFAULT: Final = 3_600
# Of a role that is assumed by a role.
_CHAINED_MAXIMUM: Final = 3_600


class _Invalid(ValueError):
    """STS refuses a parameter."""


def _get_caller_identity(call: Call, caller: Caller, _callers: Callers, iam: IAMBackend, _codes: Codes) -> Response:
    return answer(
        call,
        {
            "UserId": caller.identity["principalId"],
            "Account": iam.account_id,
            "Arn": caller.identity["arn"],
        },
    )


def _get_session_token(call: Call, caller: Caller, callers: Callers, iam: IAMBackend, codes: Codes) -> Response:
    if caller.is_session:
        return _denied(call, "Cannot call GetSessionToken with session credentials")
    maximum = _ROOT_MAXIMUM if caller.is_root else _USER_MAXIMUM
    try:
        duration = _duration(call, min(_USER_DEFAULT, maximum), maximum)
    except _Invalid as invalid:
        return error(call, "sts", "ValidationError", str(invalid), 400)
    mfa = _with_code(call, caller, iam, codes)
    if mfa is None:
        return _denied(call, "MultiFactorAuthentication failed with invalid MFA one time pass code.")
    session = (
        callers.root_session(mfa=mfa, from_console=False)
        if caller.user is None
        else callers.user_session(caller.user, mfa=mfa)
    )
    return answer(call, {"Credentials": _shown(callers.issue(session, duration))})


def _assume_role(call: Call, caller: Caller, callers: Callers, iam: IAMBackend, codes: Codes) -> Response:
    if caller.is_root:
        return _denied(call, "Roles may not be assumed by root accounts.")
    chained = caller.identity["type"] == "AssumedRole"
    try:
        duration = _duration(call, _ROLE_DEFAULT, _CHAINED_MAXIMUM if chained else _ROLE_MAXIMUM)
        mfa = _with_code(call, caller, iam, codes)
        if mfa is None:
            return _denied(call, "MultiFactorAuthentication failed with invalid MFA one time pass code.")
        session = callers.role_session(
            str(call.parameters.get("RoleArn")),
            str(call.parameters.get("RoleSessionName")),
            mfa=mfa or _has_mfa(caller),
        )
    except _Invalid as invalid:
        return error(call, "sts", "ValidationError", str(invalid), 400)
    except CredentialsRefused as refused:
        return _denied(call, str(refused))
    identity = session.identity
    assumed = {"AssumedRoleId": identity["principalId"], "Arn": identity["arn"]}
    return answer(call, {"Credentials": _shown(callers.issue(session, duration)), "AssumedRoleUser": assumed})


TOKEN_CALLS: Final[Mapping[str, _Answering]] = {
    "AssumeRole": _assume_role,
    "GetCallerIdentity": _get_caller_identity,
    "GetSessionToken": _get_session_token,
}


def _with_code(call: Call, caller: Caller, iam: IAMBackend, codes: Codes) -> bool | None:
    """Tell whether a call has an MFA code: None for a wrong code, and for the device of another user."""
    serial, code = call.parameters.get("SerialNumber"), call.parameters.get("TokenCode")
    if serial is None and code is None:
        return False
    user = iam.users.get(caller.user) if caller.user else None
    device = iam.virtual_mfa_devices.get(str(serial))
    if user is None or device is None or device.serial_number not in user.mfa_devices:
        return None
    return codes.once(device.serial_number, device.base32_string_seed, str(code)) or None


def _has_mfa(caller: Caller) -> bool:
    session = caller.identity.get("sessionContext")
    attributes = session.get("attributes") if isinstance(session, Mapping) else None
    return isinstance(attributes, Mapping) and attributes.get("mfaAuthenticated") == "true"


def _duration(call: Call, default: int, maximum: int) -> timedelta:
    asked = call.parameters.get("DurationSeconds", default)
    seconds = asked if isinstance(asked, int) else 0
    if not _MINIMUM <= seconds <= maximum:
        raise _Invalid(f"DurationSeconds must be {_MINIMUM} to {maximum}, not {asked}.")
    return timedelta(seconds=seconds)


def _shown(credentials: Credentials) -> Mapping[str, object]:
    return {
        "AccessKeyId": credentials.key_id,
        "SecretAccessKey": credentials.secret,
        "SessionToken": credentials.token,
        "Expiration": credentials.expires_at,
    }


def _denied(call: Call, message: str) -> Response:
    return error(call, "sts", "AccessDenied", message)
