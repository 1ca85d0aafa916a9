"""Lambda: another invocation of the same function."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from mfa_guard.adapters.errors import translate_errors

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class LambdaSelfInvocation:
    """Invokes this function asynchronously; see `mfa_guard.ports.SelfInvocation`."""

    PERMISSIONS: Final = ("lambda:InvokeFunction",)

    def __init__(self, client: "LambdaClient", function_name: str) -> None:
        self._client = client
        self._function_name = function_name

    def again(self, event: Mapping[str, object]) -> None:
        """Invoke the function with `event`."""
        with translate_errors():
            self._client.invoke(
                FunctionName=self._function_name, InvocationType="Event", Payload=json.dumps(event).encode()
            )
