"""Listings of the in-process IAM have pages, and its credential report is created and kept as in AWS."""

import csv
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from moto.iam.models import IAMBackend
from moto.iam.responses import IamResponse

from mfa_guard_cli.stack.template import Stack
from support.account import ADMINISTRATOR, Account, open_account


@pytest.fixture
def populated(account: Account) -> Account:
    """Return an account with 250 users. All but the administrator have a virtual device."""
    for number in range(249):
        name = f"user-{number:03}"
        account.iam.create_user("us-east-1", user_name=name)
        serial = account.iam.create_virtual_mfa_device(name, "/").serial_number
        account.iam.enable_mfa_device(name, serial, "123456", "654321")
    return account


def report(account: Account) -> list[dict[str, str]]:
    iam = account.clients.iam
    while iam.generate_credential_report()["State"] != "COMPLETE":
        pass
    return list(csv.DictReader(iam.get_credential_report()["Content"].decode().split("\n")))


def error_code(account: Account) -> str:
    with pytest.raises(ClientError) as error:
        account.clients.iam.get_credential_report()
    return error.value.response["Error"]["Code"]


def test_a_page_has_100_rows_by_default(populated: Account) -> None:
    iam = populated.clients.iam
    first = iam.list_users()
    assert (len(first["Users"]), first["IsTruncated"]) == (100, True)
    whole = iam.list_users(MaxItems=250)
    assert (len(whole["Users"]), whole["IsTruncated"], "Marker" in whole) == (250, False, False)


@pytest.mark.parametrize(
    ("listing", "key"),
    [("list_users", "Users"), ("get_account_authorization_details", "UserDetailList")],
)
def test_pages_have_every_user_once(populated: Account, listing: str, key: str) -> None:
    pages = list(populated.clients.iam.get_paginator(listing).paginate())  # type: ignore[call-overload]
    names = [user["UserName"] for page in pages for user in page[key]]
    assert (len(names), len(set(names)), names[0]) == (250, 250, ADMINISTRATOR)


def test_users_groups_and_policies_share_the_pages_of_the_details(populated: Account) -> None:
    populated.iam_reads.limit_pages(200)
    pages = list(populated.clients.iam.get_paginator("get_account_authorization_details").paginate())
    assert [len(page["UserDetailList"]) for page in pages] == [100, 100, 50]
    assert [group["GroupName"] for group in pages[-1]["GroupDetailList"]] == ["mfa-guard-enforced"]
    assert [len(page["Policies"]) for page in pages] == [0, 0, 1]


def test_a_page_can_be_shorter_than_requested(populated: Account) -> None:
    populated.iam_reads.limit_pages(125)
    paginator = populated.clients.iam.get_paginator("list_users")
    assert [len(page["Users"]) for page in paginator.paginate(PaginationConfig={"PageSize": 1000})] == [125, 125]


def test_the_last_page_of_virtual_devices_is_not_empty(populated: Account) -> None:
    populated.iam_reads.limit_pages(83)
    pages = populated.clients.iam.get_paginator("list_virtual_mfa_devices").paginate(AssignmentStatus="Assigned")
    assert [len(page["VirtualMFADevices"]) for page in pages] == [83, 83, 83]


def test_a_virtual_device_shows_the_present_name_of_its_owner(populated: Account) -> None:
    iam = populated.clients.iam
    iam.update_user(UserName="user-000", NewUserName="alice", NewPath="/staff/")
    owner = iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"][0]["User"]
    assert (owner["UserName"], owner["Arn"]) == ("alice", "arn:aws:iam::111122223333:user/staff/alice")


def test_the_report_has_root_and_then_the_users_by_name(account: Account) -> None:
    for name in ("Zoe", "alice", "smith,bob"):
        account.clients.iam.create_user(UserName=name)
    rows = report(account)
    assert [row["user"] for row in rows] == ["<root_account>", "alice", ADMINISTRATOR, "smith,bob", "Zoe"]
    assert (rows[0]["arn"], rows[0]["password_enabled"]) == ("arn:aws:iam::111122223333:root", "not_supported")


