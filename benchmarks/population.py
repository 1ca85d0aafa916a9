"""Who is in the account, and what is right for each: written down here, and taken from neither tool."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

STATUS_TAG: Final = "mfa-guard:status"
NONCOMPLIANT: Final = "noncompliant"

# As many of a thousand as in the first comparison that anybody made of the two.
_WITHOUT_DEVICE: Final = 566
_OF_TEN_WITH_KEY: Final = 7


@dataclass(frozen=True)
class Person:
    """A user before any tool has run. Every user has a password, seven in ten an access key that was never used."""

    name: str
    device: bool
    key: bool


@dataclass(frozen=True)
class Found:
    """What the reader finds of a user: carries the enforcement policy, and the status tag's value."""

    bound: bool
    status: str | None


def people(count: int) -> Iterator[Person]:
    """Return users, those without a device strewn evenly among the others."""
    for number in range(count):
        place = number * 7919 % 1000
        yield Person(f"user-{number:05}", device=place >= _WITHOUT_DEVICE, key=number % 10 < _OF_TEN_WITH_KEY)


def right(person: Person) -> Found:
    """Return what must be found of a user after a tool has run: everybody bound, who has no device tagged."""
    return Found(bound=True, status=None if person.device else NONCOMPLIANT)


@dataclass(frozen=True)
class Drift:
    """What somebody changed by hand: whose policy is detached, whose tag is removed, who has one too many."""

    detached: str
    untagged: str
    tagged: str


def drift(crowd: Mapping[str, Person]) -> Drift:
    """Return a drift of three different users."""
    without = [name for name, person in crowd.items() if not person.device]
    having = [name for name, person in crowd.items() if person.device]
    return Drift(detached=without[0], untagged=without[1], tagged=having[0])


def wrong(crowd: Mapping[str, Person], found: Mapping[str, Found]) -> tuple[str, ...]:
    """Return the names of the users who are not as they must be."""
    return tuple(name for name, person in crowd.items() if found.get(name) != right(person))
