"""Each function of the stack with both runtimes: the handlers of the working tree, and the output of `sam build`."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest
from botocore.exceptions import ClientError

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard_cli.stack.template import load_template
from mfa_guard_emulator.account import LocalAccount, run_account
from mfa_guard_emulator.aws.delivery import DeliveryFaults
from mfa_guard_emulator.aws.mailbox import Mail
from mfa_guard_emulator.aws.snapshot import Snapshot, snapshots
from mfa_guard_emulator.console.client import environment
from mfa_guard_emulator.console.terminal import new_config
from support.local import administrator, code
from support.processes import wait_until

AWS_CLI: Final = Path(sys.executable).with_name("aws")
POLICY: Final = "EnrollMFADeviceThenSignInAgain"
PASSWORD: Final = "Not-a-real-passw0rd"
SECONDS: Final = 60


@pytest.fixture(scope="module", params=["source", "lambda"])
def account(request: pytest.FixtureRequest) -> Iterator[LocalAccount]:
    """Run an account as `mfa-guard-local run` does, with real processes, and with waits of one second at most."""
    config = new_config(
        load_template(), port=0, runtime=str(request.param), parameters={}, delivery_faults=DeliveryFaults()
    )
    with run_account(config) as running:
        yield running
        assert running.failures == []


def wait_for(account: LocalAccount, done: Callable[[], object]) -> None:
    wait_until(done, SECONDS, lambda: account.activity.newest_first[:10])


def user(account: LocalAccount, name: str) -> Snapshot:
    return snapshots(account.stack, account.iam)[name]


def mails(account: LocalAccount, kind: str) -> Sequence[Mail]:
    return [each for each in account.mailbox.mails if each.attributes.get("kind") == kind]


def arn(account: LocalAccount, resource: str) -> str:
    return f"arn:aws:iam::{account.stack.account}:{resource}"


def test_user_event_function_enforces_removes_tags_and_enforces_again(account: LocalAccount) -> None:
    iam = administrator(account).iam
    iam.create_user(UserName="alice")
    wait_for(account, lambda: mails(account, "noncompliant") and user(account, "alice").tags)
    assert user(account, "alice").routes == (AttachmentRoute.DIRECT,)

    # With a password, alice is not a machine user.
    iam.create_login_profile(UserName="alice", Password=PASSWORD)
    created = iam.create_virtual_mfa_device(VirtualMFADeviceName="alice-phone")["VirtualMFADevice"]
    seed = created["Base32StringSeed"].decode()
    iam.enable_mfa_device(
        UserName="alice",
        SerialNumber=created["SerialNumber"],
        AuthenticationCode1=code(account, seed, -30),
        AuthenticationCode2=code(account, seed),
    )
    wait_for(account, lambda: not user(account, "alice").tags)
    assert user(account, "alice").routes == (AttachmentRoute.DIRECT,)

    iam.detach_user_policy(UserName="alice", PolicyArn=arn(account, f"policy/{POLICY}"))
    wait_for(account, lambda: mails(account, "enforcement-removed") and user(account, "alice").routes)
    assert "user/carol" in mails(account, "enforcement-removed")[0].text


def test_alert_function_reports_a_disabled_rule(account: LocalAccount) -> None:
    events = administrator(account).events
    events.disable_rule(Name="mfa-guard-mfa-devices")
    wait_for(account, lambda: mails(account, "tampering"))
    [mail] = mails(account, "tampering")
    assert (mail.attributes["severity"], "DisableRule" in mail.subject) == ("critical", True)
    events.enable_rule(Name="mfa-guard-mfa-devices")


def test_alert_function_reports_an_exemption(account: LocalAccount) -> None:
    record = {
        "user_id": user(account, "carol").user_id,
        "user_name": "carol",
        "owner": "carol",
        "reason": "administrator of the guard",
        "created_by": "carol",
        "expires_at": f"{account.clock.now():%Y}-12-31T00:00:00Z",
    }
    administrator(account).dynamodb.put_item(
        TableName=account.stack.physical_id("ExemptionsTable"),
        Item={name: {"S": value} for name, value in record.items()},
    )
    wait_for(account, lambda: mails(account, "exemption"))
    assert "carol" in mails(account, "exemption")[0].subject


def test_sweep_function_sweeps_on_request(account: LocalAccount) -> None:
    before = sweeps(account)
    entry = {"Source": "mfa-guard", "DetailType": "Sweep requested", "Detail": "{}"}
    administrator(account).events.put_events(Entries=[entry])  # type: ignore[list-item]  # the stubs have a type of their own
    wait_for(account, lambda: sweeps(account) > before)


def sweeps(account: LocalAccount) -> int:
    """Return how many sweeps ended. A sweep without news sends no mail."""
    return sum(" users, " in line.outcome for line in account.activity.newest_first)


@pytest.mark.parametrize("account", ["source"], indirect=True)
def test_the_aws_cli_can_make_these_calls(account: LocalAccount, tmp_path: Path) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    given = {**own, **environment(account.endpoint), "AWS_CONFIG_FILE": os.devnull}

    def aws(line: str, *words: str) -> "subprocess.CompletedProcess[str]":
        command = [str(AWS_CLI), *line.split(), *words]
        return subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=SECONDS)

    assert aws("iam create-user --user-name bob").returncode == 0
    wait_for(account, lambda: user(account, "bob").tags)
    assert "mfa-guard:status" in aws("iam list-user-tags --user-name bob").stdout
    file = tmp_path / "seed"
    create = "iam create-virtual-mfa-device --virtual-mfa-device-name bob-phone --bootstrap-method Base32StringSeed"
    assert aws(create, "--outfile", str(file)).returncode == 0
    enable = f"iam enable-mfa-device --user-name bob --serial-number {arn(account, 'mfa/bob-phone')}"
    wrong = aws(f"{enable} --authentication-code1 000000 --authentication-code2 111111")
    assert "InvalidAuthenticationCode" in wrong.stderr
    seed = file.read_text().strip()
    first, second = code(account, seed, -30), code(account, seed)
    assert aws(f"{enable} --authentication-code1 {first} --authentication-code2 {second}").returncode == 0
    wait_for(account, lambda: not user(account, "bob").tags)
    assert "ExemptionsTableName" in aws("cloudformation describe-stacks --stack-name mfa-guard").stdout
    assert aws("events put-rule --name others --event-pattern", '{"source":["aws.s3"]}').returncode == 0


def test_teardown_function_releases_every_user_when_the_stack_is_deleted(account: LocalAccount) -> None:
    administrator(account).iam.create_user(UserName="zoe")
    wait_for(account, lambda: user(account, "zoe").tags)
    stacks = administrator(account).any("cloudformation")
    with pytest.raises(ClientError, match="TerminationProtection"):
        stacks.delete_stack(StackName="mfa-guard")
    stacks.update_termination_protection(StackName="mfa-guard", EnableTerminationProtection=False)
    stacks.delete_stack(StackName="mfa-guard")
    wait_for(account, lambda: account.cloudformation.status == "DELETE_COMPLETE")
    assert (user(account, "zoe").routes, user(account, "zoe").tags) == ((), {})
    with pytest.raises(ClientError, match="does not exist"):
        stacks.describe_stacks(StackName="mfa-guard")
