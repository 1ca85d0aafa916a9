"""`mfa-guard explain` shows the plan, and the decisions of IAM's policy simulator."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

import pytest

from mfa_guard.adapters.exemptions import ExemptionTable
from mfa_guard.adapters.user_records import UserRecordTable
from mfa_guard.core.user_record import Decision, Standing
from mfa_guard_cli.stack.template import Stack
from support.account import Account, open_account
from support.deployed import Deployed, deploy
from support.fakes import FakeClock, FakeTelemetry

POLICY = "EnrollMFADeviceThenSignInAgain"


def exempt(deployed: Deployed) -> None:
    deployed.exempt(deployed.user())


def machine(deployed: Deployed) -> None:
    deployed.user()
    deployed.key()


RULES: Mapping[int, Callable[[Deployed], object]] = {
    3: exempt,
    4: lambda deployed: deployed.user(enforced=True),
    5: machine,
    7: lambda deployed: deployed.user(password=True),
}


@pytest.mark.parametrize(("number", "make"), RULES.items())
def test_the_rule_that_decides_is_named(deployed: Deployed, number: int, make: Callable[[Deployed], object]) -> None:
    make(deployed)
    rule = deployed.json("explain", "alice")["rule"]
    assert isinstance(rule, dict)
    assert rule["number"] == number


@pytest.fixture
def strict(stack: Stack, fresh_clients: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:  # noqa: ARG001
    """Return a stack of Mode all, with an exempt path, that enforces on console users only."""
    parameters = {"Mode": "all", "EnforceOn": "console", "ExemptPathPrefixes": "/machines/"}
    with open_account(stack.template.render(parameters=parameters)) as account:
        yield deploy(account, monkeypatch)


def test_a_user_without_a_password_if_enforcement_is_for_console_users(strict: Deployed) -> None:
    strict.user()
    rule = strict.json("explain", "alice")["rule"]
    assert isinstance(rule, dict)
    assert rule["number"] == 6


def remember(deployed: Deployed, user_id: str, decision: Decision) -> None:
    """Write the decision into the user's record, as the guard does."""
    stack, clock = deployed.account.stack, deployed.account.clock
    tables = (stack.physical_id("StateTable"), stack.physical_id("ExemptionsTable"))
    dynamodb = deployed.account.clients.dynamodb
    exemptions = ExemptionTable(dynamodb, tables[1])
    UserRecordTable(dynamodb, tables, exemptions, FakeClock(clock.now()), FakeTelemetry()).remember(user_id, decision)


def test_a_user_whom_the_guard_enforced_stays_enforced_without_the_policy(deployed: Deployed) -> None:
    user_id = deployed.user()
    deployed.key()
    remember(deployed, user_id, Decision("alice", Standing.ENFORCED, deployed.account.clock.now(), enforced=True))
    text = deployed.run("explain", "alice").stdout
    assert "Rule 4 of 7 decides: the user was enforced by the guard and stays enforced." in text
    assert "the guard would: enforce" in text


def test_without_the_state_table_it_warns_and_decides_from_iam(deployed: Deployed) -> None:
    deployed.user(enforced=True)
    deployed.failing = {"BatchGetItem": "AccessDeniedException"}
    result = deployed.run("explain", "alice")
    assert "Rule 4 of 7 decides: the user is enforced already" in result.stdout
    assert result.stderr.startswith("Warning: State table unreachable, continuing without the user record (reason: ")


def test_an_exempt_path_is_named(strict: Deployed) -> None:
    strict.user(path="/machines/ci/")
    text = strict.run("explain", "alice").stdout
    assert "Rule 3 of 7 decides: the user is exempt, because of the path /machines/ (ExemptPathPrefixes)." in text


def test_what_the_guard_would_do_and_when(strict: Deployed) -> None:
    strict.user(password=True)
    key = strict.key()
    text = strict.run("explain", "alice").stdout
    assert "or in the next sweep, the guard would: enforce, tag as noncompliant.\n" in text
    assert f"Access keys in use that would stop working without MFA: {key}." in text


def test_in_mode_events_a_sweep_changes_only_users_in_scope(deployed: Deployed) -> None:
    deployed.user(password=True)
    text = deployed.run("explain", "alice").stdout
    when = "At the next event about this user, or in the next sweep if the user is in scope, the guard would: "
    assert f"{when}enforce" in text


