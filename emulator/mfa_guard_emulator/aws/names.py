"""Check names as IAM does. moto accepts any name, and then sends answers that no client can read.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-names
"""

import re
from collections.abc import Mapping
from typing import Final

from werkzeug.wrappers import Response

from mfa_guard_emulator.aws.calls import Call
from mfa_guard_emulator.aws.responses import error

_PATTERN: Final = re.compile(r"[\w+=,.@-]+", re.ASCII)
# The maximum length, by parameter.
_LENGTHS: Final[Mapping[str, int]] = {
    "UserName": 64,
    "NewUserName": 64,
    "RoleName": 64,
    "GroupName": 128,
    "NewGroupName": 128,
    "PolicyName": 128,
    "VirtualMFADeviceName": 226,
}


def name_error(call: Call) -> Response | None:
    """Return IAM's error for a name that IAM does not allow; None when all names of the call are allowed."""
    for parameter, length in _LENGTHS.items():
        if parameter not in call.parameters:
            continue
        name, spelled = str(call.parameters[parameter]), parameter[0].lower() + parameter[1:]
        if not _PATTERN.fullmatch(name):
            message = (
                f"The specified value for {spelled} is invalid. It must contain only alphanumeric characters and/or "
                "the following: +=,.@_-"
            )
            return error(call, "iam", "ValidationError", message, 400)
        if len(name) > length:
            message = (
                f"1 validation error detected: Value at '{spelled}' failed to satisfy constraint: Member must have "
                f"length less than or equal to {length}"
            )
            return error(call, "iam", "ValidationError", message, 400)
    return None
