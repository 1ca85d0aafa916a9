"""How many calls to AWS an event about a user costs, through the real adapters on moto."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from mfa_guard.handlers import user_event
from mfa_guard_cli.stack.template import Stack
from support.account import Account
from support.aws import Context, Faults
from support.factories import detail, envelope

DYNAMODB = {"PutItem", "UpdateItem", "GetItem", "BatchGetItem", "DeleteItem"}
PHONE = "arn:aws:iam::111122223333:mfa/phone"


def happened(name: str, **changes: object) -> dict[str, object]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return envelope(detail(name, **{"eventTime": now, **changes}))  # type: ignore[arg-type]


def iam_calls(made: list[str]) -> list[str]:
    return [name for name in made if name not in DYNAMODB | {"Publish"}]


@pytest.fixture
def alice(account: Account) -> str:  # noqa: ARG001 - the user lives in the account
    """Create a user with a password, and return the user's id."""
    iam = boto3.client("iam")
    user_id: str = iam.create_user(UserName="alice")["User"]["UserId"]
    iam.create_login_profile(UserName="alice", Password="Not-a-secret-1")
    return user_id


def test_a_new_user_costs_at_most_thirteen_calls(alice: str, faults: Faults, context: Context) -> None:
    event = happened("CreateUser", responseElements={"user": {"userName": "alice", "userId": alice}})
    user_event.lambda_handler(event, context)
    assert len(faults.made) <= 13, Counter(faults.made)
    assert not {"ListAttachedUserPolicies", "ListGroupsForUser"} & set(faults.made)


class TestEnforcedUserWithDevice:
    """Nothing is to be done, so each of these events costs only what shows this."""

    @pytest.fixture(autouse=True)
    def enrolled(self, alice: str, account: Account, stack: Stack, faults: Faults, context: Context) -> None:
        iam = boto3.client("iam")
        iam.attach_user_policy(UserName="alice", PolicyArn=str(stack.resolve({"Ref": "EnforcementPolicy"})))
        account.iam.users["alice"].create_date = datetime.now(UTC) - timedelta(days=30)
        serial = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")["VirtualMFADevice"]["SerialNumber"]
        iam.enable_mfa_device(
            UserName="alice", SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321"
        )
        # The first event brings the user into scope, which is written once.
        user_event.lambda_handler(happened("UpdateUser"), context)
        faults.made.clear()
        self.user_id = alice

    @pytest.mark.parametrize("event", ["UpdateUser", "TagUser", "DeleteLoginProfile", "PutUserPermissionsBoundary"])
    def test_three_calls_to_iam_and_three_to_the_tables(self, event: str, faults: Faults, context: Context) -> None:
        user_event.lambda_handler(happened(event), context)
        assert sorted(iam_calls(faults.made)) == ["GetUser", "ListAttachedUserPolicies", "ListMFADevices"]
        assert len(faults.made) == 6

    def test_at_most_four_calls_to_iam_for_a_key(self, faults: Faults, context: Context) -> None:
        key_id = boto3.client("iam").create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
        response = {"accessKey": {"userName": "alice", "accessKeyId": key_id}}
        user_event.lambda_handler(happened("CreateAccessKey", responseElements=response), context)
        assert len(iam_calls(faults.made)) <= 4, Counter(faults.made)

    def test_at_most_four_calls_to_iam_for_a_password(self, faults: Faults, context: Context) -> None:
        user_event.lambda_handler(happened("CreateLoginProfile"), context)
        assert len(iam_calls(faults.made)) <= 4, Counter(faults.made)