def test_an_expired_exemption_is_shown_beside_the_rule(deployed: Deployed) -> None:
    deployed.exempt(deployed.user(password=True), ends=timedelta(days=-1))
    text = deployed.run("explain", "alice").stdout
    assert "Exemption: expired, until " in text
    assert "Rule 7 of 7 decides" in text


def test_a_malformed_exemption_is_shown_with_its_problem(deployed: Deployed) -> None:
    deployed.exempt(deployed.user(password=True), owner=" ")
    text = deployed.run("explain", "alice").stdout
    assert "Exemption: malformed, so it exempts no user. The exemption record lacks owner." in text


def test_the_simulation_shows_what_the_policy_denies_and_allows(deployed: Deployed) -> None:
    deployed.user(enforced=True, device=True)
    simulation = deployed.json("explain", "alice")["simulation"]
    assert isinstance(simulation, dict)
    by_action = {each.pop("action"): each for each in simulation["actions"]}
    denied = f"denied by {POLICY}"
    assert by_action["s3:ListAllMyBuckets"] == {
        "access_key": denied,
        "console_without_mfa": denied,
        "with_mfa": "not allowed by any policy",
    }
    assert set(by_action["iam:EnableMFADevice"].values()) == {"allowed"}
    assert by_action["iam:DeactivateMFADevice"] == {
        "access_key": denied,
        "console_without_mfa": denied,
        "with_mfa": "allowed",
    }
    table = deployed.run("explain", "alice").stdout
    assert "ACCESS KEY ALONE" in table


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            "AccessDenied",
            "(iam:SimulatePrincipalPolicy): AccessDenied by the test",
        ),
        ("501", "not available here: 501, 501 by the test"),
    ],
)
def test_without_a_simulation_the_rest_is_shown(deployed: Deployed, code: str, words: str) -> None:
    deployed.user()
    deployed.failing = {"SimulatePrincipalPolicy": code}
    result = deployed.run("explain", "alice")
    assert result.exit_code == 0
    assert "Rule 7 of 7 decides" in result.stdout
    assert words in result.stdout


def test_a_missing_user_is_wrong_use(deployed: Deployed) -> None:
    result = deployed.run("explain", "ghost")
    assert (result.exit_code, result.stdout) == (2, "")
    assert (
        result.stderr == "There is no IAM user ghost in account 111122223333; to list the users: aws iam list-users\n"
    )


@pytest.mark.parametrize("name", ["root", "AWS ROOT USER", "<root_account>"])
def test_the_root_user_is_rule_1(deployed: Deployed, name: str) -> None:
    result = deployed.run("explain", name)
    assert result.exit_code == 2
    assert result.stderr.startswith("The root user is rule 1: ")


def test_an_iam_user_named_root_is_not_the_root_user(deployed: Deployed) -> None:
    deployed.user("root", password=True)
    assert "Rule 7 of 7" in deployed.run("explain", "root").stdout


@pytest.mark.parametrize("name", ["al ice", "x" * 65, "", "a\x1b[31m", "../root", "ålice", "a;b"])
def test_an_invalid_name_is_wrong_use_and_makes_no_call(deployed: Deployed, name: str) -> None:
    deployed.made.clear()
    result = deployed.run("explain", "--", name)
    assert result.exit_code == 2
    assert "is not a valid IAM user name" in result.stderr
    assert "\x1b" not in result.stderr
    assert "GetUser" not in deployed.made


def test_a_name_that_looks_like_an_option_is_a_name(deployed: Deployed) -> None:
    deployed.user("-rf", password=True)
    assert "Rule 7 of 7" in deployed.run("explain", "--", "-rf").stdout


def test_a_request_that_iam_refuses_is_one_sentence(deployed: Deployed) -> None:
    deployed.user()
    deployed.failing = {"GetLoginProfile": "AccessDenied"}
    result = deployed.run("explain", "alice")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "The AWS request GetLoginProfile failed: AccessDenied, AccessDenied by the test.\n"


def test_only_reads_are_made(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed = deploy(account, monkeypatch)
    deployed.user(password=True)
    deployed.made.clear()
    deployed.run("explain", "alice")
    assert {name for name in deployed.made if not name.startswith(("Get", "List", "Describe", "BatchGet"))} == {
        "SimulatePrincipalPolicy"
    }
