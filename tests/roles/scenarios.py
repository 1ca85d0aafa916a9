"""One scenario for each function: its real handler runs on moto, and makes every kind of call that it makes to AWS.

A scenario is the same in every deployment, but the function's calls are not. It returns the calls, and raises an error
if a step does not end as expected.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType, SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

import boto3
from moto.awslambda.models import LambdaFunction
from moto.cloudformation.models import cloudformation_backends

from mfa_guard.adapters.user_records import SweepRecordTable
from mfa_guard.core.errors import NotVisibleYet
from mfa_guard.core.times import utc_text
from mfa_guard.core.user_record import Decision, ScopeReason, Standing
from mfa_guard.handlers import alert, sweep, teardown, user_event
from mfa_guard_cli.stack.template import Stack
from mfa_guard_emulator.aws.resources import create_all
from support.account import Account, open_account
from support.aws import Context, forget_clients, ruled_by
from support.factories import detail, envelope, stream_record
from support.fakes import FakeClock, FakeTelemetry
from support.recorder import Call, Recorder
from support.stack_resources import list_resources
from support.teardown import request_event
from support.upkeep import CHECKED

OTHER_POLICY: Final = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
)
EXEMPTION: Final = {
    "owner": "platform",
    "reason": "build machine",
    "created_by": "bob",
}


@dataclass
class SteppingClock(FakeClock):
    """A clock that advances by `pace` whenever it is read."""

    pace: timedelta = timedelta(0)

    def now(self) -> datetime:
        self.time += self.pace
        return self.time


@dataclass
class Harness:
    """An account in which one of the functions is about to run."""

    account: Account
    clock: SteppingClock
    _number: int = field(default=0)

    @property
    def stack(self) -> Stack:
        return self.account.stack

    @property
    def policy(self) -> str:
        return str(self.stack.resolve({"Ref": "EnforcementPolicy"}))

    @property
    def group(self) -> str:
        return self.stack.physical_id("EnforcementGroup")

    def user(self, name: str, *, password: bool = True, path: str = "/staff/") -> str:
        """Create a user with a path, and return the user's id."""
        iam = self.account.clients.iam
        user_id = iam.create_user(UserName=name, Path=path)["User"]["UserId"]
        if password:
            iam.create_login_profile(UserName=name, Password="Not-a-secret-1")
        return user_id

    def age(self, name: str) -> None:
        """Let a user be 400 days old. A younger user than 7 days is no machine, so their credentials are not read."""
        self.account.iam.users[name].create_date -= timedelta(days=400)

    def key(self, name: str, *, used: bool = False) -> str:
        key_id = self.account.clients.iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"]
        if used:
            self.account.use_key(name, key_id, self.clock.time - timedelta(days=1))
        return key_id

    def device(self, name: str) -> None:
        iam = self.account.clients.iam
        serial = iam.create_virtual_mfa_device(VirtualMFADeviceName=name)["VirtualMFADevice"]["SerialNumber"]
        iam.enable_mfa_device(
            UserName=name, SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321"
        )

    def enforce(self, name: str) -> None:
        """Enforce a user by both routes."""
        iam = self.account.clients.iam
        iam.attach_user_policy(UserName=name, PolicyArn=self.policy)
        iam.add_user_to_group(UserName=name, GroupName=self.group)

    def tag(self, name: str, *, since: timedelta, warned: timedelta | None = None) -> None:
        tags = {"mfa-guard:status": "noncompliant", "mfa-guard:since": utc_text(self.clock.time - since)}
        if warned is not None:
            tags["mfa-guard:warned"] = utc_text(self.clock.time - warned)
        self.account.clients.iam.tag_user(
            UserName=name, Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
        )

    def exempt(self, name: str, user_id: str) -> None:
        fields = {
            **EXEMPTION,
            "user_id": user_id,
            "user_name": name,
            "expires_at": utc_text(self.clock.time + timedelta(days=30)),
        }
        table = self.stack.physical_id("ExemptionsTable")
        item = {key: {"S": value} for key, value in fields.items()}
        self.account.clients.dynamodb.put_item(TableName=table, Item=item)

    def boundary(self) -> str:
        """Create a policy of the account, and return its ARN."""
        created = self.account.clients.iam.create_policy(PolicyName="boundary", PolicyDocument=OTHER_POLICY)
        return created["Policy"]["Arn"]

    def bind(self, name: str, policy: str) -> None:
        """Give a user a permissions boundary, for which moto has no call."""
        self.account.iam.users[name].permissions_boundary = {  # type: ignore[attr-defined]
            "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
            "PermissionsBoundaryArn": policy,
        }

    def fill_quotas(self, name: str, *, policies: bool, groups: bool) -> None:
        """Use up a user's quota of managed policies, or of groups, directly in moto, because that is faster."""
        iam = self.account.iam
        for number in range(10):
            if policies:
                iam.attach_user_policy(iam.create_policy("", "/", OTHER_POLICY, f"{name}-{number}", []).arn, name)
            if groups:
                iam.create_group(f"{name}-{number}")
                iam.add_user_to_group(f"{name}-{number}", name)

    def event(self, name: str, user: str, **changes: object) -> dict[str, object]:
        """Return an event of IAM about a user, with the current time."""
        now = self.clock.time.strftime("%Y-%m-%dT%H:%M:%SZ")
        return envelope(detail(name, {"userName": user}, eventTime=now, **changes))

    def delete_topic(self, topic: str) -> None:
        """Delete a topic, so that the next notice fails."""
        self.account.clients.sns.delete_topic(TopicArn=str(self.stack.resolve({"Ref": topic})))

    def sweep_request(self) -> dict[str, object]:
        """Return a request for another sweep."""
        self._number += 1
        return {"id": f"sweep-{self._number}", "source": "mfa-guard", "detail-type": "Sweep requested", "detail": {}}


