"""A local account in the test's own process, which the tests of a module share."""

from collections.abc import Iterator

import pytest

from mfa_guard_cli.stack.template import Stack, load_template
from mfa_guard_emulator.account import AccountConfig, Listener, LocalAccount, run_account
from mfa_guard_emulator.console.pages import Pages
from mfa_guard_emulator.console.terminal import PARAMETERS
from support.local import Recorder, wait_until_idle


@pytest.fixture(scope="session")
def stack() -> Stack:
    return load_template().render(parameters=PARAMETERS)


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def running(stack: Stack, recorder: Recorder) -> Iterator[LocalAccount]:
    """Run an account whose stack is complete from the start, so that no function runs before the first test."""
    config = AccountConfig(
        stack, retry_seconds=(0.05, 0.1), pages=Pages, simulated_time=True, create_custom_resource=False
    )
    listener = Listener(on_message=recorder.on_message, on_delivery=recorder.on_delivery)
    with run_account(config, listener) as account:
        yield account


@pytest.fixture
def account(running: LocalAccount) -> Iterator[LocalAccount]:
    """Return the module's account, which must be idle and without an error of its own after each test."""
    yield running
    wait_until_idle(running)
    assert running.failures == []
