"""The local account: moto behind a gateway on this machine, with the stack deployed and its functions running.

Everything that it starts ends with it. Its files are in one temporary folder.
"""

import json
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from unittest.mock import patch

import boto3
import botocore.session
from botocore.loaders import create_loader
from moto.iam.models import IAMBackend, iam_backends
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.sns.models import sns_backends
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Response

from mfa_guard_cli.stack.intrinsics import as_text
from mfa_guard_cli.stack.template import Fields, Resource, Stack
from mfa_guard_emulator.activity import Activity, ActivityLine
from mfa_guard_emulator.aws.baseline import create_administrator, create_baseline
from mfa_guard_emulator.aws.callers import Caller, Callers
from mfa_guard_emulator.aws.cloudformation import CloudFormation, ResponseHost
from mfa_guard_emulator.aws.cloudtrail import CloudTrail, matched_calls
from mfa_guard_emulator.aws.codes import Codes
from mfa_guard_emulator.aws.delivery import RETRY_SECONDS, Delivery, DeliveryFaults, EventBus, Invocation
from mfa_guard_emulator.aws.deployed import Deployed
from mfa_guard_emulator.aws.exemption_stream import ExemptionStream
from mfa_guard_emulator.aws.gateway import Gateway, GatewayDependencies
from mfa_guard_emulator.aws.iam_reads import IamReads
from mfa_guard_emulator.aws.mailbox import Mail, Mailbox
from mfa_guard_emulator.aws.moto_patches import patch_moto
from mfa_guard_emulator.aws.resources import AccountError, Clients, create_all
from mfa_guard_emulator.aws.root import ROOT_DEVICE
from mfa_guard_emulator.clock import Clock
from mfa_guard_emulator.endpoint import HOST, Credentials
from mfa_guard_emulator.functions.configuration import (
    FunctionConfiguration,
    function_configuration,
    install_handler,
    with_local_time,
)
from mfa_guard_emulator.functions.runtime import Runner, source_runner

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

TEARDOWN: Final = "TeardownFunction"
# These variables of the developer's own environment are not about the local account.
_FOREIGN: Final = ("AWS_", "BOTO_", "MOTO_", "POWERTOOLS_")


class PortTaken(AccountError):
    """The port is in use. The message is one sentence."""


@dataclass(frozen=True)
class Listener:
    """Callbacks for what happens in the account. `on_failure` takes the traceback of an error in the emulator."""

    on_mail: Callable[[Mail], None] = field(default=lambda _: None)
    on_activity: Callable[[ActivityLine], None] = field(default=lambda _: None)
    on_delivery: Callable[[Delivery, Invocation | None], None] = field(default=lambda _delivery, _invocation: None)
    on_message: Callable[[str], None] = field(default=lambda _: None)
    on_failure: Callable[[str], None] = field(default=lambda _: None)


def no_pages(_account: "LocalAccount") -> "WSGIApplication":
    """Return the pages of an account that has none."""
    return Response("This local account has no pages.\n", 404)


@dataclass(frozen=True)
class AccountConfig:
    """How to run the local account.

    `port` 0 takes any free port. `runtime` is the name of what `runner` creates. `pages` answers requests below the
    page's path. With `simulated_time`, the functions use the account's clock and their waits skip time; without it,
    their waits are shortened. With `create_custom_resource`, CloudFormation creates the custom resource, which requests
    a first sweep; without it, the stack looks complete from the start.
    """

    stack: Stack
    port: int = 0
    runtime: str = "source"
    runner: Callable[[FunctionConfiguration], Runner] = source_runner
    delivery_faults: DeliveryFaults = field(default_factory=DeliveryFaults)
    retry_seconds: Sequence[float] = RETRY_SECONDS
    pages: "Callable[[LocalAccount], WSGIApplication]" = no_pages
    simulated_time: bool = False
    create_custom_resource: bool = True


