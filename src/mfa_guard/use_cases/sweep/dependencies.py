"""What all parts of a sweep share: the dependencies, the facts of a round, and threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from mfa_guard.core.settings import Settings
from mfa_guard.core.sweep_memory import SweepMemory
from mfa_guard.ports import (
    AccountReader,
    Clock,
    ExemptionLister,
    HealthReader,
    Iam,
    Keys,
    MemoryStore,
    Notifier,
    SweepStarter,
    Telemetry,
)

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class SweepDependencies:
    """What a sweep needs from outside. `workers` is how many threads change users at the same time."""

    account: AccountReader
    exemptions: ExemptionLister
    health: HealthReader
    iam: Iam
    keys: Keys
    memory: MemoryStore
    notifier: Notifier
    sweep_starter: SweepStarter
    telemetry: Telemetry
    clock: Clock
    workers: int


@dataclass(frozen=True)
class SweepRound:
    """One round of a sweep. `before` is what the last sweep left; `writes`: this round may change IAM."""

    settings: Settings
    dependencies: SweepDependencies
    began: datetime
    before: SweepMemory
    writes: bool


def in_threads(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> tuple[Result, ...]:
    """Return the result of `work` for every item, in the order of the items."""
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return tuple(pool.map(work, items))
