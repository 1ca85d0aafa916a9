"""What Lambda passes to a handler, and a way to let one AWS call fail."""

from dataclasses import dataclass, field

from botocore.exceptions import ClientError


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
