"""The wire between the functions and AWS, where a fault can be put on any one call.

A call is known by what it does and to whom, not by its place in a log: "PutItem lease noncompliant", the second time.
Faults are answered below botocore, so that its own retries and its own parsing take part.
"""

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final
from unittest.mock import patch
from urllib.error import HTTPError
from urllib.request import Request

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.retries.bucket import Clock as RateClock
from botocore.retries.bucket import TokenBucket
from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse

from support.account import Account
from support.fakes import Crash


class Fault(StrEnum):
    """What becomes of a call."""

    THROTTLED = "throttled"
    INTERNAL = "internal error"
    DENIED = "access denied"
    TIMEOUT = "timeout"
    GONE = "NoSuchEntity"
    LIMIT = "LimitExceeded"
    RESET = "connection reset"
    CRASH = "crash after it"


class Span(StrEnum):
    """How long a fault lasts: for the first attempt that meets it, botocore's retries among it, or for good."""

    PASSES = "passes"
    STAYS = "stays"


@dataclass(frozen=True)
class Call:
    """One call. `about`: the user, item or topic that it names, in words that are the same in every run."""

    service: str
    operation: str
    about: str

    def __str__(self) -> str:
        """Return it for a person."""
        return f"{self.operation} {self.about}".strip()


@dataclass(frozen=True)
class Injection:
    """A fault on a call from its n-th time on."""

    call: Call
    nth: int
    fault: Fault
    span: Span


# Each service's own words, and the HTTP status they come with.
_Words = Mapping[str, tuple[str, int]]
_THROTTLED: Final[_Words] = {
    "iam": ("Throttling", 400),
    "sns": ("Throttling", 400),
    "cloudformation": ("Throttling", 400),
    "lambda": ("TooManyRequestsException", 429),
    "s3": ("SlowDown", 503),
}
_INTERNAL: Final[_Words] = {
    "iam": ("ServiceFailure", 500),
    "dynamodb": ("InternalServerError", 500),
    "events": ("InternalException", 500),
    "cloudformation": ("InternalFailure", 500),
    "lambda": ("ServiceException", 500),
}
_DENIED: Final[_Words] = {
    "iam": ("AccessDenied", 403),
    "sns": ("AuthorizationError", 403),
    "cloudformation": ("AccessDenied", 403),
    "s3": ("AccessDenied", 403),
    "lambda": ("AccessDeniedException", 403),
}
_GONE: Final[_Words] = {
    "iam": ("NoSuchEntity", 404),
    "sns": ("NotFound", 404),
    "sqs": ("QueueDoesNotExist", 400),
    "cloudformation": ("ValidationError", 400),
    "cloudtrail": ("TrailNotFoundException", 400),
    "lambda": ("ResourceNotFoundException", 404),
    "s3": ("NoSuchKey", 404),
}
_LIMIT: Final[_Words] = {"iam": ("LimitExceeded", 409), "sqs": ("OverLimit", 403), "s3": ("TooManyBuckets", 400)}
_ANSWERS: Final[Mapping[Fault, tuple[_Words, tuple[str, int]]]] = {
    Fault.THROTTLED: (_THROTTLED, ("ThrottlingException", 400)),
    Fault.INTERNAL: (_INTERNAL, ("InternalError", 500)),
    Fault.DENIED: (_DENIED, ("AccessDeniedException", 400)),
    Fault.GONE: (_GONE, ("ResourceNotFoundException", 400)),
    Fault.LIMIT: (_LIMIT, ("LimitExceededException", 400)),
}
_QUERY: Final = frozenset({"iam", "sns", "cloudformation"})

# What a slow AWS is slow with.
_BINDING: Final = frozenset({"AttachUserPolicy", "DetachUserPolicy", "RemoveUserFromGroup"})
_STACK: Final = "UPDATE_COMPLETE"


class Killed(Crash):
    """Lambda ended the process: its time was up."""


Observer = Callable[[Call, Mapping[str, Any]], None]


