"""Resolve CloudFormation's intrinsic functions for one stack.

Functions: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

import hashlib
import re
from base64 import b32encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from mfa_guard_cli.common.errors import WrongUse

Fields: TypeAlias = Mapping[str, object]

_SUB_VARIABLE: Final = re.compile(r"\$\{(!?)([^{}]+)\}")
_NAME_LIMIT: Final = 64
# DynamoDB uses the time at which the stream was enabled.
STREAM_LABEL: Final = "2026-01-01T00:00:00.000"


class TemplateError(WrongUse):
    """The template is wrong, or the account, region or parameters do not fit it."""


class _Absent(Enum):
    NO_VALUE = "AWS::NoValue"


@dataclass(frozen=True)
class _Kind:
    """What Ref and Fn::GetAtt return for a resource type. The property `named_by` sets the physical name."""

    named_by: str | None
    attributes: Mapping[str, str]
    ref: str = "{name}"


def _kind(named_by: str, arn: str, *, ref: str = "{name}", **attributes: str) -> _Kind:
    """Return a kind that has an ARN. `arn` begins with the service."""
    return _Kind(named_by, {"Arn": f"arn:{{partition}}:{arn}", **attributes}, ref)


_POLICY_ARN: Final = "arn:{partition}:iam::{account}:policy{path}{name}"
_TOPIC_ARN: Final = "arn:{partition}:sns:{region}:{account}:{name}"

_KINDS: Final[Mapping[str, _Kind]] = {
    "AWS::CloudFormation::CustomResource": _Kind(None, {}),
    "AWS::CloudWatch::Alarm": _kind("AlarmName", "cloudwatch:{region}:{account}:alarm:{name}"),
    "AWS::CloudWatch::Dashboard": _Kind("DashboardName", {}),
    "AWS::DynamoDB::Table": _kind(
        "TableName",
        "dynamodb:{region}:{account}:table/{name}",
        StreamArn=f"arn:{{partition}}:dynamodb:{{region}}:{{account}}:table/{{name}}/stream/{STREAM_LABEL}",
    ),
    "AWS::Events::Rule": _kind("Name", "events:{region}:{account}:rule/{name}"),
    "AWS::IAM::Group": _kind("GroupName", "iam::{account}:group{path}{name}"),
    "AWS::IAM::ManagedPolicy": _Kind("ManagedPolicyName", {"PolicyArn": _POLICY_ARN}, ref=_POLICY_ARN),
    "AWS::IAM::Role": _kind("RoleName", "iam::{account}:role{path}{name}"),
    "AWS::Lambda::Function": _kind("FunctionName", "lambda:{region}:{account}:function:{name}"),
    # AWS generates a UUID. The local account takes the function's name, since a function has one mapping.
    "AWS::Lambda::EventSourceMapping": _Kind("FunctionName", {}),
    "AWS::Logs::LogGroup": _kind("LogGroupName", "logs:{region}:{account}:log-group:{name}:*"),
    "AWS::SNS::Topic": _Kind("TopicName", {"TopicArn": _TOPIC_ARN, "TopicName": "{name}"}, ref=_TOPIC_ARN),
    "AWS::SQS::Queue": _kind(
        "QueueName",
        "sqs:{region}:{account}:{name}",
        ref="https://sqs.{region}.{suffix}/{account}/{name}",
        QueueName="{name}",
    ),
    "AWS::Scheduler::Schedule": _kind("Name", "scheduler:{region}:{account}:schedule/default/{name}"),
}
_UNNAMED: Final = _Kind(None, {})


class Resolver:
    """The values of one stack's intrinsic functions.

    `pseudo` holds the pseudo parameters except AWS::NoValue. Every method raises TemplateError for what it cannot
    resolve.
    """

    def __init__(
        self,
        *,
        resources: Mapping[str, Fields],
        conditions: Mapping[str, Fields],
        mappings: Mapping[str, Fields],
        parameters: Mapping[str, object],
        pseudo: Mapping[str, object],
    ) -> None:
        self._resources = resources
        self._conditions = conditions
        self._mappings = mappings
        self._parameters = parameters
        self._pseudo = pseudo
        self._physical_ids: dict[str, str] = {}
        self._held: dict[str, bool] = {}
        self._resolving: set[str] = set()
        self._functions: Mapping[str, Callable[[object], object]] = {
            "Ref": self._ref,
            "Fn::And": self._and,
            "Fn::Contains": self._contains,
            "Fn::Equals": self._equals,
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAtt": self._get_att,
            "Fn::If": self._if,
            "Fn::Join": self._join,
            "Fn::Not": self._not,
            "Fn::Or": self._or,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::Sub": self._sub,
        }

    def resolve(self, value: object) -> object:
        """Return the value with every intrinsic function resolved and every AWS::NoValue removed."""
        resolved = self._resolve(value)
        return None if resolved is _Absent.NO_VALUE else resolved

    def exists(self, logical_id: str) -> bool:
        """Return whether the stack has this resource, given the resource's condition."""
        resource = self._resources.get(logical_id)
        if resource is None:
            return False
        condition = resource.get("Condition")
        return condition is None or self.is_true(condition)

    def physical_id(self, logical_id: str) -> str:
        """Return the resource's name, or one like those that CloudFormation generates. It is the same every time."""
        if logical_id not in self._physical_ids:
            with self._once(logical_id):
                self._physical_ids[logical_id] = self._name(logical_id)
        return self._physical_ids[logical_id]

    def is_true(self, condition: object) -> bool:
        """Return whether a condition is true. It is the name of a condition, or an expression."""
        if isinstance(condition, dict) and condition.keys() == {"Condition"}:
            condition = condition["Condition"]
        if not isinstance(condition, str):
            truth = self._resolve(condition)
            if not isinstance(truth, bool):
                raise TemplateError(f"A condition is neither true nor false: {str(condition)[:200]}.")
            return truth
        if condition not in self._conditions:
            raise TemplateError(f"The template has no condition {condition}.")
        if condition not in self._held:
            with self._once(condition):
                self._held[condition] = self.is_true(self._conditions[condition])
        return self._held[condition]

    @contextmanager
    def _once(self, name: str) -> Iterator[None]:
        if name in self._resolving:
            raise TemplateError(f"{name} depends on itself.")
        self._resolving.add(name)
        try:
            yield
        finally:
            self._resolving.discard(name)

    def _resolve(self, value: object) -> object:
        if isinstance(value, dict):
            if len(value) == 1:
                [(name, argument)] = value.items()
                if name in self._functions:
                    return self._functions[name](argument)
                if str(name).startswith("Fn::"):
                    raise TemplateError(f"The intrinsic function {name} is not supported.")
            pairs = ((key, self._resolve(each)) for key, each in value.items())
            return {key: each for key, each in pairs if each is not _Absent.NO_VALUE}
        if isinstance(value, list):
            return [each for each in map(self._resolve, value) if each is not _Absent.NO_VALUE]
        return value

    def _ref(self, argument: object) -> object:
        if argument == _Absent.NO_VALUE.value:
            return _Absent.NO_VALUE
        if not isinstance(argument, str):
            raise TemplateError(f"Ref needs a name, not {str(argument)[:200]}.")
        if argument in self._parameters:
            return self._parameters[argument]
        if argument in self._pseudo:
            return self._pseudo[argument]
        return self._attribute(argument, None)

    def _get_att(self, argument: object) -> object:
        parts = argument.split(".", 1) if isinstance(argument, str) else self._list("Fn::GetAtt", argument, 2)
        logical_id, attribute = map(str, parts)
        return self._attribute(logical_id, attribute)

    def _attribute(self, logical_id: str, attribute: str | None) -> str:
        if not self.exists(logical_id):
            raise TemplateError(
                f"{logical_id} is neither a parameter nor a resource of this stack, but the template refers to it."
            )
        type_ = str(self._resources[logical_id].get("Type"))
        kind = _KINDS.get(type_, _UNNAMED if type_.startswith("Custom::") else None)
        form = kind and (kind.ref if attribute is None else kind.attributes.get(attribute))
        if not form:
            raise TemplateError(f"{attribute or 'Ref'} of {logical_id} is unknown for the type {type_}.")
        return form.format(
            partition=self._pseudo["AWS::Partition"],
            region=self._pseudo["AWS::Region"],
            account=self._pseudo["AWS::AccountId"],
            suffix=self._pseudo["AWS::URLSuffix"],
            name=self.physical_id(logical_id),
            path=self._property(logical_id, "Path") or "/",
        )

    def _name(self, logical_id: str) -> str:
        kind = _KINDS.get(str(self._resources[logical_id].get("Type")), _UNNAMED)
        if kind.named_by and (given := self._property(logical_id, kind.named_by)):
            return as_text(given)
        stack = as_text(self._pseudo["AWS::StackName"])
        digest = hashlib.sha256(f"{self._pseudo['AWS::StackId']} {logical_id}".encode()).digest()
        suffix = b32encode(digest)[:12].decode()
        return f"{f'{stack}-{logical_id}'[: _NAME_LIMIT - 13]}-{suffix}"

    def _property(self, logical_id: str, name: str) -> object:
        properties = self._resources[logical_id].get("Properties")
        return self.resolve(properties.get(name)) if isinstance(properties, dict) else None

    def _sub(self, argument: object) -> str:
        text, variables = (argument, {}) if isinstance(argument, str) else self._list("Fn::Sub", argument, 2)
        if not isinstance(text, str) or not isinstance(variables, dict):
            raise TemplateError("Fn::Sub needs a string, and an object of variables if it has a second argument.")

        def replace(found: re.Match[str]) -> str:
            literal, name = found.groups()
            if literal:
                return f"${{{name}}}"
            if name in variables:
                return as_text(self._resolve(variables[name]))
            return as_text(self._get_att(name) if "." in name else self._ref(name))

        return _SUB_VARIABLE.sub(replace, text)

    def _join(self, argument: object) -> str:
        separator, parts = self._resolved_list("Fn::Join", argument, 2)
        if not isinstance(parts, list):
            raise TemplateError("Fn::Join needs a list to join.")
        return as_text(separator).join(map(as_text, parts))

    def _split(self, argument: object) -> list[str]:
        separator, text = self._resolved_list("Fn::Split", argument, 2)
        return as_text(text).split(as_text(separator))

    def _select(self, argument: object) -> object:
        position, choices = self._resolved_list("Fn::Select", argument, 2)
        if not isinstance(choices, list) or as_text(position) not in map(str, range(len(choices))):
            raise TemplateError(f"Fn::Select has nothing at position {position}.")
        return choices[int(as_text(position))]

    def _find_in_map(self, argument: object) -> object:
        path = self._resolved_list("Fn::FindInMap", argument, 3)
        found: object = self._mappings
        for key in map(as_text, path):
            if not isinstance(found, dict) or key not in found:
                raise TemplateError(f"The template's mappings have no {'.'.join(map(as_text, path))}.")
            found = found[key]
        return found

    def _if(self, argument: object) -> object:
        condition, then, otherwise = self._list("Fn::If", argument, 3)
        return self._resolve(then if self.is_true(condition) else otherwise)

    def _equals(self, argument: object) -> bool:
        left, right = self._resolved_list("Fn::Equals", argument, 2)
        return as_text(left) == as_text(right)

    def _contains(self, argument: object) -> bool:
        choices, value = self._resolved_list("Fn::Contains", argument, 2)
        if not isinstance(choices, list):
            raise TemplateError("Fn::Contains needs a list to search.")
        return as_text(value) in map(as_text, choices)

    def _and(self, argument: object) -> bool:
        return all(map(self.is_true, self._list("Fn::And", argument)))

    def _or(self, argument: object) -> bool:
        return any(map(self.is_true, self._list("Fn::Or", argument)))

    def _not(self, argument: object) -> bool:
        [condition] = self._list("Fn::Not", argument, 1)
        return not self.is_true(condition)

    def _list(self, function: str, argument: object, length: int | None = None) -> Sequence[object]:
        if not isinstance(argument, list) or length not in (None, len(argument)):
            raise TemplateError(f"{function} needs a list of {length or 'several'} arguments.")
        return argument

    def _resolved_list(self, function: str, argument: object, length: int) -> Sequence[object]:
        return [self._resolve(each) for each in self._list(function, argument, length)]


def as_text(value: object) -> str:
    """Return a scalar as CloudFormation writes it: true, not True. Raises TemplateError for other values."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise TemplateError(f"Expected a string, not {str(value)[:200]}.")
