"""Build the data of the demo's HTML page, and render it with page.html.j2."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mfa_guard.core.times import utc_text
from mfa_guard_cli.common.html import render
from mfa_guard_emulator.aws.mailbox import Mail
from mfa_guard_emulator.aws.snapshot import Snapshot
from mfa_guard_emulator.demo.harness import StepResult
from mfa_guard_emulator.demo.play import Demo, PlayedScenario, PlayedStep
from mfa_guard_emulator.demo.summary_report import closing_text, shown_mails
from mfa_guard_emulator.demo.texts import MOMENTS, decision_text, event_text, facts, state_text, together

# The page names it as its author, so that a later demo may replace the page.
GENERATOR: Final = "mfa-guard-local demo"
_MAXIMUM_EVENTS: Final = 12


@dataclass(frozen=True)
class Cell:
    """One value of a table; `changed` when it differs from the value before it in the row."""

    text: str
    changed: bool = False


@dataclass(frozen=True)
class Table:
    """A table whose rows each begin with a name. `columns` are the headings, the first one of the names."""

    columns: Sequence[str]
    rows: Mapping[str, Sequence[Cell]]


@dataclass(frozen=True)
class MailView:
    """A mail as the page shows it; `shown` mails are open from the start."""

    to: str
    topic: str
    time: str
    severity: str
    subject: str
    text: str
    shown: bool


@dataclass(frozen=True)
class StepView:
    """A step as the page shows it."""

    number: int
    title: str
    description: str
    decision: str
    events: Sequence[str]
    commands: Sequence[str]
    tables: Sequence[Table]
    mails: Sequence[MailView]
    differences: Sequence[str]


@dataclass(frozen=True)
class ScenarioView:
    """A scenario as the page shows it."""

    title: str
    description: str
    users: Table
    steps: Sequence[StepView]


def page(demo: Demo) -> str:
    """Return the whole page."""
    return render("mfa_guard_emulator/demo/page.html.j2", _data(demo))


def _data(demo: Demo) -> Mapping[str, object]:
    mails = sum(len(each.result.mails) for each in demo.steps if each.result)
    return {
        "generator": GENERATOR,
        "title": "What mfa-guard does, step by step",
        "closing": closing_text(demo),
        "tiles": {
            "steps": len(demo.steps),
            "ended as expected": len(demo.steps) - len(demo.failed),
            "users": sum(len(each.users) for each in demo.scenarios),
            "mails": mails,
        },
        "scenarios": [_scenario(each, list(shown_mails(demo))) for each in demo.scenarios],
    }


def _scenario(played: PlayedScenario, shown: Sequence[Mail]) -> ScenarioView:
    scenario = played.scenario
    last = next((each.result.after for each in reversed(played.steps) if each.result), played.users)
    if scenario.user_types:
        rows = {
            f"{label} ({len(names)})": _cells([together(names, users) for users in (played.users, last)])
            for label, names in scenario.user_types.items()
        }
    else:
        names = sorted(played.users.keys() | last.keys())
        rows = {name: _cells([_state(users.get(name)) for users in (played.users, last)]) for name in names}
    return ScenarioView(
        title=scenario.title,
        description=scenario.description,
        users=Table(("Users", "at the start", "at the end"), rows),
        steps=[_step(each, scenario.user_types, shown) for each in played.steps],
    )


def _step(played: PlayedStep, user_types: Mapping[str, Sequence[str]], shown: Sequence[Mail]) -> StepView:
    step, result = played.step, played.result
    return StepView(
        number=played.number,
        title=step.title,
        description=step.description,
        decision=decision_text(result) if result else "",
        events=list(_events(result)) if result else [],
        commands=[f"aws {shlex.join(each.words)}" for each in result.commands] if result else [],
        tables=list(_tables(step.users, user_types, result)) if result else [],
        mails=[_mail(each, shown) for each in result.mails] if result else [],
        differences=played.differences,
    )


def _events(result: StepResult) -> Iterator[str]:
    texts = [event_text(each.envelope) for each in result.deliveries]
    yield from texts[:_MAXIMUM_EVENTS]
    if len(texts) > _MAXIMUM_EVENTS:
        yield f"and {len(texts) - _MAXIMUM_EVENTS} more"


def _tables(users: Sequence[str], user_types: Mapping[str, Sequence[str]], result: StepResult) -> Iterator[Table]:
    moments = (result.before, result.after_calls, result.after)
    by_type = {
        f"{label} ({len(names)})": _cells(states)
        for label, names in user_types.items()
        if len(set(states := [together(names, moment) for moment in moments])) > 1
    }
    if by_type:
        yield Table(("Users", *MOMENTS), by_type)
    for name in users:
        yield Table((name, *MOMENTS), dict(_fact_rows([moment.get(name) for moment in moments])))


def _fact_rows(moments: Sequence[Snapshot | None]) -> Iterator[tuple[str, Sequence[Cell]]]:
    known = [facts(each) for each in moments]
    for fact in dict.fromkeys(fact for each in known for fact in each):
        yield fact, _cells([each.get(fact, "-") for each in known])


def _state(snapshot: Snapshot | None) -> str:
    return state_text(snapshot) if snapshot is None or snapshot.routes or snapshot.tags else "not enforced"


def _cells(values: Sequence[str]) -> Sequence[Cell]:
    return [Cell(value, value != former) for value, former in zip(values, (values[0], *values), strict=False)]


def _mail(mail: Mail, shown: Sequence[Mail]) -> MailView:
    return MailView(
        to=", ".join(mail.to),
        topic=mail.topic,
        time=utc_text(mail.time),
        severity=str(mail.data["severity"]),
        subject=mail.subject,
        text=mail.text.rstrip(),
        shown=any(each is mail for each in shown),
    )
