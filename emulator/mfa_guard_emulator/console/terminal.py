"""Keep a local account running and show what happens in it on the terminal."""

import threading
from collections.abc import Callable, Mapping
from typing import Final

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from mfa_guard_cli.common.output import printable
from mfa_guard_cli.stack.template import SAMPLE_ACCOUNT, Template
from mfa_guard_emulator.aws.account import PAGE_PATH, LocalAccount, Plan, Watcher, run_account
from mfa_guard_emulator.aws.delivery import Delivery, DeliveryFaults, Invocation
from mfa_guard_emulator.aws.mailbox import Mail
from mfa_guard_emulator.commands.local import UNSET, environment
from mfa_guard_emulator.console.activity import Happened
from mfa_guard_emulator.functions.runtime import Hosted, Runner, built_runner, source_runner

WIDTH: Final = 100
RUNNERS: Final[Mapping[str, Callable[[Hosted], Runner]]] = {"source": source_runner, "lambda": built_runner}
# The Runtime Interface Emulator tells every function that it is in this account, whatever it is told itself.
ACCOUNTS: Final[Mapping[str, str]] = {"source": SAMPLE_ACCOUNT, "lambda": "012345678912"}
SEVERITY_STYLES: Final[Mapping[object, str]] = {
    "low": "green",
    "medium": "yellow",
    "high": "red",
    "critical": "bold red",
}
ADDRESSES: Final = {
    "AlertEmail": "security@example.com",
    "OperationsEmail": "operations@example.com",
    "HelpUrl": "https://help.example.com/mfa",
}


def new_plan(
    template: Template, *, port: int, runtime: str, parameters: Mapping[str, str], delivery_faults: DeliveryFaults
) -> Plan:
    """Return how the account is to be; raises TemplateError for a parameter that the template refuses."""
    stack = template.render(account=ACCOUNTS[runtime], parameters={**ADDRESSES, **parameters})
    return Plan(stack, port=port, runtime=runtime, runner=RUNNERS[runtime], delivery_faults=delivery_faults)


def run_until(stop: threading.Event, plan: Plan, *, brief: bool, logs: bool) -> int:
    """Run an account until `stop` is set; returns how often the account itself failed.

    Raises AccountError and NotBuilt when it cannot begin.
    """
    screen = _Screen(brief=brief, logs=logs)
    watcher = Watcher(
        mail=screen.mail, happened=screen.happened, delivered=screen.delivered, told=screen.told, failed=screen.failed
    )
    with run_account(plan, watcher) as account:
        screen.opening(account)
        stop.wait()
        screen.told("Ending.")
    return len(account.failures)


class _Screen:
    """The terminal; its lines come from several threads."""

    def __init__(self, *, brief: bool, logs: bool) -> None:
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._console.width = min(WIDTH, self._console.width) if self._console.is_terminal else WIDTH
        self._brief = brief
        self._logs = logs
        self._lock = threading.Lock()

    def opening(self, account: LocalAccount) -> None:
        """Say what there is, what is missing, and how to call it."""
        stack = account.stack
        created = len(stack.resources) - len(account.left_out)
        self._print(
            f"The stack {stack.name} from template.yaml is deployed in the local account {stack.account}: {created} "
            f"resources, {len(account.runners)} functions ({account.plan.runtime}), {len(stack.rules())} rules. "
            "Alarms exist and never fire; policies exist and refuse nobody but the functions; signatures are not "
            "checked."
        )
        if account.left_out:
            left = ", ".join(f"{each.logical_id} ({each.type.split('::', 1)[1]})" for each in account.left_out)
            self._print(f"Left out, as nothing here can make it: {left}.")
        self._print(f"The inbox, and everybody in the account: {account.endpoint}{PAGE_PATH}", "bold")
        self._print("In a second terminal, as the administrator carol:", "bold")
        for name, value in environment(account.endpoint).items():
            self._console.print(Text(f"  export {name}={value}"), soft_wrap=True)
        self._console.print(Text(f"  {UNSET}"), soft_wrap=True)
        self._console.print(Text("  aws iam create-user --user-name alice"))
        self._print("Ctrl-C ends it and leaves nothing behind.")

    def mail(self, mail: Mail) -> None:
        """Show a mail."""
        style = SEVERITY_STYLES.get(mail.attributes.get("severity"), "")
        heading = f"to {', '.join(mail.to) or 'nobody'} ({mail.topic})"
        if self._brief:
            self._line(Text.assemble("mail ", f"{heading}: ", (printable(mail.subject), style)))
            return
        text = "\n".join(map(printable, mail.text.rstrip().split("\n")))
        body = Text.assemble(("Subject: " + printable(mail.subject), style), "\n\n", text)
        with self._lock:
            self._console.print(Panel(body, title=Text(f"Mail {heading}"), title_align="left", border_style="dim"))

    def happened(self, line: Happened) -> None:
        """Show what an event came to."""
        about = f", about {line.about}" if line.about else ""
        by = f" by {line.actor}" if line.actor else ""
        woke = f"{line.function}: " if line.function else ""
        style = "red" if line.failed else "" if line.function else "dim"
        self._line(Text(printable(f"{line.event}{by}{about}: {woke}{line.outcome}"), style))

    def delivered(self, _delivery: Delivery, invocation: Invocation | None) -> None:
        """Show what a function printed, if that is wanted."""
        if self._logs and invocation:
            for attempt in invocation.attempts:
                for line in attempt.output.splitlines():
                    self._line(Text(printable(line), "dim"))

    def told(self, sentence: str) -> None:
        """Show a remark of the account."""
        self._line(Text(printable(sentence), "dim"))

    def failed(self, trace: str) -> None:
        """Show, loudly, that the account itself failed."""
        self._line(Text(f"The local account itself failed:\n{trace}", "bold white on red"))

    def _line(self, text: Text) -> None:
        with self._lock:
            self._console.print(text, soft_wrap=True)

    def _print(self, text: str, style: str = "") -> None:
        with self._lock:
            for line in Text(text, style).wrap(self._console, self._console.width):
                line.rstrip()
                self._console.print(line)
