"""Read a call from a request: the service, the operation, the access key and the parameters.

Protocols: https://smithy.io/2.0/aws/protocols/index.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import parse_qs, unquote

from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError, StructureShape
from botocore.parsers import create_parser
from moto.core.model import OperationModel, ServiceModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.utils import get_service_model
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Request, Response

from mfa_guard_cli.stack.template import Fields
from mfa_guard_emulator.aws import cbor

# The name in a signature, where botocore has another name for the service.
_SIGNED_AS: Final[Mapping[str, str]] = {"monitoring": "cloudwatch"}
_CREDENTIAL: Final = re.compile(r"Credential=([^/,\s]+)/[0-9]{8}/([^/,\s]*)/([^/,\s]+)/aws4_request")


class CallNotRead(ValueError):
    """A request that is not an AWS call, or that cannot be read. The message is one sentence."""


@dataclass(frozen=True)
class Call:
    """One call. `service` is the name in the signature. `parameters` are spelled as in the API.

    `payload` is the body as it was sent.
    """

    key_id: str
    token: str | None
    region: str
    service: str
    operation: OperationModel
    protocol: str
    parameters: Fields
    address: str
    user_agent: str
    payload: bytes = b""

    @property
    def name(self) -> str:
        """Return the operation's name, such as CreateUser."""
        return str(self.operation.name)

    @property
    def source(self) -> str:
        """Return CloudTrail's name of the service, such as iam.amazonaws.com."""
        return f"{self.service}.amazonaws.com"

    def answered(self, response: Response) -> tuple[Fields, Fields | None]:
        """Return the fields of an answer, and its error, if it has one, with Code and Message."""
        parser = create_parser(self.protocol)
        parsed: Mapping[str, object] = parser.parse(
            {"body": response.get_data(), "headers": dict(response.headers), "status_code": response.status_code},
            self.operation.output_shape,  # type: ignore[arg-type]  # the parsers accept an operation without output
        )
        fields = {name: value for name, value in parsed.items() if name not in ("ResponseMetadata", "Error")}
        error = parsed.get("Error")
        return fields, error if isinstance(error, Mapping) and response.status_code >= _FAILED else None


_FAILED: Final = 300


def signed_by(request: Request) -> tuple[str, str, str] | None:
    """Return the access key, region and service in a request's signature; None without a signature."""
    text = request.headers.get("Authorization", "")
    if not text and "X-Amz-Credential" in request.args:
        text = f"Credential={unquote(request.args['X-Amz-Credential'])}"
    found = _CREDENTIAL.search(text)
    return found.groups() if found else None  # type: ignore[return-value]  # the pattern has three groups


def read_call(request: Request, address: str) -> Call | None:
    """Return the call that a signed request makes; None where the request names no operation, as those of S3.

    Raises CallNotRead.
    """
    signed = signed_by(request)
    if signed is None:
        raise CallNotRead("The request is not signed.")
    key_id, region, service = signed
    model = _model(_SIGNED_AS.get(service, service))
    if model is None:
        return None
    found = _operation(model, request)
    if found is None:
        return None
    operation, protocol, labels = found
    return Call(
        key_id=key_id,
        token=request.headers.get("X-Amz-Security-Token") or request.args.get("X-Amz-Security-Token"),
        region=region,
        service=service,
        operation=operation,
        protocol=protocol,
        parameters=_parameters(operation, protocol, request, labels),
        address=address,
        user_agent=request.headers.get("User-Agent", ""),
        payload=request.get_data(),
    )


def _operation(model: ServiceModel, request: Request) -> tuple[OperationModel, str, Mapping[str, str]] | None:
    """Return the operation, the protocol of the request, and the labels in its path."""
    protocols = model.metadata.get("protocols", [model.metadata["protocol"]])
    if request.headers.get("smithy-protocol") and (name := cbor.operation_name(request.path)):
        return _named(model, name, cbor.PROTOCOL)
    target = request.headers.get("X-Amz-Target", "")
    if target:
        return _named(model, target.rpartition(".")[2], "json")
    form = _form(request)
    if "Action" in form and "query" in protocols:
        return _named(model, form["Action"], "query")
    if "rest-json" in protocols:
        return _routed(model, request)
    return None


