"""SweepFunction on moto: the rendered stack's environment, bulk reads in pages, calls counted."""

import json
import os
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from unittest.mock import patch

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError

from benchmarks.population import users
from mfa_guard.adapters.account import IamAccount
from mfa_guard.adapters.event_bus import EventBus, SweepNotRequested
from mfa_guard.adapters.running_sweep import RunningSweepTable
from mfa_guard.adapters.sweep_memory import SweepMemoryTable
from mfa_guard.adapters.trail_memory import TrailTable
from mfa_guard.composition import sweep as composition
from mfa_guard.core.account.scope import ModeMemory
from mfa_guard.core.sweep_memory import SweepMemory
from mfa_guard.core.sweep_request import SweepNotUnderstood
from mfa_guard.core.trails import KnownTrails
from mfa_guard.handlers import alert, sweep
from mfa_guard.runtime import clients
from mfa_guard.use_cases.sweep.round import sweep as run_sweep
from mfa_guard_cli.stack.template import Stack, load_template
from support.account import ADMINISTRATOR, Account, open_account
from support.aws import Context, Faults, ruled_by
from support.factories import GROUP, NOW, POLICY, stream_record
from support.fakes import FakeAccount, FakeClock, FakeTelemetry
from support.large_account import LargeAccount, Quiet
from support.sweeps import ALL, ASKED

REQUEST = {"id": "sweep-1", "source": "mfa-guard", "detail-type": "Sweep requested", "detail": {}}
EXEMPTION = {
    "user_name": "ci",
    "owner": "platform",
    "reason": "build machine",
    "created_by": "bob",
    "expires_at": "2099-01-01T00:00:00Z",
}


@pytest.fixture
def sweeping(fresh_clients: None) -> Iterator[Account]:  # noqa: ARG001 - the clients belong to the account
    stack = load_template().render(parameters={"Mode": "all", "AlertEmail": "security@example.com"})
    environment = {**stack.environment("SweepFunction"), "STACK_ID": stack.environment("AlertFunction")["STACK_ID"]}
    with open_account(stack) as opened, patch.dict(os.environ, environment):
        # carol, the account's administrator, is an active machine user: established, and without a password.
        [key] = boto3.client("iam").list_access_keys(UserName=ADMINISTRATOR)["AccessKeyMetadata"]
        opened.use_key(ADMINISTRATOR, key["AccessKeyId"], datetime.now(UTC))
        yield opened


@pytest.fixture
def calls(sweeping: Account) -> Faults:  # noqa: ARG001
    counted = Faults()
    for client in (clients.sweep_iam(), clients.sns(), clients.state_table(), clients.events()):
        client.meta.events.register("before-call", counted.before_call)
    return counted


def sent(account: Account) -> list[str]:
    topic = str(account.stack.resolve({"Ref": "NoticesTopic"}))
    return [str(subject) for _, _, subject, *_ in account.sns.topics[topic].sent_notifications]


def people(count: int) -> None:
    iam = boto3.client("iam")
    for index in range(count):
        iam.create_user(UserName=f"user{index:04}")
        iam.create_login_profile(UserName=f"user{index:04}", Password="Not-a-secret-1")


IAM_OPERATIONS = set(botocore.session.get_session().get_service_model("iam").operation_names)
IAM_CALLS = {
    "GetAccountAuthorizationDetails",
    "ListVirtualMFADevices",
    "GenerateCredentialReport",
    "GetCredentialReport",
}
HEALTH_CALLS = {
    "GetAccountSummary",
    "GetPolicy",
    "GetPolicyVersion",
    "ListAttachedGroupPolicies",
    "ListGroupPolicies",
}