def user_events(harness: Harness) -> None:
    """Run UserEventFunction."""

    def handle(event: dict[str, object]) -> None:
        user_event.lambda_handler(event, Context())

    # A person, an active machine user with a key, and a user without a password or a key.
    harness.user("dora")
    handle(harness.event("CreateUser", "dora"))
    harness.user("ci", password=False)
    harness.key("ci", used=True)
    handle(harness.event("CreateAccessKey", "ci"))
    harness.user("idle", password=False)
    handle(harness.event("CreateUser", "idle"))
    # Only a user of some age whose keys are not in use may still be a machine, by another credential.
    harness.user("old", password=False)
    harness.account.use_key("old", harness.key("old"), harness.clock.time - timedelta(days=100))
    handle(harness.event("UpdateUser", "old", requestParameters={"newUserName": "old"}))
    # The tags of a user with a device are removed.
    harness.user("erin")
    harness.tag("erin", since=timedelta(days=3))
    harness.device("erin")
    handle(harness.event("EnableMFADevice", "erin"))
    # An exempt user is released from both routes.
    harness.exempt("frank", harness.user("frank"))
    harness.enforce("frank")
    handle(harness.event("TagUser", "frank"))
    # A quota is used up, so the other route is used.
    for name, full in (("gina", {"policies": True, "groups": False}), ("hugo", {"policies": False, "groups": True})):
        harness.user(name)
        harness.fill_quotas(name, **full)
        handle(harness.event("CreateUser", name))
    # Two events about one user: the second event finds the lease of the first.
    handle(harness.event("CreateLoginProfile", "dora"))
    # A renamed user is found by id.
    response = {"user": {"userName": "name-before", "userId": harness.user("nora")}}
    handle(harness.event("CreateUser", "name-before", responseElements=response))
    # A permissions boundary is read: a policy of the account, and one of AWS.
    for number, boundary in enumerate((harness.boundary(), "arn:aws:iam::aws:policy/ReadOnlyAccess")):
        name = f"olga-{number}"
        harness.user(name)
        harness.bind(name, boundary)
        request = {"userName": name, "permissionsBoundary": boundary}
        handle(harness.event("PutUserPermissionsBoundary", name, requestParameters=request))
    # After ten notices of a kind, the next ones wait for a summary.
    for number in range(12):
        harness.user(f"many-{number}")
        handle(harness.event("CreateUser", f"many-{number}"))
    # The idempotency record of a failed event is deleted, so that Lambda's retry runs.
    missing = {"userName": "dora", "serialNumber": "arn:aws:iam::111122223333:mfa/missing"}
    _expect(NotVisibleYet, lambda: handle(harness.event("EnableMFADevice", "dora", requestParameters=missing)))
    # Without the state table, the exemption is read alone.
    harness.account.clients.dynamodb.delete_table(TableName=harness.stack.physical_id("StateTable"))
    handle(harness.event("CreateLoginProfile", "erin"))