def _named(model: ServiceModel, name: str, protocol: str) -> tuple[OperationModel, str, Mapping[str, str]]:
    try:
        return model.operation_model(name), protocol, {}
    except OperationNotFoundError as error:
        raise CallNotRead(f"The service {model.service_name} has no operation {name[:80]!a}.") from error


def _routed(model: ServiceModel, request: Request) -> tuple[OperationModel, str, Mapping[str, str]] | None:
    for method, pattern, name in _routes(str(model.service_name)):
        found = pattern.fullmatch(request.path) if method == request.method else None
        if found:
            return model.operation_model(name), "rest-json", found.groupdict()
    return None


@cache
def _routes(service: str) -> tuple[tuple[str, re.Pattern[str], str], ...]:
    model = _model(service)
    names = model.operation_names if model else ()
    https = ((name, model.operation_model(name).http) for name in names) if model else ()
    routes = [(http["method"], _path(http["requestUri"].partition("?")[0]), name) for name, http in https]
    # When two routes match, the one with fewer labels is the right one.
    return tuple(sorted(routes, key=lambda route: route[1].groups))


def _path(uri: str) -> re.Pattern[str]:
    parts = re.split(r"\{([^}]+)\}", uri.rstrip("/"))
    labels = (f"(?P<{each.rstrip('+')}>{'.+' if each.endswith('+') else '[^/]+'})" for each in parts[1::2])
    fixed = map(re.escape, parts[::2])
    return re.compile("".join(text + next(labels, "") for text in fixed) + "/?")


def _parameters(operation: OperationModel, protocol: str, request: Request, labels: Mapping[str, str]) -> Fields:
    try:
        if protocol == cbor.PROTOCOL:
            return cbor.parameters(request.get_data())
        parser = PROTOCOL_PARSERS[protocol](operation, timestamp_parser=str)
        parsed: Mapping[str, object] = parser.parse(
            {
                "body": request.get_data(),
                "headers": request.headers,
                "method": request.method,
                "url_params": dict(labels),
                "url_path": request.path,
                "values": MultiDict(request.args) if protocol == "rest-json" else MultiDict(_form(request)),
            }
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CallNotRead(f"The parameters of {operation.name} cannot be read: {error}") from error
    return {name: value for name, value in (parsed or {}).items() if value is not None}


def _form(request: Request) -> dict[str, str]:
    """Return the fields of a request in the query protocol. The body can still be read afterwards."""
    if not request.content_type or not request.content_type.startswith("application/x-www-form-urlencoded"):
        return dict(request.args)
    fields = parse_qs(request.get_data().decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}


@cache
def _model(service: str) -> ServiceModel | None:
    try:
        return get_service_model(service)
    except UnknownServiceError:
        return None


def error_code(operation: OperationModel, code: str) -> str:
    """Return CloudTrail's code for an error: the name of the exception, not the code in the response."""
    own = _ERROR_NAMES.get((str(operation.service_model.service_name), code))
    names = {shape.metadata.get("error", {}).get("code", shape.name): shape.name for shape in operation.error_shapes}
    return own or str(names.get(code, code))


# Errors that are in no operation's model.
_ERROR_NAMES: Final[Mapping[tuple[str, str], str]] = {("cloudformation", "ValidationError"): "ValidationException"}


def defaults_to_caller(operation: OperationModel) -> bool:
    """Tell whether a call of IAM without UserName is about its caller."""
    shape = operation.input_shape
    if operation.service_model.service_name != "iam" or not isinstance(shape, StructureShape):
        return False
    return "UserName" in shape.members and "UserName" not in shape.required_members
