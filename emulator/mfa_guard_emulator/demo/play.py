"""Play the story from the first chapter's first step to the last chapter's last."""

from collections.abc import Iterator, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard_cli.stack.template import Template
from mfa_guard_emulator.aws.account import Plan, Watcher, run_account
from mfa_guard_emulator.aws.callers import Stranger
from mfa_guard_emulator.aws.snapshot import snapshots
from mfa_guard_emulator.demo.expectations import differences
from mfa_guard_emulator.demo.harness import Harness, Heard, ScenarioBroken
from mfa_guard_emulator.demo.paste import PasteFailed
from mfa_guard_emulator.demo.report import Reporter
from mfa_guard_emulator.demo.scenario import Scenario

_RETRY_SECONDS = (0.1, 0.2)


def play(scenarios: Sequence[Scenario], template: Template, teller: Reporter) -> tuple[str, ...]:
    """Return the titles of the steps that did not end as the story says; they do not end the story.

    Raises AccountError when the local account cannot hold what the template declares, NotBuilt when its functions
    cannot run.
    """
    total = sum(len(chapter.steps) for chapter in scenarios)
    failed: list[str] = []
    told = 0
    for chapter in scenarios:
        failed += _tell_chapter(chapter, template, teller, told, total)
        told += len(chapter.steps)
    teller.closing(total, failed)
    return tuple(failed)


def _tell_chapter(chapter: Scenario, template: Template, teller: Reporter, told: int, total: int) -> Iterator[str]:
    heard = Heard()
    plan = Plan(
        template.render(parameters=chapter.parameters),
        port=0,
        retry_seconds=_RETRY_SECONDS,
        scenarios=True,
        announced=False,
    )
    with run_account(plan, Watcher(delivered=heard.delivered)) as account:
        if not told:
            teller.opening(account)
        harness = Harness(account, heard)
        with account.holding():
            chapter.prepare(harness)
        teller.chapter(chapter, snapshots(account.stack, account.iam))
        for number, step in enumerate(chapter.steps, told + 1):
            teller.step(number, total, step)
            try:
                played = harness.play(step.happens, step.arrive)
            except (BotoCoreError, ClientError, PasteFailed, ScenarioBroken, Stranger) as error:
                # What an earlier step left behind may make this one impossible; the others are still worth telling.
                wrong = [f"it could not be played: {error}"]
            else:
                teller.played(step, chapter.crowds, played)
                wrong = differences(step.expected, played)
            teller.verdict(wrong)
            if wrong:
                yield step.title
