"""Names as IAM takes them. moto takes any, and hands out answers that no client can read, or users nobody can have.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-names
"""

import re
from collections.abc import Mapping
from typing import Final

from werkzeug.wrappers import Response

from mfa_guard_emulator.aws.calls import Call, refusal

_WHAT: Final = re.compile(r"[\w+=,.@-]+", re.ASCII)
# By the parameter, how long it may be.
_LONGEST: Final[Mapping[str, int]] = {
    "UserName": 64,
    "NewUserName": 64,
    "RoleName": 64,
    "GroupName": 128,
    "NewGroupName": 128,
    "PolicyName": 128,
    "VirtualMFADeviceName": 226,
}


def refused_name(call: Call) -> Response | None:
    """Return IAM's refusal of a call with a name that nobody and nothing can have."""
    for parameter, longest in _LONGEST.items():
        if parameter not in call.parameters:
            continue
        name, spelled = str(call.parameters[parameter]), parameter[0].lower() + parameter[1:]
        if not _WHAT.fullmatch(name):
            message = (
                f"The specified value for {spelled} is invalid. It must contain only alphanumeric characters and/or "
                "the following: +=,.@_-"
            )
            return refusal(call, "iam", "ValidationError", message, 400)
        if len(name) > longest:
            message = (
                f"1 validation error detected: Value at '{spelled}' failed to satisfy constraint: Member must have "
                f"length less than or equal to {longest}"
            )
            return refusal(call, "iam", "ValidationError", message, 400)
    return None
