"""Run a local account and show on the terminal what happens in it."""

import threading
from collections.abc import Callable, Mapping
from typing import Final

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from mfa_guard_cli.common.output import printable
from mfa_guard_cli.stack.template import SAMPLE_ACCOUNT, Template
from mfa_guard_emulator.account import AccountConfig, Listener, LocalAccount, run_account
from mfa_guard_emulator.activity import ActivityLine
from mfa_guard_emulator.aws.delivery import Delivery, DeliveryFaults, Invocation
from mfa_guard_emulator.aws.mailbox import Mail
from mfa_guard_emulator.console.client import UNSET, environment
from mfa_guard_emulator.console.pages import Pages
from mfa_guard_emulator.endpoint import PAGE_PATH
from mfa_guard_emulator.functions.configuration import FunctionConfiguration
from mfa_guard_emulator.functions.runtime import Runner, built_runner, source_runner

WIDTH: Final = 100
RUNNERS: Final[Mapping[str, Callable[[FunctionConfiguration], Runner]]] = {
    "source": source_runner,
    "lambda": built_runner,
}
# The Runtime Interface Emulator tells every function that it runs in this account.
ACCOUNTS: Final[Mapping[str, str]] = {"source": SAMPLE_ACCOUNT, "lambda": "012345678912"}
SEVERITY_STYLES: Final[Mapping[object, str]] = {
    "low": "green",
    "medium": "yellow",
    "high": "red",
    "critical": "bold red",
}
PARAMETERS: Final = {
    "AlertEmail": "security@example.com",
    "OperationsEmail": "operations@example.com",
    "HelpUrl": "https://help.example.com/mfa",
}


def new_console() -> Console:
    """Return a console of at most WIDTH columns, and of WIDTH columns where there is no terminal."""
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = min(WIDTH, console.width) if console.is_terminal else WIDTH
    return console


def new_config(
    template: Template, *, port: int, runtime: str, parameters: Mapping[str, str], delivery_faults: DeliveryFaults
) -> AccountConfig:
    """Return the configuration of the account; raises TemplateError for a parameter that the template refuses."""
    stack = template.render(account=ACCOUNTS[runtime], parameters={**PARAMETERS, **parameters})
    return AccountConfig(
        stack, port=port, runtime=runtime, runner=RUNNERS[runtime], delivery_faults=delivery_faults, pages=Pages
    )


def run_until(stop: threading.Event, config: AccountConfig, *, brief: bool, logs: bool) -> int:
    """Run an account until `stop` is set; returns how many errors the emulator itself had.

    Raises AccountError and NotBuilt when the account cannot start.
    """
    screen = _Screen(brief=brief, logs=logs)
    listener = Listener(
        on_mail=screen.show_mail,
        on_activity=screen.show_activity,
        on_delivery=screen.show_logs,
        on_message=screen.show_message,
        on_failure=screen.show_failure,
    )
    with run_account(config, listener) as account:
        screen.show_opening(account)
        stop.wait()
        screen.show_message("Stopping.")
    return len(account.failures)


class _Screen:
    """The terminal. Several threads print to it."""

    def __init__(self, *, brief: bool, logs: bool) -> None:
        self._console = new_console()
        self._brief = brief
        self._logs = logs
        self._lock = threading.Lock()

    def show_opening(self, account: LocalAccount) -> None:
        """Show what was deployed, what was not, and how to call the account."""
        stack = account.stack
        created = len(stack.resources) - len(account.not_created)
        self._print(
            f"The local account {stack.account} runs the stack {stack.name} from template.yaml: {created} resources, "
            f"{len(account.runners)} functions ({account.config.runtime}) and {len(stack.rules())} rules. Alarms never "
            "go off. Only the policies of the functions' roles are evaluated. Signatures are not checked."
        )
        if account.not_created:
            names = ", ".join(f"{each.logical_id} ({each.type.split('::', 1)[1]})" for each in account.not_created)
            self._print(f"Not created, because the local account does not support them: {names}.")
        self._print(f"Mails, users and activity: {account.endpoint}{PAGE_PATH}", "bold")
        self._print("In a second terminal, to call the account as the administrator carol:", "bold")
        for name, value in environment(account.endpoint).items():
            self._console.print(Text(f"  export {name}={value}"), soft_wrap=True)
        self._console.print(Text(f"  {UNSET}"), soft_wrap=True)
        self._console.print(Text("  aws iam create-user --user-name alice"))
        port = account.endpoint.rpartition(":")[2]
        self._print(f'These variables in one command: eval "$(mfa-guard-local env --port {port})"')
        self._print("Ctrl-C stops the account and removes its files.")

    def show_mail(self, mail: Mail) -> None:
        """Show a mail."""
        style = SEVERITY_STYLES.get(mail.attributes.get("severity"), "")
        heading = f"to {', '.join(mail.to) or 'no address'} ({mail.topic})"
        if self._brief:
            self._line(Text.assemble("mail ", f"{heading}: ", (printable(mail.subject), style)))
            return
        text = "\n".join(map(printable, mail.text.rstrip().split("\n")))
        body = Text.assemble(("Subject: " + printable(mail.subject), style), "\n\n", text)
        with self._lock:
            self._console.print(Panel(body, title=Text(f"Mail {heading}"), title_align="left", border_style="dim"))

    def show_activity(self, line: ActivityLine) -> None:
        """Show an event, and what the function did."""
        about = f", about {line.about}" if line.about else ""
        by = f" by {line.actor}" if line.actor else ""
        function = f"{line.function}: " if line.function else ""
        style = "red" if line.failed else "" if line.function else "dim"
        self._line(Text(printable(f"{line.event}{by}{about}: {function}{line.outcome}"), style))

    def show_logs(self, _delivery: Delivery, invocation: Invocation | None) -> None:
        """Show the output of a function, if the developer wants it."""
        if self._logs and invocation:
            for attempt in invocation.attempts:
                for line in attempt.output.splitlines():
                    self._line(Text(printable(line), "dim"))

    def show_message(self, sentence: str) -> None:
        """Show a message of the account."""
        self._line(Text(printable(sentence), "dim"))

    def show_failure(self, trace: str) -> None:
        """Show an error of the emulator itself."""
        self._line(Text(f"The local account itself failed:\n{trace}", "bold white on red"))

    def _line(self, text: Text) -> None:
        with self._lock:
            self._console.print(text, soft_wrap=True)

    def _print(self, text: str, style: str = "") -> None:
        with self._lock:
            for line in Text(text, style).wrap(self._console, self._console.width):
                line.rstrip()
                self._console.print(line)
