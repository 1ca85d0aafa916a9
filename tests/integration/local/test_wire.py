"""The wire counts what functions ask, keeps them to their roles, and lets go wrong what a story wants to go wrong."""

from collections import Counter
from datetime import timedelta

import boto3
import pytest
from botocore.exceptions import ClientError

from mfa_guard.adapters.clock import SystemClock
from mfa_guard_cli.local.account import Account
from mfa_guard_cli.local.clock import Clock
from mfa_guard_cli.local.functions import Function
from mfa_guard_cli.local.wire import Calls, Wire

ARN = "arn:aws:iam::111122223333:policy/EnrolMFADeviceThenSignInAgain"


@pytest.fixture
def wire(account: Account) -> Wire:
    account.clients.iam.create_user(UserName="alice")
    return Wire(account.session, account.clock)


@pytest.fixture
def function(account: Account) -> Function:
    return Function(account.stack, "UserEventFunction")


@pytest.fixture
def auditing(account: Account) -> Function:
    stack = account.stack.template.render(parameters={"Mode": "audit"})
    return Function(stack, "UserEventFunction")


def test_calls_are_counted_by_operation_and_by_user(wire: Wire, function: Function) -> None:
    iam = boto3.client("iam")
    iam.get_user(UserName="alice")
    with wire.working(function):
        iam.get_user(UserName="alice")
        iam.list_mfa_devices(UserName="alice")
        iam.get_user(UserName="carol")
    calls = wire.take()
    assert Calls.of_iam(calls, "UserEventFunction") == Calls(Counter({"GetUser": 2, "ListMFADevices": 1}), users=2)
    assert Calls.of_iam(calls, "AlertFunction").total() == 0
    assert wire.take() == ()


def test_what_a_role_allows_in_no_statement_is_refused(wire: Wire, auditing: Function, account: Account) -> None:
    iam = boto3.client("iam")
    with wire.working(auditing):
        iam.get_user(UserName="alice")
        with pytest.raises(ClientError, match="no identity-based policy allows the iam:AttachUserPolicy") as error:
            iam.attach_user_policy(UserName="alice", PolicyArn=ARN)
    assert error.value.response["Error"]["Code"] == "AccessDenied"
    assert account.iam.users["alice"].managed_policies == {}


def test_a_denial_is_about_one_user_until_it_is_taken_back(wire: Wire, function: Function) -> None:
    iam = boto3.client("iam")
    wire.deny("AttachUserPolicy", "alice", "by a boundary")
    with wire.working(function):
        iam.attach_user_policy(UserName="carol", PolicyArn=ARN)
        with pytest.raises(ClientError, match="on resource: user alice by a boundary"):
            iam.attach_user_policy(UserName="alice", PolicyArn=ARN)
        wire.allow("AttachUserPolicy", "alice")
        iam.attach_user_policy(UserName="alice", PolicyArn=ARN)


def test_somebody_can_be_faster_once(wire: Wire, function: Function, account: Account) -> None:
    iam = boto3.client("iam")
    wire.overtake("alice", lambda: account.iam.delete_user("alice"))
    with wire.working(function), pytest.raises(ClientError, match="NoSuchEntity"):
        iam.list_mfa_devices(UserName="alice")
    account.iam.create_user("us-east-1", "alice")
    with wire.working(function):
        iam.list_mfa_devices(UserName="alice")


def test_a_slow_iam_takes_its_time_without_anybody_waiting(wire: Wire, function: Function, account: Account) -> None:
    iam = boto3.client("iam")
    before = account.clock.now()
    wire.slow_down(timedelta(minutes=5))
    with wire.working(function):
        iam.get_user(UserName="alice")
    assert timedelta(minutes=5) <= account.clock.now() - before < timedelta(minutes=6)
    wire.settle()
    with wire.working(function):
        iam.get_user(UserName="alice")
    assert account.clock.now() - before < timedelta(minutes=6)


def test_functions_live_in_the_accounts_time() -> None:
    clock, machine = Clock(), SystemClock()
    with clock.ruling():
        clock.let_pass(timedelta(days=7))
        machine.sleep(3600)
        ahead = machine.now() - SystemClock.now(machine)
        assert ahead < timedelta(seconds=1)
        passed = machine.now()
    assert timedelta(days=7, hours=1) <= passed - machine.now() + timedelta(seconds=1) < timedelta(days=7, hours=2)
