"""The AWS calls of the functions: count them, and make some of them fail or take long."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from mfa_guard_emulator.aws.responses import error
from mfa_guard_emulator.clock import Clock

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from mfa_guard_emulator.aws.callers import Caller
    from mfa_guard_emulator.aws.calls import Call

_IAM: Final = "iam"


@dataclass(frozen=True)
class FunctionCall:
    """One call of a function. `user` is the user that it names, if any."""

    function: str
    service: str
    operation: str
    user: str | None


@dataclass(frozen=True)
class IamUsage:
    """How often a function called each operation of IAM, and how many users it named in calls."""

    operations: Counter[str]
    users: int

    @classmethod
    def of(cls, calls: tuple[FunctionCall, ...], function: str) -> "IamUsage":
        """Return the usage of one function."""
        own = [call for call in calls if call.function == function and call.service == _IAM]
        return cls(Counter(call.operation for call in own), len({call.user for call in own if call.user}))

    def total(self) -> int:
        """Return the number of calls."""
        return self.operations.total()


class FunctionCalls:
    """Records the calls of the functions and changes their outcome; `intercept` is for the gateway."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: list[FunctionCall] = []
        self._denied: dict[tuple[str, str], str] = {}
        self._before: dict[str, Callable[[], object]] = {}
        self._latency = timedelta()

    def take(self) -> tuple[FunctionCall, ...]:
        """Return the calls since the last call of this method."""
        calls, self._calls = tuple(self._calls), []
        return calls

    def deny(self, operation: str, user: str, reason: str) -> None:
        """Make IAM deny an operation on one user to the functions."""
        self._denied[operation, user] = reason

    def allow(self, operation: str, user: str) -> None:
        """Undo `deny`."""
        del self._denied[operation, user]

    def before_first_call_about(self, user: str, action: Callable[[], object]) -> None:
        """Run an action right before a function names a user for the first time."""
        self._before[user] = action

    def set_latency(self, latency: timedelta) -> None:
        """Set how long each answer of IAM takes, in the account's time."""
        self._latency = latency

    def intercept(self, call: "Call", caller: "Caller") -> "Response | None":
        """Return the answer to a call that is denied, else None."""
        if caller.function is None:
            return None
        named = call.parameters.get("UserName") if call.service == _IAM else None
        user = str(named) if named else None
        self._calls.append(FunctionCall(caller.function, call.service, call.name, user))
        if call.service == _IAM:
            self._clock.advance(self._latency)
        if user in self._before:
            self._before.pop(user)()
        reason = self._denied.get((call.name, user or ""))
        if reason is None:
            return None
        who = f"User: {caller.identity['arn']} is not authorized to perform: {call.service}:{call.name}"
        return error(call, call.service, "AccessDenied", f"{who} on resource: user {user} {reason}")
