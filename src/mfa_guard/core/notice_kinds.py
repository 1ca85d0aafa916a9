"""The kinds of notices and their severities: the words of mails, message attributes, leases and filter policies."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """How soon an administrator should look."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class NoticeKind(StrEnum):
    """What a notice is about."""

    NONCOMPLIANT = "noncompliant"
    NEW_CREDENTIAL = "new-credential"
    SOLVED = "solved"
    DECISION = "decision"
    ENFORCEMENT_REMOVED = "enforcement-removed"
    TAGS_CHANGED = "tags-changed"
    DEVICE_WITH_KEY = "device-with-key"
    ENFORCED = "enforced"
    EXEMPT_WITHOUT_DEVICE = "exempt-without-device"
    RELEASED = "released"
    NOT_ENFORCED = "not-enforced"
    NOT_TAGGED = "not-tagged"
    ROOT_CREDENTIALS = "root-credentials"
    ROOT_SIGN_IN = "root-sign-in"
    TAMPERING = "tampering"
    STACK_CHANGE = "stack-change"
    EXEMPTION = "exemption"


# What a device that came puts an end to, whatever notice tells of it.
SOLVING: Final = (NoticeKind.NONCOMPLIANT, NoticeKind.NEW_CREDENTIAL, NoticeKind.DECISION)

# A notice of the first kind ends what the others said, so that their next occasion is news again even within the
# fifteen minutes in which a repetition would be none.
ENDS: Final[Mapping[NoticeKind, tuple[NoticeKind, ...]]] = {
    NoticeKind.SOLVED: SOLVING,
    NoticeKind.NONCOMPLIANT: (NoticeKind.SOLVED, NoticeKind.RELEASED),
    NoticeKind.DECISION: (NoticeKind.SOLVED, NoticeKind.RELEASED),
    NoticeKind.ENFORCEMENT_REMOVED: (NoticeKind.RELEASED,),
    NoticeKind.ENFORCED: (NoticeKind.RELEASED,),
    NoticeKind.RELEASED: (
        NoticeKind.NONCOMPLIANT,
        NoticeKind.NEW_CREDENTIAL,
        NoticeKind.DECISION,
        NoticeKind.ENFORCEMENT_REMOVED,
        NoticeKind.ENFORCED,
    ),
}

# Kinds whose occasion the user's state no longer shows once the guard has acted: a retry has to ask what it began.
RESUMABLE: Final = (NoticeKind.ENFORCED, NoticeKind.NONCOMPLIANT, NoticeKind.RELEASED, NoticeKind.ENFORCEMENT_REMOVED)

# A new credential is no news when a notice of these kinds, sent moments ago, named it already.
COVERED_BY: Final[Mapping[NoticeKind, tuple[NoticeKind, ...]]] = {
    NoticeKind.NEW_CREDENTIAL: (NoticeKind.NONCOMPLIANT, NoticeKind.DECISION)
}
