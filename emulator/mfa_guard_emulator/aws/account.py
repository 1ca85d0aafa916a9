"""The local account: moto behind the gateway on loopback, the stack deployed into it, the functions at work.

Everything it starts ends with it, and its files are in one temporary folder.
"""

import json
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
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

from mfa_guard_cli.stack.intrinsics import as_text
from mfa_guard_cli.stack.template import Fields, Resource, Stack
from mfa_guard_emulator.aws.callers import Caller, Callers, Credentials
from mfa_guard_emulator.aws.clock import Clock
from mfa_guard_emulator.aws.cloudformation import CloudFormation, ResponseHost
from mfa_guard_emulator.aws.cloudtrail import CloudTrail, known_calls
from mfa_guard_emulator.aws.codes import Codes
from mfa_guard_emulator.aws.delivery import RETRY_SECONDS, Bus, Delivery, DeliveryFaults, Invocation
from mfa_guard_emulator.aws.deployed import Deployed
from mfa_guard_emulator.aws.exemption_stream import Changes
from mfa_guard_emulator.aws.gateway import Door, Gateway
from mfa_guard_emulator.aws.mailbox import Mail, Mailbox
from mfa_guard_emulator.aws.moto_gaps import Lag, mended
from mfa_guard_emulator.aws.resources import AccountError, Clients, create_all
from mfa_guard_emulator.aws.root import ROOTS_DEVICE
from mfa_guard_emulator.aws.surroundings import keep_well, make_administrator
from mfa_guard_emulator.console.activity import Activity, Happened
from mfa_guard_emulator.console.pages import Pages
from mfa_guard_emulator.functions.runtime import Hosted, Runner, hosted, in_simulated_time, source_runner

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

DEFAULT_PORT: Final = 4747
PAGE_PATH: Final = "/_mfa-guard/"
TEARDOWN: Final = "TeardownFunction"
_HOST: Final = "localhost"
# Whatever the person's own environment says about AWS, Powertools or moto is about something else.
_FOREIGN: Final = ("AWS_", "BOTO_", "MOTO_", "POWERTOOLS_")
_NO_PARAMETERS: Final[Mapping[str, str]] = MappingProxyType({})
_CLOSING_SECONDS: Final = 5


class PortTaken(AccountError):
    """Another program listens on the port; one sentence."""


@dataclass(frozen=True)
class Watcher:
    """Who hears what happens in the account: mails, lines of activity, remarks, failures of the account itself."""

    mail: Callable[[Mail], None] = field(default=lambda _: None)
    happened: Callable[[Happened], None] = field(default=lambda _: None)
    delivered: Callable[[Delivery, Invocation | None], None] = field(default=lambda _delivery, _invocation: None)
    told: Callable[[str], None] = field(default=lambda _: None)
    failed: Callable[[str], None] = field(default=lambda _: None)


@dataclass(frozen=True)
class Plan:
    """How the local account is to be. `runner` makes what runs a function; `port` 0 takes any that is free.

    `story`: the functions live in the account's clock. `announced`: CloudFormation creates the custom resource, which
    asks for a first sweep a minute later.
    """

    stack: Stack
    port: int = DEFAULT_PORT
    runtime: str = "source"
    runner: Callable[[Hosted], Runner] = source_runner
    delivery_faults: DeliveryFaults = field(default_factory=DeliveryFaults)
    retry_seconds: Sequence[float] = RETRY_SECONDS
    scenarios: bool = False
    announced: bool = True


