"""How the enforcement policy is attached to users, what a write to a user did, and what the teardown removes."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class AttachmentKind(StrEnum):
    """What the stack has attached to a user, group or role. The name follows the value in a sentence."""

    POLICY_ON_USER = "the policy on user"
    POLICY_ON_GROUP = "the policy on group"
    POLICY_ON_ROLE = "the policy on role"
    MEMBERSHIP = "the membership of user"
    TAGS = "the tags of user"


class AttachmentRoute(StrEnum):
    """How the enforcement policy is attached to a user: directly, or through the enforcement group."""

    DIRECT = "user"
    GROUP = "group"

    @property
    def other(self) -> "AttachmentRoute":
        """Return the route that is not this route."""
        return AttachmentRoute.GROUP if self is AttachmentRoute.DIRECT else AttachmentRoute.DIRECT


@dataclass(frozen=True)
class WriteResult:
    """What the guard did to one user before it notifies the administrators.

    `route` is how the user was enforced, or None if the user was not enforced. `fell_back`: a quota of the configured
    route was used up, so the other route was used. `released` are the routes by which the user was released. `problem`
    says what failed and why. `retry`: a retry may help. `not_tagged`: the tags are what could not be written.
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
    """One thing that the teardown removes; `tags` are the keys of the guard's tags on a user."""

    kind: AttachmentKind
    name: str
    tags: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind.value} {self.name}"
