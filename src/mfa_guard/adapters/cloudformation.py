"""CloudFormation: status and events of the guard's own stack, and the responses to its custom resource's requests."""

from collections.abc import Iterator
from datetime import datetime
from http.client import HTTPException
from typing import TYPE_CHECKING, Final
from urllib import request as http
from urllib.error import HTTPError, URLError

from mfa_guard.adapters.errors import translate_errors
from mfa_guard.core.custom_resource import Request, Response, StackId
from mfa_guard.core.errors import AwsRequestFailed
from mfa_guard.core.own_stack import StackEvent
from mfa_guard.ports import Clock

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackEventTypeDef


_TIMEOUT_SECONDS: Final = 10
_PAUSES_SECONDS: Final = (0, 1, 2, 4, 8)
_PAGES: Final = 10


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


class OwnStackEvents:
    """Reads the events of the guard's own stack; see `mfa_guard.ports.StackHistory`."""

    PERMISSIONS: Final = ("cloudformation:DescribeStackEvents",)

    def __init__(self, client: "CloudFormationClient", stack: StackId) -> None:
        self._client = client
        self._stack = stack

    def events(self, since: datetime) -> Iterator[StackEvent]:
        """Yield the events, page by page. Raises AwsRequestFailed if ten pages do not reach back to `since`.

        A page has about 100 events. A change of the whole stack and its rollback cause about 600.
        """
        token: str | None = None
        for _ in range(_PAGES):
            with translate_errors():
                page = self._client.describe_stack_events(
                    StackName=self._stack.arn, **({"NextToken": token} if token else {})
                )
            events = [_event(each) for each in page["StackEvents"]]
            yield from events
            token = page.get("NextToken")
            if not token or (events and events[-1].at < since):
                return
        raise AwsRequestFailed(f"The stack has more than {_PAGES} pages of events since {since:%H:%M:%S} UTC")


def _event(event: "StackEventTypeDef") -> StackEvent:
    return StackEvent(
        at=event["Timestamp"],
        logical_id=event.get("LogicalResourceId", ""),
        type=event.get("ResourceType", ""),
        status=event.get("ResourceStatus", ""),
        physical_id=event.get("PhysicalResourceId", ""),
        properties=event.get("ResourceProperties", ""),
    )


class OwnStackAge:
    """Reads when the guard's own stack was created; see `mfa_guard.ports.StackAge`."""

    PERMISSIONS: Final = ("cloudformation:DescribeStacks",)

    def __init__(self, client: "CloudFormationClient", stack_name: str) -> None:
        self._client = client
        self._stack_name = stack_name

    def created_at(self) -> datetime:
        """Return CreationTime."""
        with translate_errors():
            return self._client.describe_stacks(StackName=self._stack_name)["Stacks"][0]["CreationTime"]


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
