"""The demo tells the whole story, and says so when a step does not end as told."""

import io
from collections.abc import Mapping
from dataclasses import replace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from mfa_guard.core.kinds import Kind, Severity
from mfa_guard.core.user import Way
from mfa_guard_cli.local import command
from mfa_guard_cli.local.account import open_account
from mfa_guard_cli.local.demo import tell
from mfa_guard_cli.local.expectations import Expected, Sends, Stands, Wakes, differences
from mfa_guard_cli.local.scene import Played, Scene, StoryBroken
from mfa_guard_cli.local.story import PARAMETERS, STORY, Step, prepare
from mfa_guard_cli.local.telling import WIDTH, Teller
from mfa_guard_cli.main import app
from mfa_guard_cli.template import Stack, Template

FIRST = STORY[0]
WRONG = replace(FIRST, expected=replace(FIRST.expected, dead_letters=1))
UNTOUCHED = {"nobody": Stands()}


def _never(_: Scene) -> None:
    raise StoryBroken("It rained.")


IMPOSSIBLE = replace(FIRST, title="A step that cannot be played", happens=_never)


def told(template: Template, *story: Step, brief: bool = False, logs: bool = False) -> tuple[tuple[str, ...], str]:
    """Return the titles of the steps that failed, and everything that was printed."""
    console = Console(file=io.StringIO(), width=WIDTH, highlight=False, markup=False, emoji=False)
    with console.capture() as capture:
        failed = tell(story, template, Teller(console, brief=brief, logs=logs))
    return failed, capture.get()


@pytest.fixture(scope="module")
def whole(stack: Stack) -> tuple[tuple[str, ...], str]:
    return told(stack.template, *STORY)


@pytest.fixture(scope="module")
def first(stack: Stack) -> Played:
    with open_account(stack.template.render(parameters=PARAMETERS)) as account:
        scene = Scene(account)
        prepare(scene)
        return scene.play(FIRST.happens, FIRST.arrive)


def test_every_step_ends_as_the_story_says(whole: tuple[tuple[str, ...], str]) -> None:
    failed, text = whole
    assert failed == (), text
    assert text.endswith(f"{len(STORY)} of {len(STORY)} steps ended as the story says\n")


def test_the_story_has_every_kind_of_notice_in_it() -> None:
    assert {mail.kind for step in STORY for mail in step.expected.mails} == set(Kind)


def test_the_telling_is_plain_text_of_the_width_of_a_terminal(whole: tuple[tuple[str, ...], str]) -> None:
    lines = whole[1].splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert not [line for line in lines if line != line.rstrip()]
    assert "\x1b" not in whole[1]


def test_every_step_shows_its_events_its_users_and_its_mails(whole: tuple[tuple[str, ...], str]) -> None:
    sections = whole[1].split(f" of {len(STORY)}: ")[1:]
    assert len(sections) == len(STORY)
    for step, section in zip(STORY, sections, strict=True):
        assert section.startswith(step.title)
        assert "  event    " in section
        for wakes in step.expected.wakes:
            assert f"{wakes.rule} woke {wakes.function}" in section
        for user in step.cast:
            assert f"\n  {user} " in section
        assert section.count("│ Subject: ") == len(step.expected.mails)


def test_what_the_template_has_and_the_account_has_not_is_named(whole: tuple[tuple[str, ...], str]) -> None:
    left_out = "Left out of this account: CloudWatch::Alarm, IAM::Role, Logs::LogGroup, SNS::TopicPolicy, "
    assert left_out in " ".join(whole[1].split()) + " "


def test_brief_leaves_the_texts_out_and_logs_puts_the_functions_lines_in(stack: Stack) -> None:
    _, text = told(stack.template, FIRST, brief=True, logs=True)
    assert "to security@example.com (NoticesTopic): HIGH: alice has no MFA device" in text
    assert "WHAT HAPPENED" not in text
    assert '"message":"Remediated"' in "".join(line.strip() for line in text.splitlines())


def test_the_first_step_comes_to_what_is_expected(first: Played) -> None:
    assert differences(FIRST.expected, first) == []


def _sends(**changes: object) -> tuple[Sends, ...]:
    return (replace(FIRST.expected.mails[0], **changes),)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"wakes": FIRST.expected.wakes[1:]}, "woke: expected 5 x"),
        ({"wakes": (Wakes("AlertFunctionRootSignIn", "AlertFunction"),)}, "woke: expected AlertFunctionRootSignIn"),
        (
            {"users": {"alice": Stands(frozenset({Way.USER}), marked=False)}},
            "alice: expected enforced through user, not",
        ),
        ({"users": {**FIRST.expected.users, **UNTOUCHED}}, "nobody: expected not enforced"),
        ({"users": {}}, "alice: expected to be left alone"),
        ({"mails": ()}, "mails: expected nothing; it was noncompliant to NoticesTopic"),
        ({"mails": _sends(kind=Kind.SOLVED)}, "mails: expected solved to NoticesTopic"),
        ({"mails": _sends(topic="OperationsTopic")}, "mails: expected noncompliant to OperationsTopic"),
        ({"mails": _sends(severity=Severity.LOW)}, "expected severity low; it was high"),
        ({"mails": _sends(words=("pigs fly",))}, "lacks 'pigs fly'"),
        ({"mails": _sends(lacks=("alice",))}, "should not say 'alice'"),
        ({"counted": {"UsersEnforced": 1}}, "counted: expected UsersEnforced 1; it was DuplicateEvents 3"),
        ({"echoes": (Wakes("UserEventFunctionTagsChanged", "UserEventFunction"),)}, "the guard's own writes woke"),
        ({"dead_letters": 1}, "dead letters: expected 1; it was 0"),
    ],
)
def test_a_wrong_expectation_is_a_difference(first: Played, changes: Mapping[str, object], said: str) -> None:
    expected: Expected = replace(FIRST.expected, **changes)  # type: ignore[arg-type]
    assert [sentence for sentence in differences(expected, first) if said in sentence]


def test_a_step_that_ends_otherwise_is_named_at_the_end(stack: Stack) -> None:
    failed, text = told(stack.template, WRONG, STORY[1], brief=True)
    assert failed == (WRONG.title,)
    assert "not as the story says:" in text
    assert text.rstrip().splitlines()[-2:] == ["1 of 2 steps ended as the story says", f"\N{BALLOT X} {WRONG.title}"]


def test_a_step_that_cannot_be_played_does_not_end_the_story(stack: Stack) -> None:
    failed, text = told(stack.template, IMPOSSIBLE, FIRST, brief=True)
    assert failed == (IMPOSSIBLE.title,)
    assert "it could not be played: It rained." in text


@pytest.mark.parametrize(("story", "exit_code"), [((FIRST,), 0), ((WRONG,), 1)])
def test_the_exit_code_tells_how_the_story_went(
    monkeypatch: pytest.MonkeyPatch, story: tuple[Step, ...], exit_code: int
) -> None:
    monkeypatch.setattr("mfa_guard_cli.local.story.STORY", story)
    result = CliRunner().invoke(app, ["demo", "--brief"])
    assert result.exit_code == exit_code, result.output
    assert f"{1 - exit_code} of 1 steps ended as the story says" in result.output


def test_without_moto_one_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda _: None)
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 2
    assert result.output == "The demo needs moto and aws_lambda_powertools; run it from a checkout with: make demo\n"
