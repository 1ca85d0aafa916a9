"""Play the story from the first step to the last."""

from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard_cli.local.account import open_account
from mfa_guard_cli.local.expectations import differences
from mfa_guard_cli.local.paste import PasteFailed
from mfa_guard_cli.local.scene import Scene, StoryBroken
from mfa_guard_cli.local.story import PARAMETERS, Step, prepare
from mfa_guard_cli.local.telling import Teller
from mfa_guard_cli.template import Template


def tell(story: Sequence[Step], template: Template, teller: Teller) -> tuple[str, ...]:
    """Return the titles of the steps that did not end as the story says; they do not end the story.

    Raises AccountError when the in-process account cannot hold what the template declares.
    """
    failed = []
    with open_account(template.render(parameters=PARAMETERS)) as account:
        teller.opening(account)
        scene = Scene(account)
        prepare(scene)
        for number, step in enumerate(story, 1):
            teller.step(number, len(story), step)
            try:
                played = scene.play(step.happens, step.arrive)
            except (BotoCoreError, ClientError, PasteFailed, StoryBroken) as error:
                # What an earlier step left behind may make this one impossible; the others are still worth telling.
                wrong = [f"it could not be played: {error}"]
            else:
                teller.played(step, played)
                wrong = differences(step.expected, played)
            teller.verdict(wrong)
            if wrong:
                failed.append(step.title)
    teller.closing(len(story), failed)
    return tuple(failed)
