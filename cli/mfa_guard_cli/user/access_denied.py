"""What AWS's refusals say: whether a policy denied explicitly, and which.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    ... with an explicit deny in an identity-based policy: arn:aws:iam::111122223333:policy/NAME
    ... because no identity-based policy allows the iam:ListUsers action
The ARN is missing in messages from before January 2026 and where the policy belongs to somebody else.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import ClientError

# template.yaml, EnforcementPolicy: the name never changes.
GUARD_POLICY: Final = "EnrollMFADeviceThenSignInAgain"
_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_EXPLICIT: Final = re.compile(r"with an explicit deny(?: in an? (?P<kind>[\w -]*\w))?(?:: (?P<arn>arn:[^\s,]+))?")


@dataclass(frozen=True)
class Denial:
    """AWS's AccessDenied: `kind` such as `identity-based policy` and `policy`, an ARN, as far as the message says."""

    explicit: bool
    kind: str | None = None
    policy: str | None = None

    @property
    def by_guard(self) -> bool:
        """Whether the message names the enforcement policy."""
        return self.policy is not None and self.policy.rpartition("/")[2] == GUARD_POLICY

    @property
    def cause(self) -> str:
        """The policy as a sentence names it."""
        if self.policy:
            return f"the policy {self.policy}"
        return f"an {self.kind}" if self.kind and self.kind.startswith("i") else f"a {self.kind or 'policy'}"


def code_of(error: ClientError) -> str:
    """Return the error code, such as `NoSuchEntity`."""
    return error.response.get("Error", {}).get("Code", "")


def message_of(error: ClientError) -> str:
    """Return the error message, on one line."""
    return " ".join(error.response.get("Error", {}).get("Message", "").split())


def denial(error: ClientError) -> Denial | None:
    """Return what a refusal says about policies; None when it is another error."""
    if code_of(error) not in _DENIED:
        return None
    if found := _EXPLICIT.search(message_of(error)):
        return Denial(explicit=True, kind=found["kind"], policy=found["arn"] and found["arn"].rstrip("."))
    return Denial(explicit=False)


def headers_of(response: Mapping[str, object]) -> Mapping[str, str]:
    """Return the HTTP headers of an answer of boto3, also of a ClientError's."""
    metadata = response.get("ResponseMetadata")
    headers = metadata.get("HTTPHeaders") if isinstance(metadata, Mapping) else None
    return headers if isinstance(headers, Mapping) else {}
