"""Adapters on moto: what they make of AWS's responses."""

import json
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from mfa_guard.adapters import iam as adapters_iam
from mfa_guard.adapters.clock import SystemClock
from mfa_guard.adapters.exemptions import ExemptionTable
from mfa_guard.adapters.iam import AccessKeys, IamLookup, IamUsers
from mfa_guard.adapters.sns import Topics
from mfa_guard.core.errors import AccessDenied, AwsRequestFailed, QuotaExceeded, UserGone
from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.mail.layout import Message
from mfa_guard.core.user import AccessKey
from mfa_guard.runtime import clients
from mfa_guard_cli.stack.template import Stack
from support.account import Account
from support.aws import Faults
from support.factories import NOW


@pytest.fixture
def iam(account: Account, stack: Stack) -> IamUsers:  # noqa: ARG001 - the client belongs to the account
    policy = stack.environment("UserEventFunction")["ENFORCEMENT_POLICY_ARN"]
    client = boto3.client("iam")
    client.create_user(UserName="alice", Path="/staff/", Tags=[{"Key": "team", "Value": "red"}])
    return IamUsers(clients.iam(), policy, stack.physical_id("EnforcementGroup"))


def bound(account: Account, name: str, policy: str) -> None:
    """Give a user a permissions boundary, for which moto has no call."""
    account.iam.users[name].permissions_boundary = {  # type: ignore[attr-defined]
        "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
        "PermissionsBoundaryArn": policy,
    }


class TestLookup:
    @pytest.fixture
    def lookup(self, iam: IamUsers) -> IamLookup:  # noqa: ARG002 - alice lives in the account
        return IamLookup(clients.iam())

    def test_a_renamed_user_is_found_by_id_on_any_page(
        self, lookup: IamLookup, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = boto3.client("iam")
        user_id = client.get_user(UserName="alice")["User"]["UserId"]
        client.update_user(UserName="alice", NewUserName="zoe")
        client.create_user(UserName="bob")
        monkeypatch.setattr(adapters_iam, "_USERS_PER_PAGE", 1)
        assert lookup.name_of(user_id) == "zoe"
        assert lookup.name_of("AIDAMISSING") is None

    def test_a_policy_is_its_default_version(self, lookup: IamLookup) -> None:
        client = boto3.client("iam")
        statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        document = {"Version": "2012-10-17", "Statement": [statement]}
        arn = client.create_policy(PolicyName="developers", PolicyDocument=json.dumps(document))["Policy"]["Arn"]
        assert lookup.policy_document(arn) == document
        other = {**document, "Statement": [{**statement, "Effect": "Deny"}]}
        client.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(other), SetAsDefault=True)
        assert lookup.policy_document(arn) == other
        assert lookup.policy_document(f"{arn}-missing") is None

    def test_what_aws_refuses_raises(self, lookup: IamLookup, faults: Faults) -> None:
        faults.failing = {"ListUsers": "AccessDenied", "GetPolicy": "AccessDenied"}
        with pytest.raises(AccessDenied):
            lookup.name_of("AIDA1")
        with pytest.raises(AccessDenied):
            lookup.policy_document("arn:aws:iam::aws:policy/ReadOnlyAccess")


