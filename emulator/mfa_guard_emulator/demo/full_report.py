"""Report the whole demo: events, decisions, users, mails and metrics of every step."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, zip_longest
from typing import Final

from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule as Line
from rich.text import Text

from mfa_guard.core.cloudtrail import actor_of
from mfa_guard.core.metrics import Gauge
from mfa_guard_cli.stack.template import Fields
from mfa_guard_emulator.account import LocalAccount
from mfa_guard_emulator.activity import attempt_text
from mfa_guard_emulator.aws.delivery import Delivery, Invocation
from mfa_guard_emulator.aws.mailbox import Mail
from mfa_guard_emulator.aws.snapshot import Snapshot
from mfa_guard_emulator.console.terminal import SEVERITY_STYLES
from mfa_guard_emulator.demo.expectations import CallLimit
from mfa_guard_emulator.demo.harness import StepResult
from mfa_guard_emulator.demo.play import Demo, PlayedStep
from mfa_guard_emulator.demo.scenario import Scenario
from mfa_guard_emulator.demo.summary_report import closing_text, marks
from mfa_guard_emulator.demo.texts import (
    LIST_LENGTH,
    MOMENTS,
    detail_of,
    event_name,
    event_text,
    facts,
    short_mail,
    together,
)

_INDENT: Final = 2
_LABEL: Final = 9
_FACT: Final = 16
_USER_TYPE: Final = 22
_COUNT: Final = 3
_GAP: Final = 2
# Metrics that every function counts, and that no step is about.
_NOT_SHOWN: Final = frozenset({"EventsReceived", "ColdStart"})


class FullReporter:
    """Prints the whole demo; see `mfa_guard_emulator.demo.play.Reporter`. `logs` shows the output of the functions."""

    def __init__(self, console: Console, *, logs: bool) -> None:
        self._console = console
        self._logs = logs
        self._good, self._bad = marks(console)
        self._total = 0

    def begin(self, account: LocalAccount, steps: int) -> None:
        """Print what runs, and what of the template is missing."""
        stack = account.stack
        self._total = steps
        self._print(
            f"The stack {stack.name} from template.yaml in the local account {stack.account}: "
            f"{len(stack.resources) - len(account.not_created)} resources, {len(account.runners)} functions, which run "
            f"the real handlers in processes of their own, and {len(stack.rules())} rules. Nothing leaves this "
            "machine. All users call AWS with credentials of their own. Each call of a function is checked against "
            "the actions that its role allows. Waits are skipped."
        )
        if account.not_created:
            types = sorted({each.type.split("::", 1)[1] for each in account.not_created})
            self._print(f"Not created, because the local account does not support it: {', '.join(types)}.")

    def begin_scenario(self, scenario: Scenario, users: Mapping[str, Snapshot]) -> None:
        """Print what a scenario is about, and the users at its start."""
        self._console.print()
        self._console.print(Line(Text(scenario.title, "bold"), style="bold"))
        self._print(scenario.description)
        if scenario.user_types:
            headings = (f"{len(users)} users", "", "at the start")
            rows = [(label, str(len(names)), together(names, users)) for label, names in scenario.user_types.items()]
            self._table([headings, *rows], [_USER_TYPE, _COUNT, self._console.width])

    def show_step(self, scenario: Scenario, played: PlayedStep) -> None:
        """Print a step and how it ended."""
        step = played.step
        self._console.print()
        heading = Text(f"{played.number} of {self._total}: {step.title}", "bold")
        self._console.print(Line(heading, align="left", style="dim"))
        self._print(step.description)
        if played.result:
            self._result(played, scenario, played.result)
        if not played.differences:
            self._print(f"{self._good} as expected", "green")
            return
        self._print(f"{self._bad} not as expected:", "bold red")
        for sentence in played.differences:
            self._print(f"  - {sentence}", "red")

    def end(self, demo: Demo) -> None:
        """Print how the demo ended."""
        self._console.print()
        self._print(closing_text(demo), "bold red" if demo.failed else "bold")
        for title in demo.failed:
            self._print(f"{self._bad} {title}", "red")

    def _result(self, played: PlayedStep, scenario: Scenario, result: StepResult) -> None:
        for command in result.commands:
            self._row("command", Text(f"aws {shlex.join(command.words)}", "dim"))
        self._deliveries(result.deliveries)
        self._own_deliveries(result.own_deliveries)
        self._iam_usage(played.step.expected.call_limit, result)
        tables = self._user_types(scenario.user_types, result)
        for name in played.step.users:
            self._user(name, result)
        if tables or played.step.users:
            self._console.print()
        for mail in result.mails:
            self._mail(mail)
        if not result.mails:
            self._row("mail", Text("none"))
        for message in result.dead_letters:
            self._dead_letter(message)
        self._metrics(result)

    def _deliveries(self, deliveries: Sequence[Delivery]) -> None:
        for _, similar in groupby(deliveries, _series):
            series = tuple(similar)
            shown = series if len(series) <= LIST_LENGTH else series[:1]
            for delivery in shown:
                self._delivery("event", delivery)
            if len(series) > len(shown):
                self._row("", Text(f"and {len(series) - 1} more of these", "dim"))

    def _delivery(self, label: str, delivery: Delivery) -> None:
        self._row(label, Text(event_text(delivery.envelope)))
        if not delivery.invocations:
            self._row("", Text("matches no rule", "dim"))
        for invocation in delivery.invocations:
            self._invocation(invocation)

    def _own_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """Name the events of the guard's own calls, and show those that invoked a function."""
        quiet = Counter(event_name(each.envelope) for each in deliveries if not each.invocations)
        if quiet:
            named = ", ".join(name if count == 1 else f"{count} {name}" for name, count in quiet.items())
            self._row("own event", Text(f"{named} by the guard: matches no rule", "dim"))
        for each in deliveries:
            if each.invocations:
                self._delivery("own event", each)

    def _invocation(self, invocation: Invocation) -> None:
        invokes = Text.assemble((invocation.rule, "cyan"), " invokes ", (invocation.function, "cyan"))
        several = len(invocation.attempts) > 1
        if several:
            self._row("", invokes)
        for number, attempt in enumerate(invocation.attempts, 1):
            answer = attempt_text(attempt)
            self._row("", Text(f"attempt {number}: {answer}") if several else Text.assemble(invokes, f": {answer}"))
            if self._logs:
                for line in attempt.output.splitlines():
                    self._row("log", Text(line, "dim"))
        if invocation.dead_letter:
            self._row("", Text("sent to the dead-letter queue", "red"))

    def _iam_usage(self, limit: CallLimit | None, result: StepResult) -> None:
        """Show the calls of a function to IAM where the step has a limit for them."""
        if limit is None:
            return
        usage = result.iam_usage(limit.function)
        named = ", ".join(f"{operation} {count}" for operation, count in sorted(usage.operations.items()))
        about = f"about {usage.users} users one by one" if usage.users else "none about a single user"
        total = f"{usage.total()} IAM calls of at most {limit.calls}, {about}"
        self._row("calls", Text.assemble((total, "bold"), f": {named}"))

    def _user_types(self, user_types: Mapping[str, tuple[str, ...]], result: StepResult) -> bool:
        """Show the types of which users changed; tells whether there are any."""
        moments = (result.before, result.after_calls, result.after)
        rows = [
            (label, str(len(names)), *states)
            for label, names in user_types.items()
            if len(set(states := [together(names, moment) for moment in moments])) > 1
        ]
        if rows:
            room = (self._console.width - _INDENT - _USER_TYPE - _COUNT - 4 * _GAP) // 3
            self._table([("users", "", *MOMENTS), *rows], [_USER_TYPE, _COUNT, room, room, room])
        return bool(rows)

    def _user(self, name: str, result: StepResult) -> None:
        moments = [facts(moment.get(name)) for moment in (result.before, result.after_calls, result.after)]
        names = dict.fromkeys(fact for moment in moments for fact in moment)
        room = (self._console.width - _INDENT - _FACT - 3 * _GAP) // 3
        rows = [(fact, *(moment.get(fact, "-") for moment in moments)) for fact in names]
        self._table([(name, *MOMENTS), *rows], [_FACT, room, room, room])

    def _table(self, rows: Sequence[Sequence[str]], limits: Sequence[int]) -> None:
        """Print rows below their headings. The last columns show the same thing at different moments."""
        self._console.print()
        headings, *values = rows
        fixed = len(headings) - (len(MOMENTS) if headings[-1] == MOMENTS[-1] else 1)
        table = [[Text(heading, "bold") for heading in headings]]
        table += [[*map(Text, row[:fixed]), *_cells(row[fixed:])] for row in values]
        columns = zip(*table, strict=True)
        widths = [min(limit, max(map(len, column))) for limit, column in zip(limits, columns, strict=True)]
        for row in table:
            wrapped = [cell.wrap(self._console, width) for cell, width in zip(row, widths, strict=True)]
            for line in zip_longest(*wrapped, fillvalue=Text("")):
                padded = Text(" " * _GAP).join(_padded(cell, width) for cell, width in zip(line, widths, strict=True))
                padded.rstrip()
                self._console.print(Text(" " * _INDENT) + padded)

    def _mail(self, mail: Mail) -> None:
        style = SEVERITY_STYLES.get(mail.data["severity"], "")
        body = Text.assemble(("Subject: " + mail.subject, style), "\n\n", short_mail(mail.text.rstrip()))
        title = Text(f"Mail to {', '.join(mail.to)} ({mail.topic})")
        self._console.print(Panel(body, title=title, title_align="left", border_style="dim"))

    def _dead_letter(self, message: Fields) -> None:
        reason = message["responsePayload"]
        if isinstance(reason, Mapping):
            self._row(
                "dead", Text(f"letter, with the event and the error {reason['errorType']}: {reason['errorMessage']}")
            )

    def _metrics(self, result: StepResult) -> None:
        gauges = {gauge.value for gauge in Gauge}
        sums = {name: value for name, value in result.metrics().items() if name not in gauges | _NOT_SHOWN and value}
        newest = {name: value for name, value in result.gauges().items() if name in gauges}
        for label, figures in (("metrics", sums), ("gauges", newest)):
            if figures:
                named = ", ".join(f"{name} {value:.0f}" for name, value in sorted(figures.items()))
                self._row(label, Text(named))

    def _row(self, label: str, text: Text) -> None:
        margin = _INDENT + _LABEL
        for number, line in enumerate(text.wrap(self._console, self._console.width - margin)):
            line.rstrip()
            head = Text(f"{'' if number else label:<{_LABEL}}", "bold")
            self._console.print(Text.assemble(" " * _INDENT, head, line))

    def _print(self, text: str, style: str = "") -> None:
        for line in Text(text, style).wrap(self._console, self._console.width):
            line.rstrip()
            self._console.print(line)


def _series(delivery: Delivery) -> object:
    """Return what similar events have in common. An event that invoked a function is similar to no other."""
    detail = detail_of(delivery.envelope)
    quiet = not delivery.invocations and "eventName" in detail
    return (detail["eventName"], actor_of(detail).label) if quiet else id(delivery)


def _cells(values: Sequence[str]) -> Iterator[Text]:
    for value, former in zip(values, (values[0], *values), strict=False):
        yield Text(value, "bold yellow" if value != former else "")


def _padded(cell: Text, width: int) -> Text:
    padded = cell.copy()
    padded.rstrip()
    padded.pad_right(width - len(padded))
    return padded
