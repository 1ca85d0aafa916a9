"""What of the stack's is still on users, groups and roles when it is deleted."""

from dataclasses import dataclass
from enum import StrEnum


class Grip(StrEnum):
    """How the stack holds on to somebody or something; the value reads before a name."""

    POLICY_ON_USER = "the policy on user"
    POLICY_ON_GROUP = "the policy on group"
    POLICY_ON_ROLE = "the policy on role"
    MEMBERSHIP = "the membership of user"
    TAGS = "the tags of user"


@dataclass(frozen=True)
class Hold:
    """One thing that has to come off: the enforcement policy, the group's membership, or `tags`, the guard's keys."""

    grip: Grip
    name: str
    tags: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.grip.value} {self.name}"
