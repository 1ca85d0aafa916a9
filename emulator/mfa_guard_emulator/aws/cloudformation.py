"""CloudFormation for the one stack of the local account: read it, update it, and delete it with TeardownFunction.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

import json
import ssl
import threading
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, Protocol, TypeAlias
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

from mfa_guard.core.custom_resource import parse_stack_id
from mfa_guard_cli.stack.intrinsics import as_text
from mfa_guard_cli.stack.template import Fields, Stack, TemplateError
from mfa_guard_emulator.aws.calls import Call
from mfa_guard_emulator.aws.certificate import write_certificate
from mfa_guard_emulator.aws.responses import answer, error
from mfa_guard_emulator.functions.configuration import install_name_server

RESOURCE: Final = "Teardown"
# How long CloudFormation waits for the answer of a custom resource.
_TIMEOUT_SECONDS: Final = 3600


class StackOperations(Protocol):
    """What CloudFormation does in the account."""

    def invoke_teardown(self, request: Fields) -> None:
        """Invoke TeardownFunction with a request for the custom resource."""

    def update(self, stack: Stack) -> None:
        """Run the functions with the environment of another rendering of the template."""

    def delete_triggers(self) -> None:
        """Delete the rules and the schedule, which depend on the custom resource."""

    def delete_enforcement(self) -> str | None:
        """Delete the policy and the group; returns why one of them cannot be deleted."""


_Answering: TypeAlias = Callable[["CloudFormation", Call], Response]


@dataclass
class CloudFormation:
    """The stack, as CloudFormation shows it.

    `now` returns the time in UTC. `on_message` takes a sentence, `on_failure` a traceback.
    """

    stack: Stack
    operations: StackOperations
    now: Callable[[], datetime]
    on_message: Callable[[str], None]
    on_failure: Callable[[str], None]
    status: str = "CREATE_IN_PROGRESS"
    reason: str = ""
    protected: bool = True
    created_at: datetime = field(init=False)
    _answers: dict[str, Fields] = field(default_factory=dict)
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.created_at = self.now().replace(microsecond=0)

    @property
    def stack_id(self) -> str:
        """Return the stack's ARN."""
        return as_text(self.stack.resolve({"Ref": "AWS::StackId"}))

    def answer(self, call: Call) -> Response | None:
        """Return the answer to a call about this stack; None for other calls, which moto answers."""
        if call.region != self.stack.region:
            return None
        asked = call.parameters.get("StackName")
        answering = _ANSWERS.get(call.name)
        if answering is None:
            return _not_known(call) if asked in self._names else None
        if asked is not None and (asked not in self._names or self._gone):
            return error(call, "cloudformation", "ValidationError", f"Stack with id {asked} does not exist", 400)
        return answering(self, call)

    @property
    def _names(self) -> tuple[str, str]:
        return self.stack.name, self.stack_id

    @property
    def _gone(self) -> bool:
        return self.status == "DELETE_COMPLETE"

    def create_custom_resource(self) -> None:
        """Create the custom resource, after all other resources."""
        verdict = self._request("Create")
        self.status = "CREATE_COMPLETE" if verdict["Status"] == "SUCCESS" else "CREATE_FAILED"
        if self.status == "CREATE_FAILED":
            self.on_failure(f"The custom resource {RESOURCE} could not be created: {verdict.get('Reason')}")

    def take_answer(self, body: bytes) -> None:
        """Take the answer of the custom resource."""
        answered = json.loads(body)
        with self._arrived:
            self._answers[answered["RequestId"]] = answered
            self._arrived.notify_all()

    def describe(self, call: Call) -> Response:
        """Answer DescribeStacks."""
        outputs = [{"OutputKey": name, "OutputValue": value} for name, value in self.stack.outputs().items()]
        parameters = [
            {"ParameterKey": name, "ParameterValue": as_text(value)} for name, value in self.stack.parameters.items()
        ]
        shown = {
            "StackName": self.stack.name,
            "StackId": self.stack_id,
            "StackStatus": self.status,
            "StackStatusReason": self.reason or None,
            "CreationTime": self.created_at,
            "EnableTerminationProtection": self.protected,
            "Parameters": parameters,
            "Outputs": outputs,
        }
        stack = {name: value for name, value in shown.items() if value is not None}
        return answer(call, {"Stacks": [] if self._gone else [stack]})

    def list_stacks(self, call: Call) -> Response:
        """Answer ListStacks, which also lists deleted stacks."""
        wanted = call.parameters.get("StackStatusFilter") or [self.status]
        summary = {
            "StackName": self.stack.name,
            "StackId": self.stack_id,
            "StackStatus": self.status,
            "CreationTime": self.created_at,
        }
        return answer(call, {"StackSummaries": [summary] if isinstance(wanted, list) and self.status in wanted else []})

    def list_resources(self, call: Call) -> Response:
        """Answer DescribeStackResources and ListStackResources."""
        rows = [
            {
                "StackName": self.stack.name,
                "StackId": self.stack_id,
                "LogicalResourceId": each.logical_id,
                "PhysicalResourceId": self.stack.reference(each.logical_id),
                "ResourceType": each.type,
                "Timestamp": self.created_at,
                "LastUpdatedTimestamp": self.created_at,
                "ResourceStatus": "CREATE_COMPLETE",
            }
            for each in self.stack.resources.values()
        ]
        return answer(call, {"StackResources": rows, "StackResourceSummaries": rows})

    def update(self, call: Call) -> Response:
        """Answer UpdateStack, which can change the parameters, not the template."""
        asked = call.parameters.get("Parameters", [])
        given = {name: as_text(value) for name, value in self.stack.parameters.items()}
        for each in asked if isinstance(asked, list) else []:
            if not each.get("UsePreviousValue"):
                given[each["ParameterKey"]] = each.get("ParameterValue", "")
        try:
            stack = self.stack.template.render(
                account=self.stack.account, region=self.stack.region, stack_name=self.stack.name, parameters=given
            )
        except TemplateError as invalid:
            return error(call, "cloudformation", "ValidationError", str(invalid), 400)
        if stack.parameters == self.stack.parameters:
            return error(call, "cloudformation", "ValidationError", "No updates are to be performed.", 400)
        self.stack = stack
        self.operations.update(stack)
        self.status = "UPDATE_COMPLETE"
        return answer(call, {"StackId": self.stack_id})

    def protect(self, call: Call) -> Response:
        """Answer UpdateTerminationProtection."""
        self.protected = str(call.parameters.get("EnableTerminationProtection")).lower() == "true"
        return answer(call, {"StackId": self.stack_id})

    def set_policy(self, call: Call) -> Response:
        """Answer SetStackPolicy, which has no effect here."""
        return answer(call, {})

    def delete(self, call: Call) -> Response:
        """Answer DeleteStack, and delete the stack in the background."""
        if self.protected:
            message = f"Stack [{self.stack.name}] cannot be deleted while TerminationProtection is enabled"
            return error(call, "cloudformation", "ValidationError", message, 400)
        self.status = "DELETE_IN_PROGRESS"
        threading.Thread(target=self._delete, name="CloudFormation", daemon=True).start()
        return answer(call, {})

    def _delete(self) -> None:
        try:
            self.operations.delete_triggers()
            verdict = self._request("Delete")
            problem = verdict.get("Reason") if verdict["Status"] != "SUCCESS" else self.operations.delete_enforcement()
        except Exception:  # noqa: BLE001 - this is the top of the thread; the failure is reported
            self.on_failure(traceback.format_exc())
            problem = "The local account failed"
        self.status, self.reason = ("DELETE_FAILED", str(problem)) if problem else ("DELETE_COMPLETE", "")
        self.on_message(f"The stack {self.stack.name}: {self.status}{f': {self.reason}' if self.reason else ''}.")

    def _request(self, kind: str) -> Fields:
        request_id = str(uuid.uuid4())
        host = min(parse_stack_id({"STACK_ID": self.stack_id}).response_hosts)
        signed = f"{self.now():%Y%m%dT%H%M%SZ}"
        request = {
            "RequestType": kind,
            "ServiceToken": as_text(self.stack.resolve({"Fn::GetAtt": ["TeardownFunction", "Arn"]})),
            "ResponseURL": f"https://{host}/{self.stack.name}?X-Amz-Date={signed}&X-Amz-Expires=7200",
            "StackId": self.stack_id,
            "RequestId": request_id,
            "LogicalResourceId": RESOURCE,
            "ResourceType": "Custom::Teardown",
            "ResourceProperties": {},
            **({} if kind == "Create" else {"PhysicalResourceId": RESOURCE}),
        }
        self.operations.invoke_teardown(request)
        with self._arrived:
            self._arrived.wait_for(lambda: request_id in self._answers, _TIMEOUT_SECONDS)
            return self._answers.pop(
                request_id, {"Status": "FAILED", "Reason": "The custom resource did not answer within one hour."}
            )


