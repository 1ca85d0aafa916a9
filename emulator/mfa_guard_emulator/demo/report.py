"""Tell a story on a terminal, or as plain text where there is none."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, zip_longest
from typing import Final, TypeAlias

from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule as Line
from rich.text import Text

from mfa_guard.core.cloudtrail import EventNotUnderstood, actor_of, subject_of
from mfa_guard.core.metrics import Gauge
from mfa_guard.core.sweep_request import DETAIL_TYPE
from mfa_guard.core.user import GUARD_TAGS
from mfa_guard_cli.stack.template import Fields
from mfa_guard_emulator.aws.account import LocalAccount
from mfa_guard_emulator.aws.delivery import Delivery, Invocation
from mfa_guard_emulator.aws.mailbox import Mail
from mfa_guard_emulator.aws.snapshot import Snapshot
from mfa_guard_emulator.console.activity import answer_text
from mfa_guard_emulator.demo.expectations import Budget
from mfa_guard_emulator.demo.harness import StepResult
from mfa_guard_emulator.demo.scenario import Scenario, Step

WIDTH: Final = 100
_INDENT: Final = 2
_LABEL: Final = 9
_FACT: Final = 16
_CROWD: Final = 18
_COUNT: Final = 3
_MOMENTS: Final = ("before", "after the call", "after the guard")
_GAP: Final = 2
# Longer lists of a mail, and longer series of events that wake nobody, are cut.
_LONGEST: Final = 8
# What every function counts, and no step is about.
_UNTOLD: Final = frozenset({"EventsReceived", "ColdStart"})

Crowds: TypeAlias = Mapping[str, Sequence[str]]
_SEVERITY_STYLES: Final[Mapping[object, str]] = {
    "low": "green",
    "medium": "yellow",
    "high": "red",
    "critical": "bold red",
}


def new_console() -> Console:
    """Return a console at most WIDTH wide, which is also the width where there is no terminal."""
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = min(WIDTH, console.width) if console.is_terminal else WIDTH
    return console


class Reporter:
    """Prints a story. `brief` leaves the mails' texts out, `logs` shows what the functions printed."""

    def __init__(self, console: Console, *, brief: bool, logs: bool) -> None:
        self._console = console
        self._brief = brief
        self._logs = logs
        plain = not console.encoding.lower().startswith("utf")
        self._good, self._bad = ("ok", "FAILED") if plain else ("\N{CHECK MARK}", "\N{BALLOT X}")

    def opening(self, account: LocalAccount) -> None:
        """Say what there is, and what is missing."""
        stack = account.stack
        self._print(
            f"The stack {stack.name} from template.yaml, in a local account {stack.account}: "
            f"{len(stack.resources) - len(account.left_out)} resources created, {len(account.runners)} functions "
            f"run by the real handlers, each in a process of its own, {len(stack.rules())} rules. Nothing leaves this "
            "machine. Everybody in the story calls AWS with credentials of his own; every call of a function is held "
            "against the actions that its role allows. Lambda's waits before a retry are shortened."
        )
        if account.left_out:
            left_out = sorted({each.type.split("::", 1)[1] for each in account.left_out})
            self._print(f"Left out of this account: {', '.join(left_out)}.")

    def chapter(self, chapter: Scenario, users: Mapping[str, Snapshot]) -> None:
        """Tell what a chapter is about, and who is in its account."""
        self._console.print()
        self._console.print(Line(Text(chapter.title, "bold"), style="bold"))
        self._print(chapter.told)
        if chapter.crowds:
            headings = (f"{len(users)} users", "", "at the start")
            rows = [(label, str(len(names)), _together(names, users)) for label, names in chapter.crowds.items()]
            self._table([headings, *rows], [_CROWD, _COUNT, self._console.width])

    def step(self, number: int, of: int, step: Step) -> None:
        """Tell what a step is about."""
        self._console.print()
        self._console.print(Line(Text(f"{number} of {of}: {step.title}", "bold"), align="left", style="dim"))
        self._print(step.told)

    def played(self, step: Step, crowds: Crowds, played: StepResult) -> None:
        """Tell what came of it."""
        for command in played.pasted:
            self._row("pasted", Text(f"aws {shlex.join(command.words)}", "dim"))
        self._deliveries(played.deliveries)
        self._echoes(played.echoes)
        self._calls(step.expected.budget, played)
        tables = self._crowds(crowds, played)
        for name in step.cast:
            self._user(name, played)
        if tables or step.cast:
            self._console.print()
        for mail in played.mails:
            self._mail(mail)
        if not played.mails:
            self._row("mail", Text("none"))
        for letter in played.letters:
            self._letter(letter)
        self._counted(played)

    def verdict(self, wrong: Sequence[str]) -> None:
        """Tell whether a step ended as it should, or where it did not."""
        if not wrong:
            self._print(f"{self._good} as the story says", "green")
            return
        self._print(f"{self._bad} not as the story says:", "bold red")
        for sentence in wrong:
            self._print(f"  - {sentence}", "red")

    def closing(self, total: int, failed: Sequence[str]) -> None:
        """Say how the story went."""
        self._console.print()
        self._print(f"{total - len(failed)} of {total} steps ended as the story says", "bold red" if failed else "bold")
        for title in failed:
            self._print(f"{self._bad} {title}", "red")

    def _deliveries(self, deliveries: Sequence[Delivery]) -> None:
        for _, alike in groupby(deliveries, _kind):
            series = tuple(alike)
            shown = series if len(series) <= _LONGEST else series[:1]
            for delivery in shown:
                self._delivery("event", delivery)
            if len(series) > len(shown):
                self._row("", Text(f"and {len(series) - 1} more of these", "dim"))

    def _delivery(self, label: str, delivery: Delivery) -> None:
        self._row(label, _event(delivery.envelope))
        if not delivery.invocations:
            self._row("", Text("matches no rule", "dim"))
        for invocation in delivery.invocations:
            self._invocation(invocation)

    def _echoes(self, echoes: Sequence[Delivery]) -> None:
        """Name the guard's own writes, and tell those that woke something."""
        quiet = Counter(_name(each.envelope) for each in echoes if not each.invocations)
        if quiet:
            named = ", ".join(name if count == 1 else f"{count} {name}" for name, count in quiet.items())
            self._row("echo", Text(f"the guard's own {named}: matches no rule", "dim"))
        for each in echoes:
            if each.invocations:
                self._delivery("echo", each)

    def _invocation(self, invocation: Invocation) -> None:
        woke = Text.assemble((invocation.rule, "cyan"), " woke ", (invocation.function, "cyan"))
        several = len(invocation.attempts) > 1
        if several:
            self._row("", woke)
        for number, attempt in enumerate(invocation.attempts, 1):
            answer = answer_text(attempt)
            self._row("", Text(f"attempt {number}: {answer}") if several else Text.assemble(woke, f": {answer}"))
            if self._logs:
                for line in attempt.output.splitlines():
                    self._row("log", Text(line, "dim"))
        if invocation.dead_letter:
            self._row("", Text("put on the dead-letter queue", "red"))

    def _calls(self, budget: Budget | None, played: StepResult) -> None:
        """Tell what a function asked of IAM where the story sets a limit."""
        if budget is None:
            return
        asked = played.asked(budget.function)
        named = ", ".join(f"{operation} {count}" for operation, count in sorted(asked.operations.items()))
        about = f"about {asked.users} users one by one" if asked.users else "none about a single user"
        total = f"{asked.total()} IAM calls of at most {budget.calls}, {about}"
        self._row("asked", Text.assemble((total, "bold"), f": {named}"))

    def _crowds(self, crowds: Crowds, played: StepResult) -> bool:
        """Tell how those crowds came to stand of whom somebody changed, and whether there are any."""
        moments = (played.before, played.called, played.after)
        rows = [
            (label, str(len(names)), *standing)
            for label, names in crowds.items()
            if len(set(standing := [_together(names, moment) for moment in moments])) > 1
        ]
        if rows:
            room = (self._console.width - _INDENT - _CROWD - _COUNT - 4 * _GAP) // 3
            self._table([("users", "", *_MOMENTS), *rows], [_CROWD, _COUNT, room, room, room])
        return bool(rows)

    def _user(self, name: str, played: StepResult) -> None:
        moments = [_facts(moment.get(name)) for moment in (played.before, played.called, played.after)]
        facts = dict.fromkeys(fact for moment in moments for fact in moment)
        room = (self._console.width - _INDENT - _FACT - 3 * _GAP) // 3
        rows = [(fact, *(moment.get(fact, "-") for moment in moments)) for fact in facts]
        self._table([(name, *_MOMENTS), *rows], [_FACT, room, room, room])

    def _table(self, rows: Sequence[Sequence[str]], limits: Sequence[int]) -> None:
        """Print rows below their headings. Cells from the first moment on are one thing at different moments."""
        self._console.print()
        headings, *values = rows
        fixed = len(headings) - (len(_MOMENTS) if headings[-1] == _MOMENTS[-1] else 1)
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
        style = _SEVERITY_STYLES.get(mail.data["severity"], "")
        heading = f"to {', '.join(mail.to)} ({mail.topic})"
        if self._brief:
            self._row("mail", Text.assemble(f"{heading}: ", (mail.subject, style)))
            return
        body = Text.assemble(("Subject: " + mail.subject, style), "\n\n", _cut(mail.text.rstrip()))
        self._console.print(Panel(body, title=Text(f"Mail {heading}"), title_align="left", border_style="dim"))

    def _letter(self, letter: Fields) -> None:
        reason = letter["responsePayload"]
        if isinstance(reason, Mapping):
            self._row("letter", Text(f"{reason['errorType']}: {reason['errorMessage']} The event is kept with it."))

    def _counted(self, played: StepResult) -> None:
        gauges = {gauge.value for gauge in Gauge}
        counted = {name: value for name, value in played.counted().items() if name not in gauges | _UNTOLD and value}
        measured = {name: value for name, value in played.measured().items() if name in gauges}
        for label, figures in (("counted", counted), ("measured", measured)):
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


