"""CloudFormation: the status of the guard's own stack, and the responses to its custom resource's requests."""

from http.client import HTTPException
from typing import TYPE_CHECKING, Final
from urllib import request as http
from urllib.error import HTTPError, URLError

from mfa_guard.adapters.errors import translate_errors
from mfa_guard.core.custom_resource import Request, Response, StackId
from mfa_guard.ports import Clock

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient


_TIMEOUT_SECONDS: Final = 10
_PAUSES_SECONDS: Final = (0, 1, 2, 4, 8)


class ResponseNotDelivered(Exception):
    """A response could not be delivered; the message says why and never contains the URL."""


class OwnStackStatus:
    """Reads the status of the guard's own stack; see `mfa_guard.ports.OwnStack`."""

    PERMISSIONS: Final = ("cloudformation:DescribeStacks",)

    def __init__(self, client: "CloudFormationClient", stack: StackId) -> None:
        self._client = client
        self._stack = stack

    def status(self) -> str:
        """Return StackStatus."""
        with translate_errors():
            return self._client.describe_stacks(StackName=self._stack.arn)["Stacks"][0]["StackStatus"]


def strict_opener(*more: http.BaseHandler) -> http.OpenerDirector:
    """Return an opener for https URLs only: no redirects, no proxies, and no other schemes except those of `more`."""
    opener = http.OpenerDirector()
    for handler in (
        http.HTTPSHandler(),
        http.HTTPErrorProcessor(),
        http.HTTPDefaultErrorHandler(),
        http.UnknownHandler(),
        *more,
    ):
        opener.add_handler(handler)
    return opener


class ResponseSender:
    """Sends responses to the presigned URLs of requests, which `parse_request` has checked to be CloudFormation's."""

    def __init__(self, opener: http.OpenerDirector, clock: Clock) -> None:
        self._opener = opener
        self._clock = clock

    def send(self, request: Request, response: Response) -> None:
        """Send the response, with retries for at most two minutes; raises ResponseNotDelivered."""
        body, problem = request.body(response), None
        for pause in _PAUSES_SECONDS:
            self._clock.sleep(pause)
            problem = self._problem(request.response_url, body)
            if problem is None:
                return
        # This is outside of the except blocks: urllib's errors may contain the URL, and Lambda logs an error's context.
        raise ResponseNotDelivered(f"CloudFormation did not accept the response: {problem}.")

    def _problem(self, url: str, body: bytes) -> str | None:
        # The URL was signed with an empty content type.
        put = http.Request(url, data=body, method="PUT", headers={"Content-Type": ""})  # noqa: S310 - the opener's job
        try:
            self._opener.open(put, timeout=_TIMEOUT_SECONDS).close()
        except HTTPError as refusal:
            refusal.close()
            return f"HTTP status {refusal.code}"
        except URLError as error:
            return f"{type(error).__name__} {error.reason}"
        except (OSError, HTTPException) as error:
            return type(error).__name__
        return None
