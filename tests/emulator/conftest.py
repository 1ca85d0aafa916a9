"""A local account in the test's own process, which the tests of a module share."""

from collections.abc import Iterator

import pytest

from mfa_guard_cli.stack.template import Stack, load_template
from mfa_guard_emulator.aws.account import LocalAccount, Plan, Watcher, run_account
from support.local import Heard, settle

PARAMETERS = {
    "AlertEmail": "security@example.com",
    "OperationsEmail": "operations@example.com",
    "HelpUrl": "https://help.example.com/mfa",
}


@pytest.fixture(scope="session")
def stack() -> Stack:
    return load_template().render(parameters=PARAMETERS)


@pytest.fixture(scope="module")
def heard() -> Heard:
    return Heard()


@pytest.fixture(scope="module")
def running(stack: Stack, heard: Heard) -> Iterator[LocalAccount]:
    """Run an account whose stack is there from the start: nobody announces it, and no function runs for that."""
    plan = Plan(stack, port=0, retry_seconds=(0.05, 0.1), scenarios=True, announced=False)
    watcher = Watcher(told=heard.told, delivered=heard.delivered)
    with run_account(plan, watcher) as account:
        yield account


@pytest.fixture
def account(running: LocalAccount) -> Iterator[LocalAccount]:
    """Return the module's account, which must be at rest and without a failure of its own after each test."""
    yield running
    settle(running)
    assert running.failures == []
