"""The account read in bulk: what the adapter makes of IAM's responses, and how many calls it takes."""

import tracemalloc
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.iam.models import VirtualMfaDevice

from mfa_guard.adapters.account import IamAccount
from mfa_guard.adapters.exemptions import ExemptionList
from mfa_guard.core.account.snapshot import ListedUser, Snapshot
from mfa_guard.core.exemption import Exemption, MalformedExemption
from support.account import ADMINISTRATOR, Account
from support.aws import Faults
from support.factories import ACCOUNT, GROUP, MARKED, NOW, POLICY, exemption
from support.fakes import FakeClock

PATIENCE = 30.0


@dataclass
class Bulk:
    """The reader under test, its clock, and the calls that it made."""

    account: Account
    faults: Faults
    clock: FakeClock = field(default_factory=FakeClock)

    def read(self, exemptions: Mapping[str, Exemption | MalformedExemption] | None = None) -> Snapshot:
        stack, iam = self.account.stack, self.account.clients.iam
        policy = str(stack.resolve({"Ref": "EnforcementPolicy"}))
        self.faults.made.clear()
        return IamAccount(iam, policy, stack.physical_id("EnforcementGroup"), self.clock).read(
            exemptions or {}, PATIENCE
        )

    @property
    def calls(self) -> Counter[str]:
        return Counter(self.faults.made)

    def user(self, name: str = "alice") -> ListedUser:
        return next(user for user in self.read().users if user.name == name)

    def enroll(self, user: str, serial: str) -> None:
        self.account.clients.iam.enable_mfa_device(
            UserName=user, SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321"
        )

    def enroll_virtual(self, user: str, name: str) -> None:
        iam = self.account.clients.iam
        self.enroll(user, iam.create_virtual_mfa_device(VirtualMFADeviceName=name)["VirtualMFADevice"]["SerialNumber"])

    def fill(self, users: int) -> None:
        """Fill the account with users who each have a virtual device."""
        backend = self.account.iam
        for number in range(users - len(backend.users)):
            name = f"user-{number:04}"
            backend.create_user("us-east-1", user_name=name)
            serial = backend.create_virtual_mfa_device(name, "/").serial_number
            backend.enable_mfa_device(name, serial, "123456", "654321")


@pytest.fixture
def bulk(account: Account) -> Bulk:
    injected = Faults()
    account.clients.iam.create_user(UserName="alice", Path="/staff/")
    account.clients.iam.meta.events.register("before-call", injected.before_call)
    return Bulk(account, injected)


class TestUsers:
    def test_who_they_are(self, bulk: Bulk) -> None:
        users = {user.name: user for user in bulk.read().users}
        assert users.keys() == {"alice", ADMINISTRATOR}
        assert users["alice"].path == "/staff/"
        assert users["alice"].id == bulk.account.clients.iam.get_user(UserName="alice")["User"]["UserId"]

    def test_only_the_guards_tags_are_kept(self, bulk: Bulk) -> None:
        assert bulk.user().tags == {}
        tags = [{"Key": key, "Value": value} for key, value in ({"team": "red"} | MARKED).items()]
        bulk.account.clients.iam.tag_user(UserName="alice", Tags=tags)  # type: ignore[arg-type]
        assert bulk.user().tags == MARKED

    def test_the_policy_directly_and_through_the_group(self, bulk: Bulk) -> None:
        iam, stack = bulk.account.clients.iam, bulk.account.stack
        assert (bulk.user().attached, bulk.user().in_group) == (False, False)
        iam.attach_user_policy(UserName="alice", PolicyArn=str(stack.resolve({"Ref": "EnforcementPolicy"})))
        assert (bulk.user().attached, bulk.user().in_group) == (True, False)
        iam.add_user_to_group(UserName="alice", GroupName=stack.physical_id("EnforcementGroup"))
        assert (bulk.user().attached, bulk.user().in_group) == (True, True)

    def test_another_policy_or_group_does_not_count(self, bulk: Bulk) -> None:
        iam = bulk.account.clients.iam
        document = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
        arn = iam.create_policy(PolicyName="Other", PolicyDocument=document)["Policy"]["Arn"]
        iam.attach_user_policy(UserName="alice", PolicyArn=arn)
        iam.create_group(GroupName="other")
        iam.add_user_to_group(UserName="alice", GroupName="other")
        assert (bulk.user().attached, bulk.user().in_group) == (False, False)

    def test_exemptions_are_passed_on(self, bulk: Bulk) -> None:
        assert bulk.read({"AIDAEXAMPLE": exemption()}).exemptions == {"AIDAEXAMPLE": exemption()}


