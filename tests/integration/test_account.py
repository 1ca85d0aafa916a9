"""The account read in bulk: what the adapter makes of IAM's responses, and how many calls it takes."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
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
from support.factories import ACCOUNT, MARKED, NOW
from support.fakes import FakeClock

PATIENCE = 30.0


@dataclass
class Bulk:
    """The reader under test, its clock, and the calls that it made."""

    account: Account
    faults: Faults
    clock: FakeClock = field(default_factory=FakeClock)

    def read(self) -> Snapshot:
        stack, iam = self.account.stack, self.account.clients.iam
        policy = str(stack.resolve({"Ref": "EnforcementPolicy"}))
        self.faults.made.clear()
        reader = IamAccount(iam, policy, stack.physical_id("EnforcementGroup"), self.clock)
        sources = reader.sources(PATIENCE)
        return Snapshot(tuple(user for page in reader.users() for user in page), sources, {})

    def owners(self) -> set[str]:
        """Return the names of the users with a virtual device."""
        snapshot = self.read()
        return {user.name for user in snapshot.users if user.id in snapshot.sources.virtual_device_owners}

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


class TestVirtualDevices:
    def test_their_owners_are_found_by_id(self, bulk: Bulk) -> None:
        bulk.enroll_virtual("alice", "phone")
        bulk.account.clients.iam.create_virtual_mfa_device(VirtualMFADeviceName="nobodys")
        assert bulk.owners() == {"alice"}
        bulk.account.clients.iam.update_user(UserName="alice", NewUserName="alice.miller")
        assert bulk.owners() == {"alice.miller"}

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
        assert bulk.read().sources.virtual_device_owners == frozenset()

    def test_a_device_without_a_named_owner_belongs_to_no_user(self, bulk: Bulk) -> None:
        bulk.enroll_virtual("alice", "phone")
        [device] = bulk.account.iam.virtual_mfa_devices.values()
        device.user = device.user_attribute = None
        assert bulk.read().sources.virtual_device_owners == frozenset()


class TestReport:
    def test_shows_other_devices_passwords_and_keys(self, bulk: Bulk) -> None:
        iam = bulk.account.clients.iam
        bulk.enroll("alice", "GAHT12345678")
        iam.create_login_profile(UserName="alice", Password="Not-a-secret-1")
        key = iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
        iam.update_access_key(UserName="alice", AccessKeyId=key, Status="Inactive")
        bulk.account.use_key("alice", key, NOW)
        snapshot = bulk.read()
        assert snapshot.sources.report is not None
        row = snapshot.sources.report["alice"]
        assert (row.device, row.password) == (True, True)
        assert [(key.active, key.last_used) for key in row.keys] == [(False, NOW)]
        assert snapshot.sources.virtual_device_owners == frozenset()
        assert snapshot.sources.report_problem is None

    def test_is_older_than_the_list_of_virtual_devices(self, bulk: Bulk) -> None:
        bulk.read()
        bulk.enroll_virtual("alice", "phone")
        snapshot = bulk.read()
        assert snapshot.sources.report is not None
        assert not snapshot.sources.report["alice"].device
        assert snapshot.sources.virtual_device_owners == {bulk.user().id}

    def test_has_no_row_for_a_newer_user(self, bulk: Bulk) -> None:
        bulk.read()
        bulk.account.clients.iam.create_user(UserName="bob")
        snapshot = bulk.read()
        assert snapshot.sources.report is not None
        assert "bob" not in snapshot.sources.report
        assert "bob" in {user.name for user in snapshot.users}

    def test_row_of_a_deleted_user_does_not_count_for_a_new_user_of_the_same_name(self, bulk: Bulk) -> None:
        iam = bulk.account.clients.iam
        bulk.account.iam.users["alice"].create_date -= timedelta(days=30)
        bulk.read()
        iam.delete_user(UserName="alice")
        iam.create_user(UserName="alice")
        snapshot = bulk.read()
        alice, administrator = sorted(snapshot.users, key=lambda user: user.name != "alice")
        assert (snapshot.sources.row(alice), snapshot.sources.row(administrator) is None) == (None, False)
        assert snapshot.sources.report_problem is None

    def test_is_polled_with_pauses_that_double(self, bulk: Bulk) -> None:
        bulk.account.iam_reads.report.polls = 4
        assert bulk.read().sources.report is not None
        assert bulk.calls["GenerateCredentialReport"] == 5
        assert bulk.clock.now() - NOW == timedelta(seconds=2 + 4 + 8 + 16)

    def test_that_takes_too_long_is_reported_as_missing(self, bulk: Bulk) -> None:
        bulk.account.iam_reads.report.polls = 100
        snapshot = bulk.read()
        assert snapshot.sources.report is None
        assert (
            snapshot.sources.report_problem
            == "IAM did not finish the credential report in 30 seconds. The next sweep tries again."
        )
        assert {user.name for user in snapshot.users} == {"alice", ADMINISTRATOR}
        assert bulk.clock.now() - NOW == timedelta(seconds=PATIENCE)
        assert (bulk.calls["GenerateCredentialReport"], bulk.calls["GetCredentialReport"]) == (5, 0)

    @pytest.mark.parametrize("code", ["ReportNotPresent", "ReportExpired", "ReportInProgress"])
    def test_that_expires_before_it_is_fetched_is_generated_again(self, bulk: Bulk, code: str) -> None:
        bulk.faults.failing = {"GetCredentialReport": code}
        snapshot = bulk.read()
        assert (snapshot.sources.report, bulk.clock.now() - NOW) == (None, timedelta(seconds=PATIENCE))
        assert bulk.calls["GetCredentialReport"] > 1

    def test_counts_the_rows_that_could_not_be_read(self, bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
        bulk.read()
        report = bulk.account.iam_reads.report
        monkeypatch.setattr(report, "_content", report._content.replace("user/staff/alice,2", "user/staff/alice,x2"))
        snapshot = bulk.read()
        assert snapshot.sources.report is not None
        assert "alice" not in snapshot.sources.report
        assert ADMINISTRATOR in snapshot.sources.report
        assert (
            snapshot.sources.report_problem
            == "Rows of the credential report that could not be read and were left out: 1."
        )

    def test_that_is_not_a_report_is_reported_as_missing(self, bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
        bulk.read()
        monkeypatch.setattr(bulk.account.iam_reads.report, "_content", "user,mfa_enabled\nalice,true")
        snapshot = bulk.read()
        assert snapshot.sources.report is None
        assert snapshot.sources.report_problem is not None
        assert snapshot.sources.report_problem.startswith("The credential report has no column user_creation_time, ")


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

    @pytest.mark.parametrize(("rows", "pages", "lists"), [(100, 10, 10), (1000, 2, 1)])
    def test_one_call_for_each_page_and_two_for_the_report(
        self, thousand: Bulk, rows: int, pages: int, lists: int
    ) -> None:
        thousand.account.iam_reads.limit_pages(rows)
        for report_calls in (3, 2):
            snapshot = thousand.read()
            assert len(snapshot.users) == 1000
            # The report has a row for root.
            assert len(snapshot.sources.report or ()) == 1001
            # The administrator and alice have none.
            assert len(snapshot.sources.virtual_device_owners) == 998
            assert thousand.calls["GetAccountAuthorizationDetails"] == pages
            assert thousand.calls["ListVirtualMFADevices"] == lists
            assert thousand.calls.total() == pages + lists + report_calls


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
        return ExemptionList(client, table, FakeClock()).all(NOW)

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
            ExemptionList(client, account.stack.physical_id("ExemptionsTable"), FakeClock()).all(NOW)
