"""The administrator's commands against the local account. Those that ask a question run as processes at a terminal."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import pexpect
import pytest
from typer.testing import CliRunner

from mfa_guard_cli.main import app
from mfa_guard_emulator.console.client import environment
from support.factories import detail, envelope
from support.local_account import RunningAccount, local_account

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

PROGRAM = str(Path(sys.executable).with_name("mfa-guard"))
POLICY = "arn:aws:iam::111122223333:policy/EnrollMFADeviceThenSignInAgain"
TIMEOUT_SECONDS = 60


def variables(given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a terminal with the variables that the local account says to export."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**own, **given, "AWS_CONFIG_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"}


@dataclass
class Terminal:
    """A terminal of an administrator."""

    account: RunningAccount

    @property
    def environment(self) -> dict[str, str]:
        return variables(self.account.environment)

    @cached_property
    def iam(self) -> "IAMClient":
        return self.account.session().client("iam", endpoint_url=self.account.endpoint)

    def run(self, *words: str, exit_code: int = 0) -> str:
        """Run a command that asks no question, and return its standard output."""
        with patch.dict(os.environ, self.environment, clear=True):
            result = CliRunner().invoke(app, words)
        assert result.exit_code == exit_code, result.output
        assert "\x1b" not in result.output
        return str(result.stdout)

    def type(self, *words: str, answer: str) -> tuple[int, str]:
        """Run the program on a pseudo-terminal, and answer its question. Returns its exit code and what it showed."""
        child = pexpect.spawn(PROGRAM, list(words), env=self.environment, encoding="utf-8", timeout=TIMEOUT_SECONDS)
        child.expect(r"\[y/N\]: ")
        shown = str(child.before)
        child.sendline(answer)
        child.expect(pexpect.EOF)
        child.close()
        return int(child.exitstatus or 0), shown + str(child.before)

    def attached(self, name: str) -> set[str]:
        listed = self.iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]
        return {each["PolicyArn"] for each in listed}

    def until(self, done: Callable[[], object]) -> None:
        self.account.wait_for(done)


@pytest.fixture(scope="module")
def terminal() -> Iterator[Terminal]:
    with local_account() as account:
        yield Terminal(account)
    assert not [line for line in account.lines if "itself failed" in line]


def test_a_new_user_is_explained_released_and_enforced_again(terminal: Terminal) -> None:
    terminal.iam.create_user(UserName="alice")
    terminal.until(lambda: POLICY in terminal.attached("alice"))
    explained = json.loads(terminal.run("explain", "alice", "--format", "json"))
    assert (explained["rule"]["number"], explained["user"]["enforced_by"]) == (4, ["user"])
    assert "not available here" in explained["simulation"]["unavailable"]

    code, shown = terminal.type("release", "alice", answer="n")
    assert code == 2
    assert "will be exempt until" in shown
    assert terminal.attached("alice") == {POLICY}

    code, shown = terminal.type("release", "alice", answer="y")
    assert (code, "mfa-guard enforce alice --drop-exemption" in shown) == (0, True)
    assert terminal.attached("alice") == set()
    # Drift repair looks at it, and lets the exemption hold.
    terminal.until(lambda: not terminal.iam.list_user_tags(UserName="alice")["Tags"])
    assert terminal.attached("alice") == set()
    [row] = json.loads(terminal.run("exempt", "list", "--format", "json"))
    assert (row["user"], row["state"], row["created_by"]) == (
        "alice",
        "valid",
        "arn:aws:iam::111122223333:user/carol",
    )

    terminal.run("enforce", "alice", "--yes", exit_code=2)
    terminal.run("enforce", "alice", "--drop-exemption", "--yes")
    assert terminal.attached("alice") == {POLICY}
    assert json.loads(terminal.run("exempt", "list", "--format", "json")) == []


def test_a_name_with_characters_that_the_terminal_lacks_is_escaped(terminal: Terminal) -> None:
    terminal.iam.create_user(UserName="zoe")
    terminal.run("exempt", "add", "zoe", "--owner", "Zoë 測試", "--reason", "build machine", "--yes")
    done = subprocess.run(
        [PROGRAM, "exempt", "list"],
        env=terminal.environment | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert b"Zo\\xeb" in done.stdout
    terminal.run("exempt", "remove", "zoe", "--yes")


def test_a_stopped_guard_enforces_no_user_and_a_started_one_catches_up_with_a_sweep(terminal: Terminal) -> None:
    code, shown = terminal.type("stop", answer="y")
    assert (code, "schedule mfa-guard-sweep: disabled" in shown) == (0, True)
    assert "Stopped since" in terminal.run("status", exit_code=1)
    terminal.run("sweep", "--yes", exit_code=2)
    terminal.iam.create_user(UserName="bob")
    terminal.until(lambda: "iam CreateUser by user/carol, about bob: matches no rule" in terminal.account.lines)
    assert terminal.attached("bob") == set()

    output = terminal.run("start", "--yes")
    assert "Missed: 1 event (1 CreateUser), about bob." in output
    assert "Running." in terminal.run("status")
    terminal.run("sweep", "--yes")
    terminal.until(lambda: terminal.attached("bob") == {POLICY})


def test_a_dead_letter_message_is_listed_and_redriven(terminal: Terminal) -> None:
    terminal.run("stop", "--yes")
    terminal.iam.create_user(UserName="eve")
    terminal.run("start", "--yes")
    session, endpoint = terminal.account.session(), terminal.account.endpoint
    outputs = session.client("cloudformation", endpoint_url=endpoint).describe_stacks()["Stacks"][0]
    queue = next(each["OutputValue"] for each in outputs["Outputs"] if each["OutputKey"] == "DeadLetterQueueUrl")
    functions = session.client("lambda", endpoint_url=endpoint).list_functions()["Functions"]
    target = next(each["FunctionArn"] for each in functions if "UserEventFunction" in each["FunctionName"])
    user = terminal.iam.get_user(UserName="eve")["User"]
    created = user["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ")
    event = envelope(detail("UpdateUser", {"userName": "eve", "newUserName": "eve"}, eventTime=created))
    session.client("sqs", endpoint_url=endpoint).send_message(
        QueueUrl=queue,
        MessageBody=json.dumps(event),
        MessageAttributes={"TARGET_ARN": {"DataType": "String", "StringValue": target}},
    )
    [message] = json.loads(terminal.run("dead-letters", "list", "--format", "json", exit_code=1))
    assert message["what"] == "UpdateUser about eve"
    code, shown = terminal.type("dead-letters", "redrive", answer="y")
    assert (code, "the message was deleted" in shown) == (0, True)
    terminal.until(lambda: terminal.attached("eve") == {POLICY})
    assert terminal.run("dead-letters", "list") == "The dead-letter queue is empty.\n"


def test_all_users_are_released_after_yes_and_none_after_no(terminal: Terminal) -> None:
    for name in ("pat", "sam"):
        terminal.iam.create_user(UserName=name)
        terminal.until(lambda name=name: POLICY in terminal.attached(name))  # type: ignore[misc]
    code, shown = terminal.type("release", "--all", answer="n")
    assert code != 0
    assert "Release " in shown
    assert POLICY in terminal.attached("pat")
    code, shown = terminal.type("release", "--all", answer="y")
    assert code == 0
    assert terminal.attached("pat") == terminal.attached("sam") == set()
    assert terminal.run("release", "--all", "--yes").startswith("No user is enforced")


def test_a_response_that_is_not_of_aws_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<html>Sign in to the hotel's network</html>")
    serve = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as proxy:
        assert proxy.stdout is not None
        port = proxy.stdout.readline().split("port ")[1].split()[0]
        done = subprocess.run(
            [PROGRAM, "status"],
            env=variables(environment(f"http://127.0.0.1:{port}")),
            capture_output=True,
            text=True,
            check=False,
        )
        proxy.terminate()
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("The response cannot be read")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [["status"], ["release", "alice"], ["dead-letters", "list"]])
def test_without_credentials_the_error_has_the_next_step(words: list[str]) -> None:
    kept = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    done = subprocess.run(
        [PROGRAM, *words],
        env={**kept, "AWS_EC2_METADATA_DISABLED": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "name a profile with --profile" in done.stderr
