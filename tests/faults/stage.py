"""An account in which a scenario can be run again and again from the same moment on."""

import copy
import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

import boto3
from botocore.config import Config
from botocore.retries.quota import RetryQuota
from moto.dynamodb.models import dynamodb_backends
from moto.iam.models import IAMBackend

from faults.lambda_service import Event, Lambda
from faults.scenarios import Scenario, Scene
from faults.wire import Call, Injection, Wire
from mfa_guard.adapters.clock import SystemClock
from mfa_guard.adapters.cloudformation import ResponseSender
from mfa_guard.composition import sweep
from mfa_guard.handlers import teardown
from mfa_guard_cli.stack.template import load_template
from mfa_guard_emulator.aws.exemption_stream import Changes
from support.account import Account, open_account
from support.aws import forget_clients

_POWERTOOLS: Final = "aws_lambda_powertools.utilities.idempotency.persistence"
# As long as CloudTrail takes at best.
_DELAY: Final = timedelta(seconds=15)


@dataclass
class Stage:
    """A scenario's account at the moment when its events arrive."""

    scenario: Scenario
    account: Account
    wire: Wire
    functions: Lambda
    events: tuple[Event, ...]
    _saved: list[tuple[Any, Mapping[str, Any]]] = field(default_factory=list)
    _report: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._began = self.account.clock.now()
        stack = self.account.stack
        backends = (self.account.iam, self.account.sns, dynamodb_backends[stack.account][stack.region])
        self._saved = [(each, copy.deepcopy(vars(each), {id(each): each})) for each in backends]
        self._report = dict(vars(self.account.lag.report))

    def reset(self, injection: Injection | None) -> None:
        """Go back to that moment, with a fault ahead or without."""
        for backend, saved in self._saved:
            vars(backend).clear()
            vars(backend).update(copy.deepcopy(saved, {id(backend): backend}))
        vars(self.account.lag.report).update(self._report)
        clock = self.account.clock
        clock.let_pass(self._began + _DELAY - clock.now())
        self.wire.reset(injection, self.scenario.pace, self.scenario.stack_status)
        self.functions.reset()

    def mend(self) -> None:
        """End the fault, and deploy the stack again: what of it had gone is there."""
        self.wire.mend()
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
        return next(saved for backend, saved in self._saved if backend is self.account.iam)

    def deliver(self) -> None:
        """Let the events arrive, and whatever follows from them."""
        for event in self.events:
            if "dynamodb" in event:
                continue
            self.functions.invoke(self.scenario.function, event)
        if records := [event for event in self.events if "dynamodb" in event]:
            self.functions.stream(self.scenario.function, records)
        self.follow()

    def follow(self) -> None:
        """Let arrive what the functions sent themselves."""
        while self.wire.relayed:
            self.functions.invoke(self.scenario.function, self.wire.relayed.pop(0))


@contextmanager
def staged(scenario: Scenario) -> Iterator[Stage]:
    """Open the account of a scenario, and let happen what its events tell."""
    stack = load_template().render(parameters=dict(scenario.parameters))
    with ExitStack() as exits:
        account = exits.enter_context(open_account(stack))
        exits.enter_context(account.clock.ruling())
        clock = account.clock

        class Now(dt.datetime):
            @classmethod
            def now(cls, tz: dt.tzinfo | None = None) -> "dt.datetime":  # type: ignore[override]
                return dt.datetime.fromtimestamp(clock.now().timestamp(), tz)

        wire = Wire(account, lambda call, params: _vanish(account, call, params))
        for module in ("base", "datarecord", "dynamodb"):
            exits.enter_context(patch(f"{_POWERTOOLS}.{module}.dt", SimpleNamespace(**{**vars(dt), "datetime": Now})))
        # One after the other, so that a call is the same call in every run.
        exits.enter_context(patch.object(sweep, "_SWEEP_WORKERS", 1))
        exits.enter_context(patch.object(teardown, "response_sender", lambda: ResponseSender(wire, SystemClock())))  # type: ignore[arg-type]
        changes = Changes(stack, clock)
        harness = Scene(account)
        scenario.prepare(harness)
        changes.unread()
        scenario.happens(harness)
        events = (*harness.events, *changes.unread())
        exits.enter_context(wire.connected())
        exits.enter_context(_pooled(wire))
        yield Stage(scenario, account, wire, Lambda(account, wire), events)
        forget_clients()


