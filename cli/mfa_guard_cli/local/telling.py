"""Tell a story on a terminal, or as plain text where there is none."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Final

from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule as Line
from rich.text import Text

from mfa_guard.core.cloudtrail import EventNotUnderstood, actor_of, subject_of
from mfa_guard.core.user import GUARD_TAGS
from mfa_guard_cli.local.account import RUN_BY_THE_BUS, Account
from mfa_guard_cli.local.bus import Delivery, Invocation
from mfa_guard_cli.local.functions import Attempt
from mfa_guard_cli.local.inbox import Mail
from mfa_guard_cli.local.scene import Played
from mfa_guard_cli.local.snapshot import Snapshot
from mfa_guard_cli.local.story import Step
from mfa_guard_cli.template import Fields

WIDTH: Final = 100
_INDENT: Final = 2
_LABEL: Final = 9
_FACT: Final = 16
_GAP: Final = 2
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


class Teller:
    """Prints a story. `brief` leaves the mails' texts out, `logs` shows what the functions printed."""

    def __init__(self, console: Console, *, brief: bool, logs: bool) -> None:
        self._console = console
        self._brief = brief
        self._logs = logs
        plain = not console.encoding.lower().startswith("utf")
        self._good, self._bad = ("ok", "FAILED") if plain else ("\N{CHECK MARK}", "\N{BALLOT X}")

    def opening(self, account: Account) -> None:
        """Say what there is, and what is missing."""
        stack = account.stack
        left_out = {each.type for each in account.left_out}
        run = sum(each.type == "AWS::Lambda::Function" for each in stack.resources.values())
        created = sum(each.type not in left_out | RUN_BY_THE_BUS for each in stack.resources.values())
        self._print(
            f"The stack {stack.name} from template.yaml, in account {stack.account} inside this process: {created} "
            f"resources created, {run} functions run by the real handlers, {len(stack.rules())} rules. Nothing leaves "
            f"this machine. Lambda's waits before a retry are left out."
        )
        self._print(f"Left out of this account: {', '.join(sorted(each.split('::', 1)[1] for each in left_out))}.")

    def step(self, number: int, of: int, step: Step) -> None:
        """Tell what a step is about."""
        self._console.print()
        self._console.print(Line(Text(f"{number} of {of}: {step.title}", "bold"), align="left", style="dim"))
        self._print(step.told)

    def played(self, step: Step, played: Played) -> None:
        """Tell what came of it."""
        for command in played.pasted:
            self._row("pasted", Text(f"aws {shlex.join(command.words)}", "dim"))
        for delivery in played.deliveries:
            self._delivery("event", delivery)
        self._echoes(played.echoes)
        if step.cast:
            self._console.print()
        for name in step.cast:
            self._user(name, played)
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

    def _delivery(self, label: str, delivery: Delivery) -> None:
        self._row(label, _event(delivery.envelope))
        if not delivery.invocations:
            self._row("", Text("matches no rule", "dim"))
        for invocation in delivery.invocations:
            self._invocation(invocation)

    def _echoes(self, echoes: Sequence[Delivery]) -> None:
        """Name the guard's own writes, and tell those that woke something."""
        quiet = [_name(each.envelope) for each in echoes if not each.invocations]
        if quiet:
            self._row("echo", Text(f"the guard's own {', '.join(quiet)}: matches no rule", "dim"))
        for each in echoes:
            if each.invocations:
                self._delivery("echo", each)

    def _invocation(self, invocation: Invocation) -> None:
        woke = Text.assemble((invocation.rule, "cyan"), " woke ", (invocation.function, "cyan"))
        several = len(invocation.attempts) > 1
        if several:
            self._row("", woke)
        for number, attempt in enumerate(invocation.attempts, 1):
            answer = _answer(attempt)
            self._row("", Text(f"attempt {number}: {answer}") if several else Text.assemble(woke, f": {answer}"))
            if self._logs:
                for line in attempt.output.splitlines():
                    self._row("log", Text(line, "dim"))
        if invocation.dead_letter:
            self._row("", Text("put on the dead-letter queue", "red"))

    def _user(self, name: str, played: Played) -> None:
        moments = [_facts(moment.get(name)) for moment in (played.before, played.called, played.after)]
        facts = dict.fromkeys(fact for moment in moments for fact in moment)
        table = [[Text(heading, "bold") for heading in (name, "before", "after the call", "after the guard")]]
        table += [[Text(fact), *_cells([moment.get(fact, "-") for moment in moments])] for fact in facts]
        room = (self._console.width - _INDENT - _FACT - 3 * _GAP) // 3
        limits = (_FACT, room, room, room)
        columns = zip(*table, strict=True)
        widths = [min(limit, max(map(len, column))) for limit, column in zip(limits, columns, strict=True)]
        for row in table:
            wrapped = [cell.wrap(self._console, width) for cell, width in zip(row, widths, strict=True)]
            for line in zip_longest(*wrapped, fillvalue=Text("")):
                padded = Text(" " * _GAP).join(_padded(cell, width) for cell, width in zip(line, widths, strict=True))
                padded.rstrip()
                self._console.print(Text(" " * _INDENT) + padded)
        self._console.print()

    def _mail(self, mail: Mail) -> None:
        style = _SEVERITY_STYLES.get(mail.data["severity"], "")
        heading = f"to {', '.join(mail.to)} ({mail.topic})"
        if self._brief:
            self._row("mail", Text.assemble(f"{heading}: ", (mail.subject, style)))
            return
        body = Text.assemble(("Subject: " + mail.subject, style), "\n\n", mail.text.rstrip())
        self._console.print(Panel(body, title=Text(f"Mail {heading}"), title_align="left", border_style="dim"))

    def _letter(self, letter: Fields) -> None:
        reason = letter["responsePayload"]
        if isinstance(reason, Mapping):
            self._row("letter", Text(f"{reason['errorType']}: {reason['errorMessage']} The event is kept with it."))

    def _counted(self, played: Played) -> None:
        own = {name: value for name, value in played.counted().items() if name not in ("EventsReceived", "ColdStart")}
        if own:
            self._row("counted", Text(", ".join(f"{name} {value}" for name, value in sorted(own.items()))))

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
    detail = _detail(envelope)
    failed = f", refused: {detail['errorCode']}" if "errorCode" in detail else ""
    source = str(envelope["source"]).removeprefix("aws.")
    return Text(f"{source} {_name(envelope)} by {actor_of(detail).label}{_about(detail)}{failed}")