class TestIam:
    def test_a_user_is_id_path_and_tags(self, iam: IamUsers) -> None:
        state = iam.user("alice")
        assert (state.name, state.path, state.tags) == ("alice", "/staff/", {"team": "red"})
        assert state.id == boto3.client("iam").get_user(UserName="alice")["User"]["UserId"]

    def test_the_permissions_boundary_is_part_of_the_user(self, iam: IamUsers, account: Account) -> None:
        assert iam.user("alice").boundary is None
        bound(account, "alice", "arn:aws:iam::aws:policy/ReadOnlyAccess")
        assert iam.user("alice").boundary == "arn:aws:iam::aws:policy/ReadOnlyAccess"

    def test_a_key_shows_the_current_name_of_its_user(self, iam: IamUsers) -> None:
        client = boto3.client("iam")
        key_id = client.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
        assert iam.key_owner(key_id) == "alice"

    @pytest.mark.parametrize("code", ["NoSuchEntity", "AccessDenied"])
    def test_a_key_that_iam_does_not_know_has_no_user(self, iam: IamUsers, faults: Faults, code: str) -> None:
        # IAM can answer AccessDenied for a key that does not exist.
        faults.failing = {"GetAccessKeyLastUsed": code}
        assert iam.key_owner("AKIAMISSING000000000") is None

    @pytest.mark.parametrize(
        "read",
        ["user", "devices", "attached", "in_group", "keys", "attach", "detach", "add_to_group", "remove_from_group"],
    )
    def test_a_missing_user_is_gone(self, iam: IamUsers, read: str) -> None:
        with pytest.raises(UserGone):
            getattr(iam, read)("missing")

    def test_devices_with_the_time_of_enabling(self, iam: IamUsers) -> None:
        client = boto3.client("iam")
        serial = client.create_virtual_mfa_device(VirtualMFADeviceName="phone")["VirtualMFADevice"]["SerialNumber"]
        client.enable_mfa_device(
            UserName="alice", SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321"
        )
        [device] = iam.devices("alice")
        assert device.serial == serial
        assert timedelta(0) <= datetime.now(UTC) - device.enabled_at < timedelta(minutes=1)

    def test_both_routes_are_enforced_and_released(self, iam: IamUsers) -> None:
        iam.attach("alice")
        iam.add_to_group("alice")
        assert (iam.attached("alice"), iam.in_group("alice")) == (True, True)
        iam.detach("alice")
        iam.remove_from_group("alice")
        assert (iam.attached("alice"), iam.in_group("alice")) == (False, False)

    def test_another_policy_or_group_does_not_count(self, iam: IamUsers) -> None:
        client = boto3.client("iam")
        document = json.dumps(
            {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
        )
        arn = client.create_policy(PolicyName="Other", PolicyDocument=document)["Policy"]["Arn"]
        client.attach_user_policy(UserName="alice", PolicyArn=arn)
        client.create_group(GroupName="other")
        client.add_user_to_group(UserName="alice", GroupName="other")
        assert (iam.attached("alice"), iam.in_group("alice")) == (False, False)

    def test_with_and_without_a_password(self, iam: IamUsers) -> None:
        assert not iam.password("alice")
        boto3.client("iam").create_login_profile(UserName="alice", Password="Not-a-secret-1")
        assert iam.password("alice")

    def test_keys_with_status_and_last_use(self, iam: IamUsers, account: Account) -> None:
        client = boto3.client("iam")
        used, idle = (client.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"] for _ in range(2))
        client.update_access_key(UserName="alice", AccessKeyId=idle, Status="Inactive")
        account.use_key("alice", used, NOW)
        keys = {key.id: key for key in iam.keys("alice")}
        created = {
            key["AccessKeyId"]: key["CreateDate"]
            for key in client.list_access_keys(UserName="alice")["AccessKeyMetadata"]
        }
        assert keys[used] == AccessKey(used, active=True, last_used=NOW, created_at=created[used])
        assert keys[idle] == AccessKey(idle, active=False, last_used=None, created_at=created[idle])

    def test_a_listed_key_counts_if_its_use_is_not_known_yet(self, iam: IamUsers, faults: Faults) -> None:
        key = boto3.client("iam").create_access_key(UserName="alice")["AccessKey"]
        faults.failing["GetAccessKeyLastUsed"] = "NoSuchEntity"
        assert iam.keys("alice") == (
            AccessKey(key["AccessKeyId"], active=True, last_used=None, created_at=key["CreateDate"]),
        )

    def test_the_guards_tags_are_set_and_removed_and_others_stay(self, iam: IamUsers) -> None:
        iam.mark("alice", NOW)
        marks = {"mfa-guard:status": "noncompliant", "mfa-guard:since": "2026-03-01T12:00:00Z"}
        assert iam.user("alice").tags == {"team": "red", **marks}
        iam.clear("alice", marks)
        assert iam.user("alice").tags == {"team": "red"}

    def test_an_announcement_is_tagged_and_other_tags_stay(self, iam: IamUsers) -> None:
        iam.warn("alice", NOW)
        assert iam.user("alice").tags == {"team": "red", "mfa-guard:warned": "2026-03-01T12:00:00Z"}

    def test_a_key_is_deactivated_and_not_deleted(self, iam: IamUsers) -> None:
        key = boto3.client("iam").create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
        AccessKeys(clients.iam()).deactivate("alice", key)
        assert [(each.id, each.active) for each in iam.keys("alice")] == [(key, False)]

    def test_service_specific_credentials(self, iam: IamUsers) -> None:
        assert iam.service_credentials("alice") == ()

    @pytest.mark.parametrize("call", ["attach", "add_to_group"])
    def test_a_used_up_quota_has_an_error_of_its_own(self, iam: IamUsers, faults: Faults, call: str) -> None:
        faults.failing = {"AttachUserPolicy": "LimitExceeded", "AddUserToGroup": "LimitExceeded"}
        with pytest.raises(QuotaExceeded, match="LimitExceeded by the test"):
            getattr(iam, call)("alice")

    @pytest.mark.parametrize("code", ["AccessDenied", "Throttling", "ServiceFailure"])
    def test_every_other_error_has_aws_error_code(self, iam: IamUsers, faults: Faults, code: str) -> None:
        faults.failing = {"GetUser": code}
        with pytest.raises(Exception, match=code):
            iam.user("alice")

    def test_an_unreachable_endpoint_is_a_failed_request(self, iam: IamUsers) -> None:
        def fail(**_: object) -> None:
            raise EndpointConnectionError(endpoint_url="https://iam.amazonaws.com")

        clients.iam().meta.events.register("before-call", fail)
        with pytest.raises(AwsRequestFailed, match="EndpointConnectionError: Could not connect"):
            iam.user("alice")


class TestExemptions:
    ITEM: ClassVar = {
        "user_id": "AIDA1",
        "user_name": "alice",
        "owner": "platform",
        "reason": "build machine",
        "created_by": "bob",
        "expires_at": "2026-04-01T00:00:00Z",
    }

    def put(self, stack: Stack, **changes: dict[str, str]) -> ExemptionTable:
        client, table = boto3.client("dynamodb"), stack.physical_id("ExemptionsTable")
        item = {key: {"S": value} for key, value in self.ITEM.items()}
        client.put_item(TableName=table, Item=item | changes)
        return ExemptionTable(client, table)

    @pytest.mark.usefixtures("account")
    def test_a_record_is_found_by_its_user_id_only(self, stack: Stack) -> None:
        table = self.put(stack)
        assert isinstance(table.get("AIDA1", NOW), Exemption)
        assert table.get("AIDA2", NOW) is None

    @pytest.mark.usefixtures("account")
    def test_a_value_of_another_type_is_malformed(self, stack: Stack) -> None:
        assert isinstance(self.put(stack, expires_at={"N": "1775001600"}).get("AIDA1", NOW), MalformedExemption)


class TestTopics:
    def test_mail_and_attributes_reach_the_topic(self, account: Account, stack: Stack) -> None:
        notices, operations = (str(stack.resolve({"Ref": topic})) for topic in ("NoticesTopic", "OperationsTopic"))
        message = Message("A subject", json.dumps({"default": "{}", "email": "A mail"}), {"severity": "low"})
        Topics(boto3.client("sns"), notices, operations).operations(message)
        [(_, body, subject, attributes, *_)] = account.sns.topics[operations].sent_notifications
        assert (subject, json.loads(body)["email"]) == ("A subject", "A mail")
        assert attributes is not None
        assert attributes["severity"]["Value"] == "low"
        assert account.sns.topics[notices].sent_notifications == []


def test_the_clock_is_utc_and_waits() -> None:
    clock = SystemClock()
    before = clock.now()
    clock.sleep(0.01)
    assert clock.now() - before >= timedelta(seconds=0.01)
    assert before.utcoffset() == timedelta(0)
