"""The gateway of the local account, which every request passes on its way to moto.

It finds the caller, checks what moto does not (access keys, MFA codes, the actions that a function's role allows),
answers what moto cannot, and writes a CloudTrail record of each changing call that a rule of the stack matches.
"""

import io
import json
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import parse_qsl, urlencode

from moto.iam.models import IAMBackend
from werkzeug.wrappers import Request, Response

from mfa_guard_cli.stack.template import Fields
from mfa_guard_emulator.aws import cbor
from mfa_guard_emulator.aws.callers import Caller, Callers, CredentialsRefused
from mfa_guard_emulator.aws.calls import (
    Call,
    CallNotRead,
    defaults_to_caller,
    error_code,
    read_call,
    signed_by,
)
from mfa_guard_emulator.aws.cloudformation import CloudFormation
from mfa_guard_emulator.aws.cloudtrail import CloudTrail, as_recorded
from mfa_guard_emulator.aws.codes import Codes
from mfa_guard_emulator.aws.devices import device_call_error, with_qr_code
from mfa_guard_emulator.aws.event_history import lookup_events
from mfa_guard_emulator.aws.names import name_error
from mfa_guard_emulator.aws.responses import error
from mfa_guard_emulator.aws.root import Root
from mfa_guard_emulator.aws.tokens import TOKEN_CALLS
from mfa_guard_emulator.endpoint import PAGE_PATH

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Deliver: TypeAlias = Callable[[Fields, Caller], None]
Interceptor: TypeAlias = Callable[[Call, Caller], Response | None]

_READS: Final = ("Get", "List", "Describe", "BatchGet", "Lookup", "Simulate", "Generate", "Head", "Query", "Scan")
# Data events, which a trail does not record by default, and calls that read.
_DATA: Final = frozenset(
    {
        "AssumeRole",
        "BatchWriteItem",
        "ChangeMessageVisibility",
        "DeleteItem",
        "DeleteMessage",
        "Invoke",
        "Publish",
        "PublishBatch",
        "PutEvents",
        "PutItem",
        "PutLogEvents",
        "PutMetricData",
        "ReceiveMessage",
        "SendMessage",
        "SendMessageBatch",
        "TransactWriteItems",
        "UpdateItem",
    }
)
_READING_METHODS: Final = ("GET", "HEAD", "OPTIONS")
# Calls that may wait.
_UNLOCKED: Final = frozenset({"ReceiveMessage"})
_PERMISSIONS: Final[Mapping[str, str]] = {"lambda:Invoke": "lambda:InvokeFunction"}
_LOCAL_HOSTS: Final = ("localhost", "127.0.0.1")
_FORWARDED_FOR: Final = "X-Forwarded-For"


@dataclass(frozen=True)
class GatewayDependencies:
    """What the gateway needs from the account.

    `matched_calls`: the calls that a rule matches. `actions`: what the role of a function allows, by the function's
    logical id. `deliver` takes an event and its caller. `invoke` takes a function's name or ARN and an event, and tells
    whether the function is one of the stack's. `on_table_write` is called after a call that may have written to a
    table, `on_publish` after a call that sent a message to a topic. `on_message` takes a sentence for the developer,
    `on_failure` the traceback of an error in the gateway.
    """

    iam: IAMBackend
    callers: Callers
    codes: Codes
    trail: CloudTrail
    cloudformation: CloudFormation
    matched_calls: Mapping[tuple[str, str], str]
    actions: Mapping[str, frozenset[str]]
    deliver: Deliver
    invoke: Callable[[str, Fields], bool]
    on_table_write: Callable[[Caller], None]
    on_publish: Callable[[], None]
    on_message: Callable[[str], None]
    on_failure: Callable[[str], None]


