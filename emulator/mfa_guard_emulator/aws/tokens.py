"""STS in the local account: who calls, and temporary credentials for whoever may have them.

https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final, TypeAlias

from moto.iam.models import IAMBackend
from werkzeug.wrappers import Response

from mfa_guard_emulator.aws.answers import answer
from mfa_guard_emulator.aws.callers import Caller, Callers, Credentials, Stranger
from mfa_guard_emulator.aws.calls import Call, refusal
from mfa_guard_emulator.aws.codes import Codes

_Answering: TypeAlias = Callable[[Call, Caller, Callers, IAMBackend, Codes], Response]

_SHORTEST: Final = 900
_USERS_LONGEST: Final = 129_600
_ROOTS_LONGEST: Final = 3_600
_CHAINED_LONGEST: Final = 3_600
_USERS_USUAL: Final = 43_200


class _Invalid(ValueError):
    """A parameter that STS refuses."""


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
    longest = _ROOTS_LONGEST if caller.is_root else _USERS_LONGEST
    try:
        duration = _duration(call, min(_USERS_USUAL, longest), longest)
    except _Invalid as error:
        return refusal(call, "sts", "ValidationError", str(error), 400)
    mfa = _with_code(call, caller, iam, codes)
    if mfa is None:
        return _denied(call, "MultiFactorAuthentication failed with invalid MFA one time pass code.")
    session = (
        callers.root_session(mfa=mfa, from_console=False)
        if caller.user is None
        else callers.user_session(caller.user, mfa=mfa)
    )
    return answer(call, {"Credentials": _shown(callers.hand_out(session, duration))})


def _assume_role(call: Call, caller: Caller, callers: Callers, iam: IAMBackend, codes: Codes) -> Response:
    if caller.is_root:
        return _denied(call, "Roles may not be assumed by root accounts.")
    chained = caller.identity["type"] == "AssumedRole"
    try:
        duration = _duration(call, 3_600, _CHAINED_LONGEST if chained else _USERS_DAY)
        mfa = _with_code(call, caller, iam, codes)
        if mfa is None:
            return _denied(call, "MultiFactorAuthentication failed with invalid MFA one time pass code.")
        session = callers.role_session(
            str(call.parameters.get("RoleArn")),
            str(call.parameters.get("RoleSessionName")),
            mfa=mfa or _has_mfa(caller),
        )
    except _Invalid as error:
        return refusal(call, "sts", "ValidationError", str(error), 400)
    except Stranger as stranger:
        return _denied(call, str(stranger))
    identity = session.identity
    assumed = {"AssumedRoleId": identity["principalId"], "Arn": identity["arn"]}
    return answer(call, {"Credentials": _shown(callers.hand_out(session, duration)), "AssumedRoleUser": assumed})


_USERS_DAY: Final = 43_200

TOKEN_CALLS: Final[Mapping[str, _Answering]] = {
    "AssumeRole": _assume_role,
    "GetCallerIdentity": _get_caller_identity,
    "GetSessionToken": _get_session_token,
}


def _with_code(call: Call, caller: Caller, iam: IAMBackend, codes: Codes) -> bool | None:
    """Tell whether a call brings a code: True for a right one, None for a wrong one or another's device."""
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


def _duration(call: Call, usual: int, longest: int) -> timedelta:
    asked = call.parameters.get("DurationSeconds", usual)
    seconds = asked if isinstance(asked, int) else 0
    if not _SHORTEST <= seconds <= longest:
        raise _Invalid(f"DurationSeconds must be {_SHORTEST} to {longest}, not {asked}.")
    return timedelta(seconds=seconds)


def _shown(credentials: Credentials) -> Mapping[str, object]:
    return {
        "AccessKeyId": credentials.key_id,
        "SecretAccessKey": credentials.secret,
        "SessionToken": credentials.token,
        "Expiration": credentials.expires_at,
    }


def _denied(call: Call, message: str) -> Response:
    return refusal(call, "sts", "AccessDenied", message)
