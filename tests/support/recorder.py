"""Record the calls of a function as IAM requests: the action, the resource and the condition keys.

Resources and condition keys follow the Service Authorization Reference
(https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html);
tests/roles compares the resources with it.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType
from typing import Any, Final, cast
from unittest.mock import patch

from botocore.client import BaseClient
from moto.iam.models import IAMBackend, iam_backends

from mfa_guard.handlers import alert, sweep, teardown, user_event
from mfa_guard_cli.policy.evaluator import EVERYTHING, Decision, Policy, Request, evaluate, parse_policy
from mfa_guard_cli.stack.template import Stack, load_template

Params = Mapping[str, Any]

# `Any`, because the recorder replaces the handlers of these modules.
HANDLERS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "UserEventFunction": user_event,
        "AlertFunction": alert,
        "SweepFunction": sweep,
        "TeardownFunction": teardown,
    }
)

_TEMPLATE: Final = load_template()


@cache
def deployed(mode: str, enforce_through: str, deactivate_keys_after_days: str) -> Stack:
    """Return the stack of a deployment, by the parameters that the roles and the calls depend on."""
    parameters = {
        "Mode": mode,
        "EnforceThrough": enforce_through,
        "DeactivateKeysAfterDays": deactivate_keys_after_days,
    }
    return _TEMPLATE.render(parameters=parameters)


def running_stack() -> Stack:
    """Return the stack of the running function, by the function's environment."""
    environment = os.environ
    return deployed(environment["MODE"], environment["ENFORCE_THROUGH"], environment["DEACTIVATE_KEYS_AFTER_DAYS"])


@cache
def role(stack: Stack, logical_id: str) -> Policy:
    """Return everything that a role of the stack allows, as one policy."""
    return parse_policy({"Version": "2012-10-17", "Statement": list(stack.role_statements(logical_id))})


def from_function(stack: Stack, function: str, request: Request) -> Request:
    """Return a request as the code of a function sends it: Lambda adds the function's ARN."""
    arn = str(stack.resolve({"Fn::GetAtt": [function, "Arn"]}))
    return replace(request, context={**request.context, "lambda:SourceFunctionArn": arn})


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function of a stack."""

    stack: Stack
    function: str
    request: Request

    def decision(self) -> Decision:
        """Return the decision of the function's role."""
        return evaluate([role(self.stack, f"{self.function}Role")], self.request)

    def __str__(self) -> str:
        return f"{self.function}: {self.request.action} on {self.request.resource} {dict(self.request.context)}"


