"""Report the demo in short: one line for each step, the subjects of its mails, and three mails in full."""

from collections.abc import Iterator, Mapping
from typing import Final

from rich.console import Console
from rich.text import Text

from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard_cli.common.output import printable
from mfa_guard_emulator.account import LocalAccount
from mfa_guard_emulator.aws.mailbox import Mail
from mfa_guard_emulator.aws.snapshot import Snapshot
from mfa_guard_emulator.console.terminal import SEVERITY_STYLES
from mfa_guard_emulator.demo.play import Demo, PlayedStep
from mfa_guard_emulator.demo.scenario import Scenario
from mfa_guard_emulator.demo.texts import decision_text

# The first mail of each kind is shown in full.
SHOWN_MAILS: Final = (NoticeKind.NONCOMPLIANT, NoticeKind.DECISION, NoticeKind.TAMPERING)
_TITLE_WIDTH: Final = 46
_INDENT: Final = " " * 5


class SummaryReporter:
    """Prints the summary; see `mfa_guard_emulator.demo.play.Reporter`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._good, self._bad = marks(console)

    def begin(self, account: LocalAccount, steps: int) -> None:
        """Print what runs."""
        self._print(
            f"{steps} steps: real API calls to the stack in template.yaml, in a local account with "
            f"{len(account.runners)} functions. Nothing leaves this machine."
        )

    def begin_scenario(self, scenario: Scenario, users: Mapping[str, Snapshot]) -> None:
        """Print the title of a scenario."""
        self._print()
        self._print(f"{scenario.title} ({len(users)} users)", "bold")

    def show_step(self, scenario: Scenario, played: PlayedStep) -> None:  # noqa: ARG002 - the protocol has it
        """Print what happened, what the guard decided, and the subjects of its mails."""
        mark = self._bad if played.differences else self._good
        decision = decision_text(played.result) if played.result else ""
        line = f"{played.number:>2} {mark} {played.step.title:<{_TITLE_WIDTH}}  {decision}"
        self._print(line.rstrip(), "red" if played.differences else "")
        for mail in played.result.mails if played.result else ():
            self._print(f"{_INDENT}mail: {mail.subject}", SEVERITY_STYLES.get(mail.data["severity"], ""))
        for sentence in played.differences:
            self._print(f"{_INDENT}{sentence}", "red")

    def end(self, demo: Demo) -> None:
        """Print three mails, and how the demo ended."""
        for mail in shown_mails(demo):
            self._print()
            self._print(f"Mail to {', '.join(mail.to)}: {mail.subject}", "bold")
            # Without the empty lines, the summary fits on three screens.
            for line in filter(None, mail.text.split("\n")):
                self._print(f"  {line}")
        self._print()
        self._print(closing_text(demo), "bold red" if demo.failed else "bold")
        for title in demo.failed:
            self._print(f"{self._bad} {title}", "red")

    def _print(self, text: str = "", style: str = "") -> None:
        self._console.print(Text(printable(text), style), soft_wrap=True)


def shown_mails(demo: Demo) -> Iterator[Mail]:
    """Yield the first mail of each kind in SHOWN_MAILS."""
    mails = [mail for each in demo.steps if each.result for mail in each.result.mails]
    for kind in SHOWN_MAILS:
        yield from [mail for mail in mails if mail.data["kind"] == kind][:1]


def closing_text(demo: Demo) -> str:
    """Return how many steps ended as expected, and how long the demo took."""
    total = len(demo.steps)
    return f"{total - len(demo.failed)} of {total} steps ended as expected, in {demo.seconds:.0f} seconds."


def marks(console: Console) -> tuple[str, str]:
    """Return the marks of a good and a bad step that the console can show."""
    if console.encoding.lower().startswith("utf"):
        return "\N{CHECK MARK}", "\N{BALLOT X}"
    return "ok", "FAILED"
