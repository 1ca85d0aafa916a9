"""What `mfa-guard-local run` shows on the terminal."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import boto3
import pytest

from mfa_guard_cli.stack.template import Fields, Stack
from mfa_guard_emulator.account import LocalAccount
from mfa_guard_emulator.aws.delivery import DeliveryFaults
from mfa_guard_emulator.console import terminal
from mfa_guard_emulator.endpoint import ADMINISTRATOR_KEY
from mfa_guard_emulator.functions.attempts import Attempt, FunctionError
from mfa_guard_emulator.functions.configuration import FunctionConfiguration

HOSTILE = "red\x1b[31m"


@dataclass
class FakeFunction:
    """Answers every event in the same way."""

    configuration: FunctionConfiguration
    attempt: Attempt

    def start(self) -> None:
        pass

    def invoke(self, event: Fields, request_id: str) -> Attempt:  # noqa: ARG002 - of the protocol
        return self.attempt

    def close(self) -> None:
        pass


def run(
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[boto3.Session, str], None],
    *,
    brief: bool = False,
    attempt: Attempt | None = None,
) -> int:
    """Run an account, act in it once it is shown, and stop it; returns the number of its errors."""
    config = replace(
        terminal.new_config(stack.template, port=0, runtime="source", parameters={}, delivery_faults=DeliveryFaults()),
        runner=lambda configuration: FakeFunction(configuration, attempt or Attempt(output="a line of the log\n")),
        create_custom_resource=False,
        retry_seconds=(0.01,),
    )
    stop, show_opening = threading.Event(), terminal._Screen.show_opening

    def show_and_act(screen: terminal._Screen, account: LocalAccount) -> None:
        show_opening(screen, account)
        act(account.session(ADMINISTRATOR_KEY), account.endpoint)
        assert account.bus.wait_until_idle(10)
        stop.set()

    monkeypatch.setattr(terminal._Screen, "show_opening", show_and_act)
    return terminal.run_until(stop, config, brief=brief, logs=True)


def create_user(session: boto3.Session, endpoint: str) -> None:
    session.client("iam", endpoint_url=endpoint).create_user(UserName="alice")


def test_it_shows_how_to_call_the_account_and_what_happens(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(stack, monkeypatch, create_user) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("The local account 111122223333 runs the stack mfa-guard from template.yaml: ")
    exported = dict(line.strip().removeprefix("export ").split("=") for line in lines if line.startswith("  export "))
    assert exported["AWS_ACCESS_KEY_ID"] == ADMINISTRATOR_KEY.key_id
    port = exported["AWS_ENDPOINT_URL"].rpartition(":")[2]
    assert f'These variables in one command: eval "$(mfa-guard-local env --port {port})"' in lines
    assert "iam CreateUser by user/carol, about alice: UserEventFunction: notified the administrators" in lines
    assert "a line of the log" in lines
    assert lines[-1] == "Stopping."


def test_a_call_that_is_not_recorded_is_mentioned(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def act(session: boto3.Session, endpoint: str) -> None:
        session.client("logs", endpoint_url=endpoint).create_log_group(logGroupName="others")

    run(stack, monkeypatch, act)
    assert "logs:CreateLogGroup is not recorded, because no rule of the stack matches it.\n" in capsys.readouterr().out


def test_a_function_that_fails_is_shown_with_its_attempts(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = Attempt(error=FunctionError("ValueError", HOSTILE))
    assert run(stack, monkeypatch, create_user, attempt=failing) == 0
    output = capsys.readouterr().out
    assert "failed: ValueError: red\\x1b[31m after 3 attempts; sent to the dead-letter queue" in output
    assert "\x1b" not in output


@pytest.mark.parametrize("brief", [True, False])
def test_a_mail_is_shown_in_full_or_by_its_subject(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], brief: bool
) -> None:
    topic = str(stack.resolve({"Ref": "NoticesTopic"}))

    def publish(session: boto3.Session, endpoint: str) -> None:
        message = json.dumps({"default": "{}", "email": f"first line\n{HOSTILE}\n"})
        session.client("sns", endpoint_url=endpoint).publish(
            TopicArn=topic, Subject="HIGH: news", Message=message, MessageStructure="json"
        )

    run(stack, monkeypatch, partial(publish), brief=brief)
    output = capsys.readouterr().out
    assert ("mail to security@example.com (NoticesTopic): HIGH: news\n" in output) == brief
    assert ("Subject: HIGH: news" in output) == ("first line" in output) == (not brief)
    assert "\x1b" not in output


def test_an_error_of_the_account_itself_is_shown_and_counted(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_self: FakeFunction, _event: Fields, _request_id: str) -> Attempt:
        raise RuntimeError("the emulator is wrong")

    monkeypatch.setattr(FakeFunction, "invoke", fail)
    assert run(stack, monkeypatch, create_user) == 1
    output = capsys.readouterr().out
    assert "The local account itself failed:\n" in output
    assert "RuntimeError: the emulator is wrong" in output