class LocalAccount:
    """The running account. `clients` are the account's own hands, unrecorded; everybody else has keys of his own."""

    def __init__(self, plan: Plan, watcher: Watcher, folder: Path, clock: Clock, lag: Lag) -> None:
        stack = plan.stack
        self.plan = plan
        self.stack = stack
        self.clock = clock
        self.lag = lag
        self.folder = folder
        self.failures: list[str] = []
        # botocore's service models are megabytes of JSON, the same for every session.
        self._service_models = create_loader()
        self._watcher = watcher
        self.iam: IAMBackend = iam_backends[stack.account][stack.partition]
        self.sns = sns_backends[stack.account][stack.region]
        self.codes = Codes(clock.now)
        self.callers = Callers(self.iam, clock.now)
        self.trail = CloudTrail(stack.account, stack.region, clock.now)
        self.activity = Activity(clock.now, watcher.happened)
        self.mailbox = Mailbox(stack, self.sns, clock.now, watcher.mail)
        self.cloudformation = CloudFormation(stack, _Hands(self), clock.now, watcher.told, self._fail)
        self._actions = {each.logical_id: frozenset(_actions(stack, each)) for each in _functions(stack)}
        door = Door(
            iam=self.iam,
            callers=self.callers,
            codes=self.codes,
            trail=self.trail,
            cloudformation=self.cloudformation,
            known=known_calls(stack),
            actions=self._actions,
            deliver=self.deliver,
            invoke=self.invoke,
            changed=self._changed,
            published=self.mailbox.collect,
            noticed=watcher.told,
            failed=self._fail,
        )
        moto: WSGIApplication = DomainDispatcherApplication(create_backend_app)
        self.gateway = Gateway(moto, door, Pages(self))
        self._server = _listen(plan.port, self.gateway)
        self.endpoint = f"http://{_HOST}:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="local AWS", daemon=True
        )
        self._thread.start()
        own = self.callers.hand_out(Caller({"type": "AWSService", "arn": "", "principalId": ""}, unrecorded=True))
        self.clients = Clients(self.session(own), self.endpoint)
        self.left_out: tuple[Resource, ...] = ()
        self.runners: dict[str, Runner] = {}
        self.bus: Bus
        self._changes: Changes
        self._hosts: ResponseHost
        self._held: list[tuple[Fields, Caller]] | None = None

    def deploy(self) -> None:
        """Create the stack, start its functions, and let CloudFormation announce it; raises AccountError, NotBuilt."""
        stack = self.stack
        make_administrator(self.iam, stack.region)
        self.left_out = create_all(self.clients, stack)
        keep_well(stack, self.iam, self.clients)
        self._changes = Changes(stack, self.clock)
        self._hosts = ResponseHost(self.cloudformation.stack_id, self.folder, self.cloudformation.take_answer)
        for function in _functions(stack):
            self.runners[function.logical_id] = self.plan.runner(self._hosted(stack, function.logical_id))
        self.bus = Bus(
            stack,
            Deployed(stack),
            self.runners,
            self._send,
            self._delivered,
            self._fail,
            self.plan.delivery_faults,
            self.plan.retry_seconds,
        )
        self.gateway.recording = True
        if not self.plan.scenarios:
            for runner in self.runners.values():
                runner.start()
        if self.plan.announced:
            self.cloudformation.created()
        else:
            self.cloudformation.status = "CREATE_COMPLETE"

    def close(self) -> None:
        """End everything: the server, the functions' processes, the threads."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if hasattr(self, "bus"):
            self.bus.close()
        for runner in self.runners.values():
            runner.close()
        if hasattr(self, "_hosts"):
            self._hosts.close()

    def session(self, credentials: Credentials) -> boto3.Session:
        """Return a session of boto3 that calls with these credentials, whatever the person's own configuration is."""
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
        """Put an envelope on the bus, or keep it while deliveries are held."""
        if self._held is not None:
            self._held.append((envelope, caller))
            return
        self.bus.put(envelope, patient=caller.function is None)

    @contextmanager
    def holding(self) -> Iterator[list[tuple[Fields, Caller]]]:
        """Keep what people cause meanwhile, instead of delivering it."""
        held: list[tuple[Fields, Caller]] = []
        self._held = held
        try:
            yield held
        finally:
            self._held = None

    def invoke(self, function: str, event: Fields) -> bool:
        """Invoke a function of the stack by its name or ARN, and wait for nothing; False when there is none."""
        name = function.split(":")[6] if function.startswith("arn:") else function.partition(":")[0]
        found = next((each.hosted.logical_id for each in self.runners.values() if each.hosted.name == name), None)
        if found is None:
            return False
        self.bus.invoke(found, event, "Invoke")
        return True

    def take_changes(self) -> tuple[Fields, ...]:
        """Return the exemption table's records since they were last taken."""
        return self._changes.unread()

    def fire_schedule(self) -> None:
        """Let the time of the schedule come."""
        for each in self.stack.resources.values():
            if each.type == "AWS::Scheduler::Schedule":
                self.bus.fire(each.logical_id)

    def sign_in(self, user: str | None, *, mfa: bool, address: str, user_agent: str) -> None:
        """Let root (None) or a user sign in to the console; raises KeyError when there is no such user."""
        session = (
            self.callers.root_session(mfa=mfa, from_console=True)
            if user is None
            else self.callers.user_session(user, mfa=mfa, from_console=True)
        )
        # At the moment of signing in there is no session yet.
        identity = {name: value for name, value in session.identity.items() if name != "sessionContext"}
        caller = Caller(identity if user else {**identity, "accessKeyId": ""})
        device = next(iter(self.iam.users[user].mfa_devices), None) if user else self._roots_device
        record = self.trail.sign_in(caller, mfa_used=mfa, device=device, address=address, user_agent=user_agent)
        self.deliver(record, caller)

    @property
    def _roots_device(self) -> str:
        return f"arn:{self.stack.partition}:iam::{self.stack.account}:mfa/{ROOTS_DEVICE}"

    def dead_letters(self) -> int:
        """Return how many letters the dead-letter queue holds."""
        name = self.stack.physical_id("DeadLetterQueue")
        url = self.clients.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        shown = self.clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(shown["Attributes"]["ApproximateNumberOfMessages"])

    def update(self, stack: Stack) -> None:
        """Let the functions go on with the environment of another rendering, and their roles with its statements."""
        self.stack = stack
        for function in _functions(stack):
            self._actions[function.logical_id] = frozenset(_actions(stack, function))
            self.runners[function.logical_id].close()
            # Started with its next event: a process ends with the thread that started it, and this one is a request's.
            self.runners[function.logical_id].hosted = self._hosted(stack, function.logical_id)

    def _hosted(self, stack: Stack, logical_id: str) -> Hosted:
        role = as_text(stack.resource(logical_id).properties["Role"])
        caller = self.callers.role_session(role, stack.physical_id(logical_id), function=logical_id)
        surroundings = {
            **self.callers.hand_out(caller).environment(),
            "AWS_REGION": stack.region,
            "AWS_DEFAULT_REGION": stack.region,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "*",
        }
        if logical_id == TEARDOWN:
            surroundings |= self._hosts.environment
        names = (self._hosts.names,) if logical_id == TEARDOWN else ()
        made = hosted(stack, logical_id, surroundings, self.folder, names)
        return in_simulated_time(made, self.folder / "clock") if self.plan.scenarios else made

    def _send(self, queue_arn: str, letter: Fields, attributes: Mapping[str, str]) -> None:
        url = self.clients.sqs.get_queue_url(QueueName=queue_arn.rpartition(":")[2])["QueueUrl"]
        self.clients.any("sqs").send_message(
            QueueUrl=url,
            MessageBody=json.dumps(letter),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )

    def _changed(self, caller: Caller) -> None:
        if not hasattr(self, "bus") or self._held is not None:
            return
        if records := self._changes.unread():
            self.bus.changed(records, patient=caller.function is None)

    def _delivered(self, delivery: Delivery, invocation: Invocation | None) -> None:
        self.activity.add(delivery, invocation)
        self._watcher.delivered(delivery, invocation)

    def _fail(self, trace: str) -> None:
        self.failures.append(trace)
        self._watcher.failed(trace)


