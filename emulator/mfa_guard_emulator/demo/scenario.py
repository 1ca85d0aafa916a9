"""What a story is made of: chapters, each in an account of its own, and their steps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mfa_guard_emulator.demo.expectations import Expected
from mfa_guard_emulator.demo.harness import Arrival, Happening, Harness, in_order


@dataclass(frozen=True)
class Step:
    """One step. `cast` are the users to watch; `arrive` is how the events reach the bus."""

    title: str
    told: str
    cast: tuple[str, ...]
    happens: Happening
    expected: Expected
    arrive: Arrival = in_order


@dataclass(frozen=True)
class Scenario:
    """Steps in one account, from a stack with these parameters on. `prepare` fills the account, unrecorded.

    `crowds`: users who are told about together, by what they have in common.
    """

    title: str
    told: str
    parameters: Mapping[str, str]
    prepare: Callable[[Harness], None]
    steps: tuple[Step, ...]
    crowds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