def _not_known(call: Call) -> Response:
    message = (
        "The local account does not support change sets; change a parameter with: aws cloudformation update-stack"
        if call.name in _CHANGE_SETS
        else f"The local account does not support cloudformation:{call.name} for its stack."
    )
    return error(call, "cloudformation", "NotImplemented", message, 501)


_CHANGE_SETS: Final = frozenset({"CreateChangeSet", "ExecuteChangeSet"})
_ANSWERS: Final[Mapping[str, _Answering]] = {
    "DeleteStack": CloudFormation.delete,
    "DescribeStackResources": CloudFormation.list_resources,
    "DescribeStacks": CloudFormation.describe,
    "ListStacks": CloudFormation.list_stacks,
    "ListStackResources": CloudFormation.list_resources,
    "SetStackPolicy": CloudFormation.set_policy,
    "UpdateStack": CloudFormation.update,
    "UpdateTerminationProtection": CloudFormation.protect,
}


def resource_listing(stack: Stack) -> str:
    """Return the XML with which CloudFormation answers ListStackResources, for an account without this module."""
    members = "".join(
        f"<member><LogicalResourceId>{each.logical_id}</LogicalResourceId><ResourceType>{each.type}</ResourceType>"
        f"<PhysicalResourceId>{escape(stack.reference(each.logical_id))}</PhysicalResourceId></member>"
        for each in stack.resources.values()
    )
    result = f"<StackResourceSummaries>{members}</StackResourceSummaries>"
    return (
        f"<ListStackResourcesResponse><ListStackResourcesResult>{result}</ListStackResourcesResult>"
        "</ListStackResourcesResponse>"
    )


class ResponseHost:
    """CloudFormation's S3 host for answers, on this machine: a function reaches it by its real name, with TLS.

    `environment` and the folder `names` are for the function's process: they resolve these host names, and trust their
    certificate.
    """

    def __init__(self, stack_id: str, folder: Path, take: Callable[[bytes], None]) -> None:
        hosts = sorted(parse_stack_id({"STACK_ID": stack_id}).response_hosts)
        certificate = write_certificate(folder, hosts)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server = _ResponseServer(take)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="ResponseHost", daemon=True
        )
        self._thread.start()
        self.environment = {
            "SSL_CERT_FILE": str(certificate),
            "LOCAL_HOSTS": ",".join(hosts),
            "LOCAL_HOSTS_PORT": str(self._server.server_port),
        }
        self.names = install_name_server(folder)

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _ResponseServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, take: Callable[[bytes], None]) -> None:
        super().__init__(("127.0.0.1", 0), _ResponseHandler)
        self.take = take


class _ResponseHandler(BaseHTTPRequestHandler):
    server: _ResponseServer

    def do_PUT(self) -> None:
        """Take an answer, as S3 takes an object."""
        self.server.take(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Print nothing."""