def _event(envelope: Fields) -> Text:
    if isinstance(records := envelope.get("Records"), list):
        return Text(f"exemption table {', '.join(map(_change, records))}")
    if "RequestType" in envelope:
        return Text(f"CloudFormation {envelope['RequestType']} of the resource {envelope['LogicalResourceId']}")
    detail = _detail(envelope)
    if envelope["detail-type"] == DETAIL_TYPE:
        asked = ", ".join(f"{name} {value}" for name, value in detail.items())
        return Text(f"{envelope['source']} {DETAIL_TYPE}{f': {asked}' if asked else ''}")
    failed = f", refused: {detail['errorCode']}" if "errorCode" in detail else ""
    source = str(envelope["source"]).removeprefix("aws.")
    return Text(f"{source} {_name(envelope)} by {actor_of(detail).label}{_about(detail)}{failed}")


def _change(record: Fields) -> str:
    stream = record["dynamodb"]
    images = [stream.get(image) for image in ("NewImage", "OldImage")] if isinstance(stream, Mapping) else []
    names = [image["user_name"]["S"] for image in images if isinstance(image, Mapping) and "user_name" in image]
    return f"{record['eventName']} of {names[0] if names else 'a record without a name'}"


def _kind(delivery: Delivery) -> object:
    """Return what a series has in common; what wakes somebody is in no series."""
    detail = _detail(delivery.envelope)
    quiet = not delivery.invocations and "eventName" in detail
    return (detail["eventName"], actor_of(detail).label) if quiet else id(delivery)


