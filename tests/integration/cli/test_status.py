"""`mfa-guard status` shows the checks of a sweep."""

from datetime import timedelta

import pytest

from support.account import ADMINISTRATOR
from support.deployed import Deployed


def verdicts(found: dict[str, object]) -> dict[str, str]:
    checks = found["checks"]
    assert isinstance(checks, list)
    return {check["name"]: check["verdict"] for check in checks}


@pytest.fixture
def well(deployed: Deployed) -> Deployed:
    """Return a stack whose topics have a subscriber, so that every check is fine."""
    for topic in ("NoticesTopic", "OperationsTopic"):
        arn = str(deployed.account.stack.resolve({"Ref": topic}))
        deployed.account.clients.sns.subscribe(TopicArn=arn, Protocol="email", Endpoint="admin@example.com")
    return deployed


def test_a_guard_that_is_well_exits_with_0(well: Deployed) -> None:
    found = well.json("status")
    assert set(verdicts(found).values()) == {"fine"}
    assert (found["running"], found["mode"], found["account"]) == (True, "events", "111122223333")


def test_a_problem_exits_with_1_and_says_what_to_do(well: Deployed) -> None:
    well.account.clients.cloudtrail.stop_logging(Name="account-trail")
    result = well.run("status")
    assert result.exit_code == 1
    assert "problem" in result.stdout
    assert "aws cloudtrail start-logging" in " ".join(result.stdout.split())


def test_a_disabled_rule_is_a_problem_and_the_guard_is_not_running(well: Deployed) -> None:
    well.account.clients.events.disable_rule(Name="mfa-guard-mfa-devices")
    found = well.json("status", exit_code=1)
    assert verdicts(found)["rules"] == "problem"
    assert (found["running"], found["off"]) == (False, [{"kind": "rule", "name": "mfa-guard-mfa-devices"}])


def test_sweeps_that_are_switched_off_are_shown(well: Deployed) -> None:
    well.concurrency = 0
    result = well.run("status")
    assert result.exit_code == 1
    assert "disabled: SweepFunction (concurrency 0)" in result.stdout


def test_users_are_counted_and_those_who_await_a_decision_are_named(well: Deployed) -> None:
    well.user("ann", password=True, device=True, enforced=True)
    well.user("bob", password=True)
    well.user("ci")
    well.key("ci", used=timedelta(days=2))
    well.exempt(well.user("eve"), "eve")
    found = well.json("status")
    counts = found["counts"]
    # carol is the administrator, and has a device.
    assert counts == {"users": 5, "compliant": 2, "noncompliant": 2, "exempt": 1, "enforced": 1, "awaiting_decision": 1}
    awaiting = found["awaiting_decision"]
    assert isinstance(awaiting, list)
    assert [each["name"] for each in awaiting] == ["ci"]
    text = well.run("status").stdout
    assert (
        "5 users: 2 compliant, 2 without an MFA device, 1 exempt; 1 enforced; 1 machine user awaiting a decision."
        in text
    )
    assert "mfa-guard enforce NAME" in text


def test_what_the_caller_may_not_read_cannot_be_verified_and_is_no_problem(well: Deployed) -> None:
    well.failing = {"GetAccountSummary": "AccessDenied", "GetFunctionConcurrency": "AccessDeniedException"}
    found = well.json("status")
    assert verdicts(found)["root"] == "cannot verify"
    assert "AccessDeniedException" in str(found["run_state_unread"])
    text = " ".join(well.run("status").stdout.split())
    assert "A sweep checks it with its own permissions" in text
    assert "compare SweepFunction's role" not in text


def test_what_the_caller_may_not_read_about_the_stop_is_named(well: Deployed) -> None:
    well.failing = {"DescribeRule": "AccessDeniedException", "GetItem": "AccessDeniedException"}
    found = well.json("status")
    assert str(found["run_state_unread"]).count("AccessDeniedException by the test") == 2


def test_without_permission_to_read_the_account_the_request_failed(well: Deployed) -> None:
    well.failing = {"GetAccountAuthorizationDetails": "AccessDenied"}
    result = well.run("status")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("The AWS request GetAccountAuthorizationDetails failed: AccessDenied")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [["status"], ["sweep"], ["release", "alice", "--yes"], ["dead-letters", "list"]])
def test_a_missing_stack_is_wrong_use(deployed: Deployed, command: list[str]) -> None:
    result = deployed.run(*command, "--stack", "guard-2")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "There is no stack guard-2 in us-east-1 of this account; deploy it, or name another with --stack, --region or "
        "--profile.\n"
    )


def test_filters_on_every_subscription_are_a_problem(well: Deployed) -> None:
    sns, topic = well.account.clients.sns, str(well.account.stack.resolve({"Ref": "NoticesTopic"}))
    for each in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
        sns.set_subscription_attributes(
            SubscriptionArn=each["SubscriptionArn"], AttributeName="FilterPolicy", AttributeValue='{"x":["y"]}'
        )
    assert verdicts(well.json("status", exit_code=1))["notices topic"] == "problem"


def test_an_emergency_stop_is_named_with_who_made_it(well: Deployed) -> None:
    well.run("stop", "--yes")
    checks = well.json("status", exit_code=1)["checks"]
    assert isinstance(checks, list)
    reasons = {check["name"]: check["reason"] for check in checks}
    assert reasons["rules"].startswith("An emergency stop was recorded at ")
    assert f"user/{ADMINISTRATOR}" in reasons["schedule"]


def test_a_program_of_another_version_does_not_know_what_was_deployed(well: Deployed) -> None:
    well.variables = {"VERSION": "0.0.9"}
    found = well.json("status")
    unverifiable = {name for name, verdict in verdicts(found).items() if verdict != "fine"}
    assert unverifiable == {
        "rules",
        "topic policies",
        "functions",
        "exemption changes",
        "schedule",
        "enforcement policy",
    }
    text = " ".join(well.run("status").stdout.split())
    assert "Version 0.0.9 deployed the stack, and this program has version" in text
