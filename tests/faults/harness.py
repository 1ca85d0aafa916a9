"""An account in which a scenario can run repeatedly from the same starting point."""

import copy
import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

import boto3
from botocore.config import Config
from botocore.retries.quota import RetryQuota
from moto.dynamodb.models import dynamodb_backends
from moto.iam.models import IAMBackend

from faults.fault_injection import Call, FaultInjector, Injection
from faults.lambda_service import Event, LambdaService
from faults.scenarios import SWEEP, TEARDOWN, USER, Scenario, Setup, sweep_event
from mfa_guard.adapters.clock import SystemClock
from mfa_guard.adapters.cloudformation import ResponseSender
from mfa_guard.composition import sweep
from mfa_guard.core.sweep_memory import DIGEST_TIME
from mfa_guard.handlers import teardown
from mfa_guard_cli.stack.template import load_template
from mfa_guard_emulator.aws.exemption_stream import ExemptionStream
from support.account import Account, open_account
from support.aws import forget_clients

_POWERTOOLS: Final = "aws_lambda_powertools.utilities.idempotency.persistence"
_UNTIL_NEXT_SWEEP: Final = timedelta(hours=1)
# CloudTrail delivers no event faster than this.
_EVENT_DELAY: Final = timedelta(seconds=15)


@dataclass
class Harness:
    """A scenario's account at the moment when its events arrive."""

    scenario: Scenario
    account: Account
    injector: FaultInjector
    functions: LambdaService
    events: tuple[Event, ...]
    _saved_backends: list[tuple[Any, Mapping[str, Any]]] = field(default_factory=list)
    _saved_report: Mapping[str, Any] = field(default_factory=dict)
    _saved_past: Mapping[str, Any] = field(default_factory=dict)
    _sweeps: int = 0

    def __post_init__(self) -> None:
        self._started_at = self.account.clock.now()
        stack = self.account.stack
        backends = (self.account.iam, self.account.sns, dynamodb_backends[stack.account][stack.region])
        self._saved_backends = [(each, copy.deepcopy(vars(each), {id(each): each})) for each in backends]
        self._saved_report = dict(vars(self.account.iam_reads.report))
        self._saved_past = dict(vars(self.account.iam_reads.stale))

    def reset(self, injection: Injection | None) -> None:
        """Go back to that moment, with a fault to come or without one."""
        for backend, saved in self._saved_backends:
            vars(backend).clear()
            vars(backend).update(copy.deepcopy(saved, {id(backend): backend}))
        vars(self.account.iam_reads.report).update(self._saved_report)
        vars(self.account.iam_reads.stale).update(self._saved_past)
        clock = self.account.clock
        clock.advance(self._started_at + _EVENT_DELAY - clock.now())
        self.injector.reset(injection, self.scenario.write_duration, self.scenario.stack_status)
        self.functions.reset()

    def repair(self) -> None:
        """End the fault, and restore what it deleted from the stack, as another deployment does."""
        self.injector.end_fault()
        stack, iam = self.account.stack, self.account.iam
        policy, group = str(stack.resolve({"Ref": "EnforcementPolicy"})), stack.physical_id("EnforcementGroup")
        if policy not in iam.managed_policies:
            iam.managed_policies[policy] = self._saved_iam["managed_policies"][policy]
            iam.managed_policies[policy].attachment_count = 0
        if group not in iam.groups:
            iam.groups[group] = copy.deepcopy(self._saved_iam["groups"][group])
            iam.groups[group].users = []
            iam.groups[group].managed_policies[policy] = iam.managed_policies[policy]

    @property
    def _saved_iam(self) -> Mapping[str, Any]:
        return next(saved for backend, saved in self._saved_backends if backend is self.account.iam)

    def deliver(self) -> None:
        """Deliver the events, every event that the functions send themselves, and those that arrive late."""
        for event in self.events:
            if "dynamodb" in event:
                continue
            self.functions.invoke(self.scenario.function, event)
        if records := [event for event in self.events if "dynamodb" in event]:
            self.functions.stream(self.scenario.function, records)
        self.deliver_self_invocations()
        if self.scenario.function != TEARDOWN:
            # The teardown begins when no rule is left that could deliver them.
            for event in self.injector.late_events:
                self.functions.invoke(USER, event)

    def is_older_than_the_stack(self, name: str) -> bool:
        """Tell whether a user was created before the stack."""
        created: datetime = self.account.iam.users[name].create_date
        return created.replace(tzinfo=UTC) < self.injector.stack_created

    def sweep(self) -> None:
        """Let time pass until the next scheduled sweep, whose reads are current, and run it."""
        self.injector.end_fault()
        self.account.clock.advance(_UNTIL_NEXT_SWEEP)
        while self.injector.timers:
            self.functions.deliver_timer(self.injector.timers.pop(0))
        self.sweep_now()

    def sweep_at_digest_time(self) -> None:
        """Let time pass until the sweep that sends the news of the day, and run it."""
        now = self.account.clock.now()
        tomorrow = (now + timedelta(days=1)).replace(hour=DIGEST_TIME.hour, minute=DIGEST_TIME.minute)
        self.account.clock.advance(tomorrow - now)
        self.sweep()

    def sweep_now(self) -> None:
        """Run a sweep with all its rounds."""
        self._sweeps += 1
        self.functions.invoke(SWEEP, sweep_event(f"next-sweep-{self._sweeps}"))
        self.deliver_self_invocations()

    def redrive(self) -> None:
        """Redrive the dead letters, and deliver every event that the functions send themselves."""
        self.functions.redrive()
        self.deliver_self_invocations()

    def deliver_self_invocations(self) -> None:
        """Deliver the events with which functions invoked each other and themselves."""
        while self.injector.self_invocations:
            self.functions.invoke(*self.injector.self_invocations.pop(0))


