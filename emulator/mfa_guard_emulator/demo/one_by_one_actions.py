"""The first scenario's actors, and what they do in each step."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pyotp import TOTP

from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.user import GUARD_TAGS
from mfa_guard_cli.stack.template import SAMPLE_ACCOUNT, Fields
from mfa_guard_emulator.aws.baseline import ADMINISTRATOR
from mfa_guard_emulator.aws.cloudtrail import redelivered
from mfa_guard_emulator.aws.moto_patches import GROUPS_PER_USER, POLICIES_PER_USER
from mfa_guard_emulator.aws.stale_reads import Kind
from mfa_guard_emulator.demo.actors import Actor, console_user, key_user, role_session, root_user
from mfa_guard_emulator.demo.harness import Harness

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

CAROL: Final = console_user(ADMINISTRATOR, mfa=True, address="192.0.2.17")
CAROL_ARN: Final = f"arn:aws:iam::{SAMPLE_ACCOUNT}:user/{ADMINISTRATOR}"
ALICE: Final = console_user("alice", mfa=False, address="192.0.2.201")
NADIA: Final = role_session(
    f"arn:aws:iam::{SAMPLE_ACCOUNT}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_1a2b3c4d5e6f7a8b",
    "nadia@example.com",
    from_console=True,
    address="192.0.2.44",
)
PIPELINE: Final = role_session(
    f"arn:aws:iam::{SAMPLE_ACCOUNT}:role/GitHubDeploy", "GitHubActions", from_console=False, address="198.51.100.140"
)
# A program that uses dave's access key, which may be stolen.
DAVE_KEY: Final = key_user("dave", address="198.51.100.23")
GRACE_KEY: Final = key_user("grace", address="192.0.2.88")
ROOT: Final = root_user(address="198.51.100.99")

_IAM: Final = "iam.amazonaws.com"
# So many new devices without a user are a burst (use_cases/device_burst.py).
_MANY_DEVICES: Final = 10
_PASSWORD: Final = "Not-a-real-passw0rd"  # noqa: S105 - this user does not exist


def prepare(harness: Harness) -> None:
    """Create users who are older than the stack, without records."""
    create_roles(harness)
    iam = harness.iam
    for name in ("dave", "ci-deploy", "frank", "grace", "heidi"):
        iam.create_user(UserName=name)
    iam.attach_user_policy(UserName="dave", PolicyArn=_new_policy(iam, "PowerUsers"))
    for name in ("ci-deploy", "grace"):
        key = iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"]
        harness.set_key_last_used(name, key, harness.account.clock.now() - timedelta(days=1))
    iam.create_login_profile(UserName="grace", Password=_PASSWORD)
    _enroll(harness, "grace", "grace-phone")
    for device in harness.account.iam.users["grace"].mfa_devices.values():
        device.enable_date -= timedelta(days=30)
    for number in range(POLICIES_PER_USER):
        arn = _new_policy(iam, f"Team{number}")
        iam.attach_user_policy(UserName="frank", PolicyArn=arn)
        iam.attach_user_policy(UserName="heidi", PolicyArn=arn)
    for number in range(GROUPS_PER_USER):
        iam.create_group(GroupName=f"team-{number}")
        iam.add_user_to_group(GroupName=f"team-{number}", UserName="heidi")


def create_roles(harness: Harness) -> None:
    """Create the roles that people and pipelines assume."""
    trust = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}'
    )
    for actor in (NADIA, PIPELINE):
        path, _, name = actor.name.partition(":role/")[2].rpartition("/")
        harness.iam.create_role(RoleName=name, Path=f"/{path}/" if path else "/", AssumeRolePolicyDocument=trust)


def update_stack(harness: Harness, actor: Actor, **parameters: str) -> None:
    """Update the stack with other parameters as an actor."""
    given = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
    with harness.acting(actor):
        cloudformation = harness.clients.any("cloudformation")
        cloudformation.update_stack(StackName=harness.account.stack.name, UsePreviousTemplate=True, Parameters=given)


def _new_policy(iam: "IAMClient", name: str) -> str:
    document = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}]}'
    return iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]


def twice_and_out_of_order(envelopes: Sequence[Fields]) -> Sequence[Fields]:
    """Deliver the events in reverse order, and then all of them again."""
    return (*reversed(envelopes), *map(redelivered, envelopes))


def _policy_arn(harness: Harness) -> str:
    return str(harness.account.stack.resolve({"Ref": "EnforcementPolicy"}))


def _enroll(harness: Harness, user: str, device: str) -> None:
    iam, now = harness.iam, harness.account.clock.now()
    created = iam.create_virtual_mfa_device(VirtualMFADeviceName=device)["VirtualMFADevice"]
    serial, codes = created["SerialNumber"], TOTP(created["Base32StringSeed"].decode())
    first, second = codes.at(now - timedelta(seconds=30)), codes.at(now)
    iam.enable_mfa_device(UserName=user, SerialNumber=serial, AuthenticationCode1=first, AuthenticationCode2=second)


def _remove_device(iam: "IAMClient", user: str, device: str) -> None:
    iam.deactivate_mfa_device(UserName=user, SerialNumber=f"arn:aws:iam::{SAMPLE_ACCOUNT}:mfa/{device}")


def create_alice(harness: Harness) -> None:
    with harness.acting(CAROL) as iam:
        iam.create_user(UserName="alice")
        iam.create_login_profile(UserName="alice", Password=_PASSWORD, PasswordResetRequired=True)
        iam.create_access_key(UserName="alice")


def alice_enrolls(harness: Harness) -> None:
    with harness.acting(ALICE):
        _enroll(harness, "alice", "alice-phone")


def detach_policy(harness: Harness) -> None:
    with harness.acting(NADIA) as iam:
        iam.detach_user_policy(UserName="alice", PolicyArn=_policy_arn(harness))


def add_and_remove_tablet(harness: Harness) -> None:
    with harness.acting(ALICE):
        _enroll(harness, "alice", "alice-tablet")
        _remove_device(harness.iam, "alice", "alice-tablet")


def remove_last_device(harness: Harness) -> None:
    harness.account.iam_reads.stale.show_past(Kind.DEVICES)
    with harness.acting(CAROL):
        _remove_device(harness.iam, "alice", "alice-phone")


def run_undo_commands(harness: Harness) -> None:
    harness.run_notice_commands(CAROL, harness.last_mail(NoticeKind.NONCOMPLIANT, "alice"), "TO UNDO")


def create_erin(harness: Harness) -> None:
    harness.account.iam_reads.stale.show_past(Kind.USERS, reads=1)
    with harness.acting(PIPELINE) as iam:
        iam.create_user(UserName="erin")


def give_erin_password(harness: Harness) -> None:
    with harness.acting(PIPELINE) as iam:
        iam.create_login_profile(UserName="erin", Password=_PASSWORD, PasswordResetRequired=True)


def remove_tags(harness: Harness) -> None:
    with harness.acting(DAVE_KEY) as iam:
        iam.untag_user(UserName="erin", TagKeys=list(GUARD_TAGS[:2]))


def create_second_key(harness: Harness) -> None:
    with harness.acting(CAROL) as iam:
        iam.create_access_key(UserName="grace")


def enroll_by_key(harness: Harness) -> None:
    with harness.acting(GRACE_KEY):
        _enroll(harness, "grace", "grace-cli")


def make_unrelated_calls(harness: Harness) -> None:
    with harness.acting(CAROL) as iam:
        with suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_user(UserName="alice")
        iam.detach_user_policy(UserName="dave", PolicyArn=f"arn:aws:iam::{SAMPLE_ACCOUNT}:policy/PowerUsers")
    harness.record_call(
        PIPELINE,
        "cognito-idp.amazonaws.com",
        "AdminCreateUser",
        request={"userPoolId": "us-east-1_EXAMPLE", "username": "alice"},
    )
    harness.record_call(PIPELINE, "transfer.amazonaws.com", "CreateUser", request={"userName": "alice"})


def rotate_machine_key(harness: Harness) -> None:
    with harness.acting(CAROL) as iam:
        iam.create_access_key(UserName="ci-deploy")


def exempt_machine_user(harness: Harness) -> None:
    harness.run_notice_commands(CAROL, harness.last_mail(NoticeKind.DECISION, "ci-deploy"), "TO EXEMPT")
    old = harness.account.iam.users["ci-deploy"].access_keys[0].access_key_id
    with harness.acting(CAROL) as iam:
        iam.update_access_key(UserName="ci-deploy", AccessKeyId=old, Status="Inactive")
        iam.update_access_key(UserName="ci-deploy", AccessKeyId=old, Status="Active")


def rename_machine_user(harness: Harness) -> None:
    with harness.acting(CAROL) as iam:
        iam.update_user(UserName="ci-deploy", NewUserName="ci-release")


def give_frank_password(harness: Harness) -> None:
    with harness.acting(CAROL) as iam:
        iam.create_login_profile(UserName="frank", Password=_PASSWORD, PasswordResetRequired=True)


def give_heidi_key(harness: Harness) -> None:
    with harness.acting(CAROL) as iam:
        iam.create_access_key(UserName="heidi")


def create_judy_with_50_tags(harness: Harness) -> None:
    tags = [{"Key": f"cost-{number}", "Value": "x"} for number in range(50)]
    with harness.acting(CAROL) as iam:
        iam.create_user(UserName="judy", Tags=tags)  # type: ignore[arg-type]


def run_half_of_undo(harness: Harness) -> None:
    harness.run_notice_commands(CAROL, harness.last_mail(NoticeKind.NONCOMPLIANT, "frank"), "TO UNDO", limit=1)
    with harness.acting(CAROL) as iam:
        iam.create_access_key(UserName="frank")


def add_and_remove_exempt_device(harness: Harness) -> None:
    with harness.acting(CAROL):
        _enroll(harness, "frank", "frank-phone")
        _remove_device(harness.iam, "frank", "frank-phone")


def enroll_for_erin(harness: Harness) -> None:
    with harness.acting(DAVE_KEY):
        _enroll(harness, "erin", "backup-phone")


def create_root_key(harness: Harness) -> None:
    with harness.acting(ROOT) as iam:
        iam.create_access_key()


def sign_in_as_root(harness: Harness) -> None:
    harness.sign_in_as_root(ROOT)


def attack_guard(harness: Harness) -> None:
    stack = harness.account.stack
    rule = stack.physical_id("UserEventFunctionNewCredentials")
    topic = str(stack.resolve({"Ref": "NoticesTopic"}))
    silence = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sns:Publish"}]}'
    with harness.acting(DAVE_KEY):
        harness.clients.events.disable_rule(Name=rule, EventBusName="default")
        harness.clients.sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=silence)
        for number in range(_MANY_DEVICES):
            harness.iam.create_virtual_mfa_device(VirtualMFADeviceName=f"spare-phone-{number}")
    with harness.acting(CAROL):
        harness.clients.events.enable_rule(Name=rule, EventBusName="default")


def record_unreadable_event(harness: Harness) -> None:
    harness.record_call(NADIA, _IAM, "CreateLoginProfile", request={"passwordResetRequired": True})


def update_to_audit(harness: Harness) -> None:
    update_stack(harness, NADIA, Mode="audit")


def create_ivan(harness: Harness) -> None:
    harness.set_parameters(Mode="audit")
    with harness.acting(CAROL) as iam:
        iam.create_user(UserName="ivan")
        iam.create_login_profile(UserName="ivan", Password=_PASSWORD, PasswordResetRequired=True)