class TestVirtualDevices:
    def test_their_owners_have_their_current_names(self, bulk: Bulk) -> None:
        bulk.enroll_virtual("alice", "phone")
        bulk.account.clients.iam.create_virtual_mfa_device(VirtualMFADeviceName="nobodys")
        assert bulk.read().virtual_device_owners == {"alice"}
        bulk.account.clients.iam.update_user(UserName="alice", NewUserName="alice.miller")
        assert bulk.read().virtual_device_owners == {"alice.miller"}

    @pytest.mark.parametrize("name", [{}, {"UserName": "alice"}])
    def test_roots_device_belongs_to_no_user(self, bulk: Bulk, name: dict[str, str]) -> None:
        device = VirtualMfaDevice(ACCOUNT, "us-east-1", "/root-account-mfa-device")
        device.enable_date = NOW
        device.user_attribute = {
            "UserId": ACCOUNT,
            "Arn": f"arn:aws:iam::{ACCOUNT}:root",
            "Path": "/",
            "CreateDate": NOW,
            **name,
        }
        bulk.account.iam.virtual_mfa_devices[device.serial_number] = device
        assert bulk.read().virtual_device_owners == frozenset()

    def test_a_device_without_a_named_owner_belongs_to_no_user(self, bulk: Bulk) -> None:
        bulk.enroll_virtual("alice", "phone")
        [device] = bulk.account.iam.virtual_mfa_devices.values()
        device.user = device.user_attribute = None
        assert bulk.read().virtual_device_owners == frozenset()