def alerts(harness: Harness) -> None:
    """Run AlertFunction."""
    topic = harness.stack.resolve({"Ref": "NoticesTopic"})
    stopped = detail("StopLogging", {"name": "main"}, eventSource="cloudtrail.amazonaws.com")
    alert.lambda_handler(envelope(stopped), Context())
    deleted = detail("DeleteTopic", {"topicArn": topic}, eventSource="sns.amazonaws.com")
    alert.lambda_handler(envelope(deleted), Context())
    # CloudFormation's calls are compared with the stack's events, and a burst of new devices with IAM's list.
    rule = {"name": "mfa-guard-new-credentials"}
    written = detail(
        "PutRule", rule, eventSource="events.amazonaws.com", sourceIPAddress="cloudformation.amazonaws.com"
    )
    alert.lambda_handler(envelope(written), Context())
    for number in range(10):
        harness.account.clients.iam.create_virtual_mfa_device(VirtualMFADeviceName=f"phone-{number}")
        created = detail("CreateVirtualMFADevice", {"virtualMFADeviceName": f"phone-{number}"})
        alert.lambda_handler(envelope(created), Context())
    # Lambda repeats a batch, so the function reads the lease.
    expires = utc_text(harness.clock.time + timedelta(days=30))
    item = {**EXEMPTION, "user_id": "AIDA1", "user_name": "ci", "expires_at": expires}
    batch: dict[str, object] = {"Records": [stream_record("INSERT", item)]}
    for _ in range(2):
        alert.lambda_handler(batch, Context())
    # After ten notices of a kind, the next ones wait until a message of the guard's queue arrives.
    many = [stream_record("INSERT", {**item, "user_id": f"AIDA{number}"}) for number in range(12)]
    alert.lambda_handler({"Records": many}, Context())
    harness.clock.time += timedelta(minutes=16)
    message = {"eventSource": "aws:sqs", "body": json.dumps({"kind": "exemption"})}
    alert.lambda_handler({"Records": [message]}, Context())
    harness.delete_topic("NoticesTopic")
    _expect(Exception, lambda: alert.lambda_handler(envelope({**stopped, "eventID": "another"}), Context()))


def sweeps(harness: Harness) -> None:
    """Run SweepFunction."""
    _deploy_what_moto_lacks(harness)
    delays: list[timedelta] = []
    for operation in ("AttachUserPolicy", "AddUserToGroup"):
        harness.account.session.events.register(f"provide-client-params.iam.{operation}", _delayed(harness, delays))

    def handle(milliseconds: int = 900_000) -> Mapping[str, Any]:
        # moto would run the functions in containers.
        with patch.object(LambdaFunction, "invoke", lambda *_: ""):
            answer: Mapping[str, Any] = sweep.lambda_handler(
                harness.sweep_request(), Context(milliseconds=milliseconds)
            )
        return answer

    harness.user("dora")
    harness.user("ci", password=False)
    harness.key("ci", used=True)
    _keep_in_scope(harness, "idle", harness.user("idle", password=False))
    harness.key("idle")
    harness.exempt("frank", harness.user("frank"))
    harness.enforce("frank")
    harness.tag("frank", since=timedelta(days=3))
    for name, full in (("gina", {"policies": True, "groups": False}), ("hugo", {"policies": False, "groups": True})):
        harness.user(name)
        harness.fill_quotas(name, **full)
    # One user's keys are due for a warning, and the other user's keys for deactivation.
    for name, warned in (("ines", None), ("jack", timedelta(days=20))):
        harness.user(name)
        harness.key(name)
        harness.enforce(name)
        harness.tag(name, since=timedelta(days=90), warned=warned)
    # The password is read again, because the user has keys in use.
    _keep_in_scope(harness, "kate", harness.user("kate"))
    harness.key("kate", used=True)
    harness.device("kate")
    # The user is deleted while the sweep runs.
    harness.user("liam", password=False)
    harness.account.session.events.register("provide-client-params.iam.ListMFADevices", _deleting(harness, "liam"))
    _leave_dead_letters(harness)
    handle()
    # A sweep that runs out of time requests the next round.
    for number in range(10):
        harness.user(f"late-{number}")
    delays.append(timedelta(seconds=50))
    handle(milliseconds=60_000)
    # By then, the sweep before this one no longer counts as running.
    harness.clock.time += timedelta(minutes=1)
    handle()
    # The idempotency record of a failed event is deleted, so that Lambda's retry runs.
    harness.delete_topic("NoticesTopic")
    harness.user("mona")
    _expect(Exception, handle)


