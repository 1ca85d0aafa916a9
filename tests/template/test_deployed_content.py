"""The content that the health checks compare with: current, and the same as what CloudFormation deploys."""

import json
import tomllib
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from deployed_content import FILE, content
from mfa_guard.core.health.content import load_content
from mfa_guard.core.health.deployed import Deployed, Expected, parse_deployed
from mfa_guard.core.settings import parse_settings
from mfa_guard_cli.stack.template import Stack, load_template
from support.stack_resources import listed_resources

if TYPE_CHECKING:
    from collections.abc import Mapping

TEMPLATE = load_template()
ROOT = Path(__file__).parents[2]
CHOICES = [
    {"AllowPasswordChangeWithoutMfa": password, "AllowEnrollmentWithAccessKeys": keys}
    for password, keys in product(("yes", "no"), repeat=2)
]


def deployed(stack: Stack) -> Deployed:
    environment = stack.environment("SweepFunction")
    return parse_deployed(environment, parse_settings(environment), "arn", load_content())


def test_the_file_is_what_the_template_says() -> None:
    assert FILE.read_text("utf-8") == content(), "template.yaml has changed: run make docs"


@pytest.mark.parametrize("region", ["us-east-1", "us-gov-west-1", "cn-north-1"])
@pytest.mark.parametrize("parameters", CHOICES, ids=lambda chosen: "-".join(chosen.values()))
def test_filled_in_it_is_what_cloudformation_deploys(region: str, parameters: dict[str, str]) -> None:
    stack = TEMPLATE.render(
        region=region, stack_name="iam", parameters={**parameters, "NamePrefix": "aws", "AlertEmail": "a@example.com"}
    )
    what = deployed(stack)
    expected = Expected(what, listed_resources(stack))
    compared = load_content().resources
    for logical_id, raw in compared.items():
        names = tuple(cast("Mapping[str, object]", raw["Properties"]))
        rendered = stack.resource(logical_id).properties
        filled = expected.properties(logical_id, *names)
        assert json.dumps(filled, sort_keys=True) == json.dumps(
            {name: rendered[name] for name in names}, sort_keys=True
        )


def test_every_rule_topic_policy_function_mapping_and_schedule_of_the_stack_is_compared() -> None:
    stack = TEMPLATE.render()
    kinds = {str(each["Type"]) for each in load_content().resources.values()}
    of_these = {each.logical_id for each in stack.resources.values() if each.type in kinds}
    assert of_these == load_content().resources.keys()
    functions = {each.physical_id for each in stack.resources.values() if each.type == "AWS::Lambda::Function"}
    configured = {
        each.properties["FunctionName"]
        for each in stack.resources.values()
        if each.type == "AWS::Lambda::EventInvokeConfig"
    }
    assert configured == functions


def test_the_conditions_that_it_depends_on_are_in_the_environment() -> None:
    named = set[str]()

    def find(value: object) -> None:
        if isinstance(value, dict):
            named.update([value["Fn::If"][0]] if "Fn::If" in value else [])
            for each in value.values():
                find(each)
        elif isinstance(value, list):
            for each in value:
                find(each)

    find(load_content().resources)
    true = [deployed(TEMPLATE.render(parameters=parameters)).true_conditions for parameters in CHOICES]
    assert named == frozenset[str]().union(*true)
    assert len(set(true)) == len(CHOICES)


def test_the_schedules_expression_is_in_the_environment() -> None:
    stack = TEMPLATE.render()
    [schedule] = [each for each in stack.resources.values() if each.type == "AWS::Scheduler::Schedule"]
    assert deployed(stack).schedule_expression == schedule.properties["ScheduleExpression"]


def test_the_version_is_that_of_the_program() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert deployed(TEMPLATE.render()).version == project["version"]


@pytest.mark.parametrize("function", ["UserEventFunction", "AlertFunction", "SweepFunction", "TeardownFunction"])
def test_with_the_longest_names_the_environment_is_within_lambdas_limit(function: str) -> None:
    # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    stack = TEMPLATE.render(
        region="us-gov-west-1", stack_name="s" * 128, parameters={"NamePrefix": "p" * 20, "Mode": "events"}
    )
    assert len(json.dumps(stack.environment(function))) <= 4096 - 1024, "a kilobyte is left for HelpUrl and the paths"
