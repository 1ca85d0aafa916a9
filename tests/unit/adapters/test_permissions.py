"""An adapter class declares the permissions that its calls need, beside its code, and no others."""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import botocore.session
import pytest
from botocore import xform_name

from mfa_guard import adapters

# Attributes of a client that are no operation.
NO_CALLS = {"get_paginator", "exceptions"}
# These permissions have other names than the calls.
PERMISSION_OF = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
}
# The permissions of these services begin with another name than the service model's.
SERVICES = {"dynamodb": ("dynamodb", "dynamodbstreams")}


def classes() -> Iterator[type]:
    """Yield every class of the adapters."""
    for module in pkgutil.iter_modules(adapters.__path__, f"{adapters.__name__}."):
        members = inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
        yield from (each for _, each in members if each.__module__ == module.name)


def client_attributes(cls: type) -> set[str]:
    """Return `name` for every `self._client.name` and every `get_paginator("name")` in the code of a class."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(cls))):
        match node:
            case ast.Attribute(value=ast.Attribute(attr="_client"), attr=name):
                found.add(name)
            case ast.Call(func=ast.Attribute(attr="get_paginator"), args=[ast.Constant(value=str(name)), *_]):
                found.add(name)
    return found


CALLING = [cls for cls in classes() if client_attributes(cls)]


def test_the_adapters_that_call_aws_are_found() -> None:
    assert {"IamUsers", "AccessKeys", "ExemptionList", "StateItems", "TrailReader"} <= {cls.__name__ for cls in CALLING}


@pytest.mark.parametrize("cls", CALLING, ids=lambda cls: cls.__name__)
def test_a_class_declares_exactly_the_calls_in_its_code(cls: type) -> None:
    declared: tuple[str, ...] = cls.PERMISSIONS  # type: ignore[attr-defined]
    [service] = {permission.partition(":")[0] for permission in declared}
    models = (botocore.session.get_session().get_service_model(name) for name in SERVICES.get(service, (service,)))
    calls = {xform_name(name): f"{service}:{name}" for model in models for name in model.operation_names}
    needed = {calls[name] for name in client_attributes(cls) - NO_CALLS}
    assert sorted(declared) == sorted(PERMISSION_OF.get(call, call) for call in needed)
