"""What all parts of a sweep share: the dependencies, the facts and the findings of a round, and threads."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from mfa_guard.core.account.assessment import Assessment
from mfa_guard.core.account.scope import Scope
from mfa_guard.core.account.snapshot import ListedUser, Sources
from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.mail.tally import Tally
from mfa_guard.core.metrics import Metric
from mfa_guard.core.settings import Settings
from mfa_guard.core.sweep_memory import SweepMemory
from mfa_guard.core.user_record import NO_RECORD, ScopeReason, UserRecord
from mfa_guard.ports import (
    AccountReader,
    Clock,
    DeadLetters,
    ExemptionLister,
    HealthReader,
    Iam,
    Keys,
    MemoryStore,
    Notifier,
    RunningSweep,
    StackAge,
    SweepRecords,
    SweepStarter,
    Telemetry,
    Windows,
)

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class SweepDependencies:
    """What a sweep needs from outside. `workers` is how many threads change users at the same time.

    `functions` are the ARNs of the functions that handle events, and `own_function` is SweepFunction's.
    """

    account: AccountReader
    exemptions: ExemptionLister
    records: SweepRecords
    health: HealthReader
    iam: Iam
    keys: Keys
    memory: MemoryStore
    running: RunningSweep
    dead_letters: DeadLetters
    stack: StackAge
    windows: Windows
    notifier: Notifier
    sweep_starter: SweepStarter
    telemetry: Telemetry
    clock: Clock
    workers: int
    functions: frozenset[str]
    own_function: str


@dataclass(frozen=True)
class SweepRound:
    """One round of a sweep. `before` is what the last sweep left; `writes`: this round may change IAM.

    `sends_all_news`: a digest is sent even if its news is not urgent. Users are changed `until` a time. `exemptions`
    and `records` are as they were when the round began; `records` is None if they could not be read.
    """

    settings: Settings
    dependencies: SweepDependencies
    began: datetime
    before: SweepMemory
    writes: bool
    sends_all_news: bool
    until: datetime
    scope: Scope
    sources: Sources
    exemptions: Mapping[str, Exemption | MalformedExemption]
    records: Mapping[str, UserRecord] | None

    def reason(self, assessment: Assessment) -> ScopeReason | None:
        """Return why the user is in scope of the stack's Mode, or None."""
        return self.scope.reason(assessment.state, self.record(assessment.state.id))

    def record(self, user_id: str) -> UserRecord:
        """Return what the guard remembered about a user when the round began."""
        return (self.records or {}).get(user_id, NO_RECORD)


@dataclass(frozen=True)
class KeyStep:
    """Access keys that are announced or deactivated once the digest is sent. `keys` are their ids."""

    assessment: Assessment
    keys: tuple[str, ...]


@dataclass
class Findings:
    """What a round found and did so far.

    `noted` are the planned actions of the users that the round set out to change, by id. `vanished` are users whose
    name, with this id, is gone, by id. `urgent`: some news cannot wait.
    """

    tally: Tally
    noted: dict[str, str]
    seen: set[str] = field(default_factory=set)
    vanished: dict[str, ListedUser] = field(default_factory=dict)
    key_steps: list[KeyStep] = field(default_factory=list)
    left: int = 0
    urgent: bool = False
    done: dict[Metric, int] = field(default_factory=dict)

    def count(self, metric: Metric, times: int) -> None:
        """Add to a metric, which is recorded at the end, in one thread."""
        self.done[metric] = self.done.get(metric, 0) + times


def in_threads(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> tuple[Result, ...]:
    """Return the result of `work` for every item, in the order of the items."""
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return tuple(pool.map(work, items))
