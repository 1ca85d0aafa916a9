"""Play scenarios, each in an account of its own."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard_cli.stack.template import Stack, Template
from mfa_guard_emulator.account import AccountConfig, Listener, LocalAccount, run_account
from mfa_guard_emulator.aws.callers import CredentialsRefused
from mfa_guard_emulator.aws.snapshot import Snapshot, snapshots
from mfa_guard_emulator.demo.expectations import differences
from mfa_guard_emulator.demo.harness import DeliveryRecorder, Harness, ScenarioBroken, StepResult
from mfa_guard_emulator.demo.notice_commands import CommandFailed
from mfa_guard_emulator.demo.scenario import Scenario, Step

_RETRY_SECONDS: Final = (0.1, 0.2)


@dataclass(frozen=True)
class PlayedStep:
    """A step and how it ended. `result` is None when the step could not be played."""

    number: int
    step: Step
    result: StepResult | None
    differences: tuple[str, ...]


@dataclass(frozen=True)
class PlayedScenario:
    """A scenario, the stack and the users at its start, and its steps."""

    scenario: Scenario
    stack: Stack
    users: Mapping[str, Snapshot]
    steps: tuple[PlayedStep, ...]


@dataclass(frozen=True)
class Demo:
    """All scenarios, and how long they took."""

    scenarios: tuple[PlayedScenario, ...]
    seconds: float

    @property
    def steps(self) -> tuple[PlayedStep, ...]:
        """Return the steps of all scenarios."""
        return tuple(step for scenario in self.scenarios for step in scenario.steps)

    @property
    def failed(self) -> tuple[str, ...]:
        """Return the titles of the steps that did not end as expected."""
        return tuple(each.step.title for each in self.steps if each.differences)


class Reporter(Protocol):
    """Reports the demo while it is played."""

    def begin(self, account: LocalAccount, steps: int) -> None:
        """Report the first account, and how many steps there are."""

    def begin_scenario(self, scenario: Scenario, users: Mapping[str, Snapshot]) -> None:
        """Report a scenario, and the users at its start."""

    def show_step(self, scenario: Scenario, played: PlayedStep) -> None:
        """Report a step that ended."""

    def end(self, demo: Demo) -> None:
        """Report the whole demo."""


def play(scenarios: Sequence[Scenario], template: Template, reporter: Reporter) -> Demo:
    """Play every step, even after one that did not end as expected.

    Raises AccountError when the local account cannot create what the template declares, and NotBuilt when its functions
    cannot run.
    """
    began = time.monotonic()
    played: list[PlayedScenario] = []
    total = sum(len(each.steps) for each in scenarios)
    number = 1
    for scenario in scenarios:
        played.append(_play_scenario(scenario, template, reporter, number, total))
        number += len(scenario.steps)
    demo = Demo(tuple(played), time.monotonic() - began)
    reporter.end(demo)
    return demo


def _play_scenario(
    scenario: Scenario, template: Template, reporter: Reporter, first: int, total: int
) -> PlayedScenario:
    recorder = DeliveryRecorder()
    config = AccountConfig(
        template.render(parameters=scenario.parameters),
        retry_seconds=_RETRY_SECONDS,
        simulated_time=True,
        create_custom_resource=False,
    )
    with run_account(config, Listener(on_delivery=recorder.on_delivery)) as account:
        if first == 1:
            reporter.begin(account, total)
        harness = Harness(account, recorder)
        with account.holding_events():
            scenario.prepare(harness)
        users = snapshots(account.stack, account.iam)
        reporter.begin_scenario(scenario, users)
        steps = tuple(_play_steps(scenario, harness, reporter, first))
        return PlayedScenario(scenario, config.stack, users, steps)


def _play_steps(scenario: Scenario, harness: Harness, reporter: Reporter, first: int) -> Iterator[PlayedStep]:
    for number, step in enumerate(scenario.steps, first):
        try:
            result = harness.play(step.action, step.order)
        except (BotoCoreError, ClientError, CommandFailed, CredentialsRefused, ScenarioBroken) as error:
            # An earlier step may have made this one impossible. The later steps can still be played.
            played = PlayedStep(number, step, None, (f"The step could not be played: {error}",))
        else:
            played = PlayedStep(number, step, result, tuple(differences(step.expected, result)))
        reporter.show_step(scenario, played)
        yield played
