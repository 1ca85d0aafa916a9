"""Write a service's response in the protocol of the call: a result, or an error."""

import json
from collections.abc import Mapping
from typing import Final
from xml.sax.saxutils import escape

from moto.core.serialize import XFormedAttributePicker, get_serializer_class
from werkzeug.wrappers import Response

from mfa_guard_emulator.aws import cbor
from mfa_guard_emulator.aws.calls import Call

# Services whose protocol is XML. All others answer an error in JSON.
_XML_SERVICES: Final = ("iam", "sts", "sns", "s3", "cloudformation")


def answer(call: Call, result: Mapping[str, object]) -> Response:
    """Return the response that carries a result, which is spelled as in the API."""
    serializer_class = get_serializer_class(str(call.operation.service_model.service_name), call.protocol)
    serializer = serializer_class(operation_model=call.operation, value_picker=XFormedAttributePicker())
    serialized = serializer.serialize(result)
    return Response(serialized["body"], serialized["status_code"], headers=dict(serialized["headers"]))


def error(call: Call | None, service: str, code: str, message: str, status: int = 403) -> Response:
    """Return an error as the service would write it. `call` is None for a request that could not be read."""
    if call and call.protocol == cbor.PROTOCOL:
        return cbor.error(code, message, status)
    protocol = call.protocol if call else "json" if service not in _XML_SERVICES else ""
    if service == "s3":
        body = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        return Response(body, status, content_type="application/xml")
    if protocol in ("json", "rest-json"):
        content = json.dumps({"__type": code, "message": message, "Message": message})
        return Response(content, status, content_type="application/x-amz-json-1.1", headers={"x-amzn-ErrorType": code})
    body = (
        "<ErrorResponse><Error><Type>Sender</Type>"
        f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        "<RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
    )
    return Response(body, status, content_type="text/xml")