def _name(envelope: Fields) -> str:
    return str(_detail(envelope).get("eventName"))


def _detail(envelope: Fields) -> Fields:
    detail = envelope["detail"]
    return detail if isinstance(detail, Mapping) else {}


def _about(detail: Fields) -> str:
    try:
        subject = subject_of(detail)
    except EventNotUnderstood:
        return ", about nobody"
    return f", about {subject.name or subject.kind.value}" if subject else ""


def _answer(attempt: Attempt) -> str:
    if attempt.error is not None:
        return f"failed: {type(attempt.error).__name__}: {attempt.error}"
    if attempt.counted()["DuplicateEvents"]:
        return "delivered before, nothing done"
    answer = attempt.answer if isinstance(attempt.answer, Mapping) else {}
    if "standing" not in answer:
        return "told the administrators"
    actions = answer["actions"]
    shown = ", ".join(map(str, actions)) if isinstance(actions, Sequence) and actions else "none"
    return f"standing {answer['standing']}, actions {shown}"


def _facts(snapshot: Snapshot | None) -> Mapping[str, str]:
    return dict(_each_fact(snapshot)) if snapshot else {}


def _each_fact(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    through = {"user": "attached to the user", "group": "through the group"}
    yield "policy", ", ".join(through[way] for way in snapshot.ways) or "no"
    for tag in GUARD_TAGS[:2]:
        yield tag, snapshot.tags.get(tag, "-")
    yield "MFA devices", ", ".join(snapshot.devices) or "none"
    yield "password", "yes" if snapshot.password else "no"
    yield "access keys", ", ".join(snapshot.keys) or "none"
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
