"""While IAM is eventually consistent, a read shows a user before the last change, and a write acts on the truth."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from mfa_guard_emulator.aws.iam_consistency import parts_of
from mfa_guard_emulator.aws.stale_reads import Kind
from support.account import ADMINISTRATOR, Account

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

MINUTE = timedelta(minutes=1)


@pytest.fixture
def alice(account: Account) -> Account:
    """Return the account with alice, who was created long ago."""
    account.iam.create_user("us-east-1", "alice")
    account.iam_reads.stale.forget()
    return account


def policy(account: Account) -> str:
    return str(account.stack.resolve({"Ref": "EnforcementPolicy"}))


def group(account: Account) -> str:
    return account.stack.physical_id("EnforcementGroup")


def enroll(account: Account, name: str = "phone") -> str:
    serial = account.iam.create_virtual_mfa_device(name, "/").serial_number
    account.iam.enable_mfa_device("alice", serial, "123456", "654321")
    return str(serial)


READS: dict[Kind, Callable[["IAMClient", str], object]] = {
    Kind.ATTACHMENTS: lambda iam, name: [
        each["PolicyName"] for each in iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]
    ],
    Kind.GROUPS: lambda iam, name: [each["GroupName"] for each in iam.list_groups_for_user(UserName=name)["Groups"]],
    Kind.KEYS: lambda iam, name: [
        (each["AccessKeyId"], each["Status"]) for each in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
    ],
    Kind.DEVICES: lambda iam, name: [
        each["SerialNumber"] for each in iam.list_mfa_devices(UserName=name)["MFADevices"]
    ],
    Kind.PROFILES: lambda iam, name: iam.get_login_profile(UserName=name)["LoginProfile"]["UserName"],
    Kind.USERS: lambda iam, name: (
        iam.get_user(UserName=name)["User"]["UserId"],
        {tag["Key"] for tag in iam.get_user(UserName=name)["User"].get("Tags", [])},
    ),
}


def shown(account: Account, kind: Kind, name: str = "alice") -> object:
    """Return what the read of a part of a user shows, or None if it does not find the user or the password."""
    iam = account.clients.iam
    try:
        return READS[kind](iam, name)
    except iam.exceptions.NoSuchEntityException:
        return None


def give_tag(account: Account) -> None:
    account.iam.tag_user("alice", [{"Key": "team", "Value": "red"}])


# For each kind: a change that adds something, and the change that removes it again.
CHANGES: dict[Kind, tuple[Callable[[Account], object], Callable[[Account, Any], object]]] = {
    Kind.ATTACHMENTS: (
        lambda account: account.iam.attach_user_policy(policy(account), "alice"),
        lambda account, _: account.iam.detach_user_policy(policy(account), "alice"),
    ),
    Kind.GROUPS: (
        lambda account: account.iam.add_user_to_group(group(account), "alice"),
        lambda account, _: account.iam.remove_user_from_group(group(account), "alice"),
    ),
    Kind.KEYS: (
        lambda account: account.iam.create_access_key("alice").access_key_id,
        lambda account, made: account.iam.delete_access_key(made, "alice"),
    ),
    Kind.DEVICES: (enroll, lambda account, made: account.iam.deactivate_mfa_device("alice", made)),
    Kind.PROFILES: (
        lambda account: account.iam.create_login_profile("alice", "Not-a-real-passw0rd"),
        lambda account, _: account.iam.delete_login_profile("alice"),
    ),
    Kind.USERS: (give_tag, lambda account, _: account.iam.untag_user("alice", ["team"])),
}


@pytest.mark.parametrize("kind", Kind)
def test_what_is_new_is_missing_and_what_was_removed_is_still_listed(alice: Account, kind: Kind) -> None:
    add, remove = CHANGES[kind]
    reads = alice.iam_reads.stale
    without = shown(alice, kind)
    made = add(alice)
    with_it = shown(alice, kind)
    assert with_it != without
    reads.show_past(kind)
    assert shown(alice, kind) == without
    remove(alice, made)
    assert shown(alice, kind) == with_it
    reads.become_consistent()
    assert shown(alice, kind) == without


@pytest.mark.parametrize("kind", Kind)
def test_other_kinds_of_reads_show_what_is_true(alice: Account, kind: Kind) -> None:
    CHANGES[kind][0](alice)
    now = shown(alice, kind)
    alice.iam_reads.stale.show_past(*(set(Kind) - {kind}))
    assert shown(alice, kind) == now


@pytest.mark.parametrize("kind", Kind)
def test_a_change_appears_when_it_is_old_enough(alice: Account, kind: Kind) -> None:
    reads, without = alice.iam_reads.stale, shown(alice, kind)
    CHANGES[kind][0](alice)
    reads.show_past(kind, lasting=MINUTE)
    assert shown(alice, kind) == without
    alice.clock.advance(MINUTE)
    assert shown(alice, kind) != without


@pytest.mark.parametrize("kind", Kind)
def test_a_new_user_is_not_found_and_a_deleted_one_still_is(account: Account, kind: Kind) -> None:
    account.iam.create_user("us-east-1", "alice")
    account.iam.create_login_profile("alice", "Not-a-real-passw0rd")
    account.iam_reads.stale.forget()
    before = shown(account, kind)
    account.iam.delete_user("alice")
    assert shown(account, kind) is None
    account.iam_reads.stale.show_past(kind)
    assert shown(account, kind) == before
    account.iam.create_user("us-east-1", "alice")
    assert shown(account, kind) is None


def test_a_renamed_user_is_found_by_the_old_name(alice: Account) -> None:
    user_id = alice.iam.users["alice"].id
    alice.iam.update_user("alice", "/", "ann")
    alice.iam_reads.stale.show_past(Kind.USERS)
    assert shown(alice, Kind.USERS) == (user_id, set())
    assert shown(alice, Kind.USERS, "ann") is None


def test_a_deleted_and_recreated_user_shows_the_old_id_if_both_are_one_change(alice: Account) -> None:
    iam, old_id = alice.iam, alice.iam.users["alice"].id
    with alice.iam_reads.stale.changing(lambda: parts_of(iam, "alice")):
        iam.delete_user("alice")
        iam.create_user("us-east-1", "alice")
    alice.iam_reads.stale.show_past(Kind.USERS)
    assert shown(alice, Kind.USERS) == (old_id, set())
    assert iam.users["alice"].id != old_id


def test_changes_that_cancel_out_are_no_change(alice: Account) -> None:
    iam = alice.iam
    with alice.iam_reads.stale.changing(lambda: parts_of(iam, "alice")):
        iam.attach_user_policy(policy(alice), "alice")
        iam.detach_user_policy(policy(alice), "alice")
    alice.iam_reads.stale.show_past(*Kind)
    assert shown(alice, Kind.ATTACHMENTS) == []


def test_the_owner_of_a_key_follows_a_rename_and_may_be_late(alice: Account) -> None:
    key = alice.iam.create_access_key("alice").access_key_id
    alice.iam.update_user("alice", "/", "ann")
    read = alice.clients.iam.get_access_key_last_used
    assert read(AccessKeyId=key)["UserName"] == "ann"
    alice.iam_reads.stale.show_past(Kind.KEYS)
    assert read(AccessKeyId=key)["UserName"] == "alice"


def test_the_last_use_of_a_new_key_is_not_found(alice: Account) -> None:
    key = alice.iam.create_access_key("alice").access_key_id
    alice.iam_reads.stale.show_past(Kind.KEYS)
    with pytest.raises(ClientError, match="AccessDenied"):
        alice.clients.iam.get_access_key_last_used(AccessKeyId=key)


def test_the_last_use_of_an_unknown_key_is_denied(alice: Account) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        alice.clients.iam.get_access_key_last_used(AccessKeyId="AKIAUNKNOWNKEY000000")


def test_listings_of_the_account_are_late_too(alice: Account) -> None:
    iam, reads = alice.clients.iam, alice.iam_reads.stale
    serial = enroll(alice)
    alice.iam.attach_user_policy(policy(alice), "alice")
    alice.iam.add_user_to_group(group(alice), "alice")
    alice.iam.create_user("us-east-1", "bob")

    def details() -> dict[str, tuple[list[str], list[str]]]:
        listed = iam.get_account_authorization_details(Filter=["User"])["UserDetailList"]
        return {
            each["UserName"]: ([p["PolicyName"] for p in each["AttachedManagedPolicies"]], each["GroupList"])
            for each in listed
        }

    def virtual() -> dict[str, str]:
        listed = iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"]
        return {each["SerialNumber"]: each["User"]["UserName"] for each in listed}

    true = details()
    assert true["alice"] == (["EnrollMFADeviceThenSignInAgain"], [group(alice)])
    reads.show_past(Kind.ATTACHMENTS)
    assert details() == {**true, "alice": ([], [group(alice)])}
    reads.show_past(Kind.GROUPS)
    assert details() == {**true, "alice": (["EnrollMFADeviceThenSignInAgain"], [])}
    reads.show_past(Kind.USERS)
    assert set(details()) == {ADMINISTRATOR, "alice"}
    assert {each["UserName"] for each in iam.list_users()["Users"]} == {ADMINISTRATOR, "alice"}
    assert virtual() == {serial: "alice"}
    reads.show_past(Kind.DEVICES)
    assert virtual() == {}
    alice.iam.deactivate_mfa_device("alice", serial)
    assert virtual() == {serial: "alice"}


def test_writes_act_on_what_is_true(alice: Account) -> None:
    iam = alice.clients.iam
    alice.iam_reads.stale.show_past(*Kind)
    iam.create_user(UserName="bob")
    iam.tag_user(UserName="bob", Tags=[{"Key": "team", "Value": "red"}])
    iam.attach_user_policy(UserName="bob", PolicyArn=policy(alice))
    iam.detach_user_policy(UserName="bob", PolicyArn=policy(alice))
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.detach_user_policy(UserName="bob", PolicyArn=policy(alice))
