"""The trail writes records as CloudTrail does: field by field the shapes in events/."""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from mfa_guard_cli.local.account import Account
from mfa_guard_cli.local.events_chapter import ALICE, CAROL, DAVES_KEY, PIPELINE, ROOT, ROOT_AT_THE_DOOR
from mfa_guard_cli.local.trail import Actor
from mfa_guard_cli.local.upkeep import TRAIL, keep_well

EVENTS = Path(__file__).parents[3] / "events"
SERIAL = "arn:aws:iam::111122223333:mfa/alice"
Call = Callable[[Account], object]


def shape(value: object) -> object:
    """Return which fields there are, and of which type."""
    if isinstance(value, Mapping):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value[:1]]
    return type(value).__name__


def recorded(file: str) -> dict[str, object]:
    detail: dict[str, object] = json.loads((EVENTS / file).read_text())["detail"]
    return detail


@pytest.fixture
def peopled(account: Account) -> Account:
    """Return the account with alice, a device of hers and bob in it."""
    iam = account.clients.iam
    for name in ("alice", "bob"):
        iam.create_user(UserName=name)
    iam.create_virtual_mfa_device(VirtualMFADeviceName="alice")
    return account


def fail_to_create(account: Account) -> None:
    with suppress(account.clients.iam.exceptions.EntityAlreadyExistsException):
        account.clients.iam.create_user(UserName="alice")


def enable(account: Account) -> None:
    account.clients.iam.enable_mfa_device(
        UserName="alice", SerialNumber=SERIAL, AuthenticationCode1="123456", AuthenticationCode2="654321"
    )


def set_topic(account: Account) -> None:
    topic = str(account.stack.resolve({"Ref": "NoticesTopic"}))
    account.clients.sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue="{}")


CALLS: dict[str, tuple[Actor, Call]] = {
    "burst-create-login-profile.json": (
        CAROL,
        lambda a: a.clients.iam.create_login_profile(UserName="bob", Password="Pw-1234567", PasswordResetRequired=True),
    ),
    "burst-create-access-key.json": (CAROL, lambda a: a.clients.iam.create_access_key(UserName="bob")),
    "create-user.json": (DAVES_KEY, lambda a: a.clients.iam.create_user(UserName="erin")),
    "create-user-failed.json": (DAVES_KEY, fail_to_create),
    "create-user-by-assumed-role.json": (PIPELINE, lambda a: a.clients.iam.create_user(UserName="erin")),
    "create-user-with-path.json": (DAVES_KEY, lambda a: a.clients.iam.create_user(UserName="erin", Path="/people/")),
    "enable-mfa-device.json": (ALICE, enable),
    "enable-mfa-device-with-long-term-key.json": (DAVES_KEY, enable),
    "untag-user.json": (ALICE, lambda a: a.clients.iam.untag_user(UserName="alice", TagKeys=["mfa-guard:status"])),
    "update-user-rename.json": (
        DAVES_KEY,
        lambda a: a.clients.iam.update_user(UserName="alice", NewUserName="alicia"),
    ),
    "tampering-rule-disabled.json": (
        DAVES_KEY,
        lambda a: a.clients.events.disable_rule(Name="mfa-guard-new-credentials", EventBusName="default"),
    ),
    "tampering-topic-notices.json": (DAVES_KEY, set_topic),
}


@pytest.mark.parametrize("file", CALLS)
def test_a_call_is_recorded_in_cloudtrails_shape(peopled: Account, file: str) -> None:
    actor, call = CALLS[file]
    with peopled.trail.acting(actor):
        call(peopled)
    [envelope] = peopled.trail.take()
    assert shape(envelope["detail"]) == shape(recorded(file))


def test_a_trail_that_is_stopped_has_cloudtrails_shape(account: Account) -> None:
    keep_well(account)
    with account.trail.acting(DAVES_KEY):
        account.clients.cloudtrail.stop_logging(Name=TRAIL)
    [envelope] = account.trail.take()
    assert shape(envelope["detail"]) == shape(recorded("tampering-trail-stopped.json"))
    assert envelope["source"] == "aws.cloudtrail"


