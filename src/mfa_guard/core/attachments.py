"""What of the stack's is still on users, groups and roles when it is deleted."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class AttachmentKind(StrEnum):
    """How the stack holds on to somebody or something; the value reads before a name."""

    POLICY_ON_USER = "the policy on user"
    POLICY_ON_GROUP = "the policy on group"
    POLICY_ON_ROLE = "the policy on role"
    MEMBERSHIP = "the membership of user"
    TAGS = "the tags of user"


class AttachmentRoute(StrEnum):
    """How the enforcement policy reaches a user."""

    DIRECT = "user"
    GROUP = "group"

    @property
    def other(self) -> "AttachmentRoute":
        """Return the way that is not this one."""
        return AttachmentRoute.GROUP if self is AttachmentRoute.DIRECT else AttachmentRoute.DIRECT


@dataclass(frozen=True)
class WriteResult:
    """What the guard did for one user before it tells.

    `way`: how the policy was put on, None when it was not. `released`: the ways it was taken off. `problem`: what could
    not be done, and why; `retry`: it may be possible later; `not_tagged`: it is the tags that could not be written.
    """

    route: AttachmentRoute | None = None
    fell_back: bool = False
    released: tuple[AttachmentRoute, ...] = ()
    problem: str | None = None
    retry: bool = False
    not_tagged: bool = False


NOTHING_WRITTEN: Final = WriteResult()


@dataclass(frozen=True)
class Attachment:
    """One thing that has to come off: the enforcement policy, the group's membership, or `tags`, the guard's keys."""

    kind: AttachmentKind
    name: str
    tags: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind.value} {self.name}"
