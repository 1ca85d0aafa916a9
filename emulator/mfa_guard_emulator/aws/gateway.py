"""The door of the local account: every request passes here on its way to moto.

It finds out who calls, checks what moto does not (keys, MFA codes, the actions that a function's role allows), answers
what moto cannot, and turns mutating calls that a rule asks for into CloudTrail records.
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
from mfa_guard_emulator.aws.callers import Caller, Callers, Stranger
from mfa_guard_emulator.aws.calls import (
    Call,
    CallNotRead,
    defaults_to_caller,
    error_code,
    read_call,
    refusal,
    signed_by,
)
from mfa_guard_emulator.aws.cloudformation import CloudFormation
from mfa_guard_emulator.aws.cloudtrail import CloudTrail, as_recorded
from mfa_guard_emulator.aws.codes import Codes
from mfa_guard_emulator.aws.devices import refused_device_call, with_real_qr_code
from mfa_guard_emulator.aws.names import refused_name
from mfa_guard_emulator.aws.root import Root
from mfa_guard_emulator.aws.tokens import TOKEN_CALLS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Deliver: TypeAlias = Callable[[Fields, Caller], None]
Interceptor: TypeAlias = Callable[[Call, Caller], Response | None]

_READS: Final = ("Get", "List", "Describe", "BatchGet", "Lookup", "Simulate", "Generate", "Head", "Query", "Scan")
# Calls on data, which no trail records unless it is told to, and calls that only look.
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
_LOOKING: Final = ("GET", "HEAD", "OPTIONS")
_UNLOCKED: Final = frozenset({"ReceiveMessage"})
_PERMISSIONS: Final[Mapping[str, str]] = {"lambda:Invoke": "lambda:InvokeFunction"}
_OWN: Final = "/_mfa-guard"
_LOCAL_HOSTS: Final = ("localhost", "127.0.0.1")
_FORWARDED_FOR: Final = "X-Forwarded-For"


@dataclass(frozen=True)
class Door:
    """What the gateway stands between. `actions`: what the role of a function allows, by the function's logical id.

    `deliver` takes an envelope and who caused it. `invoke` takes a function's name or ARN and an event, and tells
    whether the function is one of the stack's. `noticed` takes a sentence for whoever watches; `failed` takes what
    went wrong in here. `changed` is called after a call that may have written to a table, and
    `published` after one that sent something to a topic.
    """

    iam: IAMBackend
    callers: Callers
    codes: Codes
    trail: CloudTrail
    cloudformation: CloudFormation
    known: Mapping[tuple[str, str], str]
    actions: Mapping[str, frozenset[str]]
    deliver: Deliver
    invoke: Callable[[str, Fields], bool]
    changed: Callable[[Caller], None]
    published: Callable[[], None]
    noticed: Callable[[str], None]
    failed: Callable[[str], None]


@dataclass
class Gateway:
    """The WSGI application in front of moto's. `pages` answers what is below /_mfa-guard/.

    `intercept` may answer a call in AWS's place; the story sets it.
    """

    app: "WSGIApplication"
    door: Door
    pages: "WSGIApplication"
    intercept: Interceptor = field(default=lambda _call, _caller: None)
    recording: bool = False
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _named: set[str] = field(default_factory=set)
    _root: Root = field(init=False)

    def __post_init__(self) -> None:
        self._root = Root(self.door.iam, self.door.codes)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request; what goes wrong in here is an answer too, and told loudly."""
        request = Request(environ)
        if not _is_local(request.host):
            response = Response("This local account answers to localhost only.\n", 421)
        elif request.path.startswith("/moto-api"):
            response = Response("This local account cannot be reset; start it anew.\n", 404)
        elif request.path == _OWN or request.path.startswith(f"{_OWN}/") or _is_browser(request):
            return self.pages(environ, start_response)
        else:
            try:
                response = self._answer(request, environ)
            except Exception:  # noqa: BLE001 - whoever called gets an answer, and whoever watches hears of it
                self.door.failed(traceback.format_exc())
                response = Response("mfa-guard local failed; its terminal says how.\n", 500)
        return response(environ, start_response)

    def _answer(self, request: Request, environ: "WSGIEnvironment") -> Response:
        body = request.get_data()
        environ["wsgi.input"] = io.BytesIO(body)
        address = request.headers.get(_FORWARDED_FOR) or request.remote_addr or "127.0.0.1"
        signed = signed_by(request)
        if signed is None:
            return refusal(None, "iam", "MissingAuthenticationToken", "The request is not signed.")
        try:
            call = read_call(request, address)
        except CallNotRead as error:
            return refusal(None, signed[2], "InvalidAction", str(error), 400)
        try:
            caller = self.door.callers.find(
                signed[0], call.token if call else request.headers.get("X-Amz-Security-Token")
            )
        except Stranger as stranger:
            return refusal(call, signed[2], stranger.code, str(stranger))
        if call is None:
            if self.recording and not caller.unrecorded and request.method not in _LOOKING:
                self._name_once(signed[2])
            return self._pass(request, environ)
        response, envelopes = self._serve(call, caller, request, environ)
        for envelope in envelopes:
            self.door.deliver(envelope, caller)
        if call.service == "dynamodb" and not call.name.startswith(_READS):
            self.door.changed(caller)
        if call.service == "sns" and call.name.startswith("Publish"):
            self.door.published()
        return response

    def _serve(
        self, call: Call, caller: Caller, request: Request, environ: "WSGIEnvironment"
    ) -> tuple[Response, tuple[Fields, ...]]:
        if answered := self._refused(call, caller) or self.intercept(call, caller):
            return answered, tuple(self._recorded(call, caller, answered))
        # A record belongs to the state that its call left; unlocked, threads lose or mix them.
        with nullcontext() if call.name in _UNLOCKED else self._lock:
            response = self._own_answer(call, caller) or self._ask(call, caller, request, environ)
            return response, (*self._recorded(call, caller, response), *self._put_on_the_bus(call, response))

    def _refused(self, call: Call, caller: Caller) -> Response | None:
        """Return what IAM answers a function whose role does not allow the action."""
        if caller.function is None or call.name == "GetCallerIdentity":
            return None
        action = f"{call.service}:{call.name}"
        allowed = self.door.actions[caller.function]
        if any(fnmatchcase(_PERMISSIONS.get(action, action), each) for each in allowed):
            return None
        who = f"User: {caller.identity['arn']} is not authorized to perform: {action}"
        return refusal(
            call, call.service, "AccessDenied", f"{who} because no identity-based policy allows the {action} action"
        )

    def _own_answer(self, call: Call, caller: Caller) -> Response | None:
        if call.service == "sts" and call.name in TOKEN_CALLS:
            return TOKEN_CALLS[call.name](call, caller, self.door.callers, self.door.iam, self.door.codes)
        if call.service == "cloudformation":
            return self.door.cloudformation.answer(call)
        if call.service == "lambda" and call.name == "Invoke":
            return self._invoked(call)
        if call.service != "iam":
            return None
        if caller.is_root and (answer := self._root.answer(call)):
            return answer
        return refused_name(call) or refused_device_call(call, caller, self.door.iam, self.door.codes)

    def _invoked(self, call: Call) -> Response | None:
        """Answer Invoke for the stack's functions, which nobody waits for here: moto would look for Docker."""
        if call.parameters.get("InvocationType") != "Event":
            return refusal(call, "lambda", "InvalidParameterValueException", "Only InvocationType Event is known.", 400)
        try:
            event = json.loads(call.payload or b"{}")
        except ValueError:
            return refusal(call, "lambda", "InvalidRequestContentException", "The payload is no JSON.", 400)
        name = str(call.parameters["FunctionName"])
        return Response("", 202) if self.door.invoke(name, event) else None

    def _ask(self, call: Call, caller: Caller, request: Request, environ: "WSGIEnvironment") -> Response:
        if caller.user and defaults_to_caller(call.operation) and "UserName" not in call.parameters:
            form = [*parse_qsl(request.get_data().decode(), keep_blank_values=True), ("UserName", caller.user)]
            body = urlencode(form).encode()
            environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        response = self._pass(Request(environ), environ, call)
        if call.service == "iam" and call.name == "CreateVirtualMFADevice":
            return with_real_qr_code(call, caller, response, self.door.iam)
        return response

    def _pass(self, request: Request, environ: "WSGIEnvironment", call: Call | None = None) -> Response:
        """Return what moto answers; 501 for what it does not know."""
        what = f"{call.service}:{call.name}" if call else f"{request.method} {request.path}"
        try:
            if call and call.protocol == cbor.PROTOCOL:
                asked = cbor.as_query(environ, call.operation, call.parameters)
                return cbor.from_query(Response.from_app(self.app, asked, buffered=True), call.operation)
            response = Response.from_app(self.app, environ, buffered=True)
        except NotImplementedError:
            return refusal(call, call.service if call else "s3", "NotImplemented", _unsupported(what), 501)
        if response.status_code >= _BROKEN and b"<!doctype html>" in response.get_data()[:200].lower():
            return refusal(call, call.service if call else "s3", "NotImplemented", _unsupported(what), 501)
        return response

    def _recorded(self, call: Call, caller: Caller, response: Response) -> Iterable[Fields]:
        if caller.unrecorded or not self.recording or call.name.startswith(_READS) or call.name in _DATA:
            return
        name = self.door.known.get((call.source, call.name))
        if name is None and caller.function:
            return
        if name is None:
            self._name_once(f"{call.service}:{call.name}")
            return
        request = as_recorded(call.parameters, call.operation.input_shape)
        answer, error = call.answered(response)
        if error:
            code = error_code(call.operation, str(error.get("Code")))
            outcome: Fields = {"further": {"errorCode": code, "errorMessage": error.get("Message")}}
        else:
            outcome = {"response": as_recorded(answer, call.operation.output_shape)}
        yield self.door.trail.call(
            caller,
            call.source,
            name,
            request=_mapping(request),
            address=call.address,
            user_agent=call.user_agent,
            **outcome,  # type: ignore[arg-type]  # response and further are both mappings
        )

    def _put_on_the_bus(self, call: Call, response: Response) -> Iterable[Fields]:
        if call.service != "events" or call.name != "PutEvents":
            return
        answers, entries = call.answered(response)[0].get("Entries", []), call.parameters["Entries"]
        if not isinstance(answers, list) or not isinstance(entries, list):
            return
        for entry, answer in zip(entries, answers, strict=True):
            if "EventId" in answer and str(entry.get("EventBusName", "default")).rpartition("/")[2] == "default":
                yield self.door.trail.event(answer["EventId"], entry, json.loads(entry["Detail"]))

    def _name_once(self, what: str) -> None:
        if what not in self._named:
            self._named.add(what)
            self.door.noticed(f"{what}: no rule asks for it, so it is not recorded.")


_BROKEN: Final = 500


def _unsupported(what: str) -> str:
    return f"The local account does not know {what}; moto, which it is made of, lacks it."


def _is_local(host: str) -> bool:
    name = host.rpartition(":")[0] or host
    return name in _LOCAL_HOSTS or name.endswith(".localhost")


def _is_browser(request: Request) -> bool:
    return request.method == "GET" and request.path in ("/", "/favicon.ico") and signed_by(request) is None


def _mapping(value: object) -> Fields | None:
    return value if isinstance(value, Mapping) and value else None