class LocalAccount:
    """The running account. `clients` are the emulator's own clients, whose calls get no record."""

    def __init__(
        self, config: AccountConfig, listener: Listener, folder: Path, clock: Clock, iam_reads: IamReads
    ) -> None:
        stack = config.stack
        self.config = config
        self.stack = stack
        self.clock = clock
        self.iam_reads = iam_reads
        self.folder = folder
        self.failures: list[str] = []
        # The service models of botocore are megabytes of JSON, which all sessions share.
        self._service_models = create_loader()
        self._listener = listener
        self.iam: IAMBackend = iam_backends[stack.account][stack.partition]
        self.sns = sns_backends[stack.account][stack.region]
        self.codes = Codes(clock.now)
        self.callers = Callers(self.iam, clock.now)
        self.trail = CloudTrail(stack.account, stack.region, clock.now)
        self.activity = Activity(clock.now, listener.on_activity)
        self.mailbox = Mailbox(stack, self.sns, clock.now, listener.on_mail)
        self.cloudformation = CloudFormation(
            stack, _StackOperations(self), clock.now, listener.on_message, self._report_failure
        )
        self._actions = {each.logical_id: frozenset(_actions(stack, each)) for each in _functions(stack)}
        dependencies = GatewayDependencies(
            iam=self.iam,
            callers=self.callers,
            codes=self.codes,
            trail=self.trail,
            cloudformation=self.cloudformation,
            matched_calls=matched_calls(stack),
            actions=self._actions,
            deliver=self.deliver,
            invoke=self.invoke,
            on_table_write=self._deliver_exemption_records,
            on_publish=self.mailbox.collect,
            on_message=listener.on_message,
            on_failure=self._report_failure,
        )
        moto: WSGIApplication = DomainDispatcherApplication(create_backend_app)
        self.gateway = Gateway(moto, dependencies, config.pages(self))
        self._server = _listen(config.port, self.gateway)
        self.endpoint = f"http://{HOST}:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="local AWS", daemon=True
        )
        self._thread.start()
        own = self.callers.issue(Caller({"type": "AWSService", "arn": "", "principalId": ""}, unrecorded=True))
        self.clients = Clients(self.session(own), self.endpoint)
        self.not_created: tuple[Resource, ...] = ()
        self.runners: dict[str, Runner] = {}
        self.bus: EventBus
        self._exemption_stream: ExemptionStream
        self._deployed: Deployed
        self._response_host: ResponseHost
        self._handler: Path
        self._held: list[tuple[Fields, Caller]] | None = None

    def deploy(self) -> None:
        """Create the stack and start its functions; raises AccountError and NotBuilt."""
        stack = self.stack
        create_administrator(self.iam, stack.region)
        self.not_created = create_all(self.clients, stack)
        create_baseline(stack, self.iam, self.clients)
        self._exemption_stream = ExemptionStream(stack, self.clock)
        self._response_host = ResponseHost(self.cloudformation.stack_id, self.folder, self.cloudformation.take_answer)
        self._handler = install_handler(self.folder)
        self._deployed = Deployed(stack)
        for function in _functions(stack):
            self.runners[function.logical_id] = self.config.runner(self._configuration(stack, function.logical_id))
        self.bus = EventBus(
            stack,
            self._deployed,
            self.runners,
            self._send_dead_letter,
            self._report_delivery,
            self._report_failure,
            self.config.delivery_faults,
            self.config.retry_seconds,
        )
        self.gateway.recording = True
        if not self.config.simulated_time:
            for runner in self.runners.values():
                runner.start()
        if self.config.create_custom_resource:
            self.cloudformation.create_custom_resource()
        else:
            self.cloudformation.status = "CREATE_COMPLETE"

    def close(self) -> None:
        """End the server, the functions' processes and the threads."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if hasattr(self, "bus"):
            self.bus.close()
        for runner in self.runners.values():
            runner.close()
        if hasattr(self, "_response_host"):
            self._response_host.close()

    def session(self, credentials: Credentials) -> boto3.Session:
        """Return a boto3 session with these credentials, which ignores the developer's own configuration."""
        core = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
        core.register_component("data_loader", self._service_models)
        return boto3.Session(
            aws_access_key_id=credentials.key_id,
            aws_secret_access_key=credentials.secret,
            aws_session_token=credentials.token,
            region_name=self.stack.region,
            botocore_session=core,
        )

    def deliver(self, envelope: Fields, caller: Caller) -> None:
        """Put an event on the bus, or keep it while events are held."""
        if self._held is not None:
            self._held.append((envelope, caller))
            return
        self.bus.put(envelope, wait_for_room=caller.function is None)

    @contextmanager
    def holding_events(self) -> Iterator[list[tuple[Fields, Caller]]]:
        """Keep the events of this block, each with its caller, instead of delivering them."""
        held: list[tuple[Fields, Caller]] = []
        self._held = held
        try:
            yield held
        finally:
            self._held = None

    def invoke(self, function: str, event: Fields) -> bool:
        """Invoke a function of the stack by its name or ARN, without waiting; False when there is none."""
        name = function.split(":")[6] if function.startswith("arn:") else function.partition(":")[0]
        named = (each.configuration for each in self.runners.values() if each.configuration.name == name)
        found = next(named, None)
        if found is None:
            return False
        self.bus.invoke(found.logical_id, event, "Invoke")
        return True

    def take_exemption_records(self) -> tuple[Fields, ...]:
        """Return the records of the exemption table's stream since the last call."""
        return self._exemption_stream.unread()

    def run_schedule(self) -> None:
        """Run the stack's schedule now."""
        for each in self.stack.resources.values():
            if each.type == "AWS::Scheduler::Schedule":
                self.bus.run_schedule(each.logical_id)

    def sign_in(self, user: str | None, *, mfa: bool, address: str, user_agent: str) -> None:
        """Sign root (None) or a user in to the console; raises KeyError when there is no such user."""
        session = (
            self.callers.root_session(mfa=mfa, from_console=True)
            if user is None
            else self.callers.user_session(user, mfa=mfa, from_console=True)
        )
        # The record of a sign-in has no session context, because the session begins with it.
        identity = {name: value for name, value in session.identity.items() if name != "sessionContext"}
        caller = Caller(identity if user else {**identity, "accessKeyId": ""})
        device = next(iter(self.iam.users[user].mfa_devices), None) if user else self._root_device
        record = self.trail.sign_in(caller, mfa_used=mfa, device=device, address=address, user_agent=user_agent)
        self.deliver(record, caller)

    @property
    def _root_device(self) -> str:
        return f"arn:{self.stack.partition}:iam::{self.stack.account}:mfa/{ROOT_DEVICE}"

    def dead_letter_count(self) -> int:
        """Return how many messages the dead-letter queue holds."""
        name = self.stack.physical_id("DeadLetterQueue")
        url = self.clients.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        shown = self.clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(shown["Attributes"]["ApproximateNumberOfMessages"])

    def update(self, stack: Stack) -> None:
        """Run the functions with the environment and the permissions of another rendering of the template."""
        self.stack = stack
        for function in _functions(stack):
            self._actions[function.logical_id] = frozenset(_actions(stack, function))
            runner = self.runners[function.logical_id]
            # The next event starts the process. A process ends with the thread that started it, so this one cannot.
            runner.close()
            runner.configuration = self._configuration(stack, function.logical_id)

    def _configuration(self, stack: Stack, logical_id: str) -> FunctionConfiguration:
        role = as_text(stack.resource(logical_id).properties["Role"])
        caller = self.callers.role_session(role, stack.physical_id(logical_id), function=logical_id)
        environment = {
            **self.callers.issue(caller).environment(),
            "AWS_REGION": stack.region,
            "AWS_DEFAULT_REGION": stack.region,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "*",
        }
        path: tuple[Path, ...] = ()
        if logical_id == TEARDOWN:
            environment |= self._response_host.environment
            path = (self._response_host.names,)
        configuration = function_configuration(stack, logical_id, environment, self.folder, path)
        clock = self.folder / "clock" if self.config.simulated_time else None
        return with_local_time(configuration, self._handler, clock)

    def _send_dead_letter(self, queue_arn: str, message: Fields) -> None:
        url = self.clients.sqs.get_queue_url(QueueName=queue_arn.rpartition(":")[2])["QueueUrl"]
        self.clients.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(message))

    def _deliver_exemption_records(self, caller: Caller) -> None:
        if not hasattr(self, "bus") or self._held is not None or not self._deployed.reads_stream():
            # Lambda reads the records that wait when the mapping is on again.
            return
        if records := self._exemption_stream.unread():
            self.bus.put_stream_records(records, wait_for_room=caller.function is None)

    def _report_delivery(self, delivery: Delivery, invocation: Invocation | None) -> None:
        self.activity.add(delivery, invocation)
        self._listener.on_delivery(delivery, invocation)

    def _report_failure(self, trace: str) -> None:
        self.failures.append(trace)
        self._listener.on_failure(trace)


