"""The wire between the functions and AWS in a story: every call is counted, and some go wrong.

Refusals, a slow IAM, somebody who is faster than the guard.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from mfa_guard_emulator.aws.calls import refusal
from mfa_guard_emulator.aws.clock import Clock

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from mfa_guard_emulator.aws.callers import Caller
    from mfa_guard_emulator.aws.calls import Call

_IAM: Final = "iam"


@dataclass(frozen=True)
class Made:
    """One call that a function made. `user`: whom it names, if anybody."""

    function: str
    service: str
    operation: str
    user: str | None


@dataclass(frozen=True)
class Asked:
    """What a function asked of IAM: how often each operation, and about how many users one by one."""

    operations: Counter[str]
    users: int

    @classmethod
    def of_iam(cls, calls: tuple[Made, ...], function: str) -> "Asked":
        """Return what `function` asked."""
        own = [call for call in calls if call.function == function and call.service == _IAM]
        return cls(Counter(call.operation for call in own), len({call.user for call in own if call.user}))

    def total(self) -> int:
        """Return how many calls that were."""
        return self.operations.total()


class Wire:
    """Watches the calls of the functions; `on_call` is for the gateway."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._made: list[Made] = []
        self._denied: dict[tuple[str, str], str] = {}
        self._overtakers: dict[str, Callable[[], object]] = {}
        self._pause = timedelta()

    def take(self) -> tuple[Made, ...]:
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

    def on_call(self, call: "Call", caller: "Caller") -> "Response | None":
        """Return what is answered in AWS's place, or None."""
        if caller.function is None:
            return None
        named = call.parameters.get("UserName") if call.service == _IAM else None
        user = str(named) if named else None
        self._made.append(Made(caller.function, call.service, call.name, user))
        if call.service == _IAM:
            self._clock.let_pass(self._pause)
        if user in self._overtakers:
            self._overtakers.pop(user)()
        why = self._denied.get((call.name, user or ""))
        if why is None:
            return None
        who = f"User: {caller.identity['arn']} is not authorized to perform: {call.service}:{call.name}"
        return refusal(call, call.service, "AccessDenied", f"{who} on resource: user {user} {why}")
