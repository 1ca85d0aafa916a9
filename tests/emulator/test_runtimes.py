"""Each function in the account that a developer starts, with both runtimes: the working tree, and the output of sam."""

import json
from collections.abc import Iterator, Mapping
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from support.local_account import AwsCliFailed, RunningAccount, local_account

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

POLICY = "EnrollMFADeviceThenSignInAgain"
PASSWORD = "Not-a-real-passw0rd"


@pytest.fixture(scope="module", params=["source", "lambda"])
def account(request: pytest.FixtureRequest) -> Iterator[RunningAccount]:
    with local_account("--runtime", str(request.param)) as running:
        yield running


@pytest.fixture
def iam(account: RunningAccount) -> "IAMClient":
    return account.session().client("iam", endpoint_url=account.endpoint)


def arn(account: RunningAccount, resource: str) -> str:
    return f"arn:aws:iam::{field(account.state(), 'stack', 'account')}:{resource}"


def field(answer: object, *path: str) -> object:
    for name in path:
        assert isinstance(answer, Mapping)
        answer = answer[name]
    return answer


def tags(account: RunningAccount, user: str) -> object:
    return (account.user(user) or {}).get("tags")


def test_user_event_function_enforces_removes_tags_and_enforces_again(
    account: RunningAccount, iam: "IAMClient"
) -> None:
    iam.create_user(UserName="alice")
    account.wait_for(lambda: account.mails("noncompliant"))
    account.wait_for(lambda: tags(account, "alice"))
    attached = iam.list_attached_user_policies(UserName="alice")["AttachedPolicies"]
    assert [each["PolicyArn"] for each in attached] == [arn(account, f"policy/{POLICY}")]

    # With a password, alice is not a machine user, although there is an access key.
    iam.create_login_profile(UserName="alice", Password=PASSWORD)
    created = iam.create_virtual_mfa_device(VirtualMFADeviceName="alice-phone")["VirtualMFADevice"]
    first, second = account.codes(created["Base32StringSeed"])
    iam.enable_mfa_device(
        UserName="alice", SerialNumber=created["SerialNumber"], AuthenticationCode1=first, AuthenticationCode2=second
    )
    account.wait_for(lambda: tags(account, "alice") == {})
    assert field(account.user("alice"), "routes") == ["user"]

    iam.detach_user_policy(UserName="alice", PolicyArn=arn(account, f"policy/{POLICY}"))
    account.wait_for(lambda: account.mails("enforcement-removed"))
    account.wait_for(lambda: field(account.user("alice"), "routes") == ["user"])
    assert "user/carol" in str(account.mails("enforcement-removed")[0]["text"])


def test_alert_function_reports_a_disabled_rule(account: RunningAccount) -> None:
    events = account.session().client("events", endpoint_url=account.endpoint)
    events.disable_rule(Name="mfa-guard-mfa-devices")
    account.wait_for(lambda: account.mails("tampering"))
    [mail] = account.mails("tampering")
    assert (mail["severity"], "DisableRule" in str(mail["subject"])) == ("critical", True)
    events.enable_rule(Name="mfa-guard-mfa-devices")


def test_alert_function_reports_an_exemption(account: RunningAccount, iam: "IAMClient") -> None:
    record = {
        "user_id": iam.get_user(UserName="carol")["User"]["UserId"],
        "user_name": "carol",
        "owner": "carol",
        "reason": "administrator of the guard",
        "created_by": "carol",
        "expires_at": "2027-01-31T00:00:00Z",
    }
    stacks = account.session().client("cloudformation", endpoint_url=account.endpoint)
    outputs = stacks.describe_stacks(StackName="mfa-guard")["Stacks"][0]["Outputs"]
    table = next(each["OutputValue"] for each in outputs if each["OutputKey"] == "ExemptionsTableName")
    account.session().client("dynamodb", endpoint_url=account.endpoint).put_item(
        TableName=table, Item={name: {"S": value} for name, value in record.items()}
    )
    account.wait_for(lambda: account.mails("exemption"))
    assert "carol" in str(account.mails("exemption")[0]["subject"])


def test_sweep_function_sweeps_on_request(account: RunningAccount) -> None:
    before = sweeps(account)
    entry = {"Source": "mfa-guard", "DetailType": "Sweep requested", "Detail": "{}"}
    account.session().client("events", endpoint_url=account.endpoint).put_events(Entries=[entry])  # type: ignore[list-item]  # the stubs have a type of their own
    account.wait_for(lambda: sweeps(account) > before)


def sweeps(account: RunningAccount) -> int:
    """Return how many sweeps ended. A sweep without news sends no mail."""
    return sum(" users, " in str(line["outcome"]) for line in account.activity("SweepFunction"))


@pytest.mark.parametrize("account", ["source"], indirect=True)
def test_the_aws_cli_can_do_the_same(account: RunningAccount) -> None:
    account.aws("iam", "create-user", "--user-name", "bob")
    account.wait_for(lambda: tags(account, "bob"))
    listed = account.aws("iam", "list-user-tags", "--user-name", "bob")
    assert [each["Key"] for each in field(listed, "Tags")] == ["mfa-guard:status", "mfa-guard:since"]  # type: ignore[attr-defined]
    phone = arn(account, "mfa/bob-phone")
    with NamedTemporaryFile("r") as file:
        account.aws(
            "iam", "create-virtual-mfa-device", "--virtual-mfa-device-name", "bob-phone",
            "--bootstrap-method", "Base32StringSeed", "--outfile", file.name,
        )  # fmt: skip
        seed = file.read().strip()
    with pytest.raises(AwsCliFailed, match="InvalidAuthenticationCode"):
        account.aws(*enable(phone, "000000", "111111"))
    account.aws(*enable(phone, *account.codes(seed)))
    account.wait_for(lambda: tags(account, "bob") == {})
    account.aws("events", "put-rule", "--name", "others", "--event-pattern", '{"source":["aws.s3"]}')
    outputs = account.aws(
        "cloudformation", "describe-stacks", "--stack-name", "mfa-guard", "--query", "Stacks[0].Outputs"
    )
    assert "ExemptionsTableName" in json.dumps(outputs)


def enable(phone: str, first: str, second: str) -> tuple[str, ...]:
    codes = ("--authentication-code1", first, "--authentication-code2", second)
    return "iam", "enable-mfa-device", "--user-name", "bob", "--serial-number", phone, *codes


def test_teardown_function_releases_every_user_when_the_stack_is_deleted(
    account: RunningAccount, iam: "IAMClient"
) -> None:
    iam.create_user(UserName="zoe")
    account.wait_for(lambda: tags(account, "zoe"))
    stacks = account.session().client("cloudformation", endpoint_url=account.endpoint)
    with pytest.raises(ClientError, match="TerminationProtection"):
        stacks.delete_stack(StackName="mfa-guard")
    stacks.update_termination_protection(StackName="mfa-guard", EnableTerminationProtection=False)
    stacks.delete_stack(StackName="mfa-guard")
    account.wait_for(lambda: any("DELETE_COMPLETE" in line for line in account.lines))
    assert (field(account.user("zoe"), "routes"), tags(account, "zoe")) == ([], {})
    with pytest.raises(ClientError, match="does not exist"):
        stacks.describe_stacks(StackName="mfa-guard")