def test_the_report_has_the_credentials_of_a_user(account: Account) -> None:
    iam = account.clients.iam
    iam.create_user(UserName="alice", Path="/staff/")
    iam.create_login_profile(UserName="alice", Password="Not-a-secret-1")
    first, _ = sorted(iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"] for _ in range(2))
    iam.update_access_key(UserName="alice", AccessKeyId=first, Status="Inactive")
    yesterday = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    account.use_key("alice", first, yesterday)
    iam.enable_mfa_device(
        UserName="alice", SerialNumber="GAHT12345678", AuthenticationCode1="123456", AuthenticationCode2="654321"
    )
    row = next(row for row in report(account) if row["user"] == "alice")
    created = iam.get_user(UserName="alice")["User"]["CreateDate"]
    assert datetime.fromisoformat(row["user_creation_time"]) == created
    assert (row["mfa_active"], row["password_enabled"], row["password_last_used"]) == ("true", "true", "no_information")
    assert (row["access_key_1_active"], row["access_key_2_active"]) == ("false", "true")
    assert datetime.fromisoformat(row["access_key_1_last_used_date"]) == yesterday
    assert (row["access_key_1_last_used_region"], row["access_key_1_last_used_service"]) == ("us-east-1", "s3")
    assert row["access_key_2_last_used_date"] == "N/A"


def test_the_report_of_a_user_without_credentials(account: Account) -> None:
    account.clients.iam.create_user(UserName="alice")
    row = next(row for row in report(account) if row["user"] == "alice")
    assert (row["mfa_active"], row["password_enabled"], row["password_last_used"]) == ("false", "false", "N/A")
    assert (row["access_key_1_active"], row["access_key_1_last_rotated"]) == ("false", "N/A")


def test_a_report_takes_time(account: Account) -> None:
    iam, account.iam_reads.report.polls = account.clients.iam, 2
    assert error_code(account) == "ReportNotPresent"
    assert iam.generate_credential_report()["State"] == "STARTED"
    assert iam.generate_credential_report()["State"] == "INPROGRESS"
    assert error_code(account) == "ReportInProgress"
    assert iam.generate_credential_report()["State"] == "COMPLETE"
    made = iam.get_credential_report()["GeneratedTime"]
    assert timedelta(0) <= datetime.now(UTC) - made < timedelta(minutes=1)


def test_a_report_stays_as_it_is_for_four_hours(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    before = report(account)
    account.clients.iam.create_user(UserName="alice")
    now, clock = datetime.now(UTC).replace(tzinfo=None), "mfa_guard_emulator.aws.iam_reads.utcnow"
    monkeypatch.setattr(clock, lambda: now + timedelta(hours=3, minutes=59))
    assert report(account) == before
    monkeypatch.setattr(clock, lambda: now + timedelta(hours=4, minutes=1))
    assert error_code(account) == "ReportExpired"
    assert account.clients.iam.generate_credential_report()["State"] == "STARTED"
    assert "alice" in {row["user"] for row in report(account)}


def test_a_consistent_account_creates_a_new_report(account: Account) -> None:
    before = report(account)
    account.clients.iam.create_user(UserName="alice")
    assert report(account) == before
    account.iam_reads.become_consistent()
    assert "alice" in {row["user"] for row in report(account)}


def test_moto_is_left_as_it_was(stack: Stack) -> None:
    patched = [
        (IAMBackend, "list_virtual_mfa_devices"),
        (IamResponse, "list_users"),
        (IamResponse, "get_account_authorization_details"),
        (IamResponse, "generate_credential_report"),
        (IamResponse, "get_credential_report"),
    ]
    before = [getattr(owner, name) for owner, name in patched]
    with open_account(stack):
        assert not set(before) & {getattr(owner, name) for owner, name in patched}
    assert [getattr(owner, name) for owner, name in patched] == before
