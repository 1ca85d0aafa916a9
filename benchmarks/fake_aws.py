"""The AWS that both tools run on: moto on loopback, fixed where it differs from IAM, behind a counter of calls."""

import io
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from unittest.mock import patch
from urllib.parse import parse_qs

import boto3
from moto.iam.models import IAMBackend, iam_backends
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from benchmarks.population import NONCOMPLIANT, STATUS_TAG, Drift, Observed, User
from mfa_guard_cli.stack.template import Stack
from mfa_guard_emulator.aws.baseline import create_baseline
from mfa_guard_emulator.aws.cloudformation import resource_listing
from mfa_guard_emulator.aws.iam_reads import IamReads
from mfa_guard_emulator.aws.moto_patches import patch_moto
from mfa_guard_emulator.aws.resources import Clients, create_all

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# The default page size of IAM. A request for 1,000 rows may get fewer as well.
ROWS: Final = 100
_CREATED: Final = frozenset(
    {
        "AWS::DynamoDB::Table",
        "AWS::Events::Rule",
        "AWS::IAM::Group",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Role",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Function",
        "AWS::SNS::Subscription",
        "AWS::SNS::Topic",
        "AWS::SNS::TopicPolicy",
        "AWS::Scheduler::Schedule",
        "AWS::SQS::Queue",
    }
)


@dataclass
class Counting:
    """WSGI in front of moto that counts calls by name and delays each by `latency` seconds.

    `answers` has the answers in XML to calls that moto cannot answer, by name.
    """

    application: Callable[["WSGIEnvironment", "StartResponse"], Iterable[bytes]]
    latency: float = 0.0
    answers: dict[str, bytes] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        name = _name(environ, body)
        with self._lock:
            self.calls[name] += 1
        if self.latency:
            time.sleep(self.latency)
        if name in self.answers:
            start_response("200 OK", [("Content-Type", "text/xml"), ("Content-Length", str(len(self.answers[name])))])
            return [self.answers[name]]
        return self.application(environ, start_response)


def _name(environ: "WSGIEnvironment", body: bytes) -> str:
    service = str(environ.get("HTTP_AUTHORIZATION", "")).split("/")[3:4] or ["?"]
    if target := str(environ.get("HTTP_X_AMZ_TARGET", "")):
        return f"{service[0]}:{target.rpartition('.')[2]}"
    action = parse_qs(body.decode("utf-8", "replace")).get("Action", [str(environ.get("PATH_INFO", "?"))])
    return f"{service[0]}:{action[0]}"


class _Silent(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        pass


@dataclass(frozen=True)
class FakeAws:
    """The running account of one stack."""

    stack: Stack
    endpoint: str
    counting: Counting
    iam_reads: IamReads
    iam: IAMBackend
    policy: str

    def fill(self, population: Iterable[User]) -> None:
        """Add users to moto's state, without counted calls, and create the credential report."""
        for user in population:
            self.iam.create_user(self.stack.region, user.name)
            self.iam.create_login_profile(user.name, "Not-a-secret-1")
            if user.key:
                self.iam.create_access_key(user.name)
            if user.device:
                serial = self.iam.create_virtual_mfa_device(user.name, "/").serial_number
                self.iam.enable_mfa_device(user.name, serial, "123456", "654321")
        self.iam_reads.report.polls = 0
        self.iam_reads.report.expire()
        self.iam_reads.report.generate(self.iam)

    def drift(self, drift: Drift) -> None:
        """Change what a tool has to repair, without counted calls."""
        self.iam.detach_user_policy(self.policy, drift.detached)
        self.iam.untag_user(drift.untagged, [STATUS_TAG])
        self.iam.tag_user(drift.tagged, [{"Key": STATUS_TAG, "Value": NONCOMPLIANT}])

    def observed(self) -> Mapping[str, Observed]:
        """Read every user from moto's state, without any API."""
        return {user.name: self._observed(user.name) for user in self.iam.users.values()}

    def _observed(self, name: str) -> Observed:
        user = self.iam.get_user(name)
        tags = {tag["Key"]: tag["Value"] for tag in user.tags or []}
        return Observed(self.policy in user.managed_policies, tags.get(STATUS_TAG))

    def environment(self, function: str | None = None) -> Mapping[str, str]:
        """Return the environment of a process that uses this AWS, and of a function of the stack if one is given."""
        own = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "POWERTOOLS_", "C7N_"))
        }
        return {
            **own,
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_DEFAULT_REGION": self.stack.region,
            "AWS_REGION": self.stack.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.endpoint,
            **(self.stack.environment(function) if function else {}),
        }


@contextmanager
def fake_aws(stack: Stack) -> Iterator[FakeAws]:
    """Run an empty account with the stack's resources. Only one at a time: the process has one state of moto."""
    with ExitStack() as exits:
        variables = {"MOTO_ACCOUNT_ID": stack.account, "AWS_EC2_METADATA_DISABLED": "true"}
        exits.enter_context(patch.dict(os.environ, variables))
        moto_api_backend.reset()
        iam_reads = exits.enter_context(patch_moto(lambda: datetime.now(UTC)))
        iam_reads.limit_pages(ROWS)
        counting = Counting(DomainDispatcherApplication(create_backend_app))
        server = make_server("127.0.0.1", 0, counting, threaded=True, request_handler=_Silent)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        exits.callback(thread.join)
        exits.callback(server.shutdown)
        endpoint = f"http://127.0.0.1:{server.port}"
        session = boto3.Session("AKIAIOSFODNN7EXAMPLE", "not-a-secret", region_name=stack.region)
        clients = Clients(session, endpoint)
        create_all(clients, stack, _CREATED)
        iam = iam_backends[stack.account][stack.partition]
        # Both tools run in an account without problems.
        create_baseline(stack, iam, clients)
        _create_stack(clients, stack)
        counting.answers["cloudformation:ListStackResources"] = resource_listing(stack).encode()
        yield FakeAws(stack, endpoint, counting, iam_reads, iam, str(stack.resolve({"Ref": "EnforcementPolicy"})))


def _create_stack(clients: Clients, stack: Stack) -> None:
    """Create the stack in CloudFormation, where the guard checks its termination protection."""
    template = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "of-the-stack"}}}}
    clients.any("cloudformation").create_stack(
        StackName=stack.name, TemplateBody=json.dumps(template), EnableTerminationProtection=True
    )
