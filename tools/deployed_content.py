"""Write the content that the health checks compare with, from template.yaml.

The result has the template's own properties in one form: a text with CloudFormation's placeholders, as in Fn::Sub.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mfa_guard_cli.stack.template import TemplateError, load_template

FILE: Final = Path(__file__).resolve().parents[1] / "src/mfa_guard/core/health/content.json"

# By resource type: the properties that the checks compare. The schedule's expression is a parameter, and the stream's
# ARN contains the time of its creation, so the checks learn both elsewhere.
_COMPARED: Final[Mapping[str, tuple[str, ...]]] = {
    "AWS::Events::Rule": ("Name", "EventPattern", "Targets"),
    "AWS::IAM::ManagedPolicy": ("PolicyDocument",),
    "AWS::Lambda::EventInvokeConfig": (
        "FunctionName",
        "DestinationConfig",
        "MaximumEventAgeInSeconds",
        "MaximumRetryAttempts",
    ),
    "AWS::Lambda::EventSourceMapping": (
        "FunctionName",
        "BatchSize",
        "BisectBatchOnFunctionError",
        "DestinationConfig",
        "MaximumRecordAgeInSeconds",
    ),
    "AWS::SNS::TopicPolicy": ("Topics", "PolicyDocument"),
    "AWS::Scheduler::Schedule": ("Name", "FlexibleTimeWindow", "Target"),
}


def content() -> str:
    """Return the file's text. Raises TemplateError for an intrinsic function that has no placeholder."""
    resources = load_template().section("Resources")
    compared = {
        logical_id: {name: raw[name] for name in ("Type", "Condition") if name in raw}
        | {"Properties": _properties(raw, _COMPARED[str(raw["Type"])])}
        for logical_id, raw in resources.items()
        if raw.get("Type") in _COMPARED
    }
    return f"{json.dumps(compared, indent=1)}\n"


def _properties(raw: Mapping[str, object], names: tuple[str, ...]) -> dict[str, object]:
    properties = raw["Properties"]
    if not isinstance(properties, Mapping):
        raise TemplateError("The properties of a resource must be an object.")
    return {name: with_placeholders(properties[name]) for name in names if name in properties}


def with_placeholders(value: object) -> object:
    """Return a value with its intrinsic functions as placeholders. Fn::If stays, because a condition decides it."""
    if value == {"Ref": "AWS::NoValue"}:
        return value
    if isinstance(value, dict):
        return _placeholder(value) or {key: with_placeholders(each) for key, each in value.items()}
    if isinstance(value, list):
        return [with_placeholders(each) for each in value]
    return value.replace("${", "${!") if isinstance(value, str) else value


def _placeholder(value: Mapping[str, object]) -> object:
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": str(name)}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"${{{name}.{attribute}}}"
        case {"Fn::Sub": str(text)}:
            return text
        case {"Fn::If": [str(condition), *choices]}:
            return {"Fn::If": [condition, *map(with_placeholders, choices)]}
    if functions := [key for key in value if key.startswith("Fn::")]:
        raise TemplateError(f"A part that the health checks compare has {functions[0]}, which has no placeholder.")
    return None


def main() -> int:
    """Write the file."""
    FILE.write_text(content(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
