"""The users of the account and their expected state, written down here and not taken from either tool."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

STATUS_TAG: Final = "mfa-guard:status"
NONCOMPLIANT: Final = "noncompliant"

# Of a thousand users, as in the first comparison of the two tools.
_WITHOUT_DEVICE: Final = 566
_OF_TEN_WITH_KEY: Final = 7


@dataclass(frozen=True)
class User:
    """A user before any tool has run. All users have a password; seven of ten have an access key, never used."""

    name: str
    device: bool
    key: bool


@dataclass(frozen=True)
class Observed:
    """The state of a user after a tool has run. `enforced`: the enforcement policy is attached."""

    enforced: bool
    status: str | None


def users(count: int) -> Iterator[User]:
    """Return users. Those without a device are spread evenly among the others."""
    for number in range(count):
        place = number * 7919 % 1000
        yield User(f"user-{number:05}", device=place >= _WITHOUT_DEVICE, key=number % 10 < _OF_TEN_WITH_KEY)


def expected(user: User) -> Observed:
    """Return the state after a tool has run: every user is enforced, and tagged if they have no device."""
    return Observed(enforced=True, status=None if user.device else NONCOMPLIANT)


@dataclass(frozen=True)
class Drift:
    """Changes by hand, each to one user: a detached policy, a removed tag, and a tag that does not belong there."""

    detached: str
    untagged: str
    tagged: str


def drift(population: Mapping[str, User]) -> Drift:
    """Return a drift of three different users."""
    without = [name for name, user in population.items() if not user.device]
    having = [name for name, user in population.items() if user.device]
    return Drift(detached=without[0], untagged=without[1], tagged=having[0])


def mismatches(population: Mapping[str, User], observed: Mapping[str, Observed]) -> tuple[str, ...]:
    """Return the names of the users who are not in their expected state."""
    return tuple(name for name, user in population.items() if observed.get(name) != expected(user))