def _name(envelope: Fields) -> str:
    return str(_detail(envelope).get("eventName"))


def _detail(envelope: Fields) -> Fields:
    detail = envelope.get("detail")
    return detail if isinstance(detail, Mapping) else {}


def _about(detail: Fields) -> str:
    try:
        subject = subject_of(detail)
    except EventNotUnderstood:
        return ", about nobody"
    return f", about {subject.name or subject.kind.value}" if subject else ""


def _cut(text: str) -> str:
    """Return a mail without the most of its long lists, each with how many lines are left out."""
    return "\n\n".join(map(_cut_block, text.split("\n\n")))


def _cut_block(block: str) -> str:
    head, *lines = block.split("\n")
    if len(lines) <= _LONGEST + 1:
        return block
    more = f"  [{len(lines) - _LONGEST} more lines, which the demo leaves out]"
    return "\n".join([head, *lines[:_LONGEST], more])


def _together(names: Sequence[str], users: Mapping[str, Snapshot]) -> str:
    """Return how users stand who are told about together."""
    standing = Counter(_standing(users.get(name)) for name in names)
    return next(iter(standing)) if len(standing) == 1 else ", ".join(f"{n} {text}" for text, n in standing.items())


def _standing(snapshot: Snapshot | None) -> str:
    if snapshot is None:
        return "gone"
    parts = [*(["enforced"] if snapshot.routes else []), *(["tagged"] if snapshot.tags else [])]
    return " and ".join(parts) or "-"


def _facts(snapshot: Snapshot | None) -> Mapping[str, str]:
    return dict(_each_fact(snapshot)) if snapshot else {}


def _each_fact(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    through = {"user": "attached to the user", "group": "through the group"}
    yield "policy", ", ".join(through[route] for route in snapshot.routes) or "no"
    for tag in GUARD_TAGS[:2]:
        yield tag, snapshot.tags.get(tag, "-")
    yield "MFA devices", ", ".join(snapshot.devices) or "none"
    yield "password", "yes" if snapshot.password else "no"
    yield "access keys", ", ".join(map(str, snapshot.keys)) or "none"
    if snapshot.exempt_until:
        yield "exempt until", snapshot.exempt_until


def _cells(values: Sequence[str]) -> Iterator[Text]:
    for value, former in zip(values, (values[0], *values), strict=False):
        yield Text(value, "bold yellow" if value != former else "")


def _padded(cell: Text, width: int) -> Text:
    padded = cell.copy()
    padded.rstrip()
    padded.pad_right(width - len(padded))
    return padded
