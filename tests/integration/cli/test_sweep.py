"""`mfa-guard sweep` puts on the bus what SweepFunction understands, and nothing that nobody would hear."""

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


def test_where_sweeps_only_report_nobody_is_asked(deployed: Deployed) -> None:
    assert deployed.run("sweep").exit_code == 0
    assert asked(deployed) == SweepRequest("1", audit=False, round=1)


def test_where_a_sweep_changes_users_yes_is_needed(writing: Deployed) -> None:
    result = writing.run("sweep")
    assert (result.exit_code, writing.put) == (2, [])
    assert "Mode is all" in result.stderr
    assert writing.run("sweep", "--yes").exit_code == 0
    assert asked(writing).audit is False


def test_an_audit_changes_nobody_and_needs_no_yes(writing: Deployed) -> None:
    assert writing.run("sweep", "--audit").exit_code == 0
    assert asked(writing).audit is True


def test_a_stopped_guard_would_not_hear(deployed: Deployed) -> None:
    deployed.account.clients.events.disable_rule(Name="mfa-guard-sweep-requested")
    result = deployed.run("sweep")
    assert (result.exit_code, result.stderr, deployed.put) == (
        2,
        "The guard is stopped, so no sweep can be asked for; start it first: mfa-guard start\n",
        [],
    )


def test_a_function_that_is_switched_off_would_not_run(deployed: Deployed) -> None:
    deployed.concurrency = 0
    result = deployed.run("sweep")
    assert (result.exit_code, deployed.put) == (2, [])
    assert "mfa-guard start --all" in result.stderr


def test_whoever_may_not_read_the_concurrency_may_ask_all_the_same(deployed: Deployed) -> None:
    deployed.failing = {"GetFunctionConcurrency": "AccessDeniedException"}
    assert deployed.run("sweep").exit_code == 0
