"""The demo tells the whole story, and says so when a step does not end as told."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard_cli.stack.template import Stack, Template
from mfa_guard_emulator.commands import demo
from mfa_guard_emulator.demo.expectations import Budget, Expected, Sends, Stands, Wakes, differences
from mfa_guard_emulator.demo.harness import Harness, ScenarioBroken, StepResult
from mfa_guard_emulator.demo.one_by_one import ONE_BY_ONE
from mfa_guard_emulator.demo.play import play
from mfa_guard_emulator.demo.population import GROUPS
from mfa_guard_emulator.demo.report import WIDTH, Crowds, Reporter
from mfa_guard_emulator.demo.scenario import Scenario, Step
from mfa_guard_emulator.demo.scenarios import SCENARIOS
from mfa_guard_emulator.demo.whole_account import THE_WHOLE_ACCOUNT
from mfa_guard_emulator.main import app

STEPS = tuple(step for chapter in SCENARIOS for step in chapter.steps)
FIRST, SECOND = ONE_BY_ONE.steps[:2]
REPORTING = THE_WHOLE_ACCOUNT.steps[0]
WRONG = replace(FIRST, expected=replace(FIRST.expected, dead_letters=1))
UNTOUCHED = {"nobody": Stands()}


def _never(_: Harness) -> None:
    raise ScenarioBroken("It rained.")


IMPOSSIBLE = replace(FIRST, title="A step that cannot be played", happens=_never)


@dataclass(frozen=True)
class Told:
    """The titles of the steps that failed, everything that was printed, and what came of each step by its title."""

    failed: tuple[str, ...]
    text: str
    played: Mapping[str, StepResult]


class _Recorder(Reporter):
    """Tells a story, and keeps what came of its steps."""

    def __init__(self, console: Console, *, brief: bool, logs: bool) -> None:
        super().__init__(console, brief=brief, logs=logs)
        self.seen: dict[str, StepResult] = {}

    def played(self, step: Step, crowds: Crowds, played: StepResult) -> None:
        self.seen[step.title] = played
        super().played(step, crowds, played)


def context(template: Template, scenarios: Sequence[Scenario], *, brief: bool = False, logs: bool = False) -> Told:
    console = Console(file=io.StringIO(), width=WIDTH, highlight=False, markup=False, emoji=False)
    recorder = _Recorder(console, brief=brief, logs=logs)
    with console.capture() as capture:
        failed = play(scenarios, template, recorder)
    return Told(failed, capture.get(), recorder.seen)


@pytest.fixture(scope="module")
def whole(stack: Stack) -> Told:
    return context(stack.template, SCENARIOS)


@pytest.fixture(scope="module")
def wrong(stack: Stack) -> Told:
    """Return the telling of a step that cannot be played, one that ends otherwise, and a good one."""
    scenarios = [replace(ONE_BY_ONE, steps=(IMPOSSIBLE, WRONG, SECOND))]
    return context(stack.template, scenarios, brief=True, logs=True)


@pytest.fixture
def first(whole: Told) -> StepResult:
    return whole.played[FIRST.title]


@pytest.fixture
def reported(whole: Told) -> StepResult:
    return whole.played[REPORTING.title]


def test_every_step_ends_as_the_story_says(whole: Told) -> None:
    assert whole.failed == (), whole.text
    assert whole.text.endswith(f"{len(STEPS)} of {len(STEPS)} steps ended as the story says\n")


def test_the_story_has_every_kind_of_notice_in_it_and_the_digest() -> None:
    assert {str(mail.kind) for step in STEPS for mail in step.expected.mails} == {*NoticeKind, "digest"}


def test_the_swept_account_has_200_users_of_different_names() -> None:
    names = [name for crowd in GROUPS for name in crowd.names]
    assert (len(names), len(set(names))) == (200, 200)


def test_the_telling_is_plain_text_of_the_width_of_a_terminal(whole: Told) -> None:
    lines = whole.text.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert not [line for line in lines if line != line.rstrip()]
    assert "\x1b" not in whole.text


def test_every_step_shows_its_events_its_users_and_its_mails(whole: Told) -> None:
    sections = whole.text.split(f" of {len(STEPS)}: ")[1:]
    assert len(sections) == len(STEPS)
    for step, section in zip(STEPS, sections, strict=True):
        assert section.startswith(step.title)
        assert "  event    " in section
        for wakes in step.expected.wakes:
            assert f"{wakes.rule} woke {wakes.function}" in section
        for user in step.cast:
            assert f"\n  {user} " in section
        assert section.count("│ Subject: ") == len(step.expected.mails)


def test_what_the_template_has_and_the_account_has_not_is_named(whole: Told) -> None:
    said = " ".join(whole.text.split())
    assert "Left out of this account: Logs::QueryDefinition." in said


def test_a_sweep_shows_its_users_together_its_calls_counted_and_its_mail_cut(whole: Told) -> None:
    enforcing = whole.text.split(f" of {len(STEPS)}: {THE_WHOLE_ACCOUNT.steps[1].title}")[1]
    assert "\n  password only       40  -                    -                    enforced and tagged\n" in enforcing
    assert "AttachUserPolicy 170" in enforcing
    assert re.search(r"  asked    [0-9]+ IAM calls of at most 666, about 184 users one by one: ", enforcing)
    assert "more lines, which the demo leaves out]" in enforcing
    assert "nodevice-39" not in whole.text


def test_brief_leaves_the_texts_out_and_logs_puts_the_functions_lines_in(wrong: Told) -> None:
    assert "to security@example.com (NoticesTopic): HIGH: alice has no MFA device" in wrong.text
    assert "WHAT HAPPENED" not in wrong.text
    assert '"message":"Remediated"' in "".join(line.strip() for line in wrong.text.splitlines())


def test_the_first_step_comes_to_what_is_expected(first: StepResult) -> None:
    assert differences(FIRST.expected, first) == []


def _sends(**changes: object) -> tuple[Sends, ...]:
    return (replace(FIRST.expected.mails[0], **changes),)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"wakes": FIRST.expected.wakes[1:]}, "woke: expected 5 x"),
        ({"wakes": (Wakes("AlertFunctionRootSignIn", "AlertFunction"),)}, "woke: expected AlertFunctionRootSignIn"),
        (
            {"users": {"alice": Stands(frozenset({AttachmentRoute.DIRECT}), marked=False)}},
            "alice: expected enforced through user, not",
        ),
        ({"users": {**FIRST.expected.users, **UNTOUCHED}}, "nobody: expected not enforced"),
        ({"users": {}}, "alice: expected to be left alone"),
        ({"mails": ()}, "mails: expected nothing; it was noncompliant to NoticesTopic"),
        ({"mails": _sends(kind=NoticeKind.SOLVED)}, "mails: expected solved to NoticesTopic"),
        ({"mails": _sends(topic="OperationsTopic")}, "mails: expected noncompliant to OperationsTopic"),
        ({"mails": _sends(severity=Severity.LOW)}, "expected severity low; it was high"),
        ({"mails": _sends(words=("pigs fly",))}, "lacks 'pigs fly'"),
        ({"mails": _sends(lacks=("alice",))}, "should not say 'alice'"),
        ({"counted": {"UsersEnforced": 1}}, "counted: expected UsersEnforced 1; it was DuplicateEvents 3"),
        ({"echoes": (Wakes("UserEventFunctionTagsChanged", "UserEventFunction"),)}, "the guard's own writes woke"),
        ({"dead_letters": 1}, "dead letters: expected 1; it was 0"),
    ],
)
def test_a_wrong_expectation_is_a_difference(first: StepResult, changes: Mapping[str, object], said: str) -> None:
    expected: Expected = replace(FIRST.expected, **changes)  # type: ignore[arg-type]
    assert [sentence for sentence in differences(expected, first) if said in sentence]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"budget": Budget("SweepFunction", 10, users=0)}, "SweepFunction made 11 IAM calls; at most 10 were expected"),
        (
            {"measured": {**REPORTING.expected.measured, "UsersExempt": 16}},
            "measured: expected OldestNoncompliantDays 100",
        ),
        ({"users": {"phone-01": None, "phone-02": None}}, "phone-01 and 1 more: expected no user; it was not enforced"),
    ],
)
def test_a_wrong_expectation_of_a_sweep_is_a_difference(
    reported: StepResult, changes: Mapping[str, object], said: str
) -> None:
    assert differences(REPORTING.expected, reported) == []
    expected: Expected = replace(REPORTING.expected, **changes)  # type: ignore[arg-type]
    assert [sentence for sentence in differences(expected, reported) if said in sentence]


def test_asking_about_single_users_is_a_difference_where_none_was_expected(first: StepResult) -> None:
    budget = Budget("UserEventFunction", 100, users=0)
    expected = replace(FIRST.expected, budget=budget)
    assert differences(expected, first) == [
        "UserEventFunction asked IAM about 1 users one by one; at most 0 were expected"
    ]


def test_steps_that_fail_are_told_and_named_at_the_end_and_the_story_goes_on(wrong: Told) -> None:
    assert wrong.failed == (IMPOSSIBLE.title, WRONG.title)
    assert "it could not be played: It rained." in wrong.text
    assert "dead letters: expected 1; it was 0" in wrong.text
    assert wrong.text.rstrip().splitlines()[-3:] == [
        "1 of 3 steps ended as the story says",
        f"\N{BALLOT X} {IMPOSSIBLE.title}",
        f"\N{BALLOT X} {WRONG.title}",
    ]


@pytest.mark.parametrize(("failed", "exit_code"), [((), 0), ((WRONG.title,), 1)])
def test_the_command_tells_the_story_and_its_exit_code_how_it_went(
    monkeypatch: pytest.MonkeyPatch, failed: tuple[str, ...], exit_code: int
) -> None:
    asked: list[Sequence[Scenario]] = []

    def tell_nothing(scenarios: Sequence[Scenario], _template: Template, _teller: Reporter) -> tuple[str, ...]:
        asked.append(scenarios)
        return failed

    monkeypatch.setattr("mfa_guard_emulator.demo.play.play", tell_nothing)
    result = CliRunner().invoke(app, ["demo", "--brief"])
    assert (result.exit_code, asked) == (exit_code, [SCENARIOS]), result.output


def test_without_moto_one_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda _: None)
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 2
    assert result.output == (
        "The demo needs moto, awslambdaric, pyotp, aws_lambda_powertools; run it from a checkout with: make demo\n"
    )
