"""What Lambda passes to a handler, a process that begins anew, and a way to let one AWS call fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest.mock import patch

from botocore.exceptions import ClientError

from mfa_guard.adapters.clock import SystemClock
from mfa_guard.composition import sweep
from mfa_guard.ports import Clock
from mfa_guard.runtime import clients, idempotency


def forget_clients() -> None:
    """Let the functions make their clients anew, as in a new process."""
    for module in (clients, idempotency, sweep):
        for each in vars(module).values():
            if hasattr(each, "cache_clear"):
                each.cache_clear()


@contextmanager
def ruled_by(clock: Clock) -> Iterator[None]:
    """Let the functions' clock be this one until the end."""
    with (
        patch.object(SystemClock, "now", lambda _: clock.now()),
        patch.object(SystemClock, "sleep", lambda _, seconds: clock.sleep(seconds)),
    ):
        yield


@dataclass
class Context:
    """What Lambda passes beside the event."""

    function_name: str = "mfa-guard-function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:111122223333:function:mfa-guard-function"
    aws_request_id: str = "request-1"
    milliseconds: int = 60_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


@dataclass
class Faults:
    """AWS calls by operation name that fail from now on, each with an error code."""

    failing: dict[str, str] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)

    def before_call(self, model: object, **_: object) -> None:
        name = str(getattr(model, "name", ""))
        self.made.append(name)
        if code := self.failing.get(name):
            raise ClientError({"Error": {"Code": code, "Message": f"{code} by the test"}}, name)