def test_all_users_are_enforced_and_the_next_sweep_has_nothing_to_do(sweeping: Account, calls: Faults) -> None:
    people(30)
    answer = sweep.lambda_handler(REQUEST, Context())
    # With carol, who is only tagged.
    assert (answer["users"], answer["changed"], answer["failed"], answer["left"]) == (31, 31, 0, 0)
    first = Counter(calls.made)
    assert (first["AttachUserPolicy"], first["TagUser"]) == (30, 31)
    attached = boto3.client("iam").list_attached_user_policies(UserName="user0000")["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == ["EnrollMFADeviceThenSignInAgain"]
    assert len(sent(sweeping)) == 1
    calls.made.clear()
    answer = sweep.lambda_handler({**REQUEST, "id": "sweep-2"}, Context())
    assert (answer["changed"], answer["mailed"]) == (0, False)
    assert set(calls.made) & {call for call in calls.made if "User" in call} <= IAM_CALLS | HEALTH_CALLS
    # Only the idempotency record: no user record is written again.
    assert calls.made.count("UpdateItem") == 1


def test_the_same_request_twice_is_one_sweep(sweeping: Account, calls: Faults) -> None:  # noqa: ARG001
    sweep.lambda_handler(REQUEST, Context())
    calls.made.clear()
    sweep.lambda_handler(REQUEST, Context())
    assert calls.made == ["PutItem"]


def test_while_another_sweep_is_running_it_does_nothing(sweeping: Account, calls: Faults) -> None:
    people(1)
    now = datetime.now(UTC)
    table = RunningSweepTable(
        clients.state_table(), sweeping.stack.physical_id("StateTable"), FakeClock(now), FakeTelemetry()
    )
    assert table.begin("another", now + timedelta(minutes=5))
    calls.made.clear()
    answer = sweep.lambda_handler(REQUEST, Context())
    assert (answer["skipped"], answer["users"], answer["mailed"]) == (True, 0, False)
    assert set(calls.made) == {"PutItem", "UpdateItem"}
    table.end("another")
    assert sweep.lambda_handler({**REQUEST, "id": "sweep-2"}, Context())["changed"] == 2


def test_an_event_that_is_no_request_is_counted_and_raised(sweeping: Account) -> None:  # noqa: ARG001
    with pytest.raises(SweepNotUnderstood):
        sweep.lambda_handler({"source": "aws.iam"}, Context())


def test_another_round_is_requested_from_the_event_bus(sweeping: Account, calls: Faults) -> None:  # noqa: ARG001
    EventBus(clients.events()).request_sweep({"round": 2})
    assert calls.made == ["PutEvents"]


def test_an_event_that_the_event_bus_rejects_raises(sweeping: Account) -> None:  # noqa: ARG001
    client = clients.events()
    refusal = {"FailedEntryCount": 1, "Entries": [{"ErrorMessage": "throttled"}]}
    with patch.object(client, "put_events", return_value=refusal), pytest.raises(SweepNotRequested, match="throttled"):
        EventBus(client).request_sweep({})


class TestMemory:
    KEPT = SweepMemory(
        swept_at=NOW,
        mailed_at=NOW - timedelta(hours=1),
        pending=frozenset({"p"}),
        problems=frozenset({"q"}),
        not_written=("bad: reason",),
        unreported={"AIDA1": "enforce,mark"},
        held=("ann: enforced",),
    )

    def store(self, stack: Stack, telemetry: FakeTelemetry, table: str | None = None) -> SweepMemoryTable:
        name = table or stack.physical_id("StateTable")
        return SweepMemoryTable(boto3.client("dynamodb"), name, FakeClock(), telemetry)

    def test_the_next_sweep_loads_what_was_saved(self, account: Account, stack: Stack) -> None:  # noqa: ARG002
        store = self.store(stack, FakeTelemetry())
        assert store.load() == SweepMemory()
        store.save(self.KEPT)
        assert store.load() == self.KEPT
        store.save_exemptions({"AIDA1": "0a"})
        store.save(SweepMemory())
        assert store.load() == SweepMemory(exemptions={"AIDA1": "0a"})

    def test_the_mode_is_remembered_without_an_end(self, account: Account, stack: Stack) -> None:  # noqa: ARG002
        store = self.store(stack, FakeTelemetry())
        assert store.load_mode() == ModeMemory()
        store.save_mode(ModeMemory(None, NOW))
        store.save_mode(ModeMemory(NOW, NOW))
        assert store.load_mode() == ModeMemory(NOW, NOW)
        table = boto3.client("dynamodb")
        item = table.get_item(TableName=stack.physical_id("StateTable"), Key={"id": {"S": "memory#mode"}})["Item"]
        assert "expiration" not in item

    def test_the_largest_memory_fits_into_an_item(self, account: Account, stack: Stack) -> None:  # noqa: ARG002
        store = self.store(stack, FakeTelemetry())
        names = frozenset(f"AIDA{number:017}:enforce,release,mark" for number in range(5_000))
        noted = {f"AIDA{number:017}": "enforce,mark" for number in range(5_000)}
        held = ("x" * 400,) * 300
        store.save(SweepMemory(NOW, NOW, names, names, ("x" * 300,) * 100, noted, held))
        assert store.load().unreported == noted
        store.save_exemptions({f"AIDA{number:017}": "0" * 16 for number in range(10_000)})
        assert len(store.load().exemptions) == 6_000

    def test_without_the_table_the_memory_is_empty_and_the_failure_is_logged(
        self,
        account: Account,  # noqa: ARG002
        stack: Stack,
    ) -> None:
        telemetry = FakeTelemetry()
        store = self.store(stack, telemetry, "no-such-table")
        store.save(self.KEPT)
        assert store.load() == SweepMemory()
        assert telemetry.lines == ["State table unreachable, continuing without memory"] * 5


class TestKnownTrails:
    def known(self, account: Account) -> KnownTrails | None:
        return TrailTable(clients.state_table(), account.stack.physical_id("StateTable"), FakeTelemetry()).load()

    def test_a_sweep_saves_the_trails_for_alerts(self, sweeping: Account) -> None:
        boto3.client("s3").create_bucket(Bucket="trails")
        trail = boto3.client("cloudtrail").create_trail(Name="main", S3BucketName="trails", IsMultiRegionTrail=True)
        sweep.lambda_handler(REQUEST, Context())
        known = self.known(sweeping)
        assert known is not None
        # The trail is not logging.
        assert (set(known.feeding), list(known.others)) == (set(), [trail["TrailARN"]])

    def test_trails_that_cannot_be_listed_leave_what_is_known(self, sweeping: Account) -> None:
        sweep.lambda_handler(REQUEST, Context())
        before = self.known(sweeping)
        refused = Faults(failing={"DescribeTrails": "AccessDenied"})
        composition._cloudtrail("us-east-1").meta.events.register("before-call", refused.before_call)
        with ruled_by(FakeClock(datetime.now(UTC) + timedelta(hours=1))):
            sweep.lambda_handler({**REQUEST, "id": "sweep-2"}, Context())
        assert "DescribeTrails" in refused.made
        assert self.known(sweeping) == before


class TestExemptionsStream:
    def event(self, *records: dict[str, object]) -> dict[str, object]:
        return {"Records": list(records)}

    def test_every_change_of_a_batch_is_reported_once(self, account: Account) -> None:
        batch = self.event(
            stream_record("INSERT", {"user_id": "AIDA1", **EXEMPTION}),
            stream_record("REMOVE", None, old={"user_id": "AIDA2", **EXEMPTION}),
        )
        assert alert.lambda_handler(batch, Context()) == {"notice": "exemption", "sent": 2}
        assert alert.lambda_handler(batch, Context()) == {"notice": "exemption", "sent": 0}
        assert sent(account) == ["MEDIUM: exemption of ci added", "LOW: exemption of ci removed"]

    def test_a_record_of_another_shape_is_raised(self, account: Account) -> None:  # noqa: ARG002
        with pytest.raises(ValueError, match="not from the exemption table's stream"):
            alert.lambda_handler(self.event({"eventSource": "aws:kinesis"}), Context())


class TestBudget:
    """Calls to IAM, counted in botocore. The credential report exists, as it does within four hours of the last one."""

    IAM: ClassVar = IAM_CALLS | HEALTH_CALLS

    def fill(self, account: Account, users: int, *, steady: bool) -> None:
        backend = account.iam
        group = account.stack.physical_id("EnforcementGroup")
        policy = str(account.stack.resolve({"Ref": "EnforcementPolicy"}))
        for number in range(users):
            name = f"user{number:04}"
            backend.create_user("us-east-1", name)
            backend.create_login_profile(name, "Not-a-secret-1")
            if steady:
                backend.attach_user_policy(policy, name)
                serial = backend.create_virtual_mfa_device(name, "/").serial_number
                backend.enable_mfa_device(name, serial, "123456", "654321")
        backend.add_user_to_group(group, "carol")
        boto3.client("iam").tag_user(
            UserName="carol",
            Tags=[
                {"Key": "mfa-guard:status", "Value": "noncompliant"},
                {"Key": "mfa-guard:since", "Value": "2026-01-01T00:00:00Z"},
            ],
        )
        boto3.client("iam").generate_credential_report()

    @pytest.mark.parametrize(("users", "rows", "most"), [(1000, 100, 30), (1000, 1000, 12), (5000, 100, 120)])
    def test_a_steady_sweep(self, sweeping: Account, calls: Faults, users: int, rows: int, most: int) -> None:
        self.fill(sweeping, users, steady=True)
        sweeping.iam_reads.limit_pages(rows)
        answer = sweep.lambda_handler(REQUEST, Context(milliseconds=900_000))
        assert (answer["users"], answer["changed"], answer["failed"]) == (users + 1, 0, 0)
        iam = [call for call in calls.made if call in IAM_OPERATIONS]
        assert len(iam) <= most
        assert set(iam) <= self.IAM

    def test_a_first_run_of_the_benchmarks_population(self, sweeping: Account, calls: Faults) -> None:
        """Of 1,000 users, 566 have no device, so a first sweep makes at most 2,200 calls."""
        people = tuple(users(200))
        without = sum(not each.device for each in people)
        for each in people:
            sweeping.iam.create_user("us-east-1", each.name)
            sweeping.iam.create_login_profile(each.name, "Not-a-secret-1")
            if each.device:
                serial = sweeping.iam.create_virtual_mfa_device(each.name, "/").serial_number
                sweeping.iam.enable_mfa_device(each.name, serial, "123456", "654321")
        sweeping.iam_reads.limit_pages(100)
        answer = sweep.lambda_handler(REQUEST, Context(milliseconds=900_000))
        # With carol, who is tagged only.
        assert (answer["changed"], answer["left"]) == (201, 0)
        iam = Counter(call for call in calls.made if call in IAM_OPERATIONS)
        assert (iam["AttachUserPolicy"], iam["ListMFADevices"], iam["TagUser"]) == (200, without + 1, without + 1)
        # What a steady sweep makes, and three calls about carol's keys.
        assert sum(iam.values()) - 200 - 2 * (without + 1) <= 22
        # What would 1,000 users cost?
        assert 1_000 + 2 * sum(not each.device for each in users(1_000)) + 30 <= 2_200


class TestMemoryOfAProcess:
    """The peak of a sweep of many users, above what one page takes."""

    def peak(self, users: int, *, steady: bool) -> int:
        iam = LargeAccount(users, enforced=steady)
        account = FakeAccount()
        dependencies = replace(
            account.sweep_dependencies,
            account=IamAccount(iam, POLICY, GROUP, account.clock),  # type: ignore[arg-type]
            iam=iam.writer,
            telemetry=Quiet(),
            workers=8,
        )
        deadline = account.clock.now() + timedelta(minutes=15)
        tracemalloc.start()
        try:
            outcome = run_sweep(ASKED, ALL, dependencies, deadline)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (outcome.users, outcome.failed, outcome.left) == (users, 0, 0)
        assert outcome.changed == (0 if steady else users)
        return peak

    @pytest.mark.parametrize("steady", [True, False])
    def test_it_grows_by_less_than_4_kb_for_each_user(self, *, steady: bool) -> None:
        thousand, five_thousand = self.peak(1_000, steady=steady), self.peak(5_000, steady=steady)
        assert five_thousand < 5_000 * 4_096
        assert (five_thousand - thousand) / 4_000 < 3_072


class TestFaults:
    """Every AWS call of a sweep fails, one at a time. The sweep raises it or reports it with its reason."""

    RAISED = tuple(sorted(IAM_CALLS))
    REPORTED = ("ListMFADevices", "AttachUserPolicy", "ListAccessKeys", "ListServiceSpecificCredentials")
    UNVERIFIED = tuple(sorted(HEALTH_CALLS))

    def three_users(self, account: Account) -> None:
        people(2)
        boto3.client("iam").create_user(UserName="idle")
        # Only an established user may be an active machine user, which takes reads of the credentials.
        account.iam.users["idle"].create_date -= timedelta(days=400)

    def mail(self, account: Account) -> str:
        topic = str(account.stack.resolve({"Ref": "NoticesTopic"}))
        return str(json.loads(str(account.sns.topics[topic].sent_notifications[-1][1]))["email"])

    @pytest.mark.parametrize("code", ["AccessDenied", "Throttling"])
    @pytest.mark.parametrize("call", [*RAISED, "Publish"])
    def test_without_the_bulk_reads_or_the_digest_it_raises(
        self, sweeping: Account, calls: Faults, call: str, code: str
    ) -> None:
        self.three_users(sweeping)
        calls.failing = {call: code}
        with pytest.raises(ClientError, match=code):
            sweep.lambda_handler(REQUEST, Context())
        assert sent(sweeping) == []
        calls.failing = {}
        sweep.lambda_handler(REQUEST, Context())
        assert len(sent(sweeping)) == 1

    @pytest.mark.parametrize("code", ["AccessDenied", "Throttling"])
    @pytest.mark.parametrize("call", REPORTED)
    def test_what_it_could_not_do_for_a_user_is_in_the_digest(
        self, sweeping: Account, calls: Faults, call: str, code: str
    ) -> None:
        self.three_users(sweeping)
        calls.failing = {call: code}
        assert sweep.lambda_handler(REQUEST, Context())["failed"]
        assert f"{code}: {code} by the test" in self.mail(sweeping)

    @pytest.mark.parametrize("call", UNVERIFIED)
    def test_a_health_check_that_cannot_be_read_is_unverifiable_and_the_sweep_continues(
        self, sweeping: Account, calls: Faults, call: str
    ) -> None:
        self.three_users(sweeping)
        calls.failing = {call: "AccessDenied"}
        assert sweep.lambda_handler(REQUEST, Context())["failed"] == 0
        assert "cannot verify: " in self.mail(sweeping)
        assert "AccessDenied by the test" in self.mail(sweeping)

    def test_tags_that_were_denied_are_reported_and_written_by_the_next_sweep(
        self, sweeping: Account, calls: Faults
    ) -> None:
        self.three_users(sweeping)
        calls.failing = {"TagUser": "AccessDenied"}
        assert sweep.lambda_handler(REQUEST, Context())["failed"] == 4
        assert "user0000: AccessDenied: AccessDenied by the test" in self.mail(sweeping)
        calls.failing = {}
        assert sweep.lambda_handler({**REQUEST, "id": "sweep-2"}, Context())["failed"] == 0
