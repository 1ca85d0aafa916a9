"""`mfa-guard sweep` requests what SweepFunction understands, and only if the guard runs."""

import json
from collections.abc import Iterator

import pytest

from mfa_guard.core.sweep_request import SweepRequest, parse_sweep_request
from mfa_guard_cli.stack.template import Stack
from support.account import open_account
from support.deployed import Deployed, deploy


@pytest.fixture
def writing(
    stack: Stack,
    fresh_clients: None,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Deployed]:
    """Return a stack whose sweeps change users."""
    with open_account(stack.template.render(parameters={"Mode": "all"})) as account:
        yield deploy(account, monkeypatch)


def asked(deployed: Deployed) -> SweepRequest:
    [entry] = deployed.put
    event = {"id": "1", "source": entry["Source"], "detail-type": entry["DetailType"]}
    return parse_sweep_request({**event, "detail": json.loads(entry["Detail"])})


def test_a_sweep_that_only_reports_needs_no_yes(deployed: Deployed) -> None:
    assert deployed.run("sweep", "--audit").exit_code == 0
    assert asked(deployed) == SweepRequest("1", audit=True, round=1, sweep="1")
    assert "changes no user" in deployed.run("sweep", "--audit").stdout


def test_in_mode_events_a_sweep_changes_users_in_scope_and_needs_yes(deployed: Deployed) -> None:
    result = deployed.run("sweep")
    assert (result.exit_code, deployed.put) == (2, [])
    assert "Mode is events" in result.stderr
    assert "users in scope" in result.stderr


def test_a_sweep_that_changes_users_needs_yes(writing: Deployed) -> None:
    result = writing.run("sweep")
    assert (result.exit_code, writing.put) == (2, [])
    assert "Mode is all" in result.stderr
    assert writing.run("sweep", "--yes").exit_code == 0
    assert asked(writing).audit is False


def test_an_audit_changes_no_user_and_needs_no_yes(writing: Deployed) -> None:
    assert writing.run("sweep", "--audit").exit_code == 0
    assert asked(writing).audit is True


def test_a_stopped_guard_cannot_sweep(deployed: Deployed) -> None:
    deployed.account.clients.events.disable_rule(Name="mfa-guard-sweep-requested")
    result = deployed.run("sweep")
    assert (result.exit_code, result.stderr, deployed.put) == (
        2,
        "The guard is stopped, so it cannot sweep; start it first: mfa-guard start\n",
        [],
    )


def test_a_function_without_concurrency_cannot_sweep(deployed: Deployed) -> None:
    deployed.concurrency = 0
    result = deployed.run("sweep")
    assert (result.exit_code, deployed.put) == (2, [])
    assert "mfa-guard start --all" in result.stderr


def test_without_permission_to_read_the_concurrency_a_sweep_can_be_requested(deployed: Deployed) -> None:
    deployed.failing = {"GetFunctionConcurrency": "AccessDeniedException"}
    assert deployed.run("sweep", "--audit").exit_code == 0