@dataclass
class Recorder:
    """Records the calls that functions make while their handlers run, and no other calls."""

    calls: list[Call] = field(default_factory=list)
    _function: str | None = None
    _own_name: str | None = None

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record the calls of every handler that a test runs in this process, until the end."""
        make_call = cast("Any", BaseClient)._make_api_call
        recorder = self

        def recorded_call(client: BaseClient, operation_name: str, api_params: Params) -> object:
            recorder._record(client, operation_name, api_params)
            return make_call(client, operation_name, api_params)

        with ExitStack() as patches:
            patches.enter_context(patch.object(BaseClient, "_make_api_call", recorded_call))
            for name, module in HANDLERS.items():
                recorded = self._recorded_handler(name, module.lambda_handler)
                patches.enter_context(patch.object(module, "lambda_handler", recorded))
            yield

    def _recorded_handler(self, function: str, handler: Callable[..., object]) -> Callable[..., object]:
        def recorded(event: object, context: object) -> object:
            with self._running(function, context):
                return handler(event, context)

        return recorded

    @contextmanager
    def _running(self, function: str, context: object) -> Iterator[None]:
        before = self._function, self._own_name
        self._function, self._own_name = function, cast("Any", context).function_name
        try:
            yield
        finally:
            self._function, self._own_name = before

    def _record(self, client: BaseClient, operation: str, params: Params) -> None:
        if self._function is None:
            return
        service = client.meta.service_model.service_name
        names = _Names(running_stack(), client.meta.region_name, self._function, self._own_name)
        for request in _requests(service, operation, params, names):
            self.calls.append(Call(names.stack, self._function, from_function(names.stack, self._function, request)))


@dataclass(frozen=True, slots=True)
class _Names:
    """Turns names in a call into ARNs."""

    stack: Stack
    region: str
    function: str
    own_name: str | None

    def regional(self, service: str, resource: str) -> str:
        return f"arn:{self.stack.partition}:{service}:{self.region}:{self.stack.account}:{resource}"

    def iam(self, kind: str, name: str) -> str:
        """Return the ARN of a user, a group or a role, with the path if one of that name exists."""
        existing: Mapping[str, Any] = {
            "user": self._backend.users,
            "group": self._backend.groups,
            "role": self._backend.roles,
        }
        arns = (str(each.arn) for each in existing[kind].values() if each.name == name)
        return next(arns, f"arn:{self.stack.partition}:iam::{self.stack.account}:{kind}/{name}")

    def owner(self, key_id: str) -> str:
        users = self._backend.users.values()
        owners = (user.name for user in users if any(key.access_key_id == key_id for key in user.access_keys))
        return self.iam("user", next(owners, "missing-user"))

    def named_function(self, name: str) -> str:
        # The context of a test has the same name for every function.
        if name == self.own_name:
            return str(self.stack.resolve({"Fn::GetAtt": [self.function, "Arn"]}))
        return self.regional("lambda", f"function:{name}")

    def named_stack(self, name: str) -> str:
        if name == os.environ.get("STACK_ID"):
            return str(self.stack.resolve({"Ref": "AWS::StackId"}))
        return name if name.startswith("arn:") else self.regional("cloudformation", f"stack/{name}/*")

    @property
    def _backend(self) -> IAMBackend:
        return iam_backends[self.stack.account][self.stack.partition]


def _requests(service: str, operation: str, params: Params, names: _Names) -> Iterator[Request]:
    if service == "iam":
        yield Request(f"iam:{operation}", _iam_resource(params, names), _iam_context(params))
    elif operation == "PutEvents":
        entries = params["Entries"]
        # The request has the values of all of its entries at once.
        context = {
            "events:source": [entry["Source"] for entry in entries],
            "events:detail-type": [entry["DetailType"] for entry in entries],
        }
        for bus in sorted({entry.get("EventBusName", "default") for entry in entries}):
            yield Request("events:PutEvents", names.regional("events", f"event-bus/{bus}"), context)
    elif service == "dynamodb":
        for table, keys in _items(operation, params):
            yield Request(f"dynamodb:{operation}", names.regional("dynamodb", f"table/{table}"), keys)
    else:
        action = _ACTIONS.get(operation, operation)
        yield Request(f"{_PREFIXES.get(service, service)}:{action}", _RESOURCES[service](params, names))


# Actions and their prefixes that have other names than the calls and services.
_ACTIONS: Final = {"Invoke": "InvokeFunction", "ChangeMessageVisibilityBatch": "ChangeMessageVisibility"}
_PREFIXES: Final = {"dynamodbstreams": "dynamodb"}


def _items(operation: str, params: Params) -> Iterator[tuple[str, dict[str, str | list[str]]]]:
    """Yield each table that a call names, with the partition keys as IAM sees them. A Scan has none."""
    if operation == "BatchGetItem":
        for table, request in params["RequestItems"].items():
            yield table, {"dynamodb:LeadingKeys": [_partition_key(key) for key in request["Keys"]]}
    elif item := params.get("Key") or params.get("Item"):
        yield params["TableName"], {"dynamodb:LeadingKeys": [_partition_key(item)]}
    else:
        yield params["TableName"], {}


def _partition_key(item: Params) -> str:
    return str((item.get("id") or item["user_id"])["S"])


def _iam_resource(params: Params, names: _Names) -> str:
    # AddUserToGroup names both, and its resource is the group.
    for parameter, kind in (("GroupName", "group"), ("RoleName", "role"), ("UserName", "user")):
        if parameter in params:
            return names.iam(kind, params[parameter])
    if "AccessKeyId" in params:
        return names.owner(params["AccessKeyId"])
    return str(params.get("PolicyArn", EVERYTHING))


def _iam_context(params: Params) -> dict[str, str | list[str]]:
    context: dict[str, str | list[str]] = {}
    if "PolicyArn" in params and {"UserName", "GroupName", "RoleName"} & params.keys():
        context["iam:PolicyARN"] = params["PolicyArn"]
    if "Tags" in params or "TagKeys" in params:
        context["aws:TagKeys"] = [tag["Key"] for tag in params.get("Tags", [])] + list(params.get("TagKeys", []))
    return context


_RESOURCES: Final[Mapping[str, Callable[[Params, _Names], str]]] = MappingProxyType(
    {
        "cloudformation": lambda params, names: names.named_stack(params["StackName"]),
        "cloudtrail": lambda params, _: str(params.get("Name", params.get("TrailName", EVERYTHING))),
        "dynamodbstreams": lambda _, names: str(names.stack.resolve({"Fn::GetAtt": ["ExemptionsTable", "StreamArn"]})),
        "events": lambda params, names: (
            names.regional("events", f"rule/{params['Rule']}") if "Rule" in params else EVERYTHING
        ),
        "lambda": lambda params, names: (
            names.regional("lambda", f"event-source-mapping:{params['UUID']}")
            if "UUID" in params
            else names.named_function(params["FunctionName"].rpartition(":")[2])
        ),
        "scheduler": lambda params, names: names.regional("scheduler", f"schedule/default/{params['Name']}"),
        # A call about a subscription has the topic as its resource.
        "sns": lambda params, _: str(params.get("TopicArn", params.get("SubscriptionArn", "").rpartition(":")[0])),
        "sqs": lambda params, names: names.regional("sqs", params["QueueUrl"].rpartition("/")[2]),
    }
)
