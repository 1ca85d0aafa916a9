"""What a scenario consists of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mfa_guard_emulator.demo.expectations import Expected
from mfa_guard_emulator.demo.harness import Action, DeliveryOrder, Harness, in_order


@dataclass(frozen=True)
class Step:
    """One step. `users` are shown one by one in the report; `order` is how the events reach the bus."""

    title: str
    description: str
    users: tuple[str, ...]
    action: Action
    expected: Expected
    order: DeliveryOrder = in_order


@dataclass(frozen=True)
class Scenario:
    """Steps in one account, whose stack has these parameters. `prepare` fills the account, without records.

    `user_types`: the names of users that are shown together, by what they have in common.
    """

    title: str
    description: str
    parameters: Mapping[str, str]
    prepare: Callable[[Harness], None]
    steps: tuple[Step, ...]
    user_types: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
