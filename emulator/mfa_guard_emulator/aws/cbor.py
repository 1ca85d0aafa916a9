"""Read and answer calls in Smithy's RPC protocol with CBOR, which CloudWatch's clients use and moto does not know.

moto gets them as calls in the query protocol. https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
"""

import io
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from botocore.model import OperationModel, StructureShape
from botocore.parsers import RpcV2CBORParser, create_parser
from botocore.serialize import RpcV2CBORSerializer, create_serializer
from werkzeug.wrappers import Response

from mfa_guard_cli.stack.template import Fields

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PROTOCOL: Final = "smithy-rpc-v2-cbor"
_PATH: Final = re.compile(r"/service/[^/]+/operation/(?P<operation>[^/]+)")
_MAP_OF_TWO: Final = 0xA2
_TEXT_16_BIT: Final = 0x79


def operation_name(path: str) -> str | None:
    """Return the operation that a path of the protocol names."""
    found = _PATH.fullmatch(path)
    return found["operation"] if found else None


def parameters(body: bytes) -> Fields:
    """Return the parameters in a request's body; raises ValueError."""
    parser = RpcV2CBORParser()
    parsed = parser.parse_data_item(parser.get_peekable_stream_from_bytes(body)) if body else {}
    if not isinstance(parsed, Mapping):
        raise ValueError("The body is not a map.")  # noqa: TRY004 - the caller handles one error for all unreadable bodies
    return parsed


def as_query(environ: "WSGIEnvironment", operation: OperationModel, given: Fields) -> "WSGIEnvironment":
    """Return the WSGI environment of the same call in the query protocol."""
    request = create_serializer("query", include_validation=False).serialize_to_request(given, operation)
    body = urlencode(request["body"]).encode()
    return {
        **environ,
        "PATH_INFO": "/",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }


def from_query(response: Response, operation: OperationModel) -> Response:
    """Return the answer to a call in the query protocol as CBOR."""
    parsed = create_parser("query").parse(
        {"body": response.get_data(), "headers": dict(response.headers), "status_code": response.status_code},
        operation.output_shape,  # type: ignore[arg-type]  # the parsers accept an operation without output
    )
    if failure := parsed.get("Error"):
        return error(str(failure.get("Code")), str(failure.get("Message")), response.status_code)
    content = {name: value for name, value in parsed.items() if name != "ResponseMetadata"}
    body = bytearray()
    if operation.output_shape is not None:
        _serialize(body, content, operation.output_shape)
    return _response(bytes(body), 200)


def _serialize(body: bytearray, content: Fields, shape: StructureShape) -> None:
    # The public method of the serializer is for requests only; an answer has the same format.
    RpcV2CBORSerializer()._serialize_data_item(body, content, shape)  # type: ignore[attr-defined]  # noqa: SLF001


def error(code: str, message: str, status: int) -> Response:
    """Return an error."""
    body = bytes([_MAP_OF_TWO]) + b"".join(map(_text, ("__type", code, "message", message)))
    return _response(body, status)


def _response(body: bytes, status: int) -> Response:
    headers = {"smithy-protocol": "rpc-v2-cbor"}
    return Response(body, status, content_type="application/cbor", headers=headers)


def _text(text: str) -> bytes:
    encoded = text.encode()[:65535]
    return bytes([_TEXT_16_BIT]) + len(encoded).to_bytes(2, "big") + encoded
