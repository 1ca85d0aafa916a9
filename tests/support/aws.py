"""Lambda's context, a new process, a clock for the functions, and AWS calls that fail."""

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
    """Let the functions create their clients again, as in a new process."""
    for module in (clients, idempotency, sweep):
        for each in vars(module).values():
            if hasattr(each, "cache_clear"):
                each.cache_clear()


@contextmanager
def ruled_by(clock: Clock) -> Iterator[None]:
    """Set the functions' clock until the end."""
    with (
        patch.object(SystemClock, "now", lambda _: clock.now()),
        patch.object(SystemClock, "sleep", lambda _, seconds: clock.sleep(seconds)),
    ):
        yield


@dataclass
class Context:
    """What Lambda passes with the event."""

    function_name: str = "mfa-guard-function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:111122223333:function:mfa-guard-function"
    aws_request_id: str = "request-1"
    milliseconds: int = 60_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


@dataclass
class Faults:
    """The AWS calls that fail, by operation name, each with an error code; and the calls that were made."""

    failing: dict[str, str] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)

    def before_call(self, model: object, **_: object) -> None:
        name = str(getattr(model, "name", ""))
        self.made.append(name)
        if code := self.failing.get(name):
            raise ClientError({"Error": {"Code": code, "Message": f"{code} by the test"}}, name)
