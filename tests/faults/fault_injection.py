"""Inject a fault into any one call between the functions and AWS.

A call is identified by its operation and its target, not by its position in a log: "UpdateItem notice noncompliant",
the second time. The faults replace moto's responses below botocore, so the tests include botocore's retries and
parsing.
"""

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, TypeAlias
from unittest.mock import patch
from urllib.error import HTTPError
from urllib.parse import unquote
from urllib.request import Request

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.retries.bucket import Clock as RateClock
from botocore.retries.bucket import TokenBucket
from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse

from faults.identity import Identity, change_identity
from mfa_guard.core.emergency_stop import RECORD_ID
from mfa_guard_emulator.aws.cloudformation import resource_listing
from mfa_guard_emulator.aws.stale_reads import Kind
from support.account import Account
from support.fakes import Crash


class Fault(StrEnum):
    """What goes wrong with a call."""

    THROTTLED = "throttled"
    INTERNAL = "internal error"
    DENIED = "access denied"
    TIMEOUT = "timeout"
    NOT_FOUND = "not found"
    LIMIT = "limit exceeded"
    RESET = "reset by peer"
    CRASH = "crash after"


class Duration(StrEnum):
    """How long a disturbance lasts.

    A fault lasts for the first attempt that meets it, including botocore's retries, or permanently. A stale read is one
    read, or every read of its kind until the next sweep. The events of an identity change arrive after the others, or
    are lost.
    """

    TRANSIENT = "transient"
    PERMANENT = "permanent"


@dataclass(frozen=True)
class Call:
    """One call. `target`: the user, item or topic that it names, in a form that is the same in every run."""

    service: str
    operation: str
    target: str

    def __str__(self) -> str:
        """Return the operation and its target."""
        return f"{self.operation} {self.target}".strip()


# What goes wrong: a fault of the call, a read of a kind that shows the past, or a change just before the call.
Disturbance: TypeAlias = Fault | Kind | Identity


@dataclass(frozen=True)
class Injection:
    """A disturbance of a call, from the n-th time that the call is made. `subject`: the user who changes."""

    call: Call
    nth: int
    fault: Disturbance
    duration: Duration
    subject: str = ""


# The error code of each service, and its HTTP status.
_ErrorCodes = Mapping[str, tuple[str, int]]
_THROTTLED: Final[_ErrorCodes] = {
    "iam": ("Throttling", 400),
    "sns": ("Throttling", 400),
    "cloudformation": ("Throttling", 400),
    "lambda": ("TooManyRequestsException", 429),
    "s3": ("SlowDown", 503),
}
_INTERNAL: Final[_ErrorCodes] = {
    "iam": ("ServiceFailure", 500),
    "dynamodb": ("InternalServerError", 500),
    "events": ("InternalException", 500),
    "cloudformation": ("InternalFailure", 500),
    "lambda": ("ServiceException", 500),
}
_DENIED: Final[_ErrorCodes] = {
    "iam": ("AccessDenied", 403),
    "sns": ("AuthorizationError", 403),
    "cloudformation": ("AccessDenied", 403),
    "s3": ("AccessDenied", 403),
    "lambda": ("AccessDeniedException", 403),
}
_NOT_FOUND: Final[_ErrorCodes] = {
    "iam": ("NoSuchEntity", 404),
    "sns": ("NotFound", 404),
    "sqs": ("QueueDoesNotExist", 400),
    "cloudformation": ("ValidationError", 400),
    "cloudtrail": ("TrailNotFoundException", 400),
    "lambda": ("ResourceNotFoundException", 404),
    "s3": ("NoSuchKey", 404),
}
_LIMIT: Final[_ErrorCodes] = {"iam": ("LimitExceeded", 409), "sqs": ("OverLimit", 403), "s3": ("TooManyBuckets", 400)}
_ERRORS: Final[Mapping[Fault, tuple[_ErrorCodes, tuple[str, int]]]] = {
    Fault.THROTTLED: (_THROTTLED, ("ThrottlingException", 400)),
    Fault.INTERNAL: (_INTERNAL, ("InternalError", 500)),
    Fault.DENIED: (_DENIED, ("AccessDeniedException", 400)),
    Fault.NOT_FOUND: (_NOT_FOUND, ("ResourceNotFoundException", 400)),
    Fault.LIMIT: (_LIMIT, ("LimitExceededException", 400)),
}
_QUERY_PROTOCOL: Final = frozenset({"iam", "sns", "cloudformation"})

