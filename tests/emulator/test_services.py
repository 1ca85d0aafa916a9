"""Calls that the local account answers itself: devices, root's credentials, functions, and the event history."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Final

import pytest
from botocore.exceptions import ClientError

from mfa_guard.core.cloudtrail import ROOT_NAME
from mfa_guard_cli.stack.template import Fields, Stack
from mfa_guard_emulator.account import LocalAccount
from mfa_guard_emulator.aws.callers import Caller
from mfa_guard_emulator.aws.devices import DEVICES_PER_USER
from support.local import administrator, code, new_device, root

PHONE: Final = "arn:aws:iam::111122223333:mfa/phone"


@pytest.fixture(autouse=True)
def held(account: LocalAccount) -> Iterator[list[tuple[Fields, Caller]]]:
    """Hold the events, so that no function runs."""
    with account.holding_events() as kept:
        yield kept


@pytest.fixture
def alice(account: LocalAccount) -> Iterator[str]:
    """Return a user with an enabled device PHONE."""
    account.clients.iam.create_user(UserName="alice")
    new_device(account, PHONE)
    account.iam.enable_mfa_device("alice", PHONE, "", "")
    yield "alice"
    account.iam.users.pop("alice")
    account.iam.virtual_mfa_devices.pop(PHONE, None)


def error_code(act: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as error:
        act()
    return str(error.value.response["Error"]["Code"])


def enable(account: LocalAccount, user: str, serial: str) -> Callable[[], object]:
    iam = administrator(account).iam
    return lambda: iam.enable_mfa_device(
        UserName=user, SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321"
    )


class TestDevices:
    def test_a_device_that_does_not_exist_cannot_be_enabled(self, account: LocalAccount, alice: str) -> None:
        assert error_code(enable(account, alice, f"{PHONE}-none")) == "NoSuchEntity"

    def test_a_device_in_use_cannot_be_enabled_or_deleted(self, account: LocalAccount, alice: str) -> None:
        assert error_code(enable(account, alice, PHONE)) == "EntityAlreadyExists"
        delete = partial(administrator(account).iam.delete_virtual_mfa_device, SerialNumber=PHONE)
        assert error_code(delete) == "DeleteConflict"
        administrator(account).iam.deactivate_mfa_device(UserName=alice, SerialNumber=PHONE)
        delete()

    def test_a_user_can_have_eight_devices(self, account: LocalAccount, alice: str) -> None:
        serials = [f"{PHONE}-{number}" for number in range(DEVICES_PER_USER)]
        for serial in serials:
            new_device(account, serial)
        for serial in serials[1:]:
            account.iam.enable_mfa_device(alice, serial, "", "")
        assert error_code(enable(account, alice, serials[0])) == "LimitExceeded"

    def test_a_device_of_an_unknown_user_is_an_error(self, account: LocalAccount) -> None:
        assert error_code(enable(account, "mallory", PHONE)) == "NoSuchEntity"
        resync = partial(
            administrator(account).iam.resync_mfa_device,
            UserName="mallory",
            SerialNumber=PHONE,
            AuthenticationCode1="123456",
            AuthenticationCode2="654321",
        )
        assert error_code(resync) == "NoSuchEntity"

    def test_a_new_device_has_a_qr_code(self, account: LocalAccount) -> None:
        iam = administrator(account).iam
        created = iam.create_virtual_mfa_device(VirtualMFADeviceName="tablet")["VirtualMFADevice"]
        assert created["QRCodePNG"].startswith(b"\x89PNG")
        assert error_code(partial(iam.create_virtual_mfa_device, VirtualMFADeviceName="tablet")) == (
            "EntityAlreadyExists"
        )


class TestRoot:
    def test_root_manages_its_own_access_keys(self, account: LocalAccount) -> None:
        iam = root(account).iam
        key = iam.create_access_key()["AccessKey"]["AccessKeyId"]
        iam.update_access_key(AccessKeyId=key, Status="Inactive")
        assert [(each["AccessKeyId"], each["Status"]) for each in iam.list_access_keys()["AccessKeyMetadata"]] == [
            (key, "Inactive")
        ]
        assert iam.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 1
        iam.delete_access_key(AccessKeyId=key)
        assert iam.list_access_keys()["AccessKeyMetadata"] == []
        assert error_code(partial(iam.update_access_key, AccessKeyId=key, Status="Active")) == "NoSuchEntity"
        assert error_code(partial(iam.delete_access_key, AccessKeyId=key)) == "NoSuchEntity"

    def test_root_enables_and_removes_its_device(self, account: LocalAccount) -> None:
        iam, serial = root(account).iam, "arn:aws:iam::111122223333:mfa/root-account-mfa-device"
        seed = new_device(account, serial)

        def enable_root(given: str, first: str, second: str) -> Callable[[], object]:
            return lambda: iam.enable_mfa_device(
                UserName=ROOT_NAME, SerialNumber=given, AuthenticationCode1=first, AuthenticationCode2=second
            )

        right = code(account, seed, -30), code(account, seed)
        assert error_code(enable_root(PHONE, *right)) == "NoSuchEntity"
        assert error_code(enable_root(serial, "000000", "111111")) == "InvalidAuthenticationCode"
        enable_root(serial, *right)()
        assert iam.get_account_summary()["SummaryMap"]["AccountMFAEnabled"] == 1
        iam.deactivate_mfa_device(UserName=ROOT_NAME, SerialNumber=serial)
        assert iam.get_account_summary()["SummaryMap"]["AccountMFAEnabled"] == 0
        assert iam.list_mfa_devices()["MFADevices"] == []
        account.iam.account_summary._account_mfa_enabled = 1


class TestInvoke:
    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"InvocationType": "RequestResponse"}, "InvalidParameterValueException"),
            ({"Payload": b"{"}, "InvalidRequestContentException"),
            ({"FunctionName": "others"}, "ResourceNotFoundException"),
        ],
    )
    def test_a_call_that_cannot_be_answered_is_refused(
        self, account: LocalAccount, stack: Stack, changes: Fields, expected: str
    ) -> None:
        given = {"FunctionName": stack.physical_id("AlertFunction"), "InvocationType": "Event", **changes}
        assert error_code(partial(administrator(account).any("lambda").invoke, **given)) == expected

    @pytest.mark.parametrize("by_arn", [True, False])
    def test_a_function_of_the_stack_is_invoked(self, account: LocalAccount, stack: Stack, by_arn: bool) -> None:
        arn = str(stack.resolve({"Fn::GetAtt": ["AlertFunction", "Arn"]}))
        before = account.activity.count
        answer = (
            administrator(account)
            .any("lambda")
            .invoke(
                FunctionName=arn if by_arn else stack.physical_id("AlertFunction"),
                InvocationType="Event",
                Payload=json.dumps({"Records": []}).encode(),
            )
        )
        assert answer["StatusCode"] == 202
        assert account.bus.wait_until_idle()
        assert account.activity.count == before + 1


class TestEventHistory:
    def test_it_has_the_recorded_calls_newest_first(self, account: LocalAccount) -> None:
        carol, now = administrator(account), account.clock.now()
        for name in ("first", "second"):
            carol.iam.create_user(UserName=name)
        carol.iam.create_access_key(UserName="first")
        found = carol.cloudtrail.lookup_events(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateUser"}],
            StartTime=now - timedelta(seconds=1),
            EndTime=now + timedelta(hours=1),
        )["Events"]
        users = [json.loads(each["CloudTrailEvent"])["requestParameters"]["userName"] for each in found]
        assert users == ["second", "first"]
        assert {each["EventSource"] for each in found} == {"iam.amazonaws.com"}

    def test_it_has_nothing_before_the_account_began(self, account: LocalAccount) -> None:
        end = account.cloudformation.created_at - timedelta(hours=1)
        assert administrator(account).cloudtrail.lookup_events(EndTime=end)["Events"] == []


def test_a_request_that_is_not_a_call_is_refused(account: LocalAccount) -> None:
    client = administrator(account).any("iam")
    client.meta.events.register(  # type: ignore[attr-defined]
        "before-call.iam.ListUsers", lambda params, **_: params["body"].update(Action="MakeCoffee")
    )
    assert error_code(client.list_users) == "InvalidAction"


def test_a_call_that_moto_does_not_support_is_not_implemented(account: LocalAccount) -> None:
    iam = administrator(account).iam
    with pytest.raises(ClientError, match="The local account does not support iam:ChangePassword") as error:
        iam.change_password(OldPassword="a", NewPassword="b")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_a_message_that_the_guard_did_not_send_is_a_mail_with_its_text(account: LocalAccount, stack: Stack) -> None:
    topic = str(stack.resolve({"Ref": "NoticesTopic"}))
    administrator(account).sns.publish(TopicArn=topic, Message="hello")
    mail = account.mailbox.mails[-1]
    assert (mail.text, mail.subject, dict(mail.data)) == ("hello", "", {})
