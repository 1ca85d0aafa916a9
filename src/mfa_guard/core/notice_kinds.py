"""The kinds of notices and their severities, as mails, message attributes, leases and filter policies name them."""

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
    DEVICE_ENROLLED = "device-enrolled"
    DEVICE_REMOVED = "device-removed"
    SIGNED_IN = "signed-in-without-mfa"
    ENROLLMENT_BLOCKED = "enrollment-blocked"
    ENFORCED = "enforced"
    EXEMPT_WITHOUT_DEVICE = "exempt-without-device"
    RELEASED = "released"
    NOT_ENFORCED = "not-enforced"
    NOT_TAGGED = "not-tagged"
    RENAMED_USER_NOT_FOUND = "renamed-user-not-found"
    ROOT_CREDENTIALS = "root-credentials"
    ROOT_SIGN_IN = "root-sign-in"
    TAMPERING = "tampering"
    STACK_CHANGE = "stack-change"
    EXEMPTION = "exemption"
    UNASSIGNED_DEVICES = "unassigned-devices"


# A new device ends these, whatever notice reports the device.
SOLVING: Final = (NoticeKind.NONCOMPLIANT, NoticeKind.NEW_CREDENTIAL, NoticeKind.DECISION)

# A notice of the first kind ends the notices of the other kinds: the next notice of such a kind is sent even within the
# fifteen minutes in which a repetition is not sent.
ENDS: Final[Mapping[NoticeKind, tuple[NoticeKind, ...]]] = {
    NoticeKind.SOLVED: SOLVING,
    NoticeKind.NONCOMPLIANT: (NoticeKind.SOLVED, NoticeKind.RELEASED),
    NoticeKind.DECISION: (NoticeKind.SOLVED, NoticeKind.RELEASED),
    NoticeKind.ENFORCEMENT_REMOVED: (NoticeKind.RELEASED,),
    NoticeKind.ENFORCED: (NoticeKind.RELEASED,),
    NoticeKind.SIGNED_IN: (NoticeKind.SOLVED, NoticeKind.RELEASED),
    NoticeKind.RELEASED: (
        NoticeKind.NONCOMPLIANT,
        NoticeKind.NEW_CREDENTIAL,
        NoticeKind.DECISION,
        NoticeKind.ENFORCEMENT_REMOVED,
        NoticeKind.ENFORCED,
        NoticeKind.SIGNED_IN,
    ),
}

# After the guard has acted, the user's state no longer shows that these notices are due. A retry reads the user record.
RESUMABLE: Final = (NoticeKind.ENFORCED, NoticeKind.NONCOMPLIANT, NoticeKind.RELEASED, NoticeKind.SIGNED_IN)

# A notice of the first kind is not sent if a notice of one of the other kinds named the same credential moments ago.
COVERED_BY: Final[Mapping[NoticeKind, tuple[NoticeKind, ...]]] = {
    NoticeKind.NEW_CREDENTIAL: (NoticeKind.NONCOMPLIANT, NoticeKind.DECISION)
}