def _keep_in_scope(harness: Harness, name: str, user_id: str) -> None:
    """Make a user old enough to be a machine user, and let the guard remember that an event was about the user."""
    harness.account.iam.users[name].create_date -= timedelta(days=400)
    table = harness.stack.physical_id("StateTable")
    records = SweepRecordTable(harness.account.clients.dynamodb, table, harness.clock, FakeTelemetry())
    records.remember(user_id, Decision(name, Standing.ENFORCED, harness.clock.time, False, ScopeReason.EVENT))


def _leave_dead_letters(harness: Harness) -> None:
    """Send what each function could not handle, a batch of the stream, and what no function can be invoked with."""
    stack, account = harness.stack, harness.account
    harness.exempt("someone", "AIDASOMEONE")
    streams = account.session.client("dynamodbstreams")
    stream = str(stack.resolve({"Fn::GetAtt": ["ExemptionsTable", "StreamArn"]}))
    shard = streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"][0]
    first = shard["SequenceNumberRange"]["StartingSequenceNumber"]
    user, alerting = (
        str(stack.resolve({"Fn::GetAtt": [name, "Arn"]})) for name in ("UserEventFunction", "AlertFunction")
    )
    batch = {
        "streamArn": stream,
        "shardId": shard["ShardId"],
        "startSequenceNumber": first,
        "endSequenceNumber": "9" * 30,
        "batchSize": 10,
    }
    bodies = (
        {"requestContext": {"functionArn": user}, "requestPayload": envelope(detail("CreateUser"))},
        {"requestContext": {"functionArn": alerting}, "requestPayload": envelope(detail("StopLogging"))},
        {"requestContext": {"functionArn": alerting}, "DDBStreamBatchInfo": batch},
        {
            "requestContext": {"functionArn": Context().invoked_function_arn},
            "requestPayload": {"source": "mfa-guard", "detail-type": "Sweep requested"},
        },
        "what no function sends",
    )
    queue = account.session.client("sqs")
    for body in bodies:
        queue.send_message(QueueUrl=str(stack.resolve({"Ref": "DeadLetterQueue"})), MessageBody=json.dumps(body))


def _deleting(harness: Harness, name: str) -> Callable[..., None]:
    """Return a hook that deletes a user when the user's devices are read."""

    def delete(params: Mapping[str, Any], **_: object) -> None:
        if params.get("UserName") == name:
            harness.account.iam.users.pop(name, None)

    return delete


def _delayed(harness: Harness, delays: list[timedelta]) -> Callable[..., None]:
    """Return a hook that lets one of the delays pass, if there is one."""

    def delay(**_: object) -> None:
        # A sweep works in threads.
        with suppress(IndexError):
            harness.clock.time += delays.pop()

    return delay


def _deploy_what_moto_lacks(harness: Harness) -> None:
    """Create what the health checks read: rules, functions, the schedule, a subscription, a trail, the stack itself."""
    clients = harness.account.clients
    create_all(clients, harness.stack, CHECKED)
    clients.sns.subscribe(
        TopicArn=str(harness.stack.resolve({"Ref": "NoticesTopic"})), Protocol="email", Endpoint="admin@example.com"
    )
    list_resources(harness.account.session.events, harness.stack)
    boto3.client("s3").create_bucket(Bucket="trails")
    clients.cloudtrail.create_trail(
        Name="main", S3BucketName="trails", IsMultiRegionTrail=True, IncludeGlobalServiceEvents=True
    )
    clients.cloudtrail.put_event_selectors(
        TrailName="main", EventSelectors=[{"ReadWriteType": "All", "IncludeManagementEvents": True}]
    )
    clients.cloudtrail.start_logging(Name="main")
    _create_stack(harness)


def _create_stack(harness: Harness) -> str:
    # moto requires a resource.
    body = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})
    return boto3.client("cloudformation").create_stack(StackName=harness.stack.name, TemplateBody=body)["StackId"]


