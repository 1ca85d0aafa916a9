"""The in-process IAM answers as AWS does where moto does not."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from moto.dynamodb.models import dynamodb_backends
from moto.events.models import Rule
from moto.iam import models
from moto.iam.models import IAMBackend, User
from moto.iam.responses import IamResponse

from mfa_guard_cli.stack.template import Stack
from mfa_guard_emulator.aws.resources import create_all
from mfa_guard_emulator.aws.stale_reads import Kind
from support.account import Account, open_account
from support.upkeep import create_baseline

DOCUMENT = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}]}'


@pytest.fixture
def alice(account: Account) -> Account:
    """Return the account with a user alice."""
    account.clients.iam.create_user(UserName="alice")
    return account


def code_and_message(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    """Return the code and the message of an error."""
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def enroll(account: Account, name: str) -> str:
    iam = account.clients.iam
    serial = iam.create_virtual_mfa_device(VirtualMFADeviceName=name)["VirtualMFADevice"]["SerialNumber"]
    iam.enable_mfa_device(
        UserName="alice", SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321"
    )
    return serial


def test_an_eleventh_policy_is_refused(alice: Account) -> None:
    iam = alice.clients.iam
    arns = [
        iam.create_policy(PolicyName=f"P{number}", PolicyDocument=DOCUMENT)["Policy"]["Arn"] for number in range(11)
    ]
    for arn in arns[:10]:
        iam.attach_user_policy(UserName="alice", PolicyArn=arn)
    iam.attach_user_policy(UserName="alice", PolicyArn=arns[0])
    with pytest.raises(ClientError) as error:
        iam.attach_user_policy(UserName="alice", PolicyArn=arns[10])
    assert code_and_message(error) == ("LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 10")


def test_an_eleventh_group_is_refused(alice: Account) -> None:
    iam = alice.clients.iam
    for number in range(10):
        iam.create_group(GroupName=f"g{number}")
        iam.add_user_to_group(GroupName=f"g{number}", UserName="alice")
    iam.add_user_to_group(GroupName="g0", UserName="alice")
    with pytest.raises(ClientError) as error:
        iam.add_user_to_group(GroupName="mfa-guard-enforced", UserName="alice")
    assert code_and_message(error) == ("LimitExceeded", "Cannot exceed quota for GroupsPerUser: 10")


def test_a_policy_that_was_attached_twice_is_detached_by_one_call(alice: Account) -> None:
    iam = alice.clients.iam
    document = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}}'
    arn = iam.create_policy(PolicyName="twice", PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_user_policy(UserName="alice", PolicyArn=arn)
    iam.attach_user_policy(UserName="alice", PolicyArn=arn)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    iam.detach_user_policy(UserName="alice", PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)


def test_a_fifty_first_tag_is_refused(alice: Account) -> None:
    iam = alice.clients.iam
    iam.tag_user(UserName="alice", Tags=[{"Key": f"k{number}", "Value": "v"} for number in range(50)])
    iam.tag_user(UserName="alice", Tags=[{"Key": "k0", "Value": "other"}])
    with pytest.raises(ClientError) as error:
        iam.tag_user(UserName="alice", Tags=[{"Key": "one-more", "Value": "v"}])
    assert code_and_message(error) == ("LimitExceeded", "Cannot exceed quota for TagsPerUser: 50")


def test_a_user_id_has_the_form_of_aws(alice: Account) -> None:
    user_id = alice.clients.iam.get_user(UserName="alice")["User"]["UserId"]
    assert re.fullmatch("AIDA[A-Z0-9]{17}", user_id)


def test_times_are_whole_seconds(alice: Account) -> None:
    enroll(alice, "phone")
    iam = alice.clients.iam
    assert iam.get_user(UserName="alice")["User"]["CreateDate"].microsecond == 0
    assert iam.list_mfa_devices(UserName="alice")["MFADevices"][0]["EnableDate"].microsecond == 0


def test_tags_follow_a_user_who_is_renamed(alice: Account) -> None:
    iam = alice.clients.iam
    iam.tag_user(UserName="alice", Tags=[{"Key": "team", "Value": "red"}])
    iam.update_user(UserName="alice", NewUserName="alice.miller")
    assert iam.get_user(UserName="alice.miller")["User"]["Tags"] == [{"Key": "team", "Value": "red"}]


def test_service_specific_credentials_can_be_listed(alice: Account) -> None:
    iam = alice.clients.iam
    assert iam.list_service_specific_credentials(UserName="alice")["ServiceSpecificCredentials"] == []
    with pytest.raises(ClientError) as error:
        iam.list_service_specific_credentials(UserName="missing-user")
    assert code_and_message(error)[0] == "NoSuchEntity"


def test_an_event_for_a_rule_with_a_function_can_be_put_on_the_bus(account: Account, stack: Stack) -> None:
    create_baseline(account)
    events = account.clients.events
    arn = str(stack.resolve({"Fn::GetAtt": ["SweepFunction", "Arn"]}))
    events.put_targets(Rule=stack.physical_id("SweepFunctionSweepRequested"), Targets=[{"Id": "sweep", "Arn": arn}])
    answer = events.put_events(Entries=[{"Source": "mfa-guard", "DetailType": "Sweep requested", "Detail": "{}"}])
    assert answer["FailedEntryCount"] == 0


def test_the_last_use_of_a_key_can_be_set(alice: Account) -> None:
    iam = alice.clients.iam
    key = iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
    yesterday = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    alice.use_key("alice", key, yesterday)
    assert iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"]["LastUsedDate"] == yesterday


def test_a_new_user_can_be_hidden_for_some_reads(alice: Account) -> None:
    alice.iam_reads.stale.show_past(Kind.USERS, reads=2)
    for _ in range(2):
        with pytest.raises(ClientError) as error:
            alice.clients.iam.get_user(UserName="alice")
        assert code_and_message(error)[0] == "NoSuchEntity"
    alice.clients.iam.get_user(UserName="alice")


def test_a_removed_device_can_stay_in_the_list(alice: Account) -> None:
    iam, serial = alice.clients.iam, enroll(alice, "phone")
    alice.iam_reads.stale.show_past(Kind.DEVICES)
    iam.deactivate_mfa_device(UserName="alice", SerialNumber=serial)
    assert [each["SerialNumber"] for each in iam.list_mfa_devices(UserName="alice")["MFADevices"]] == [serial]
    alice.iam_reads.become_consistent()
    assert iam.list_mfa_devices(UserName="alice")["MFADevices"] == []


def test_moto_is_left_as_it_was(stack: Stack) -> None:
    patched = [
        (User, "__init__"),
        (models, "utcnow"),
        *((IAMBackend, name) for name in ("attach_user_policy", "tag_user", "create_user", "enable_mfa_device")),
        *((IAMBackend, name) for name in ("add_user_to_group", "update_user")),
        *((IamResponse, name) for name in ("get_user", "list_mfa_devices", "list_users")),
        (IamResponse, "list_service_specific_credentials"),
        (Rule, "send_to_targets"),
    ]
    before = [getattr(owner, name, None) for owner, name in patched]
    with open_account(stack):
        assert not set(before) & {getattr(owner, name) for owner, name in patched}
    assert [getattr(owner, name, None) for owner, name in patched] == before


class TestFunctions:
    """Lambda and DynamoDB's stream, with the ids that the rendered template has."""

    @pytest.fixture
    def mapped(self, account: Account) -> Account:
        kinds = {"AWS::IAM::Role", "AWS::Lambda::Function", "AWS::Lambda::EventSourceMapping"}
        create_all(account.clients, account.stack, kinds)
        return account

    def test_the_mapping_and_the_stream_have_the_templates_ids(self, mapped: Account) -> None:
        mapping_id = str(mapped.stack.resolve({"Ref": "AlertFunctionExemptionChanged"}))
        found = mapped.clients.any("lambda").get_event_source_mapping(UUID=mapping_id)
        table = mapped.clients.dynamodb.describe_table(TableName=mapped.stack.physical_id("ExemptionsTable"))["Table"]
        arn = mapped.stack.resolve({"Fn::GetAtt": ["ExemptionsTable", "StreamArn"]})
        assert found["EventSourceArn"] == table["LatestStreamArn"] == arn

    def test_a_stream_that_is_turned_on_again_is_another(self, account: Account) -> None:
        table = dynamodb_backends[account.stack.account][account.stack.region].tables[
            account.stack.physical_id("ExemptionsTable")
        ]
        first = table.latest_stream_label
        table.set_stream_specification({"StreamEnabled": False})
        table.set_stream_specification({"StreamViewType": "NEW_AND_OLD_IMAGES"})
        assert table.latest_stream_label != first

    def test_a_write_to_the_table_starts_no_function_of_moto(self, mapped: Account) -> None:
        name = mapped.stack.physical_id("ExemptionsTable")
        mapped.clients.dynamodb.put_item(TableName=name, Item={"user_id": {"S": "AIDA1"}})
        shard = dynamodb_backends[mapped.stack.account][mapped.stack.region].tables[name].stream_shard
        # moto would start a container, and then forget the records that the local account reads.
        assert shard is not None
        assert len(shard.items) == 1

    def test_a_configuration_for_failed_events_replaces_the_one_before(self, mapped: Account) -> None:
        functions, name = mapped.clients.any("lambda"), mapped.stack.physical_id("AlertFunction")
        for attempts in (2, 1):
            functions.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=attempts)
        assert functions.get_function_event_invoke_config(FunctionName=name)["MaximumRetryAttempts"] == 1