@contextmanager
def open_harness(scenario: Scenario) -> Iterator[Harness]:
    """Open the account of a scenario, and make the changes that its events are about."""
    stack = load_template().render(parameters=dict(scenario.parameters))
    with ExitStack() as exits:
        account = exits.enter_context(open_account(stack))
        exits.enter_context(account.clock.replacing_system_clock())
        clock = account.clock
        # The sweep at DIGEST_TIME sends more than others, so every run begins at the same time of a day.
        clock.advance((clock.now() + timedelta(days=1)).replace(hour=12, minute=0, second=0) - clock.now())

        class Now(dt.datetime):
            @classmethod
            def now(cls, tz: dt.tzinfo | None = None) -> "dt.datetime":  # type: ignore[override]
                return dt.datetime.fromtimestamp(clock.now().timestamp(), tz)

        injector = FaultInjector(account, lambda call, params: _delete_target(account, call, params))
        for module in ("base", "datarecord", "dynamodb"):
            exits.enter_context(patch(f"{_POWERTOOLS}.{module}.dt", SimpleNamespace(**{**vars(dt), "datetime": Now})))
        # With one worker, the calls have the same order in every run.
        exits.enter_context(patch.object(sweep, "_SWEEP_WORKERS", 1))
        exits.enter_context(patch.object(teardown, "response_sender", lambda: ResponseSender(injector, SystemClock())))  # type: ignore[arg-type]
        changes = ExemptionStream(stack, clock)
        setup = Setup(account)
        scenario.prepare(setup)
        changes.unread()
        exits.enter_context(injector.intercepting())
        exits.enter_context(_shared_clients(injector))
        functions = LambdaService(account, injector)
        if scenario.function == USER:
            _let_time_pass(setup, functions, injector)
        if scenario.function == TEARDOWN:
            account.iam_reads.stale.forget()
        scenario.act(setup)
        yield Harness(scenario, account, injector, functions, (*setup.events, *changes.unread()))
        forget_clients()


def _let_time_pass(setup: Setup, functions: LambdaService, injector: FaultInjector) -> None:
    """Let the guard see the account as it is before the events, long before them."""
    setup.add_checked_resources()
    # The users before are older than the stack.
    setup.account.clock.advance(_UNTIL_NEXT_SWEEP)
    injector.stack_created = setup.account.clock.now()
    functions.invoke(SWEEP, sweep_event("sweep-before"))
    assert [repr(attempt.error) for attempt in functions.attempts] == ["None"], functions.attempts
    setup.account.advance(_UNTIL_NEXT_SWEEP)
    setup.account.iam_reads.stale.forget()
    for topic in setup.account.sns.topics.values():
        topic.sent_notifications.clear()