def teardowns(harness: Harness) -> None:
    """Run TeardownFunction."""
    with created_stack(harness) as stack:
        iam = harness.account.clients.iam
        for name in ("dora", "erin"):
            harness.user(name)
            harness.enforce(name)
            harness.tag(name, since=timedelta(days=3))
        iam.create_role(RoleName="Build", AssumeRolePolicyDocument="{}", Path="/service/")
        iam.attach_role_policy(RoleName="Build", PolicyArn=harness.policy)
        iam.create_group(GroupName="staff", Path="/people/")
        iam.attach_group_policy(GroupName="staff", PolicyArn=harness.policy)
        # The stack is created and then deleted, at first without enough time.
        stack.set_status("CREATE_COMPLETE")
        stack.handle("Create")
        stack.set_status("DELETE_IN_PROGRESS")
        harness.clock.pace = timedelta(seconds=1)
        stack.handle("Delete", milliseconds=4_000)
        harness.clock.pace = timedelta(0)
        assert stack.invocations
        stack.handle("Delete")
        assert "SUCCESS" in str(stack.responses[-1])


@dataclass
class CreatedStack:
    """The stack in CloudFormation, and the responses and invocations of TeardownFunction."""

    harness: Harness
    stack_id: str
    responses: list[object] = field(default_factory=list)
    invocations: list[object] = field(default_factory=list)

    def set_status(self, status: str) -> None:
        stack = self.harness.stack
        cloudformation_backends[stack.account][stack.region].stacks[self.stack_id].status = status

    def handle(self, kind: str, *, milliseconds: int = 900_000) -> object:
        harness, end = self.harness, self.harness.clock.time + timedelta(milliseconds=milliseconds)

        @dataclass
        class TickingContext(Context):
            def get_remaining_time_in_millis(self) -> int:
                return round((end - harness.clock.now()).total_seconds() * 1000)

        return teardown.lambda_handler(request_event(kind, StackId=self.stack_id), TickingContext())


@contextmanager
def created_stack(harness: Harness) -> Iterator[CreatedStack]:
    """Create the stack in CloudFormation, and record the responses and the invocations."""
    stack = CreatedStack(harness, _create_stack(harness))

    def record_invocation(params: Mapping[str, Any], **_: object) -> tuple[object, dict[str, int]]:
        stack.invocations.append(json.loads(params["body"]))
        return SimpleNamespace(status_code=202), {"StatusCode": 202}

    harness.account.session.events.register_last("before-call.lambda.Invoke", record_invocation)  # type: ignore[arg-type]  # answers
    sender = SimpleNamespace(send=lambda _, response: stack.responses.append(response.status))
    replaced = patch.object(teardown, "response_sender", lambda: sender)
    with patch.dict(os.environ, {"STACK_ID": stack.stack_id}), replaced:
        yield stack


def _expect(error: type[Exception], act: Callable[[], object]) -> None:
    try:
        act()
    except error:
        return
    raise AssertionError(f"Nothing failed with {error.__name__}.")


@contextmanager
def open_harness(stack: Stack, function: str) -> Iterator[tuple[Harness, Recorder]]:
    """Open an account for a function, and record the function's calls."""
    with ExitStack() as exits:
        forget_clients()
        exits.callback(forget_clients)
        account = exits.enter_context(open_account(stack))
        exits.enter_context(patch.dict(os.environ, stack.environment(function)))
        harness = Harness(account, SteppingClock(datetime.now(UTC).replace(microsecond=0)))
        exits.enter_context(ruled_by(harness.clock))
        recorder = Recorder()
        exits.enter_context(recorder.recording())
        yield harness, recorder


def _calls(function: str, run: Callable[[Harness], None]) -> Callable[[Stack], Sequence[Call]]:
    def calls(stack: Stack) -> Sequence[Call]:
        with open_harness(stack, function) as (harness, recorder):
            run(harness)
        return tuple(recorder.calls)

    return calls


SCENARIOS: Final[Mapping[str, Callable[[Stack], Sequence[Call]]]] = MappingProxyType(
    {
        "UserEventFunction": _calls("UserEventFunction", user_events),
        "AlertFunction": _calls("AlertFunction", alerts),
        "SweepFunction": _calls("SweepFunction", sweeps),
        "TeardownFunction": _calls("TeardownFunction", teardowns),
    }
)
