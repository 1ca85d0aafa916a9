"""Answer calls in moto's place, in the protocol in which they came."""

from collections.abc import Mapping

from moto.core.serialize import XFormedAttributePicker, get_serializer_class
from werkzeug.wrappers import Response

from mfa_guard_emulator.aws.calls import Call


def answer(call: Call, result: Mapping[str, object]) -> Response:
    """Return the response that carries a result, spelled as in the API."""
    serializer_class = get_serializer_class(str(call.operation.service_model.service_name), call.protocol)
    serializer = serializer_class(operation_model=call.operation, value_picker=XFormedAttributePicker())
    serialized = serializer.serialize(result)
    return Response(serialized["body"], serialized["status_code"], headers=dict(serialized["headers"]))
