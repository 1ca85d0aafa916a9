"""The wire between the functions and AWS: every call is counted, and held against what the function's role allows.

The story also lets things go wrong here: refusals, a slow IAM, somebody who is faster than the guard.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, TypeAlias

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from mfa_guard_cli.local.clock import Clock
from mfa_guard_cli.local.functions import Function

if TYPE_CHECKING:
    from botocore.model import OperationModel

Answer: TypeAlias = tuple[AWSResponse, Mapping[str, object]]

_IAM: Final = "iam"


@dataclass(frozen=True)
class Call:
    """One call that a function made. `user`: whom it names, if anybody."""

    function: str
    service: str
    operation: str
    user: str | None


@dataclass(frozen=True)
class Calls:
    """What a function asked of IAM: how often each operation, and about how many users one by one."""

    operations: Counter[str]
    users: int

    @classmethod
    def of_iam(cls, calls: tuple[Call, ...], function: str) -> "Calls":
        """Return what `function` asked."""
        own = [call for call in calls if call.function == function and call.service == _IAM]
        return cls(Counter(call.operation for call in own), len({call.user for call in own if call.user}))

    def total(self) -> int:
        """Return how many calls that were."""
        return self.operations.total()


class Wire:
    """Watches the calls of a boto3 session while functions are at work."""

    def __init__(self, session: boto3.Session, clock: Clock) -> None:
        self._clock = clock
        self._function: Function | None = None
        self._made: list[Call] = []
        self._denied: dict[tuple[str, str], str] = {}
        self._overtakers: dict[str, Callable[[], object]] = {}
        self._pause = timedelta()
        # The stubs know no handler that answers, which this event is made for.
        session.events.register("before-call", self._before)  # type: ignore[arg-type]

    @contextmanager
    def working(self, function: Function) -> Iterator[None]:
        """Take the calls made inside as this function's."""
        outer, self._function = self._function, function
        try:
            yield
        finally:
            self._function = outer

    def take(self) -> tuple[Call, ...]:
        """Return the calls since this was last asked."""
        made, self._made = tuple(self._made), []
        return made

    def deny(self, operation: str, user: str, why: str) -> None:
        """Let IAM refuse an operation on one user to the functions."""
        self._denied[operation, user] = why

    def allow(self, operation: str, user: str) -> None:
        """Take back what `deny` did."""
        del self._denied[operation, user]

    def overtake(self, user: str, act: Callable[[], object]) -> None:
        """Let something happen right before a function names a user for the first time."""
        self._overtakers[user] = act

    def slow_down(self, pause: timedelta) -> None:
        """Let every answer of IAM take so long."""
        self._pause = pause

    def settle(self) -> None:
        """Let IAM answer at once again."""
        self._pause = timedelta()

    def _before(self, model: "OperationModel", params: Mapping[str, object], **_: object) -> Answer | None:
        """Return what is answered in AWS's place, or None."""
        if self._function is None:
            return None
        service, name = str(model.service_model.signing_name), str(model.name)
        body = params.get("body")
        user = str(body["UserName"]) if service == _IAM and isinstance(body, Mapping) and "UserName" in body else None
        self._made.append(Call(self._function.logical_id, service, name, user))
        if service == _IAM:
            self._clock.let_pass(self._pause)
        if user in self._overtakers:
            self._overtakers.pop(user)()
        return self._refusal(f"{service}:{name}", user)

    def _refusal(self, action: str, user: str | None) -> Answer | None:
        function = self._function
        if function is None:
            return None
        who = f"User: {function.session_arn} is not authorized to perform: {action}"
        if not any(fnmatchcase(action, allowed) for allowed in function.actions):
            return _denial(f"{who} because no identity-based policy allows the {action} action")
        operation = action.partition(":")[2]
        if user is not None and (operation, user) in self._denied:
            return _denial(f"{who} on resource: user {user} {self._denied[operation, user]}")
        return None


def _denial(message: str) -> Answer:
    error = {"Type": "Sender", "Code": "AccessDenied", "Message": message}
    answer = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 403, "RequestId": "local"}}
    return AWSResponse("https://amazonaws.com/", 403, HTTPHeaders(), None), answer
