"""template.yaml renders for every partition and every combination of parameters, without an unresolved function."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping

import pytest

from mfa_guard_cli.stack.event_pattern import index
from mfa_guard_cli.stack.template import Stack, Template, TemplateError, load_template

HOMES = {"us-east-1": "aws", "us-gov-west-1": "aws-us-gov", "cn-north-1": "aws-cn"}
RULES = {
    "UserEventFunction": [
        "NewCredentials",
        "MfaDevices",
        "EnforcementRemoved",
        "TagsChanged",
        "UserRenamed",
        "AccessChanged",
        "SignIns",
    ],
    "AlertFunction": [
        "RootSignIn",
        "PolicyTampering",
        "GroupTampering",
        "RoleTampering",
        "RuleTampering",
        "RuleWatch",
        "ScheduleTampering",
        "FunctionTampering",
        "MappingTampering",
        "TopicTampering",
        "QueueTampering",
        "AlarmTampering",
        "TableTampering",
        "TrailTampering",
        "StackChange",
        "CloudControlTampering",
        "VirtualDevices",
    ],
    "SweepFunction": ["SweepRequested"],
}


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template()


@pytest.fixture(scope="module")
def stack(template: Template) -> Stack:
    return template.render()


def texts(value: object) -> Iterator[str]:
    """Yield every text in a value, including the names of fields."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from (key, *texts(each))
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def combinations() -> list[dict[str, str]]:
    values = {
        "Mode": ["audit", "events", "all"],
        "EnforceThrough": ["user", "group"],
        "AllowPasswordChangeWithoutMfa": ["yes", "no"],
        "AllowEnrollmentWithAccessKeys": ["yes", "no"],
        "AlertEmail": ["", "alerts@example.com"],
    }
    return [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]


@pytest.mark.parametrize("region", HOMES)
def test_every_combination_of_parameters_renders(template: Template, region: str) -> None:
    for parameters in combinations():
        stack = template.render(region=region, parameters=parameters)
        rendered = {name: resource.properties for name, resource in stack.resources.items()}
        assert not {text for text in texts(rendered) if text == "Ref" or text.startswith("Fn::")}
        # The only text in braces is a policy variable of IAM.
        assert set(re.findall(r"\$\{[^}]*\}", json.dumps(rendered))) <= {"${aws:username}"}
        assert stack.outputs()


@pytest.mark.parametrize(("region", "partition"), HOMES.items())
def test_every_arn_has_the_stacks_partition_region_and_account(template: Template, region: str, partition: str) -> None:
    stack = template.render(region=region, account="012345678901")
    rendered = {name: resource.properties for name, resource in stack.resources.items()}
    # A trail may have any home region, and belong to the organization's account.
    text = json.dumps(rendered).replace(f"arn:{partition}:cloudtrail:*:*:trail/*", "")
    arns = re.findall(r"arn:([^:\"]*):[a-z0-9]+:([^:\"]*):([^:\"]*):", text)
    assert arns
    assert {arn[0] for arn in arns} == {partition}
    assert {arn[1] for arn in arns} <= {region, ""}
    assert {arn[2] for arn in arns} <= {"012345678901", "aws", ""}


@pytest.mark.parametrize("region", ["eu-west-1", "us-west-2", "us-gov-east-1", "cn-northwest-1"])
def test_a_region_that_never_receives_iam_events_is_refused(template: Template, region: str) -> None:
    with pytest.raises(TemplateError, match="Deploy mfa-guard in us-east-1"):
        template.render(region=region)


def test_the_translation_does_not_depend_on_parameters(template: Template) -> None:
    # Otherwise, one translation would not do for all of them.
    raw = json.dumps(template.body)
    for name in ("Mode", "LogLevel", "EnforceThrough", "HelpUrl"):
        assert f'{{"Ref": "{name}"}}' in raw


def test_each_function_has_its_rules(stack: Stack) -> None:
    expected = {f"{function}{event}": (function,) for function, events in RULES.items() for event in events}
    assert {rule.logical_id: rule.functions for rule in stack.rules()} == expected
    assert all(rule.enabled for rule in stack.rules())


def test_a_rule_is_named_after_the_prefix_and_its_event(template: Template) -> None:
    names = {rule.logical_id: rule.name for rule in template.render(parameters={"NamePrefix": "guard"}).rules()}
    assert names["UserEventFunctionNewCredentials"] == "guard-new-credentials"
    for function, events in RULES.items():
        for event in events:
            kebab = re.sub(r"(?<!^)(?=[A-Z])", "-", event).lower()
            assert names[f"{function}{event}"] == f"guard-{kebab}"


def test_every_pattern_compiles_and_is_within_the_quota(stack: Stack) -> None:
    index(stack.rules())
    for rule in stack.rules():
        assert len(json.dumps(rule.pattern, separators=(",", ":"))) <= 2048, rule.logical_id


@pytest.mark.parametrize("function", RULES)
def test_a_function_gets_the_environment_that_the_handlers_read(stack: Stack, function: str) -> None:
    environment = stack.environment(function)
    assert environment["MODE"] == "events"
    assert environment["ENFORCEMENT_POLICY_ARN"] == "arn:aws:iam::111122223333:policy/EnrollMFADeviceThenSignInAgain"
    assert environment["ENFORCEMENT_GROUP_NAME"] == "mfa-guard-enforced"
    assert environment["NOTICES_TOPIC_ARN"] == stack.outputs()["NoticesTopicArn"]
    assert environment["STATE_TABLE_NAME"] == stack.physical_id("StateTable")


def test_parameters_reach_the_functions(template: Template) -> None:
    stack = template.render(parameters={"Mode": "audit", "ExemptPathPrefixes": "/machines/,/ci/"})
    environment = stack.environment("UserEventFunction")
    assert environment["MODE"] == "audit"
    assert environment["EXEMPT_PATH_PREFIXES"] == "/machines/,/ci/"


def test_each_function_has_a_role_with_statements(stack: Stack) -> None:
    for function in RULES:
        role = f"{function}Role"
        assert stack.resource(function).properties["Role"] == stack.resolve({"Fn::GetAtt": [role, "Arn"]})
        assert stack.role_statements(role)