@contextmanager
def _shared_clients(injector: FaultInjector) -> Iterator[None]:
    """Create each client once, because that takes longer than a scenario; refill its retry quota per process."""
    create, clients, quotas = boto3.client, dict[tuple[object, ...], Any](), list[RetryQuota]()
    initialize = RetryQuota.__init__

    def shared(service: str, *, region_name: str | None = None, config: Config | None = None) -> object:
        def new() -> object:
            return create(service, region_name=region_name, config=config)  # type: ignore[call-overload]

        if config is None or vars(config)["retries"]["mode"] == "adaptive":
            # An adaptive client adjusts its rate after every response, and a new process starts without that.
            return new()
        key = (service, region_name, id(config))
        if key not in clients:
            clients[key] = new()
        return clients[key]

    def registered(quota: RetryQuota, *arguments: Any, **more: Any) -> None:  # noqa: ANN401 - botocore's signature
        initialize(quota, *arguments, **more)
        quotas.append(quota)

    def refill() -> None:
        for quota in quotas:
            quota.release(10_000)

    injector.on_new_process = refill
    with patch.object(boto3, "client", shared), patch.object(RetryQuota, "__init__", registered):
        yield


_NAMING_A_USER: Final = frozenset(
    {
        "GetUser",
        "ListMFADevices",
        "ListAttachedUserPolicies",
        "ListGroupsForUser",
        "ListAccessKeys",
        "ListServiceSpecificCredentials",
        "TagUser",
        "UntagUser",
    }
)


def _delete_target(account: Account, call: Call, params: Mapping[str, Any]) -> bool:
    """Delete what a call of IAM names, and return whether it names something that can be deleted."""
    for operations, delete in _DELETIONS:
        if call.operation in operations:
            delete(account.iam, params)
            return True
    return False


def _delete_user(iam: IAMBackend, params: Mapping[str, Any]) -> None:
    deleted = iam.users.pop(params["UserName"], None)
    for group in iam.groups.values():
        group.users = [each for each in group.users if each is not deleted]


def _delete_password(iam: IAMBackend, params: Mapping[str, Any]) -> None:
    iam.users[params["UserName"]].password = None


def _delete_key(iam: IAMBackend, params: Mapping[str, Any]) -> None:
    for user in iam.users.values():
        user.access_keys = [key for key in user.access_keys if key.access_key_id != params["AccessKeyId"]]
    iam.access_keys.pop(params["AccessKeyId"], None)


def _delete_attachment(iam: IAMBackend, params: Mapping[str, Any]) -> None:
    iam.users[params["UserName"]].managed_policies.pop(params["PolicyArn"], None)


def _delete_membership(iam: IAMBackend, params: Mapping[str, Any]) -> None:
    group = iam.groups[params["GroupName"]]
    group.users = [each for each in group.users if each.name != params["UserName"]]


def _delete_policy(iam: IAMBackend, params: Mapping[str, Any]) -> None:
    # IAM deletes no policy that is attached. It stays on the group, because its removal is tampering, which has rules.
    principals: list[Any] = [*iam.users.values(), *iam.roles.values()]
    for principal in principals:
        principal.managed_policies.pop(params["PolicyArn"], None)
    iam.managed_policies.pop(params["PolicyArn"], None)


def _delete_group(iam: IAMBackend, params: Mapping[str, Any]) -> None:
    iam.groups.pop(params["GroupName"], None)


_DELETIONS: Final[tuple[tuple[frozenset[str], Callable[[IAMBackend, Mapping[str, Any]], None]], ...]] = (
    (_NAMING_A_USER, _delete_user),
    (frozenset({"GetLoginProfile"}), _delete_password),
    (frozenset({"GetAccessKeyLastUsed", "UpdateAccessKey"}), _delete_key),
    (frozenset({"DetachUserPolicy"}), _delete_attachment),
    (frozenset({"RemoveUserFromGroup"}), _delete_membership),
    (frozenset({"AttachUserPolicy", "ListEntitiesForPolicy", "GetPolicy", "GetPolicyVersion"}), _delete_policy),
    (frozenset({"AddUserToGroup", "GetGroup", "ListAttachedGroupPolicies", "ListGroupPolicies"}), _delete_group),
)