@dataclass
class Gateway:
    """The WSGI application in front of moto's. `pages` answers requests below PAGE_PATH.

    `intercept` may answer a call before moto does.
    """

    app: "WSGIApplication"
    dependencies: GatewayDependencies
    pages: "WSGIApplication"
    intercept: Interceptor = field(default=lambda _call, _caller: None)
    recording: bool = False
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _mentioned: set[str] = field(default_factory=set)
    _root: Root = field(init=False)

    def __post_init__(self) -> None:
        self._root = Root(self.dependencies.iam, self.dependencies.codes)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request. An error in the gateway becomes an answer, too, and is reported."""
        request = Request(environ)
        if not _is_local(request.host):
            response = Response("This local account answers requests to localhost only.\n", 421)
        elif request.path.startswith("/moto-api"):
            response = Response("This local account cannot be reset; start it again.\n", 404)
        elif f"{request.path}/".startswith(PAGE_PATH) or _is_browser(request):
            return self.pages(environ, start_response)
        else:
            try:
                response = self._answer(request, environ)
            except Exception:  # noqa: BLE001 - the caller gets an answer, and the failure is reported
                self.dependencies.on_failure(traceback.format_exc())
                response = Response("The local account failed; its terminal shows the error.\n", 500)
        return response(environ, start_response)

    def _answer(self, request: Request, environ: "WSGIEnvironment") -> Response:
        body = request.get_data()
        environ["wsgi.input"] = io.BytesIO(body)
        address = request.headers.get(_FORWARDED_FOR) or request.remote_addr or "127.0.0.1"
        signed = signed_by(request)
        if signed is None:
            return error(None, "iam", "MissingAuthenticationToken", "The request is not signed.")
        try:
            call = read_call(request, address)
        except CallNotRead as problem:
            return error(None, signed[2], "InvalidAction", str(problem), 400)
        try:
            caller = self.dependencies.callers.find(
                signed[0], call.token if call else request.headers.get("X-Amz-Security-Token")
            )
        except CredentialsRefused as refused:
            return error(call, signed[2], refused.code, str(refused))
        if call is None:
            if self.recording and not caller.unrecorded and request.method not in _READING_METHODS:
                self._mention_once(signed[2])
            return self._pass(request, environ)
        response, envelopes = self._serve(call, caller, request, environ)
        for envelope in envelopes:
            self.dependencies.deliver(envelope, caller)
        if call.service == "dynamodb" and not call.name.startswith(_READS):
            self.dependencies.on_table_write(caller)
        if call.service == "sns" and call.name.startswith("Publish"):
            self.dependencies.on_publish()
        return response

    def _serve(
        self, call: Call, caller: Caller, request: Request, environ: "WSGIEnvironment"
    ) -> tuple[Response, tuple[Fields, ...]]:
        if answered := self._permission_error(call, caller) or self.intercept(call, caller):
            return answered, tuple(self._records(call, caller, answered))
        # Without the lock, a record could describe the state after the call of another thread.
        with nullcontext() if call.name in _UNLOCKED else self._lock:
            response = self._own_answer(call, caller) or self._ask_moto(call, caller, request, environ)
            return response, (*self._records(call, caller, response), *self._custom_events(call, response))

    def _permission_error(self, call: Call, caller: Caller) -> Response | None:
        """Return IAM's error for a function whose role does not allow the action."""
        if caller.function is None or call.name == "GetCallerIdentity":
            return None
        action = f"{call.service}:{call.name}"
        allowed = self.dependencies.actions[caller.function]
        if any(fnmatchcase(_PERMISSIONS.get(action, action), each) for each in allowed):
            return None
        who = f"User: {caller.identity['arn']} is not authorized to perform: {action}"
        return error(
            call, call.service, "AccessDenied", f"{who} because no identity-based policy allows the {action} action"
        )

    def _own_answer(self, call: Call, caller: Caller) -> Response | None:
        if call.service == "sts" and call.name in TOKEN_CALLS:
            return TOKEN_CALLS[call.name](
                call, caller, self.dependencies.callers, self.dependencies.iam, self.dependencies.codes
            )
        if call.service == "cloudformation":
            return self.dependencies.cloudformation.answer(call)
        if answering := _OWN_ANSWERS.get(f"{call.service}:{call.name}"):
            return answering(self, call)
        if call.service != "iam":
            return None
        if caller.is_root and (answer := self._root.answer(call)):
            return answer
        return name_error(call) or device_call_error(call, caller, self.dependencies.iam, self.dependencies.codes)

    def answer_lookup(self, call: Call) -> Response | None:
        """Answer LookupEvents, which moto does not support."""
        return lookup_events(call, tuple(self.dependencies.trail.history))

    def answer_invoke(self, call: Call) -> Response | None:
        """Answer an asynchronous Invoke of one of the stack's functions. moto would need Docker."""
        if call.parameters.get("InvocationType") != "Event":
            return error(
                call,
                "lambda",
                "InvalidParameterValueException",
                "The local account supports InvocationType Event only.",
                400,
            )
        try:
            event = json.loads(call.payload or b"{}")
        except ValueError:
            return error(call, "lambda", "InvalidRequestContentException", "The payload is not JSON.", 400)
        name = str(call.parameters["FunctionName"])
        return Response("", 202) if self.dependencies.invoke(name, event) else None

    def _ask_moto(self, call: Call, caller: Caller, request: Request, environ: "WSGIEnvironment") -> Response:
        if caller.user and defaults_to_caller(call.operation) and "UserName" not in call.parameters:
            form = [*parse_qsl(request.get_data().decode(), keep_blank_values=True), ("UserName", caller.user)]
            body = urlencode(form).encode()
            environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        response = self._pass(Request(environ), environ, call)
        if call.service == "iam" and call.name == "CreateVirtualMFADevice":
            return with_qr_code(call, caller, response, self.dependencies.iam)
        return response

    def _pass(self, request: Request, environ: "WSGIEnvironment", call: Call | None = None) -> Response:
        """Return moto's answer; 501 for a call that moto does not support."""
        what = f"{call.service}:{call.name}" if call else f"{request.method} {request.path}"
        try:
            if call and call.protocol == cbor.PROTOCOL:
                asked = cbor.as_query(environ, call.operation, call.parameters)
                return cbor.from_query(Response.from_app(self.app, asked, buffered=True), call.operation)
            response = Response.from_app(self.app, environ, buffered=True)
        except NotImplementedError:
            return error(call, call.service if call else "s3", "NotImplemented", _unsupported(what), 501)
        if response.status_code >= _BROKEN and b"<!doctype html>" in response.get_data()[:200].lower():
            return error(call, call.service if call else "s3", "NotImplemented", _unsupported(what), 501)
        return response

    def _records(self, call: Call, caller: Caller, response: Response) -> Iterable[Fields]:
        if caller.unrecorded or not self.recording or call.name.startswith(_READS) or call.name in _DATA:
            return
        name = self.dependencies.matched_calls.get((call.source, call.name))
        if name is None and caller.function:
            return
        if name is None:
            self._mention_once(f"{call.service}:{call.name}")
            return
        request = as_recorded(call.parameters, call.operation.input_shape)
        answer, failure = call.answered(response)
        if failure:
            code = error_code(call.operation, str(failure.get("Code")))
            outcome: Fields = {"further": {"errorCode": code, "errorMessage": failure.get("Message")}}
        else:
            outcome = {"response": as_recorded(answer, call.operation.output_shape)}
        yield self.dependencies.trail.call(
            caller,
            call.source,
            name,
            request=_mapping(request),
            address=call.address,
            user_agent=call.user_agent,
            **outcome,  # type: ignore[arg-type]  # response and further are both mappings
        )

    def _custom_events(self, call: Call, response: Response) -> Iterable[Fields]:
        if call.service != "events" or call.name != "PutEvents":
            return
        answers, entries = call.answered(response)[0].get("Entries", []), call.parameters["Entries"]
        if not isinstance(answers, list) or not isinstance(entries, list):
            return
        for entry, answer in zip(entries, answers, strict=True):
            if "EventId" in answer and str(entry.get("EventBusName", "default")).rpartition("/")[2] == "default":
                yield self.dependencies.trail.event(answer["EventId"], entry, json.loads(entry["Detail"]))

    def _mention_once(self, what: str) -> None:
        if what not in self._mentioned:
            self._mentioned.add(what)
            self.dependencies.on_message(f"{what} is not recorded, because no rule of the stack matches it.")


_BROKEN: Final = 500
_OWN_ANSWERS: Final[Mapping[str, Callable[[Gateway, Call], Response | None]]] = {
    "cloudtrail:LookupEvents": Gateway.answer_lookup,
    "lambda:Invoke": Gateway.answer_invoke,
}


def _unsupported(what: str) -> str:
    return f"The local account does not support {what}, because moto does not."


def _is_local(host: str) -> bool:
    name = host.rpartition(":")[0] or host
    return name in _LOCAL_HOSTS or name.endswith(".localhost")


def _is_browser(request: Request) -> bool:
    return request.method == "GET" and request.path in ("/", "/favicon.ico") and signed_by(request) is None


def _mapping(value: object) -> Fields | None:
    return value if isinstance(value, Mapping) and value else None
