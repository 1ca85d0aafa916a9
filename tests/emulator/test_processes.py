"""What the local account starts ends with it. A function that fails has Lambda's errors and works again afterwards."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import boto3
import pytest
from botocore.config import Config
from typer.testing import CliRunner, Result

from mfa_guard_cli.stack import template
from mfa_guard_cli.stack.template import Stack
from mfa_guard_emulator.endpoint import ADMINISTRATOR_KEY
from mfa_guard_emulator.functions import runtime
from mfa_guard_emulator.functions.attempts import Attempt
from mfa_guard_emulator.functions.configuration import function_configuration
from mfa_guard_emulator.functions.runtime import (
    NotBuilt,
    SourceRunner,
    built_runner,
    new_request_id,
    source_runner,
)
from mfa_guard_emulator.main import app
from support.factories import ROOT_OF_THE_PROJECT
from support.processes import alive, descendants, wait_until

PROGRAM: Final = Path(sys.executable).with_name("mfa-guard-local")
SECONDS: Final = 90

# The functions' processes


HANDLER: Final = """
import json, os, sys, time

def lambda_handler(event, context):
    print("handling", event["do"])
    if event["do"] == "crash":
        os._exit(3)
    if event["do"] == "raise":
        raise ValueError("not today")
    if event["do"] == "hang":
        time.sleep(60)
    if event["do"] == "print much":
        print("x" * 200_000)
    if event["do"] == "environment":
        return dict(os.environ)
    return {"id": context.aws_request_id, "left": context.get_remaining_time_in_millis(), "pid": os.getpid(),
            "arn": context.invoked_function_arn, "name": context.function_name}
