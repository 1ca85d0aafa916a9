"""An account on moto with the resources of the rendered template, for the handlers."""

import io
import json
import logging
import os
from collections.abc import Callable, Iterator
from unittest.mock import patch

import pytest

from mfa_guard.runtime import clients
from mfa_guard_cli.policy.evaluator import Decision
from mfa_guard_cli.stack.template import Stack, load_template
from support.account import Account, open_account
from support.aws import Context, Faults, forget_clients
from support.recorder import Recorder


@pytest.fixture(autouse=True, scope="module")
def obeying_their_roles() -> Iterator[None]:
    """Fail a module if a function makes a call in its tests that the rendered role does not allow."""
    recorder = Recorder()
    with recorder.recording():
        yield
    assert {str(call) for call in recorder.calls if call.decision() is not Decision.ALLOW} == set()


@pytest.fixture(scope="session")
def stack() -> Stack:
    return load_template().render()


@pytest.fixture
def fresh_clients() -> Iterator[None]:
    """Let the functions create their clients again, in the account that a test opens."""
    forget_clients()
    yield
    forget_clients()


@pytest.fixture
def account(stack: Stack, fresh_clients: None) -> Iterator[Account]:  # noqa: ARG001
    # One process runs all functions here. AlertFunction alone knows the stack.
    environment = {**stack.environment("UserEventFunction"), "STACK_ID": stack.environment("AlertFunction")["STACK_ID"]}
    with open_account(stack) as opened, patch.dict(os.environ, environment):
        yield opened


@pytest.fixture
def faults(account: Account) -> Faults:  # noqa: ARG001 - the clients belong to the account
    injected = Faults()
    for client in (clients.iam(), clients.sns(), clients.state_table(), clients.exemption_table()):
        client.meta.events.register("before-call", injected.before_call)
    return injected


@pytest.fixture
def context() -> Context:
    return Context()


@pytest.fixture
def printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], list[dict[str, object]]]:
    """Return a function that returns the JSON lines printed since its last call: logs and metrics."""
    logged = io.StringIO()
    for handler in logging.getLogger("mfa-guard").handlers:
        # The logger keeps the stream of the test that imported it first.
        monkeypatch.setattr(handler, "stream", logged)

    def lines() -> list[dict[str, object]]:
        text = logged.getvalue() + capsys.readouterr().out
        logged.seek(0)
        logged.truncate()
        return [json.loads(line) for line in text.splitlines()]

    return lines