class TestReport:
    def test_shows_other_devices_passwords_and_keys(self, bulk: Bulk) -> None:
        iam = bulk.account.clients.iam
        bulk.enroll("alice", "GAHT12345678")
        iam.create_login_profile(UserName="alice", Password="Not-a-secret-1")
        key = iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
        iam.update_access_key(UserName="alice", AccessKeyId=key, Status="Inactive")
        bulk.account.use_key("alice", key, NOW)
        snapshot = bulk.read()
        assert snapshot.report is not None
        row = snapshot.report["alice"]
        assert (row.device, row.password) == (True, True)
        assert [(key.active, key.last_used) for key in row.keys] == [(False, NOW)]
        assert snapshot.virtual_device_owners == frozenset()
        assert snapshot.report_problem is None

    def test_is_older_than_the_list_of_virtual_devices(self, bulk: Bulk) -> None:
        bulk.read()
        bulk.enroll_virtual("alice", "phone")
        snapshot = bulk.read()
        assert snapshot.report is not None
        assert not snapshot.report["alice"].device
        assert snapshot.virtual_device_owners == {"alice"}

    def test_has_no_row_for_a_newer_user(self, bulk: Bulk) -> None:
        bulk.read()
        bulk.account.clients.iam.create_user(UserName="bob")
        snapshot = bulk.read()
        assert snapshot.report is not None
        assert "bob" not in snapshot.report
        assert "bob" in {user.name for user in snapshot.users}

    def test_row_of_a_deleted_user_does_not_count_for_a_new_user_of_the_same_name(self, bulk: Bulk) -> None:
        iam = bulk.account.clients.iam
        bulk.account.iam.users["alice"].create_date -= timedelta(days=30)
        bulk.read()
        iam.delete_user(UserName="alice")
        iam.create_user(UserName="alice")
        snapshot = bulk.read()
        assert snapshot.report is not None
        assert snapshot.report.keys() == {ADMINISTRATOR}
        assert snapshot.report_problem is None

    def test_is_polled_with_pauses_that_double(self, bulk: Bulk) -> None:
        bulk.account.iam_reads.report.polls = 4
        assert bulk.read().report is not None
        assert bulk.calls["GenerateCredentialReport"] == 5
        assert bulk.clock.now() - NOW == timedelta(seconds=2 + 4 + 8 + 16)

    def test_that_takes_too_long_is_reported_as_missing(self, bulk: Bulk) -> None:
        bulk.account.iam_reads.report.polls = 100
        snapshot = bulk.read()
        assert snapshot.report is None
        assert (
            snapshot.report_problem
            == "IAM did not finish the credential report in 30 seconds. The next sweep tries again."
        )
        assert {user.name for user in snapshot.users} == {"alice", ADMINISTRATOR}
        assert bulk.clock.now() - NOW == timedelta(seconds=PATIENCE)
        assert (bulk.calls["GenerateCredentialReport"], bulk.calls["GetCredentialReport"]) == (5, 0)

    @pytest.mark.parametrize("code", ["ReportNotPresent", "ReportExpired", "ReportInProgress"])
    def test_that_expires_before_it_is_fetched_is_generated_again(self, bulk: Bulk, code: str) -> None:
        bulk.faults.failing = {"GetCredentialReport": code}
        snapshot = bulk.read()
        assert (snapshot.report, bulk.clock.now() - NOW) == (None, timedelta(seconds=PATIENCE))
        assert bulk.calls["GetCredentialReport"] > 1

    def test_counts_the_rows_that_could_not_be_read(self, bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
        bulk.read()
        report = bulk.account.iam_reads.report
        monkeypatch.setattr(report, "_content", report._content.replace("user/staff/alice,2", "user/staff/alice,x2"))
        snapshot = bulk.read()
        assert snapshot.report is not None
        assert snapshot.report.keys() == {ADMINISTRATOR}
        assert snapshot.report_problem == "Rows of the credential report that could not be read and were left out: 1."

    def test_that_is_not_a_report_is_reported_as_missing(self, bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
        bulk.read()
        monkeypatch.setattr(bulk.account.iam_reads.report, "_content", "user,mfa_enabled\nalice,true")
        snapshot = bulk.read()
        assert snapshot.report is None
        assert snapshot.report_problem is not None
        assert snapshot.report_problem.startswith("The credential report has no column user_creation_time, ")


@pytest.mark.parametrize(
    "call",
    ["GetAccountAuthorizationDetails", "ListVirtualMFADevices", "GenerateCredentialReport", "GetCredentialReport"],
)
@pytest.mark.parametrize("code", ["AccessDenied", "Throttling", "ServiceFailure"])
def test_an_error_of_iam_is_raised_unchanged(bulk: Bulk, call: str, code: str) -> None:
    bulk.faults.failing = {call: code}
    with pytest.raises(ClientError) as error:
        bulk.read()
    assert error.value.response["Error"]["Code"] == code


class TestBudget:
    """The calls for 1,000 users, with a report that is ready and with a report that is not."""

    @pytest.fixture
    def thousand(self, bulk: Bulk) -> Bulk:
        bulk.fill(1000)
        return bulk

    @pytest.mark.parametrize(("rows", "pages"), [(100, 10), (1000, 1)])
    def test_one_call_for_each_page_and_two_for_the_report(self, thousand: Bulk, rows: int, pages: int) -> None:
        thousand.account.iam_reads.limit_pages(rows)
        for report_calls in (3, 2):
            snapshot = thousand.read()
            assert len(snapshot.users) == len(snapshot.report or ()) == 1000
            # The administrator and alice have none.
            assert len(snapshot.virtual_device_owners) == 998
            assert thousand.calls["GetAccountAuthorizationDetails"] == pages
            assert thousand.calls["ListVirtualMFADevices"] == pages
            assert thousand.calls.total() == 2 * pages + report_calls


@dataclass
class LargeAccount:
    """An IAM with many users, which generates pages of 100 rows on request."""

    users: int
    calls: Counter[str] = field(default_factory=Counter)

    def get_paginator(self, operation: str) -> "LargeAccount._Pages":
        return self._Pages(self, operation)

    def generate_credential_report(self) -> dict[str, str]:
        return {"State": "COMPLETE"}

    def get_credential_report(self) -> dict[str, object]:
        columns = (
            "user,arn,user_creation_time,password_enabled,mfa_active,access_key_1_active,access_key_1_last_rotated,"
            "access_key_1_last_used_date,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date"
        )
        used = "true,2025-06-01T08:00:00Z,2026-02-20T09:15:00Z"
        rows = (f"{self.name(n)},{self.arn(n)},2025-06-01T08:00:00Z,true,true,{used},{used}" for n in range(self.users))
        return {"Content": "\n".join([columns, *rows]).encode(), "GeneratedTime": NOW}

    def name(self, number: int) -> str:
        return f"someone.with.a.long.name.{number:05}@department.example.com"

    def arn(self, number: int) -> str:
        return f"arn:aws:iam::{ACCOUNT}:user/organization/division/{self.name(number)}"

    def row(self, operation: str, number: int) -> dict[str, object]:
        user = {
            "Path": "/organization/division/",
            "UserName": self.name(number),
            "UserId": f"AIDA{number:017}",
            "Arn": self.arn(number),
            "CreateDate": datetime(2025, 6, 1, 8, 0, 0, tzinfo=UTC),
            "GroupList": [f"group-{group}" for group in range(9)] + [GROUP],
            "AttachedManagedPolicies": [{"PolicyName": "Enroll", "PolicyArn": POLICY}] * 10,
            "UserPolicyList": [{"PolicyName": "inline", "PolicyDocument": "x" * 2048}],
            "Tags": [{"Key": f"key-{tag}", "Value": "v" * 256} for tag in range(48)]
            + [{"Key": key, "Value": str(value)} for key, value in MARKED.items()],
        }
        if operation == "list_virtual_mfa_devices":
            return {"SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/{number}", "User": user}
        return user

    @dataclass(frozen=True)
    class _Pages:
        account: "LargeAccount"
        operation: str

        def paginate(self, **_: object) -> Iterator[dict[str, object]]:
            key = {
                "get_account_authorization_details": "UserDetailList",
                "list_virtual_mfa_devices": "VirtualMFADevices",
            }[self.operation]
            for start in range(0, self.account.users, 100):
                self.account.calls[self.operation] += 1
                yield {key: [self.account.row(self.operation, number) for number in range(start, start + 100)]}


def test_a_user_takes_less_than_4_kb_and_no_page_is_kept() -> None:
    iam = LargeAccount(5000)
    reader = IamAccount(iam, POLICY, GROUP, FakeClock())  # type: ignore[arg-type]
    tracemalloc.start()
    try:
        snapshot = reader.read({}, PATIENCE)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(snapshot.users) == len(snapshot.virtual_device_owners) == len(snapshot.report or ()) == 5000
    assert all(user.attached and user.in_group and user.tags == MARKED for user in snapshot.users)
    assert kept < peak < 4096 * 5000


class TestExemptions:
    ITEM: ClassVar = {
        "user_name": "alice",
        "owner": "platform",
        "reason": "build machine",
        "created_by": "bob",
        "expires_at": "2026-04-01T00:00:00Z",
    }

    def read(self, account: Account, *items: dict[str, str]) -> dict[str, Exemption | MalformedExemption]:
        client, table = boto3.client("dynamodb"), account.stack.physical_id("ExemptionsTable")
        for item in items:
            client.put_item(TableName=table, Item={key: {"S": value} for key, value in item.items()})
        self.faults = Faults()
        client.meta.events.register("before-call", self.faults.before_call)
        return ExemptionList(client, table).all(NOW)

    def test_none(self, account: Account) -> None:
        assert self.read(account) == {}

    def test_valid_ended_and_malformed_records_by_user_id(self, account: Account) -> None:
        ended = self.ITEM | {"expires_at": "2026-02-01T00:00:00Z"}
        records = self.read(
            account, {"user_id": "AIDA1", **self.ITEM}, {"user_id": "AIDA2", **ended}, {"user_id": "AIDA3"}
        )
        assert records.keys() == {"AIDA1", "AIDA2", "AIDA3"}
        assert isinstance(records["AIDA1"], Exemption)
        assert isinstance(records["AIDA2"], Exemption)
        assert (records["AIDA1"].in_force(NOW), records["AIDA2"].in_force(NOW)) == (True, False)
        assert isinstance(records["AIDA3"], MalformedExemption)

    def test_a_table_larger_than_one_page(self, account: Account) -> None:
        large = self.ITEM | {"reason": "r" * 300_000}
        records = self.read(account, *({"user_id": f"AIDA{number}", **large} for number in range(5)))
        assert records.keys() == {f"AIDA{number}" for number in range(5)}
        assert self.faults.made.count("Scan") == 2

    def test_an_error_of_the_table_is_raised_unchanged(self, account: Account) -> None:
        client = boto3.client("dynamodb")
        client.meta.events.register("before-call", Faults({"Scan": "AccessDeniedException"}).before_call)
        with pytest.raises(ClientError, match="AccessDeniedException"):
            ExemptionList(client, account.stack.physical_id("ExemptionsTable")).all(NOW)
