"""What the stack deployed: from the function's environment and the content of its version."""

from dataclasses import replace

import pytest

from mfa_guard.core.health.deployed import Deployed, Expected, parse_deployed
from mfa_guard.core.health.readings import Unread
from mfa_guard.core.settings import SettingsError
from support.factories import ACCOUNT, settings
from support.health import CONTENT, DEPLOYED

FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:guard-2-UserEventFunction"
ALERT_FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:guard-2-AlertFunction"
SWEEP_FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:guard-2-SweepFunction"
SWEEP_ENVIRONMENT = {
    "STACK_NAME": "guard-2",
    "NAME_PREFIX": "guard",
    "RULE_TARGETS": f"{FUNCTION},{ALERT_FUNCTION}",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/1/dead",
    "TRUE_CONDITIONS": "PasswordChangeIsOpen,",
    "SWEEP_SCHEDULE_EXPRESSION": "rate(1 hour)",
    "VERSION": "1.2.3",
}


def parse(**changes: str) -> Deployed:
    return parse_deployed({**SWEEP_ENVIRONMENT, **changes}, settings(group_name="g"), SWEEP_FUNCTION, CONTENT)


class TestDeployed:
    def test_the_functions_environment_says_what_was_deployed(self) -> None:
        assert parse() == Deployed(
            settings=settings(group_name="g"),
            stack_name="guard-2",
            name_prefix="guard",
            functions=(FUNCTION, ALERT_FUNCTION, SWEEP_FUNCTION),
            queue_url="https://sqs.us-east-1.amazonaws.com/1/dead",
            content=CONTENT,
            true_conditions=frozenset({"PasswordChangeIsOpen"}),
            schedule_expression="rate(1 hour)",
            version="1.2.3",
            max_concurrency=None,
        )

    @pytest.mark.parametrize("name", SWEEP_ENVIRONMENT)
    def test_a_missing_variable_is_named(self, name: str) -> None:
        with pytest.raises(SettingsError, match=f"^The environment variable {name} is missing or empty\\.$"):
            parse(**{name: ""})

    def test_no_condition_may_be_true(self) -> None:
        assert parse(TRUE_CONDITIONS=",").true_conditions == frozenset()

    def test_concurrency_is_reserved_unless_it_is_zero(self) -> None:
        assert (parse(MAX_CONCURRENCY="5").max_concurrency, parse(MAX_CONCURRENCY="0").max_concurrency) == (5, None)
        with pytest.raises(SettingsError, match=r"^The environment variable MAX_CONCURRENCY must be a number\.$"):
            parse(MAX_CONCURRENCY="many")

    def test_names_follow_from_the_prefix(self) -> None:
        assert parse().names("AWS::Events::Rule") == ("guard-role-tampering", "guard-new-users")

    def test_without_content_the_names_are_unknown_too(self) -> None:
        unknown = Unread("Another version")
        deployed = replace(DEPLOYED, content=unknown)
        assert deployed.names("AWS::Events::Rule") == unknown
        assert Expected(deployed, {}).only("AWS::Scheduler::Schedule", "Target") == unknown
        assert Expected(deployed, {}).properties("EnforcementPolicy", "PolicyDocument") == unknown


class TestExpected:
    def test_the_stack_and_its_place_are_filled_in_without_a_listing(self) -> None:
        rule = {
            "Type": "AWS::Events::Rule",
            "Properties": {"EventPattern": "${AWS::StackName} ${AWS::Region} ${AWS::AccountId} ${AWS::Partition}"},
        }
        deployed = replace(DEPLOYED, stack_name="guard-2", content=replace(CONTENT, resources={"R": rule}))
        expected = Expected(deployed, Unread("no listing"))
        assert expected.properties("R", "EventPattern") == {"EventPattern": f"guard-2 us-east-1 {ACCOUNT} aws"}