# The parts of users that a read shows.
_SHOWS: Final[Mapping[str, tuple[Kind, ...]]] = {
    "GetAccessKeyLastUsed": (Kind.KEYS,),
    "GetAccountAuthorizationDetails": (Kind.ATTACHMENTS, Kind.GROUPS, Kind.USERS),
    "GetLoginProfile": (Kind.PROFILES,),
    "GetUser": (Kind.USERS,),
    "ListAccessKeys": (Kind.KEYS,),
    "ListAttachedUserPolicies": (Kind.ATTACHMENTS,),
    "ListGroupsForUser": (Kind.GROUPS,),
    "ListMFADevices": (Kind.DEVICES,),
    "ListUsers": (Kind.USERS,),
    "ListVirtualMFADevices": (Kind.DEVICES,),
}

# The operations that take `write_duration`.
_SLOW_OPERATIONS: Final = frozenset({"AttachUserPolicy", "DetachUserPolicy", "RemoveUserFromGroup"})
_STACK_STATUS: Final = "UPDATE_COMPLETE"
_LONG_AGO: Final = datetime(2026, 1, 1, tzinfo=UTC)


class TimedOut(Crash):
    """Lambda ended the process at its time limit."""


Observer = Callable[[Call, Mapping[str, Any]], None]


@dataclass
class FaultInjector:
    """Everything between the functions and AWS.

    `calls`: the calls, in order. `could_be_stale`: of each call, which parts of users it could show as they were before
    a change. `met`: whether a call has met the fault. `delete_target`: deletes what a call names, and returns whether
    it could. `write_duration`: how long an attachment or its removal takes. `self_invocations`: the functions that the
    functions invoked, with the events. `timers`: the delayed messages that they sent to the guard's own queue.
    `late_events`: the events of an identity change. `responses`: what
    CloudFormation received.
    """

    account: Account
    delete_target: Callable[[Call, Mapping[str, Any]], bool]
    observe: Observer = lambda _call, _params: None
    observe_response: Observer = lambda _call, _params: None
    write_duration: timedelta = timedelta()
    stack_status: str = _STACK_STATUS
    stack_created: datetime = _LONG_AGO
    injection: Injection | None = None
    met: bool = False
    calls: list[Call] = field(default_factory=list)
    could_be_stale: list[tuple[Kind, ...]] = field(default_factory=list)
    self_invocations: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    timers: list[str] = field(default_factory=list)
    late_events: list[Mapping[str, Any]] = field(default_factory=list)
    responses: list[dict[str, str]] = field(default_factory=list)
    deadline: Any = None
    on_new_process: Callable[[], None] = lambda: None
    _attempt: int = 0
    _attempt_that_met: int = 0
    _process_ended: bool = False
    _in_attempt: bool = False
    _seen: Counter[Call] = field(default_factory=Counter)
    _read_timeout: float = 0
    _current: tuple[Call, Fault | None] | None = None

    def reset(
        self, injection: Injection | None, write_duration: timedelta = timedelta(), stack_status: str = _STACK_STATUS
    ) -> None:
        """Start again, with a fault or without one."""
        self.injection, self.met = injection, False
        self.write_duration, self.stack_status = write_duration, stack_status
        self.calls, self.could_be_stale = [], []
        self.self_invocations, self.late_events, self.responses, self.timers = [], [], [], []
        self._attempt = self._attempt_that_met = 0
        self._seen.clear()

    def end_fault(self) -> None:
        """End the fault, and let every read show what is true."""
        self.injection = None
        self.account.iam_reads.become_consistent()

    @contextmanager
    def attempt(self, deadline: object) -> Iterator[None]:
        """Treat the calls inside as those of one process, which must end by `deadline`."""
        self._attempt += 1
        self._in_attempt, self._process_ended, self.deadline = True, False, deadline
        try:
            yield
        finally:
            self._in_attempt, self._current = False, None

    @contextmanager
    def intercepting(self) -> Iterator[None]:
        """Intercept botocore's calls until the end. Its waits end at once, and the account's time passes instead."""
        call_api: Callable[..., Any] = vars(BaseClient)["_make_api_call"]
        respond = BotocoreStubber.__call__
        clock = self.account.clock

        def intercepted_call(client: BaseClient, operation: str, params: dict[str, Any]) -> object:
            if not self._in_attempt:
                return call_api(client, operation, params)
            self._read_timeout = vars(client.meta.config)["read_timeout"]
            if operation == "ReceiveMessage":
                # moto waits for messages in real time.
                params = {**params, "WaitTimeSeconds": 0}
            call = Call(client.meta.service_model.service_name, operation, self._target(operation, params))
            return self._intercept(call, params, lambda: call_api(client, operation, params))

        def intercepted_response(
            stubber: BotocoreStubber, event_name: str, request: AWSPreparedRequest, **more: object
        ) -> object:
            if self._current is None:
                return respond(stubber, event_name, request, **more)
            return self._respond(request, lambda: respond(stubber, event_name, request, **more))

        with ExitStack() as patches:
            patches.enter_context(patch.object(BaseClient, "_make_api_call", intercepted_call))
            patches.enter_context(patch.object(BotocoreStubber, "__call__", intercepted_response))
            patches.enter_context(patch("time.sleep", lambda seconds: clock.advance(timedelta(seconds=seconds))))
            patches.enter_context(patch.object(RateClock, "current_time", lambda _: clock.now().timestamp()))
            patches.enter_context(patch.object(TokenBucket, "_acquire", self._wait_for_tokens))
            yield

    @property
    def _wait_for_tokens(self) -> Callable[..., bool]:
        """Return how an adaptive client waits until it may send again: the account's time passes, not real time."""
        clock = self.account.clock

        def acquire(bucket: Any, amount: float, block: bool) -> bool:  # noqa: ANN401, ARG001 - botocore's signature
            bucket._refill()
            if (missing := bucket._sleep_amount(amount)) > 0:
                clock.advance(timedelta(seconds=missing))
                bucket._refill()
            bucket._current_capacity -= amount
            return True

        return acquire

    def open(self, put: Request, timeout: float) -> "_HttpResponse":  # noqa: ARG002 - an opener's signature
        """Receive a response for CloudFormation, as its bucket does."""
        call = Call("s3", "PutObject", "response")
        received: _HttpResponse = self._intercept(call, {}, lambda: self._receive(put))
        return received

    def _intercept(self, call: Call, params: Mapping[str, Any], send: Callable[[], Any]) -> Any:  # noqa: ANN401
        if self._process_ended:
            raise Crash(str(call))
        self._let_pass(self.write_duration if call.operation in _SLOW_OPERATIONS else timedelta())
        disturbance = self._disturbance(call)
        fault = disturbance if isinstance(disturbance, Fault) else None
        if fault is Fault.NOT_FOUND and self._permanent and self.delete_target(call, params):
            # What the call names no longer exists, and moto itself responds with the error.
            fault = None
        self.calls.append(call)
        self.could_be_stale.append(self._kinds_that_differ(call, params))
        if isinstance(disturbance, Identity):
            self._change_identity(disturbance)
        if isinstance(disturbance, Kind):
            self.account.iam_reads.stale.show_past(disturbance)
        self.observe(call, params)
        self._current = (call, fault)
        try:
            response = send()
        finally:
            self._current = None
            if isinstance(disturbance, Kind) and not self._permanent:
                self.account.iam_reads.stale.become_consistent()
            self.observe_response(call, params)
        if call.operation == "SendMessage":
            self.timers.append(params["MessageBody"])
        if fault is Fault.CRASH:
            self._end_process(Crash(str(call)))
        self._let_pass(timedelta())
        return response

    @property
    def _permanent(self) -> bool:
        return self.injection is not None and self.injection.duration is Duration.PERMANENT

    def _let_pass(self, span: timedelta) -> None:
        self.account.clock.advance(span)
        if self.account.clock.now() >= self.deadline:
            self._end_process(TimedOut("The process was ended at its time limit."))

    def _end_process(self, crash: Crash) -> None:
        self._process_ended = True
        raise crash

    def _change_identity(self, change: Identity) -> None:
        assert self.injection is not None
        events = change_identity(self.account, self.injection.subject, change)
        if not self._permanent:
            self.late_events += events

    def _kinds_that_differ(self, call: Call, params: Mapping[str, Any]) -> tuple[Kind, ...]:
        past, name = self.account.iam_reads.stale.past, params.get("UserName")
        differing = {kind for kind, changed in past if name in {None, changed}}
        return tuple(kind for kind in _SHOWS.get(call.operation, ()) if kind in differing)

    def _disturbance(self, call: Call) -> Disturbance | None:
        found = self.injection
        if found is None or found.call != call:
            return None
        if self.met:
            if not isinstance(found.fault, Fault):
                return None
            return found.fault if self._permanent or self._attempt == self._attempt_that_met else None
        self._seen[call] += 1
        if self._seen[call] < found.nth:
            return None
        self.met, self._attempt_that_met = True, self._attempt
        return found.fault

    def _respond(self, request: AWSPreparedRequest, send: Callable[[], Any]) -> object:
        call, fault = self._current or (None, None)
        assert call is not None
        if fault is Fault.RESET:
            raise ConnectionClosedError(endpoint_url=request.url)
        if fault is not None and fault in _ERRORS:
            return _error(request.url, call.service, fault)
        response = self._response_without_moto(call, request) or send()
        if fault is Fault.TIMEOUT:
            self.account.clock.advance(timedelta(seconds=self._read_timeout))
            raise ReadTimeoutError(endpoint_url=request.url)
        return response

    def _response_without_moto(self, call: Call, request: AWSPreparedRequest) -> AWSResponse | None:
        """Respond to what moto cannot: calls about the stack, which moto does not have, and a self-invocation."""
        if call.operation == "DescribeStackEvents":
            # The stack did nothing.
            result = "<DescribeStackEventsResult><StackEvents/></DescribeStackEventsResult>"
            return _response(request.url, 200, f"<DescribeStackEventsResponse>{result}</DescribeStackEventsResponse>")
        if call.operation == "DescribeStacks":
            stack_id = str(self.account.stack.resolve({"Ref": "AWS::StackId"}))
            member = (
                f"<StackName>{self.account.stack.name}</StackName><StackId>{stack_id}</StackId>"
                f"<StackStatus>{self.stack_status}</StackStatus><CreationTime>{self.stack_created:%Y-%m-%dT%H:%M:%SZ}</CreationTime>"
                "<EnableTerminationProtection>true</EnableTerminationProtection>"
            )
            result = f"<DescribeStacksResult><Stacks><member>{member}</member></Stacks></DescribeStacksResult>"
            return _response(request.url, 200, f"<DescribeStacksResponse>{result}</DescribeStacksResponse>")
        if call.operation == "ListStackResources":
            return _response(request.url, 200, self._resources)
        if call.operation == "Invoke":
            body: Any = request.body
            event = json.loads(body if isinstance(body, str | bytes) else body.read())
            self.self_invocations.append((self._function_of(request.url), event))
            return _response(request.url, 202, "")
        return None

    @cached_property
    def _resources(self) -> str:
        return resource_listing(self.account.stack)

    def _function_of(self, url: str) -> str:
        """Return the logical id of the function that an invocation's URL names, by its name or its ARN."""
        name = unquote(url).split("/functions/")[1].split("/")[0].rpartition(":")[2]
        functions = (each for each in self.account.stack.resources.values() if each.type == "AWS::Lambda::Function")
        return next(each.logical_id for each in functions if each.physical_id == name)

    def _receive(self, put: Request) -> "_HttpResponse":
        _, fault = self._current or (None, None)
        if fault is Fault.RESET:
            raise ConnectionResetError
        if fault is not None and fault in _ERRORS:
            _, status = _code_and_status("s3", fault)
            raise HTTPError(put.full_url, status, "error", None, io.BytesIO())  # type: ignore[arg-type]
        assert isinstance(put.data, bytes)
        self.responses.append(json.loads(put.data))
        if fault is Fault.TIMEOUT:
            raise TimeoutError
        return _HttpResponse()

    def _target(self, operation: str, params: Mapping[str, Any]) -> str:
        if operation == "BatchGetItem":
            return _BATCHES[frozenset(params["RequestItems"]) >= {self.account.stack.physical_id("StateTable")}]
        if table := params.get("TableName"):
            return self._item(operation, str(table), params)
        if "QueueUrl" in params:
            return str(params["QueueUrl"]).rpartition("/")[2].partition("-")[2].rpartition("-")[0]
        if key := params.get("AccessKeyId"):
            known_keys = self.account.iam.access_keys
            return f"a key of {known_keys[key].user_name}" if key in known_keys else "a deleted key"
        name = params.get("UserName") or params.get("GroupName") or params.get("Rule") or params.get("Name")
        arn = params.get("TopicArn") or params.get("PolicyArn") or params.get("TrailName") or ""
        known = {
            str(self.account.stack.resolve({"Ref": topic})): topic for topic in ("NoticesTopic", "OperationsTopic")
        }
        found = str(name or known.get(str(arn)) or "")
        return found.rpartition("/")[2] if found.startswith("arn:") else found.removeprefix("mfa-guard-")

    def _item(self, operation: str, table: str, params: Mapping[str, Any]) -> str:
        if table == self.account.stack.physical_id("ExemptionsTable"):
            return "exemptions" if operation in ("Scan", "DescribeTable") else "exemption"
        if operation == "Scan":
            return "user records"
        prefix, _, rest = str((params.get("Key") or params["Item"])["id"]["S"]).partition("#")
        if prefix in {"user", "notice"}:
            notices = (each for each in params["ExpressionAttributeNames"].values() if each.startswith("notice_"))
            return f"notice {kind.removeprefix('notice_')}" if (kind := next(notices, None)) else "user record"
        return _ITEMS.get(prefix, "idempotency record").format(rest)


# A batch reads the exemptions of many users, or also the record of one.
_BATCHES: Final = {False: "exemptions", True: "user record and exemption"}
# The items of the state table, by the prefix of their key and the rest of it.
_ITEMS: Final = {
    "memory": "{} memory",
    "running": "running {}",
    "window": "window {}",
    "dead-letter": "dead letter",
    RECORD_ID: "emergency stop",
}


class _HttpResponse:
    def close(self) -> None:
        """Close the connection."""


def _code_and_status(service: str, fault: Fault) -> tuple[str, int]:
    by_service, default = _ERRORS[fault]
    return by_service.get(service, default)


def _error(url: str, service: str, fault: Fault) -> AWSResponse:
    code, status = _code_and_status(service, fault)
    message = f"{code} by the test"
    if service in _QUERY_PROTOCOL:
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        return _response(url, status, f"<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>")
    body = json.dumps({"__type": code, "message": message})
    return _response(url, status, body, {"x-amzn-errortype": code})


def _response(url: str, status: int, body: str, headers: Mapping[str, str] | None = None) -> AWSResponse:
    found = HTTPHeaders()
    for name, value in (headers or {}).items():
        found[name] = value
    return AWSResponse(url, status, found, MockRawResponse(body))