class _StackOperations:
    """What CloudFormation does in the account; see `mfa_guard_emulator.aws.cloudformation.StackOperations`."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account

    def invoke_teardown(self, request: Fields) -> None:
        self._account.bus.invoke(TEARDOWN, request, "CloudFormation")

    def update(self, stack: Stack) -> None:
        self._account.update(stack)

    def delete_triggers(self) -> None:
        account = self._account
        events, scheduler = account.clients.any("events"), account.clients.any("scheduler")
        for each in account.stack.resources.values():
            if each.type == "AWS::Events::Rule":
                targets = [str(target["Id"]) for target in each.properties["Targets"]]  # type: ignore[attr-defined]
                events.remove_targets(Rule=each.physical_id, Ids=targets)
                events.delete_rule(Name=each.physical_id)
            elif each.type == "AWS::Scheduler::Schedule":
                scheduler.delete_schedule(Name=each.physical_id)

    def delete_enforcement(self) -> str | None:
        account = self._account
        iam, stack = account.clients.iam, account.stack
        policy = as_text(stack.resolve({"Ref": "EnforcementPolicy"}))
        attached = iam.list_entities_for_policy(PolicyArn=policy)
        if entities := [*attached["PolicyUsers"], *attached["PolicyRoles"]]:
            return f"The policy {policy} is still attached to {len(entities)} entities, so IAM does not delete it"
        group = stack.physical_id("EnforcementGroup")
        for each in iam.list_attached_group_policies(GroupName=group)["AttachedPolicies"]:
            iam.detach_group_policy(GroupName=group, PolicyArn=each["PolicyArn"])
        iam.delete_group(GroupName=group)
        iam.delete_policy(PolicyArn=policy)
        return None


@contextmanager
def run_account(config: AccountConfig, listener: Listener | None = None) -> Iterator[LocalAccount]:
    """Run a local account until the end of the block; raises PortTaken, AccountError and NotBuilt before the block.

    moto's state belongs to the process, so a process can run one account at a time.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    environment = own | {
        "MOTO_ACCOUNT_ID": config.stack.account,
        # AWS's managed policies can be attached.
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with ExitStack() as exits:
        folder = Path(tempfile.mkdtemp(prefix="mfa-guard-local-"))
        exits.callback(shutil.rmtree, folder, ignore_errors=True)
        exits.enter_context(patch.dict(os.environ, environment, clear=True))
        # An earlier account in this process may have left its state.
        moto_api_backend.reset()
        clock = Clock(folder / "clock")
        iam_reads = exits.enter_context(patch_moto(clock.now))
        account = LocalAccount(config, listener or Listener(), folder, clock, iam_reads)
        exits.callback(account.close)
        account.deploy()
        yield account


def _listen(port: int, application: "WSGIApplication") -> BaseWSGIServer:
    # werkzeug ends the process when the port is in use.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTaken(
                f"Port {port} cannot be used, or another program uses it; choose another port with --port."
            ) from error
        free = int(probe.getsockname()[1])
    return make_server("127.0.0.1", free, application, threaded=True, request_handler=_QuietHandler)


class _QuietHandler(MotoRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Print nothing."""


def _functions(stack: Stack) -> Iterator[Resource]:
    return (each for each in stack.resources.values() if each.type == "AWS::Lambda::Function")


def _actions(stack: Stack, function: Resource) -> Iterator[str]:
    """Yield the actions in the policies of a function's role, without their resources and conditions."""
    role_arn = function.properties["Role"]
    for resource in stack.resources.values():
        own = resource.type == "AWS::IAM::Role"
        if own and stack.resolve({"Fn::GetAtt": [resource.logical_id, "Arn"]}) == role_arn:
            for statement in stack.role_statements(resource.logical_id):
                actions = statement["Action"]
                yield from map(as_text, actions if isinstance(actions, list) else [actions])