class _Hands:
    """What CloudFormation does to the account; see `mfa_guard_emulator.aws.cloudformation.StackHands`."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account

    def invoke_release(self, request: Fields) -> None:
        self._account.bus.invoke(TEARDOWN, request, "CloudFormation")

    def update(self, stack: Stack) -> None:
        self._account.update(stack)

    def remove_what_acts(self) -> None:
        account = self._account
        events, scheduler = account.clients.any("events"), account.clients.any("scheduler")
        for each in account.stack.resources.values():
            if each.type == "AWS::Events::Rule":
                targets = [str(target["Id"]) for target in each.properties["Targets"]]  # type: ignore[attr-defined]
                events.remove_targets(Rule=each.physical_id, Ids=targets)
                events.delete_rule(Name=each.physical_id)
            elif each.type == "AWS::Scheduler::Schedule":
                scheduler.delete_schedule(Name=each.physical_id)

    def remove_the_rest(self) -> str | None:
        account = self._account
        iam, stack = account.clients.iam, account.stack
        policy = as_text(stack.resolve({"Ref": "EnforcementPolicy"}))
        holders = iam.list_entities_for_policy(PolicyArn=policy)
        if held := [*holders["PolicyUsers"], *holders["PolicyRoles"]]:
            return f"The policy {policy} is still attached to {len(held)} entities, so IAM does not delete it"
        group = stack.physical_id("EnforcementGroup")
        for attached in iam.list_attached_group_policies(GroupName=group)["AttachedPolicies"]:
            iam.detach_group_policy(GroupName=group, PolicyArn=attached["PolicyArn"])
        iam.delete_group(GroupName=group)
        iam.delete_policy(PolicyArn=policy)
        return None


@contextmanager
def run_account(plan: Plan, watcher: Watcher | None = None) -> Iterator[LocalAccount]:
    """Run a local account until the end of the block; raises PortTaken, AccountError, NotBuilt before it begins."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    environment = own | {
        "MOTO_ACCOUNT_ID": plan.stack.account,
        # Everybody attaches AWS's own policies.
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with ExitStack() as exits:
        folder = Path(tempfile.mkdtemp(prefix="mfa-guard-local-"))
        exits.callback(shutil.rmtree, folder, ignore_errors=True)
        exits.enter_context(patch.dict(os.environ, environment, clear=True))
        # moto's services belong to the process, and another account may have been here before.
        moto_api_backend.reset()
        clock = Clock(folder / "clock")
        lag = exits.enter_context(mended(clock.now))
        account = LocalAccount(plan, watcher or Watcher(), folder, clock, lag)
        exits.callback(account.close)
        account.deploy()
        yield account


def _listen(port: int, application: "WSGIApplication") -> BaseWSGIServer:
    # werkzeug ends the process over a busy port.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTaken(
                f"Port {port} is in use by another program, or may not be used; choose another one with --port."
            ) from error
        free = int(probe.getsockname()[1])
    return make_server("127.0.0.1", free, application, threaded=True, request_handler=_QuietHandler)


class _QuietHandler(MotoRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Say nothing: the account tells what matters."""


def _functions(stack: Stack) -> Iterator[Resource]:
    return (each for each in stack.resources.values() if each.type == "AWS::Lambda::Function")


def _actions(stack: Stack, function: Resource) -> Iterator[str]:
    """Yield the actions that the stack lets a function's role take, on whatever and under whatever condition."""
    role_arn = function.properties["Role"]
    for resource in stack.resources.values():
        own = resource.type == "AWS::IAM::Role"
        if own and stack.resolve({"Fn::GetAtt": [resource.logical_id, "Arn"]}) == role_arn:
            for statement in stack.role_statements(resource.logical_id):
                actions = statement["Action"]
                yield from map(as_text, actions if isinstance(actions, list) else [actions])
