"""The content of the guard's own parts as the template deploys it, filled in for one stack.

tools/deployed_content.py writes content.json from template.yaml. The content has placeholders as in Fn::Sub. They are
replaced by the stack's values, and not the other way round, because a stack may have a name such as "iam", and to
replace that by a placeholder would change every pattern.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final

from mfa_guard.core.health.readings import Fields, StackResource

# Resource types.
FUNCTION: Final = "AWS::Lambda::Function"
INVOCATION: Final = "AWS::Lambda::EventInvokeConfig"
# The logical id of the event source mapping that reads the exemption table's stream.
EXEMPTION_MAPPING: Final = "AlertFunctionExemptionChanged"
RULE: Final = "AWS::Events::Rule"
SCHEDULE: Final = "AWS::Scheduler::Schedule"
TOPIC_POLICY: Final = "AWS::SNS::TopicPolicy"


class NotFilled(Exception):
    """A placeholder has no value; the message is its name."""


@dataclass(frozen=True)
class Content:
    """The compared properties of the template's resources, by logical id."""

    resources: Mapping[str, Fields]

    def of_type(self, resource_type: str) -> Iterator[str]:
        """Yield the logical ids of the resources of a type, in the template's order."""
        return (each for each, resource in self.resources.items() if resource["Type"] == resource_type)

    def is_conditional(self, logical_id: str) -> bool:
        """Tell whether a stack may lack the resource."""
        return "Condition" in self.resources[logical_id]

    def filled(
        self, logical_id: str, names: Collection[str], values: Mapping[str, str], true_conditions: Collection[str]
    ) -> Fields:
        """Return these properties of a resource in one stack. Raises NotFilled."""
        properties = _fields(self.resources[logical_id]["Properties"])
        return {name: _filled(properties[name], values, true_conditions) for name in names if name in properties}


def load_content() -> Content:
    """Return the content of this version of the guard."""
    text = resources.files(__package__).joinpath("content.json").read_text("utf-8")
    return Content(json.loads(text))


# By resource type: the attributes that the content uses. {name} is the last part of the physical id.
_ATTRIBUTES: Final[Mapping[str, Mapping[str, str]]] = {
    "AWS::DynamoDB::Table": {"Arn": "arn:{partition}:dynamodb:{region}:{account}:table/{name}"},
    "AWS::IAM::Role": {"Arn": "arn:{partition}:iam::{account}:role/{name}"},
    FUNCTION: {"Arn": "arn:{partition}:lambda:{region}:{account}:function:{name}"},
    "AWS::SQS::Queue": {"Arn": "arn:{partition}:sqs:{region}:{account}:{name}", "QueueName": "{name}"},
}


def placeholder_values(
    listed: Mapping[str, StackResource], *, partition: str, region: str, account: str, **others: str
) -> Mapping[str, str]:
    """Return what replaces each placeholder: `others`, where it is, and what the stack's resources are called."""
    values = {"AWS::Partition": partition, "AWS::Region": region, "AWS::AccountId": account, **others}
    for logical_id, resource in listed.items():
        values[logical_id] = resource.physical_id
        name = resource.physical_id.rpartition("/")[2]
        for attribute, form in _ATTRIBUTES.get(resource.type, {}).items():
            filled = form.format(partition=partition, region=region, account=account, name=name)
            values[f"{logical_id}.{attribute}"] = filled
    return values


_PLACEHOLDER: Final = re.compile(r"\$\{(!?)([^{}]+)\}")


def _filled(value: object, values: Mapping[str, str], true_conditions: Collection[str]) -> object:
    match value:
        case str():
            return _PLACEHOLDER.sub(lambda found: _value(found, values), value)
        case {"Fn::If": [condition, then, otherwise]}:
            return _filled(then if condition in true_conditions else otherwise, values, true_conditions)
        case dict():
            return {key: _filled(each, values, true_conditions) for key, each in value.items()}
        case list():
            filled = (_filled(each, values, true_conditions) for each in value)
            return [each for each in filled if each != _NO_VALUE]
        case _:
            return value


_NO_VALUE: Final = {"Ref": "AWS::NoValue"}


def _value(found: re.Match[str], values: Mapping[str, str]) -> str:
    literal, name = found.groups()
    if literal:
        return f"${{{name}}}"
    if name not in values:
        raise NotFilled(name)
    return values[name]


def _fields(value: object) -> Fields:
    if not isinstance(value, Mapping):
        raise TypeError(f"Expected an object, not {type(value).__name__}.")
    return value