def test_roots_doing_has_cloudtrails_shape_too(account: Account) -> None:
    key = {"accessKeyId": "AKIAEXAMPLE", "status": "Active", "createDate": "Mar 10, 2026, 10:09:08 AM"}
    account.trail.write(ROOT, "iam.amazonaws.com", "CreateAccessKey", response={"accessKey": key})
    [envelope] = account.trail.take()
    assert shape(envelope["detail"]) == shape(recorded("create-access-key-root.json"))


def test_roots_sign_in_has_cloudtrails_shape(account: Account) -> None:
    account.trail.write_sign_in(ROOT_AT_THE_DOOR, mfa_used=True)
    [envelope] = account.trail.take()
    expected = recorded("root-sign-in.json")
    # Only a sign-in with a device names it.
    assert isinstance(expected["additionalEventData"], dict)
    del expected["additionalEventData"]["MFAIdentifier"]
    assert shape(envelope["detail"]) == shape(expected)
    assert envelope["detail-type"] == "AWS Console Sign In via CloudTrail"


def test_reads_and_what_nobody_did_are_not_recorded(peopled: Account) -> None:
    peopled.clients.iam.delete_user(UserName="bob")
    with peopled.trail.acting(CAROL):
        peopled.clients.iam.get_user(UserName="alice")
        peopled.clients.iam.list_mfa_devices(UserName="alice")
        topic = str(peopled.stack.resolve({"Ref": "NoticesTopic"}))
        peopled.clients.sns.publish(TopicArn=topic, Message="hello")
    assert peopled.trail.take() == ()


def test_what_is_put_on_the_default_bus_goes_there_as_it_is(account: Account) -> None:
    entry = {"Source": "mfa-guard", "DetailType": "Sweep requested", "Detail": '{"round": 2}'}
    refused = {**entry, "Detail": "no object"}
    with account.trail.acting(CAROL):
        answer = account.clients.events.put_events(Entries=[entry, refused])  # type: ignore[list-item]
    [envelope] = account.trail.take()
    assert envelope["id"] == answer["Entries"][0]["EventId"]
    assert (envelope["source"], envelope["detail-type"]) == ("mfa-guard", "Sweep requested")
    assert (envelope["account"], envelope["region"], envelope["resources"]) == ("111122223333", "us-east-1", [])
    assert envelope["detail"] == {"round": 2}


def test_another_bus_is_not_the_default_bus(account: Account) -> None:
    account.clients.events.create_event_bus(Name="other")
    entry = {"Source": "mfa-guard", "DetailType": "Sweep requested", "Detail": "{}", "EventBusName": "other"}
    with account.trail.acting(CAROL):
        account.clients.events.put_events(Entries=[entry])  # type: ignore[list-item]
    assert account.trail.take() == ()


def test_no_secret_reaches_a_record(peopled: Account) -> None:
    iam = peopled.clients.iam
    with peopled.trail.acting(CAROL):
        iam.create_login_profile(UserName="bob", Password="Pw-1234567")
        secret = iam.create_access_key(UserName="bob")["AccessKey"]["SecretAccessKey"]
        seed = iam.create_virtual_mfa_device(VirtualMFADeviceName="bob")["VirtualMFADevice"]["Base32StringSeed"]
        enable(peopled)
    text = json.dumps(peopled.trail.take())
    assert not [word for word in ("Pw-1234567", secret, seed.decode(), "123456", "654321") if word in text]


def test_a_time_in_an_answer_is_written_as_cloudtrail_writes_it(peopled: Account) -> None:
    with peopled.trail.acting(CAROL):
        peopled.clients.iam.create_user(UserName="erin")
    [envelope] = peopled.trail.take()
    text = json.dumps(envelope["detail"])
    assert re.search(
        r'"createDate": "[A-Z][a-z]{2} [1-9][0-9]?, 20[0-9]{2}, [1-9][0-2]?:[0-5][0-9]:[0-5][0-9] [AP]M"', text
    )
