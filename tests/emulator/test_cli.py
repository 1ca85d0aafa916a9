"""One scenario for each function, run with the AWS CLI against the local account."""

from collections.abc import Iterator, Mapping
from tempfile import NamedTemporaryFile

import pytest

from support.local_account import Refused, RunningAccount, local_account

POLICY = "EnrollMFADeviceThenSignInAgain"


@pytest.fixture(scope="module", params=["source", "lambda"])
def account(request: pytest.FixtureRequest) -> Iterator[RunningAccount]:
    """Return an account with each runtime: the handlers of the working tree, and the build under AWS's own emulator."""
    with local_account("--runtime", str(request.param)) as running:
        yield running


def field(answer: object, *path: str) -> object:
    for name in path:
        assert isinstance(answer, Mapping)
        answer = answer[name]
    return answer


def test_user_event_function_enforces_clears_and_repairs(account: RunningAccount) -> None:
    account.aws("iam", "create-user", "--user-name", "alice")
    account.wait_for(lambda: account.mails("noncompliant"))
    account.wait_for(lambda: (account.user("alice") or {})["tags"])
    attached = account.aws("iam", "list-attached-user-policies", "--user-name", "alice")
    assert field(attached, "AttachedPolicies") == [
        {"PolicyName": POLICY, "PolicyArn": arn(account, f"policy/{POLICY}")}
    ]
    tags = account.aws("iam", "list-user-tags", "--user-name", "alice")
    assert [each["Key"] for each in field(tags, "Tags")] == ["mfa-guard:status", "mfa-guard:since"]  # type: ignore[attr-defined]

    phone = arn(account, "mfa/alice-phone")
    # With a password alice is a person. A user with a key in use and no password would be a machine user.
    account.aws("iam", "create-login-profile", "--user-name", "alice", "--password", "Not-a-real-passw0rd")
    # alice enrolls with the user's own key, since a device that another user enables is reported as a takeover.
    key = field(account.aws("iam", "create-access-key", "--user-name", "alice"), "AccessKey")
    own = {
        "AWS_ACCESS_KEY_ID": str(field(key, "AccessKeyId")),
        "AWS_SECRET_ACCESS_KEY": str(field(key, "SecretAccessKey")),
    }
    account.aws(
        "iam", "create-virtual-mfa-device", "--virtual-mfa-device-name", "alice-phone",
        "--bootstrap-method", "Base32StringSeed", "--outfile", "/dev/null", **own,
    )  # fmt: skip
    with pytest.raises(Refused, match="InvalidAuthenticationCode"):
        account.aws(*enable(phone, "000000", "111111"), **own)
    account.aws("iam", "delete-virtual-mfa-device", "--serial-number", phone, **own)
    seed = make_device(account, own)
    account.aws(*enable(phone, *account.codes(seed)), **own)
    account.wait_for(lambda: not (account.user("alice") or {})["tags"])
    assert account.user("alice")["routes"] == ["user"]  # type: ignore[index]

    account.aws("iam", "detach-user-policy", "--user-name", "alice", "--policy-arn", arn(account, f"policy/{POLICY}"))
    account.wait_for(lambda: account.mails("enforcement-removed"))
    account.wait_for(lambda: (account.user("alice") or {})["routes"] == ["user"])
    assert "user/carol" in str(account.mails("enforcement-removed")[0]["text"])


def arn(account: RunningAccount, resource: str) -> str:
    return f"arn:aws:iam::{field(account.state(), 'stack', 'account')}:{resource}"


def enable(phone: str, first: str, second: str) -> tuple[str, ...]:
    codes = ("--authentication-code1", first, "--authentication-code2", second)
    return "iam", "enable-mfa-device", "--user-name", "alice", "--serial-number", phone, *codes


def make_device(account: RunningAccount, own: Mapping[str, str]) -> str:
    """Return the seed of a new device, which the CLI writes to a file only."""
    with NamedTemporaryFile("r") as file:
        account.aws(
            "iam", "create-virtual-mfa-device", "--virtual-mfa-device-name", "alice-phone",
            "--bootstrap-method", "Base32StringSeed", "--outfile", file.name, **own,
        )  # fmt: skip
        return file.read().strip()


def test_alert_function_reports_a_disabled_rule(account: RunningAccount) -> None:
    account.aws("events", "disable-rule", "--name", "mfa-guard-mfa-devices")
    account.wait_for(lambda: account.mails("tampering"))
    [mail] = account.mails("tampering")
    assert (mail["severity"], "DisableRule" in str(mail["subject"])) == ("critical", True)
    account.aws("events", "enable-rule", "--name", "mfa-guard-mfa-devices")


def test_alert_function_reports_an_exemption(account: RunningAccount) -> None:
    user_id = field(account.aws("iam", "get-user", "--user-name", "carol"), "User", "UserId")
    fields = {
        "user_id": user_id,
        "user_name": "carol",
        "owner": "carol",
        "reason": "administrator of the guard",
        "created_by": "carol",
        "expires_at": "2027-01-31T00:00:00Z",
    }
    item = ",".join(f'"{name}":{{"S":"{value}"}}' for name, value in fields.items())
    stack = account.aws("cloudformation", "describe-stacks", "--stack-name", "mfa-guard")
    outputs = {each["OutputKey"]: each["OutputValue"] for each in field(stack, "Stacks")[0]["Outputs"]}  # type: ignore[index]
    account.aws("dynamodb", "put-item", "--table-name", outputs["ExemptionsTableName"], "--item", f"{{{item}}}")
    account.wait_for(lambda: account.mails("exemption"))
    assert "carol" in str(account.mails("exemption")[0]["subject"])


def test_sweep_function_sweeps_on_request(account: RunningAccount) -> None:
    before = sweeps(account)
    entry = '[{"Source":"mfa-guard","DetailType":"Sweep requested","Detail":"{}"}]'
    account.aws("events", "put-events", "--entries", entry)
    account.wait_for(lambda: sweeps(account) > before)


def sweeps(account: RunningAccount) -> int:
    """Return how many sweeps ended. A sweep without news sends no mail."""
    return sum(" users, " in str(line["outcome"]) for line in account.activity("SweepFunction"))


def test_teardown_function_releases_all_users_when_the_stack_is_deleted(account: RunningAccount) -> None:
    account.aws("iam", "create-user", "--user-name", "zoe")
    account.wait_for(lambda: (account.user("zoe") or {})["tags"])
    with pytest.raises(Refused, match="TerminationProtection"):
        account.aws("cloudformation", "delete-stack", "--stack-name", "mfa-guard")
    account.aws(
        "cloudformation", "update-termination-protection", "--stack-name", "mfa-guard",
        "--no-enable-termination-protection",
    )  # fmt: skip
    account.aws("cloudformation", "delete-stack", "--stack-name", "mfa-guard")
    account.wait_for(lambda: any("DELETE_COMPLETE" in line for line in account.lines))
    assert (account.user("zoe")["routes"], account.user("zoe")["tags"]) == ([], {})  # type: ignore[index]
    with pytest.raises(Refused, match="does not exist"):
        account.aws("cloudformation", "describe-stacks", "--stack-name", "mfa-guard")