@contextmanager
def _pooled(wire: Wire) -> Iterator[None]:
    """Make a client once, since that takes longer than a scenario; what it learned goes with its process."""
    make, pool, quotas = boto3.client, dict[tuple[object, ...], Any](), list[RetryQuota]()
    begin = RetryQuota.__init__

    def pooled(service: str, *, region_name: str | None = None, config: Config | None = None) -> object:
        def made() -> object:
            return make(service, region_name=region_name, config=config)  # type: ignore[call-overload]

        if config is None or vars(config)["retries"]["mode"] == "adaptive":
            # It learns from every answer how fast to ask, and whoever is new has learned nothing.
            return made()
        key = (service, region_name, id(config))
        if key not in pool:
            pool[key] = made()
        return pool[key]

    def noted(quota: RetryQuota, *arguments: Any, **more: Any) -> None:  # noqa: ANN401 - botocore's own
        begin(quota, *arguments, **more)
        quotas.append(quota)

    def refill() -> None:
        for quota in quotas:
            quota.release(10_000)

    wire.on_new_process = refill
    with patch.object(boto3, "client", pooled), patch.object(RetryQuota, "__init__", noted):
        yield


_USER_ASKED: Final = frozenset(
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


def _vanish(account: Account, call: Call, params: Mapping[str, Any]) -> bool:
    """Let go for good what a call of IAM names; tell whether there was something to go."""
    for operations, go in _GOING:
        if call.operation in operations:
            go(account.iam, params)
            return True
    return False


def _user_goes(iam: IAMBackend, params: Mapping[str, Any]) -> None:
    gone = iam.users.pop(params["UserName"], None)
    for group in iam.groups.values():
        group.users = [each for each in group.users if each is not gone]


def _password_goes(iam: IAMBackend, params: Mapping[str, Any]) -> None:
    iam.users[params["UserName"]].password = None


def _key_goes(iam: IAMBackend, params: Mapping[str, Any]) -> None:
    for user in iam.users.values():
        user.access_keys = [key for key in user.access_keys if key.access_key_id != params["AccessKeyId"]]
    iam.access_keys.pop(params["AccessKeyId"], None)


def _attachment_goes(iam: IAMBackend, params: Mapping[str, Any]) -> None:
    iam.users[params["UserName"]].managed_policies.pop(params["PolicyArn"], None)


def _membership_goes(iam: IAMBackend, params: Mapping[str, Any]) -> None:
    group = iam.groups[params["GroupName"]]
    group.users = [each for each in group.users if each.name != params["UserName"]]


def _policy_goes(iam: IAMBackend, params: Mapping[str, Any]) -> None:
    # IAM deletes no policy that is attached; that it goes from the group is tampering, which has rules of its own.
    holders: list[Any] = [*iam.users.values(), *iam.roles.values()]
    for holder in holders:
        holder.managed_policies.pop(params["PolicyArn"], None)
    iam.managed_policies.pop(params["PolicyArn"], None)


def _group_goes(iam: IAMBackend, params: Mapping[str, Any]) -> None:
    iam.groups.pop(params["GroupName"], None)


_GOING: Final[tuple[tuple[frozenset[str], Callable[[IAMBackend, Mapping[str, Any]], None]], ...]] = (
    (_USER_ASKED, _user_goes),
    (frozenset({"GetLoginProfile"}), _password_goes),
    (frozenset({"GetAccessKeyLastUsed", "UpdateAccessKey"}), _key_goes),
    (frozenset({"DetachUserPolicy"}), _attachment_goes),
    (frozenset({"RemoveUserFromGroup"}), _membership_goes),
    (frozenset({"AttachUserPolicy", "ListEntitiesForPolicy", "GetPolicy", "GetPolicyVersion"}), _policy_goes),
    (frozenset({"AddUserToGroup", "GetGroup", "ListAttachedGroupPolicies", "ListGroupPolicies"}), _group_goes),
)
