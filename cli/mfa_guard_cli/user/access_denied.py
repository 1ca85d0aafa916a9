"""What AWS's access denied messages say: whether a policy denied explicitly, and which one.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    ... with an explicit deny in an identity-based policy: arn:aws:iam::111122223333:policy/NAME
    ... because no identity-based policy allows the iam:ListUsers action
Messages from before January 2026, and those about a policy of another account, lack the ARN.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import ClientError

from mfa_guard_cli.common.errors import is_denied

# template.yaml, EnforcementPolicy: the name never changes.
GUARD_POLICY: Final = "EnrollMFADeviceThenSignInAgain"
_EXPLICIT: Final = re.compile(r"with an explicit deny(?: in an? (?P<kind>[\w -]*\w))?(?:: (?P<arn>arn:[^\s,]+))?")


@dataclass(frozen=True)
class Denial:
    """An access denied error of AWS.

    `explicit`: a policy denies the request. `kind`: the kind of policy, such as `identity-based policy`. `policy`: its
    ARN. The last two are None if the message does not have them.
    """

    explicit: bool
    kind: str | None = None
    policy: str | None = None

    @property
    def by_guard(self) -> bool:
        """Return whether the message names the enforcement policy."""
        return self.policy is not None and self.policy.rpartition("/")[2] == GUARD_POLICY

    @property
    def cause(self) -> str:
        """Return the policy with its article, for a sentence."""
        if self.policy:
            return f"the policy {self.policy}"
        return f"an {self.kind}" if self.kind and self.kind.startswith("i") else f"a {self.kind or 'policy'}"


def code_of(error: ClientError) -> str:
    """Return the error code, such as `NoSuchEntity`."""
    return error.response.get("Error", {}).get("Code", "")


def message_of(error: ClientError) -> str:
    """Return the error message on one line."""
    return " ".join(error.response.get("Error", {}).get("Message", "").split())


def denial(error: ClientError) -> Denial | None:
    """Return what an access denied error says about policies, or None for other errors."""
    if not is_denied(error):
        return None
    if found := _EXPLICIT.search(message_of(error)):
        return Denial(explicit=True, kind=found["kind"], policy=found["arn"] and found["arn"].rstrip("."))
    return Denial(explicit=False)


def headers_of(response: Mapping[str, object]) -> Mapping[str, str]:
    """Return the HTTP headers of a boto3 response, also of a ClientError's."""
    metadata = response.get("ResponseMetadata")
    headers = metadata.get("HTTPHeaders") if isinstance(metadata, Mapping) else None
    return headers if isinstance(headers, Mapping) else {}