@dataclass
class Wire:
    """Everything between the functions and AWS.

    `made`: the calls, in order. `fired`: whether the fault has been met. `vanish`: makes what a call names go away for
    good, as far as it can. `pace`: how long binding and releasing take. `relayed`: events that a function
    invoked itself with.
    """

    account: Account
    vanish: Callable[[Call, Mapping[str, Any]], bool]
    observe: Observer = lambda _call, _params: None
    pace: timedelta = timedelta()
    stack_status: str = _STACK
    injection: Injection | None = None
    fired: bool = False
    made: list[Call] = field(default_factory=list)
    relayed: list[dict[str, object]] = field(default_factory=list)
    answers: list[dict[str, str]] = field(default_factory=list)
    deadline: Any = None
    on_new_process: Callable[[], None] = lambda: None
    _attempt: int = 0
    _fired_in: int = 0
    _dead: bool = False
    _working: bool = False
    _seen: Counter[Call] = field(default_factory=Counter)
    _patience: float = 0
    _current: tuple[Call, Fault | None] | None = None

    def reset(self, injection: Injection | None, pace: timedelta = timedelta(), status: str = _STACK) -> None:
        """Begin anew, with a fault or without."""
        self.injection, self.pace, self.stack_status, self.fired = injection, pace, status, False
        self.made, self.relayed, self.answers = [], [], []
        self._attempt = self._fired_in = 0
        self._seen.clear()

    def mend(self) -> None:
        """End the fault."""
        self.injection = None

    @contextmanager
    def attempt(self, deadline: object) -> Iterator[None]:
        """Take the calls made inside as those of one process, which has to end by `deadline`."""
        self._attempt += 1
        self._working, self._dead, self.deadline = True, False, deadline
        try:
            yield
        finally:
            self._working, self._current = False, None

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Watch botocore, let its waits pass at once, until the end."""
        call_api: Callable[..., Any] = vars(BaseClient)["_make_api_call"]
        answer = BotocoreStubber.__call__
        clock = self.account.clock

        def calling(client: BaseClient, operation: str, params: dict[str, Any]) -> object:
            if not self._working:
                return call_api(client, operation, params)
            self._patience = vars(client.meta.config)["read_timeout"]
            call = Call(client.meta.service_model.service_name, operation, self._about(operation, params))
            return self._through(call, params, lambda: call_api(client, operation, params))

        def answering(stubber: BotocoreStubber, event_name: str, request: AWSPreparedRequest, **more: object) -> object:
            if self._current is None:
                return answer(stubber, event_name, request, **more)
            return self._answer(request, lambda: answer(stubber, event_name, request, **more))

        with ExitStack() as patches:
            patches.enter_context(patch.object(BaseClient, "_make_api_call", calling))
            patches.enter_context(patch.object(BotocoreStubber, "__call__", answering))
            patches.enter_context(patch("time.sleep", lambda seconds: clock.let_pass(timedelta(seconds=seconds))))
            patches.enter_context(patch.object(RateClock, "current_time", lambda _: clock.now().timestamp()))
            patches.enter_context(patch.object(TokenBucket, "_acquire", self._wait_for_tokens))
            yield

    @property
    def _wait_for_tokens(self) -> Callable[..., bool]:
        """Return what an adaptive client waits with until it may ask again: the account's time, not the machine's."""
        clock = self.account.clock

        def acquire(bucket: Any, amount: float, block: bool) -> bool:  # noqa: ANN401, ARG001 - botocore's own
            bucket._refill()
            if (missing := bucket._sleep_amount(amount)) > 0:
                clock.let_pass(timedelta(seconds=missing))
                bucket._refill()
            bucket._current_capacity -= amount
            return True

        return acquire

    def open(self, put: Request, timeout: float) -> "_Taken":  # noqa: ARG002 - an opener's signature
        """Take an answer to CloudFormation's request, as its bucket would."""
        call = Call("s3", "PutObject", "the answer")
        taken: _Taken = self._through(call, {}, lambda: self._take(put))
        return taken

    def _through(self, call: Call, params: Mapping[str, Any], go: Callable[[], Any]) -> Any:  # noqa: ANN401
        if self._dead:
            raise Crash(str(call))
        self._time_passes(self.pace if call.operation in _BINDING else timedelta())
        fault = self._fault(call)
        if fault is Fault.GONE and self._stays and self.vanish(call, params):
            # What the call names is really gone, and AWS says so itself.
            fault = None
        self.made.append(call)
        self.observe(call, params)
        self._current = (call, fault)
        try:
            answer = go()
        finally:
            self._current = None
        if fault is Fault.CRASH:
            self._die(Crash(str(call)))
        self._time_passes(timedelta())
        return answer

    @property
    def _stays(self) -> bool:
        return self.injection is not None and self.injection.span is Span.STAYS

    def _time_passes(self, span: timedelta) -> None:
        self.account.clock.let_pass(span)
        if self.account.clock.now() >= self.deadline:
            self._die(Killed("The process was ended at its time limit."))

    def _die(self, crash: Crash) -> None:
        self._dead = True
        raise crash

    def _fault(self, call: Call) -> Fault | None:
        found = self.injection
        if found is None or found.call != call:
            return None
        if self.fired:
            return found.fault if self._stays or self._attempt == self._fired_in else None
        self._seen[call] += 1
        if self._seen[call] < found.nth:
            return None
        self.fired, self._fired_in = True, self._attempt
        return found.fault

    def _answer(self, request: AWSPreparedRequest, go: Callable[[], Any]) -> object:
        call, fault = self._current or (None, None)
        assert call is not None
        if fault is Fault.RESET:
            raise ConnectionClosedError(endpoint_url=request.url)
        if fault is not None and fault in _ANSWERS:
            return _refusal(request.url, call.service, fault)
        done = self._own_answer(call, request) or go()
        if fault is Fault.TIMEOUT:
            self.account.clock.let_pass(timedelta(seconds=self._patience))
            raise ReadTimeoutError(endpoint_url=request.url)
        return done

    def _own_answer(self, call: Call, request: AWSPreparedRequest) -> AWSResponse | None:
        """Answer what moto cannot: the stack that is not there, and a function that starts itself."""
        if call.operation == "DescribeStacks":
            stack_id = str(self.account.stack.resolve({"Ref": "AWS::StackId"}))
            member = (
                f"<StackName>{self.account.stack.name}</StackName><StackId>{stack_id}</StackId>"
                f"<StackStatus>{self.stack_status}</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime>"
                "<EnableTerminationProtection>true</EnableTerminationProtection>"
            )
            result = f"<DescribeStacksResult><Stacks><member>{member}</member></Stacks></DescribeStacksResult>"
            return _response(request.url, 200, f"<DescribeStacksResponse>{result}</DescribeStacksResponse>")
        if call.operation == "Invoke":
            body: Any = request.body
            self.relayed.append(json.loads(body if isinstance(body, str | bytes) else body.read()))
            return _response(request.url, 202, "")
        return None

    def _take(self, put: Request) -> "_Taken":
        _, fault = self._current or (None, None)
        if fault is Fault.RESET:
            raise ConnectionResetError
        if fault is not None and fault in _ANSWERS:
            _, status = _words("s3", fault)
            raise HTTPError(put.full_url, status, "refused", None, io.BytesIO())  # type: ignore[arg-type]
        assert isinstance(put.data, bytes)
        self.answers.append(json.loads(put.data))
        if fault is Fault.TIMEOUT:
            raise TimeoutError
        return _Taken()

    def _about(self, operation: str, params: Mapping[str, Any]) -> str:
        if table := params.get("TableName"):
            return self._item(operation, str(table), params)
        if key := params.get("AccessKeyId"):
            known_keys = self.account.iam.access_keys
            return f"a key of {known_keys[key].user_name}" if key in known_keys else "a key that is gone"
        name = params.get("UserName") or params.get("GroupName") or params.get("Rule") or params.get("Name")
        arn = params.get("TopicArn") or params.get("PolicyArn") or params.get("TrailName") or ""
        known = {
            str(self.account.stack.resolve({"Ref": topic})): topic for topic in ("NoticesTopic", "OperationsTopic")
        }
        found = str(name or known.get(str(arn)) or "")
        return found.rpartition("/")[2] if found.startswith("arn:") else found.removeprefix("mfa-guard-")

    def _item(self, operation: str, table: str, params: Mapping[str, Any]) -> str:
        if table == self.account.stack.physical_id("ExemptionsTable"):
            return "exemptions" if operation == "Scan" else "exemption"
        item = params.get("Key") or params.get("Item") or {}
        key = str(item["id"]["S"])
        if key.startswith("lease#"):
            return f"lease {key.rpartition('#')[2]}"
        return "memory" if key == "sweep#memory" else "once"


class _Taken:
    def close(self) -> None:
        """Hang up."""


def _words(service: str, fault: Fault) -> tuple[str, int]:
    own, usual = _ANSWERS[fault]
    return own.get(service, usual)


def _refusal(url: str, service: str, fault: Fault) -> AWSResponse:
    code, status = _words(service, fault)
    message = f"{code} by the test"
    if service in _QUERY:
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        return _response(url, status, f"<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>")
    body = json.dumps({"__type": code, "message": message})
    return _response(url, status, body, {"x-amzn-errortype": code})


def _response(url: str, status: int, body: str, headers: Mapping[str, str] | None = None) -> AWSResponse:
    found = HTTPHeaders()
    for name, value in (headers or {}).items():
        found[name] = value
    return AWSResponse(url, status, found, MockRawResponse(body))