"""

MakeRunner = Callable[..., SourceRunner]


@pytest.fixture
def make_runner(stack: Stack, tmp_path: Path) -> Iterator[MakeRunner]:
    """Return a function that makes runners for a handler in a folder of its own."""
    code, runners = tmp_path / "code", []
    code.mkdir()
    (code / "handler.py").write_text(HANDLER, "utf-8")

    def make(handler: str = "handler.lambda_handler", seconds: int = 30) -> SourceRunner:
        function = function_configuration(stack, "AlertFunction", {"GIVEN": "yes"}, tmp_path)
        environment = {**function.environment, "_HANDLER": handler}
        function = replace(function, handler=handler, timeout_seconds=seconds, environment=environment)
        runners.append(SourceRunner(function, code))
        return runners[-1]

    yield make
    for runner in runners:
        runner.close()


def run(runner: SourceRunner, do: str = "answer", request_id: str | None = None) -> Attempt:
    return runner.invoke({"do": do}, request_id or new_request_id())


def answered(attempt: Attempt) -> Mapping[str, object]:
    assert attempt.error is None, attempt
    assert isinstance(attempt.answer, Mapping)
    return attempt.answer


def error_of(attempt: Attempt) -> tuple[str, str]:
    assert attempt.error is not None, attempt
    return attempt.error.type, attempt.error.message


def test_one_process_handles_event_after_event(make_runner: MakeRunner, stack: Stack) -> None:
    runner, request_id = make_runner(), new_request_id()
    first, second = answered(run(runner, request_id=request_id)), answered(run(runner))
    assert first["pid"] == second["pid"]
    assert first["id"] == request_id != second["id"]
    assert 20_000 < float(str(first["left"])) <= 30_000
    assert first["arn"] == stack.resolve({"Fn::GetAtt": ["AlertFunction", "Arn"]})
    assert first["name"] == stack.physical_id("AlertFunction")


def test_what_is_printed_belongs_to_the_run_that_printed_it(make_runner: MakeRunner) -> None:
    runner = make_runner()
    assert "handling print much" in (much := run(runner, "print much").output)
    assert "x" * 200_000 in much
    assert run(runner).output.splitlines() == ["handling answer"]


def test_a_function_sees_only_its_own_environment(
    make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch, stack: Stack
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("A_SECRET_OF_MINE", "hunter2")
    seen = answered(run(make_runner(), "environment"))
    assert seen["GIVEN"] == "yes"
    assert stack.environment("AlertFunction").items() <= seen.items()
    assert not {"AWS_PROFILE", "A_SECRET_OF_MINE"} & seen.keys()


def test_a_crash_a_timeout_and_an_exception_are_lambdas_errors_and_the_next_event_works(
    make_runner: MakeRunner,
) -> None:
    runner, request_id = make_runner(seconds=2), new_request_id()
    crashed = run(runner, "crash", request_id)
    exited = f"RequestId: {request_id} Error: Runtime exited with error: exit status 3"
    assert error_of(crashed) == ("Runtime.ExitError", exited)
    assert "handling crash" in crashed.output
    after_crash = answered(run(runner))

    timed_out = run(runner, "hang", request_id)
    assert error_of(timed_out) == ("Sandbox.Timedout", f"{request_id} Task timed out after 2.00 seconds")
    after_timeout = answered(run(runner))
    assert after_timeout["pid"] != after_crash["pid"]

    raised = run(runner, "raise")
    assert error_of(raised) == ("ValueError", "not today")
    assert raised.error is not None
    assert any("not today" in line for line in raised.error.trace)
    assert answered(run(runner))["pid"] == after_timeout["pid"]


@pytest.mark.parametrize(
    ("text", "handler", "kind", "part"),
    [
        ("import nowhere", "late.f", "Runtime.ImportModuleError", "No module named 'nowhere'"),
        ("this is no Python", "late.f", "Runtime.UserCodeSyntaxError", "Syntax error in module 'late'"),
        ("", "late.f", "Runtime.HandlerNotFound", "Handler 'f' missing on module 'late'"),
    ],
)
def test_an_error_at_the_start_is_reported_each_time_until_it_is_fixed(
    make_runner: MakeRunner, tmp_path: Path, text: str, handler: str, kind: str, part: str
) -> None:
    file = tmp_path / "code" / "late.py"
    file.write_text(text, "utf-8")
    runner = make_runner(handler)
    for _ in range(2):
        found, message = error_of(run(runner))
        assert (found, part in message) == (kind, True), message
    file.write_text("def f(event, context):\n    return {'fixed': True}\n", "utf-8")
    assert answered(run(runner)) == {"fixed": True}


def test_closing_a_runner_ends_the_run_of_its_function(make_runner: MakeRunner) -> None:
    runner = make_runner()
    run(runner)
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(run, runner, "hang")
        wait_until(
            lambda: "handling hang" in runner.configuration.log.read_text("utf-8"), 10, lambda: "It did not start."
        )
        runner.close()
        assert error_of(running.result(5))[0] == "Runtime.ExitError"


def test_a_runner_that_is_closed_leaves_no_process(make_runner: MakeRunner) -> None:
    before = descendants(os.getpid())
    runner = make_runner()
    run(runner)
    started = descendants(os.getpid()) - before
    assert started
    runner.close()
    assert alive(started) == set()
    assert answered(run(runner))


# The whole program


@contextmanager
def program(temporary: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run `mfa-guard-local run` with a folder of its own for temporary files."""
    process = subprocess.Popen(
        [PROGRAM, "run", "--port", "0", "--brief"],
        cwd=ROOT_OF_THE_PROJECT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def endpoint(process: "subprocess.Popen[str]") -> str:
    """Return the address of the account, after its terminal has shown how to stop it."""
    assert process.stdout is not None
    found, lines = "", []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("  export AWS_ENDPOINT_URL="):
            found = line.strip().partition("=")[2]
        if line.startswith("Ctrl-C"):
            return found
    raise AssertionError(lines)


def create_a_user(url: str) -> None:
    """Make a call whose event invokes a function."""
    iam = boto3.client(
        "iam",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id=ADMINISTRATOR_KEY.key_id,
        aws_secret_access_key=ADMINISTRATOR_KEY.secret,
        config=Config(retries={"total_max_attempts": 1}),
    )
    iam.create_user(UserName="alice")


def listens(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == 0


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    with program(tmp_path) as process:
        url = endpoint(process)
        create_a_user(url)
        started = descendants(process.pid)
        assert len(started) == 4
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
        assert process.returncode == 0, output
        assert "Traceback" not in output
    assert (alive(started), listens(url), list(tmp_path.iterdir())) == (set(), False, [])


def test_sigterm_during_the_start_leaves_nothing_behind(tmp_path: Path) -> None:
    with program(tmp_path) as process:
        wait_until(lambda: descendants(process.pid), SECONDS, process.poll)
        started = descendants(process.pid)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        assert "Traceback" not in output
    assert (alive(started), list(tmp_path.iterdir())) == (set(), [])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child process that its parent ended")
def test_sigkill_leaves_no_function_running(tmp_path: Path) -> None:
    with program(tmp_path) as process:
        url = endpoint(process)
        create_a_user(url)
        started = descendants(process.pid)
        assert started
        process.kill()
        process.wait()
        wait_until(lambda: not alive(started), 10, lambda: f"still running: {alive(started)}")
        assert not listens(url)


# Errors before the start


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """Return a function that runs `mfa-guard-local run` in this process, and check that it leaves nothing behind."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = descendants(os.getpid())

    def invoke(*options: str) -> Result:
        return CliRunner().invoke(app, ["run", *options])

    yield invoke
    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert (list(temporary.iterdir()), alive(descendants(os.getpid()) - before)) == ([], set())


def one_line(result: Result) -> str:
    """Return the error of a command that could not start."""
    assert result.exit_code == 2, result.output
    [line] = result.output.splitlines()
    assert line.endswith(".") or ": " in line
    return str(line)


def test_a_port_in_use_is_one_line(local: Callable[..., Result]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        message = one_line(local("--port", port))
    assert message == f"Port {port} cannot be used, or another program uses it; choose another port with --port."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--runtime", "docker"), "There is no runtime 'docker'; use source or lambda."),
        (("--parameter", "Mode"), "--parameter needs NAME=VALUE, not 'Mode'."),
        (("--parameter", "Color=red"), "The template has no parameter Color."),
        (("--parameter", "Mode=off"), "The parameter Mode allows audit, events, all, but not 'off'."),
    ],
)
def test_a_wrong_option_is_one_line(local: Callable[..., Result], options: tuple[str, ...], message: str) -> None:
    assert one_line(local(*options)) == message


def test_a_template_that_cannot_be_read_is_one_line(
    local: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "template.yaml"
    broken.write_text("Resources: [", "utf-8")
    monkeypatch.setattr(template, "_default_path", lambda: broken)
    assert one_line(local()).startswith(f"The template {broken} cannot be read: ")


def test_a_template_with_an_unsupported_property_is_one_line(
    local: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT_OF_THE_PROJECT / "template.yaml").read_text("utf-8")
    changed = tmp_path / "template.yaml"
    changed.write_text(
        text.replace("MessageRetentionPeriod: 1209600", "MessageRetentionPeriod: 1209600\n      FifoQueue: true"),
        "utf-8",
    )
    monkeypatch.setattr(template, "_default_path", lambda: changed)
    assert one_line(local("--port", "0")) == "DeadLetterQueue has FifoQueue, which the local account does not support."


def test_nothing_built_is_one_line(
    local: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        runtime, "__file__", str(tmp_path / "emulator" / "mfa_guard_emulator" / "functions" / "runtime.py")
    )
    message = one_line(local("--port", "0", "--runtime", "lambda"))
    assert message.endswith(" is not built; run: make build")


def test_each_missing_part_of_a_runtime_is_named(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    function = function_configuration(stack, "AlertFunction", {}, tmp_path)
    root = tmp_path / "checkout"
    monkeypatch.setattr(runtime, "__file__", str(root / "emulator" / "mfa_guard_emulator" / "functions" / "runtime.py"))
    with pytest.raises(
        NotBuilt, match=r"^The source of the functions is missing; run mfa-guard-local from a checkout of mfa-guard\.$"
    ):
        source_runner(function)
    with pytest.raises(NotBuilt, match=r"^AlertFunction is not built; run: make build$"):
        built_runner(function)
    (root / ".aws-sam" / "build" / "AlertFunction").mkdir(parents=True)
    with pytest.raises(NotBuilt, match=r"^Lambda's runtime is not installed; run: make \.tools/\.lambda$"):
        built_runner(function)
    python = root / ".tools" / "lambda" / "bin" / "python"
    python.parent.mkdir(parents=True)
    shutil.copy(sys.executable, python)
    with pytest.raises(NotBuilt, match=r"^The Runtime Interface Emulator .* is not installed; run: make build$"):
        built_runner(function)


def test_no_account_on_a_port_is_one_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
        result = CliRunner().invoke(app, ["sweep", "--port", port])
    assert one_line(result) == f"No local account answers on port {port}; start one with: mfa-guard-local run"
