"""The first chapter: users one by one, as IAM's events wake the guard."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pyotp import TOTP

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard.core.user import GUARD_TAGS
from mfa_guard_cli.stack.template import SAMPLE_ACCOUNT, Fields
from mfa_guard_emulator.aws.cloudtrail import delivered
from mfa_guard_emulator.aws.moto_gaps import GROUPS_PER_USER, POLICIES_PER_USER
from mfa_guard_emulator.aws.surroundings import ADMINISTRATOR
from mfa_guard_emulator.demo.actors import Actor, console_user, key_user, role_session, root_user
from mfa_guard_emulator.demo.expectations import Expected, Sends, Stands, Wakes
from mfa_guard_emulator.demo.harness import Harness
from mfa_guard_emulator.demo.scenario import Scenario, Step

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

PARAMETERS: Final = {
    "AlertEmail": "security@example.com",
    "OperationsEmail": "operations@example.com",
    "HelpUrl": "https://help.example.com/mfa",
}

CAROL: Final = console_user(ADMINISTRATOR, mfa=True, address="192.0.2.17")
CAROLS_ARN: Final = f"arn:aws:iam::{SAMPLE_ACCOUNT}:user/{ADMINISTRATOR}"
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
# Whoever has dave's access key, which may not be dave.
DAVES_KEY: Final = key_user("dave", address="198.51.100.23")
GRACES_KEY: Final = key_user("grace", address="192.0.2.88")
ROOT: Final = root_user(address="198.51.100.99")

_IAM: Final = "iam.amazonaws.com"
_PASSWORD: Final = "Not-a-real-passw0rd"  # noqa: S105 - for a user who does not exist

_USER: Final = "UserEventFunction"
_ALERT: Final = "AlertFunction"
_CREDENTIALS: Final = Wakes(f"{_USER}NewCredentials", _USER)
_DEVICES: Final = Wakes(f"{_USER}MfaDevices", _USER)
_REMOVED: Final = Wakes(f"{_USER}EnforcementRemoved", _USER)
_TAGS: Final = Wakes(f"{_USER}TagsChanged", _USER)
_RENAMED: Final = Wakes(f"{_USER}UserRenamed", _USER)
_EXEMPTED: Final = Wakes(f"{_ALERT}ExemptionChanged", _ALERT)

_THROUGH_USER: Final = frozenset({AttachmentRoute.DIRECT})
_THROUGH_GROUP: Final = frozenset({AttachmentRoute.GROUP})
_EXEMPT: Final = "aws dynamodb put-item --region us-east-1 --table-name "
_RELEASE: Final = "aws iam detach-user-policy --user-name "


def _recorded(user: str, reason: str) -> Sends:
    """Return the mail about an exemption that carol recorded."""
    return Sends(
        NoticeKind.EXEMPTION,
        None,
        (user, "exempt until", "owner administrators", f"reason {reason}", f"recorded by {CAROLS_ARN}"),
    )


def prepare(harness: Harness) -> None:
    """Fill the account with users who are older than the stack, unrecorded."""
    create_roles(harness)
    iam = harness.iam
    for name in ("dave", "ci-deploy", "frank", "grace", "heidi"):
        iam.create_user(UserName=name)
    iam.attach_user_policy(UserName="dave", PolicyArn=_new_policy(iam, "PowerUsers"))
    for name in ("ci-deploy", "grace"):
        key = iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"]
        harness.use_key(name, key, datetime.now(UTC) - timedelta(days=1))
    iam.create_login_profile(UserName="grace", Password=_PASSWORD)
    _enroll(iam, "grace", "grace-phone")
    for number in range(POLICIES_PER_USER):
        arn = _new_policy(iam, f"Team{number}")
        iam.attach_user_policy(UserName="frank", PolicyArn=arn)
        iam.attach_user_policy(UserName="heidi", PolicyArn=arn)
    for number in range(GROUPS_PER_USER):
        iam.create_group(GroupName=f"team-{number}")
        iam.add_user_to_group(GroupName=f"team-{number}", UserName="heidi")


def create_roles(harness: Harness) -> None:
    """Let there be the roles that people and pipelines of the story assume."""
    trust = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}'
    )
    for actor in (NADIA, PIPELINE):
        path, _, name = actor.name.partition(":role/")[2].rpartition("/")
        harness.iam.create_role(RoleName=name, Path=f"/{path}/" if path else "/", AssumeRolePolicyDocument=trust)


def update_stack(harness: Harness, actor: Actor, **parameters: str) -> None:
    """Let somebody update the stack with other parameters."""
    given = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
    with harness.acting(actor):
        cloudformation = harness.clients.any("cloudformation")
        cloudformation.update_stack(StackName=harness.account.stack.name, UsePreviousTemplate=True, Parameters=given)


def _new_policy(iam: "IAMClient", name: str) -> str:
    document = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}]}'
    return iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]


def twice_and_out_of_order(envelopes: Sequence[Fields]) -> Sequence[Fields]:
    """Let the last event arrive first, and every event once more later."""
    return (*reversed(envelopes), *map(delivered, envelopes))


@contextmanager
def _acting(harness: Harness, actor: Actor) -> "Iterator[IAMClient]":
    with harness.acting(actor) as iam:
        yield iam


def _policy_arn(harness: Harness) -> str:
    return str(harness.account.stack.resolve({"Ref": "EnforcementPolicy"}))


def _enroll(iam: "IAMClient", user: str, device: str) -> None:
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName=device)["VirtualMFADevice"]
    serial, codes = made["SerialNumber"], TOTP(made["Base32StringSeed"].decode())
    now = datetime.now(UTC)
    first, second = codes.at(now - timedelta(seconds=30)), codes.at(now)
    iam.enable_mfa_device(UserName=user, SerialNumber=serial, AuthenticationCode1=first, AuthenticationCode2=second)


def _remove_device(iam: "IAMClient", user: str, device: str) -> None:
    iam.deactivate_mfa_device(UserName=user, SerialNumber=f"arn:aws:iam::{SAMPLE_ACCOUNT}:mfa/{device}")


def _console_wizard(harness: Harness) -> None:
    with _acting(harness, CAROL) as iam:
        iam.create_user(UserName="alice")
        iam.create_login_profile(UserName="alice", Password=_PASSWORD, PasswordResetRequired=True)
        iam.create_access_key(UserName="alice")


def _alice_enrolls(harness: Harness) -> None:
    with _acting(harness, ALICE) as iam:
        _enroll(iam, "alice", "alice-phone")


def _policy_is_detached(harness: Harness) -> None:
    with _acting(harness, NADIA) as iam:
        iam.detach_user_policy(UserName="alice", PolicyArn=_policy_arn(harness))


def _one_of_two_devices_goes(harness: Harness) -> None:
    with _acting(harness, ALICE) as iam:
        _enroll(iam, "alice", "alice-tablet")
        _remove_device(iam, "alice", "alice-tablet")


def _last_device_goes(harness: Harness) -> None:
    harness.account.lag.linger(harness.account.iam.users["alice"])
    with _acting(harness, CAROL) as iam:
        _remove_device(iam, "alice", "alice-phone")


def _undo_is_pasted(harness: Harness) -> None:
    harness.paste(CAROL, harness.last_mail(NoticeKind.NONCOMPLIANT, "alice"), "TO UNDO")


def _erin_is_created(harness: Harness) -> None:
    harness.account.lag.hide("erin", reads=1)
    with _acting(harness, PIPELINE) as iam:
        iam.create_user(UserName="erin")


def _erin_gets_a_password(harness: Harness) -> None:
    with _acting(harness, PIPELINE) as iam:
        iam.create_login_profile(UserName="erin", Password=_PASSWORD, PasswordResetRequired=True)


def _tags_are_removed(harness: Harness) -> None:
    with _acting(harness, DAVES_KEY) as iam:
        iam.untag_user(UserName="erin", TagKeys=list(GUARD_TAGS[:2]))


def _grace_gets_a_key(harness: Harness) -> None:
    with _acting(harness, CAROL) as iam:
        iam.create_access_key(UserName="grace")


def _grace_enrolls_by_key(harness: Harness) -> None:
    with _acting(harness, GRACES_KEY) as iam:
        _enroll(iam, "grace", "grace-cli")


def _noise(harness: Harness) -> None:
    with _acting(harness, CAROL) as iam:
        with suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_user(UserName="alice")
        iam.detach_user_policy(UserName="dave", PolicyArn=f"arn:aws:iam::{SAMPLE_ACCOUNT}:policy/PowerUsers")
    harness.say(
        PIPELINE,
        "cognito-idp.amazonaws.com",
        "AdminCreateUser",
        request={"userPoolId": "us-east-1_EXAMPLE", "username": "alice"},
    )
    harness.say(PIPELINE, "transfer.amazonaws.com", "CreateUser", request={"userName": "alice"})


def _machine_key_is_rotated(harness: Harness) -> None:
    with _acting(harness, CAROL) as iam:
        iam.create_access_key(UserName="ci-deploy")


def _machine_is_exempted(harness: Harness) -> None:
    harness.paste(CAROL, harness.last_mail(NoticeKind.DECISION, "ci-deploy"), "TO EXEMPT")
    old = harness.account.iam.users["ci-deploy"].access_keys[0].access_key_id
    with _acting(harness, CAROL) as iam:
        iam.update_access_key(UserName="ci-deploy", AccessKeyId=old, Status="Inactive")
        iam.update_access_key(UserName="ci-deploy", AccessKeyId=old, Status="Active")


def _machine_is_renamed(harness: Harness) -> None:
    with _acting(harness, CAROL) as iam:
        iam.update_user(UserName="ci-deploy", NewUserName="ci-release")


def _frank_gets_a_password(harness: Harness) -> None:
    with _acting(harness, CAROL) as iam:
        iam.create_login_profile(UserName="frank", Password=_PASSWORD, PasswordResetRequired=True)


def _heidi_gets_a_key(harness: Harness) -> None:
    with _acting(harness, CAROL) as iam:
        iam.create_access_key(UserName="heidi")


def _judy_is_made_with_fifty_tags(harness: Harness) -> None:
    tags = [{"Key": f"cost-{number}", "Value": "x"} for number in range(50)]
    with _acting(harness, CAROL) as iam:
        iam.create_user(UserName="judy", Tags=tags)  # type: ignore[arg-type]


def _frank_is_exempted_only(harness: Harness) -> None:
    harness.paste(CAROL, harness.last_mail(NoticeKind.NONCOMPLIANT, "frank"), "TO UNDO", limit=1)
    with _acting(harness, CAROL) as iam:
        iam.create_access_key(UserName="frank")


def _exempt_device_comes_and_goes(harness: Harness) -> None:
    with _acting(harness, CAROL) as iam:
        _enroll(iam, "frank", "frank-phone")
        _remove_device(iam, "frank", "frank-phone")


def _takeover(harness: Harness) -> None:
    with _acting(harness, DAVES_KEY) as iam:
        _enroll(iam, "erin", "backup-phone")


def _root_makes_a_key(harness: Harness) -> None:
    with _acting(harness, ROOT) as iam:
        iam.create_access_key()


def _root_signs_in(harness: Harness) -> None:
    harness.sign_in_as_root(ROOT)


def _guard_is_tampered_with(harness: Harness) -> None:
    stack = harness.account.stack
    rule = stack.physical_id("UserEventFunctionNewCredentials")
    topic = str(stack.resolve({"Ref": "NoticesTopic"}))
    silence = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sns:Publish"}]}'
    with harness.acting(DAVES_KEY):
        harness.clients.events.disable_rule(Name=rule, EventBusName="default")
        harness.clients.sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=silence)
    with harness.acting(CAROL):
        harness.clients.events.enable_rule(Name=rule, EventBusName="default")


def _event_makes_no_sense(harness: Harness) -> None:
    harness.say(NADIA, _IAM, "CreateLoginProfile", request={"passwordResetRequired": True})


def _stack_is_updated(harness: Harness) -> None:
    update_stack(harness, NADIA, Mode="audit")


def _audit(harness: Harness) -> None:
    harness.deploy(Mode="audit")
    with _acting(harness, CAROL) as iam:
        iam.create_user(UserName="ivan")
        iam.create_login_profile(UserName="ivan", Password=_PASSWORD, PasswordResetRequired=True)


_UNDONE: Final = "undo of an mfa-guard notice"

_STEPS: Final[tuple[Step, ...]] = (
    Step(
        "The console's wizard creates alice",
        "carol, an administrator, creates alice with a password and an access key. CloudTrail delivers the three events"
        " in the wrong order, and then all of them again: six invocations, one mail.",
        ("alice",),
        _console_wizard,
        Expected(
            wakes=(_CREDENTIALS,) * 6,
            users={"alice": Stands(_THROUGH_USER, marked=True)},
            mails=(
                Sends(
                    NoticeKind.NONCOMPLIANT,
                    Severity.HIGH,
                    (
                        "alice",
                        "user/carol",
                        "192.0.2.17",
                        "EnrollMFADeviceThenSignInAgain",
                        "mfa-guard:status=noncompliant",
                        _EXEMPT,
                        f"{_RELEASE}alice",
                        "https://help.example.com/mfa",
                        "console.aws.amazon.com",
                        "aws login",
                    ),
                ),
            ),
            counted={"UsersEnforced": 1, "UsersMarkedNoncompliant": 1, "NoticesSent": 1, "DuplicateEvents": 3},
        ),
        arrive=twice_and_out_of_order,
    ),
    Step(
        "alice enrolls her phone",
        "Without MFA the policy lets her do little else. The tags go; the policy stays, as a device that is not used"
        " protects nobody.",
        ("alice",),
        _alice_enrolls,
        Expected(
            wakes=(_DEVICES,),
            users={"alice": Stands(_THROUGH_USER, devices=1)},
            mails=(Sends(NoticeKind.SOLVED, None, ("alice", "user/alice", "mfa/alice-phone")),),
            counted={"UsersCleared": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "Somebody takes the policy off alice",
        "nadia, an administrator from Identity Center, detaches it. It is back, and the mail says who it was.",
        ("alice",),
        _policy_is_detached,
        Expected(
            wakes=(_REMOVED,),
            users={"alice": Stands(_THROUGH_USER, devices=1)},
            mails=(
                Sends(
                    NoticeKind.ENFORCEMENT_REMOVED,
                    None,
                    (
                        "alice",
                        "role/AWSReservedSSO_Admin_1a2b3c4d5e6f7a8b/nadia@example.com",
                        "192.0.2.44",
                        _EXEMPT,
                        f"{_RELEASE}alice",
                    ),
                ),
            ),
            counted={"UsersEnforced": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "One of two devices goes",
        "alice adds her tablet and removes it again. There is a device left, so there is nothing to say.",
        ("alice",),
        _one_of_two_devices_goes,
        Expected(wakes=(_DEVICES,) * 2, users={"alice": Stands(_THROUGH_USER, devices=1)}),
    ),
    Step(
        "The last device goes",
        "alice lost her phone, and carol removes it. IAM's listing still shows the phone when the guard looks; the"
        " guard knows better.",
        ("alice",),
        _last_device_goes,
        Expected(
            wakes=(_DEVICES,),
            users={"alice": Stands(_THROUGH_USER, marked=True)},
            mails=(
                Sends(NoticeKind.NONCOMPLIANT, Severity.HIGH, ("alice", "user/carol", _EXEMPT, f"{_RELEASE}alice")),
            ),
            counted={"UsersMarkedNoncompliant": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "One paste undoes it",
        "Until the new phone comes, carol pastes what the last mail offers: an exemption for 30 days, then the release."
        " The release is seen, and it holds. Whoever becomes exempt is told of, with the end and by whose word.",
        ("alice",),
        _undo_is_pasted,
        Expected(
            wakes=(_EXEMPTED, _REMOVED),
            users={"alice": Stands(exempt=True)},
            mails=(_recorded("alice", _UNDONE),),
            counted={"UsersCleared": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "IAM does not show erin yet",
        "A pipeline creates erin. The event is faster than IAM: the first attempt finds nobody and fails, Lambda's"
        " retry finds her.",
        ("erin",),
        _erin_is_created,
        Expected(
            wakes=(Wakes(_CREDENTIALS.rule, _USER, attempts=2),),
            users={"erin": Stands(_THROUGH_USER, marked=True)},
            mails=(Sends(NoticeKind.NONCOMPLIANT, Severity.MEDIUM, ("erin", "role/GitHubDeploy/GitHubActions")),),
            counted={"UsersEnforced": 1, "UsersMarkedNoncompliant": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "erin gets a password",
        "She has no device yet, so a way in is news, though the last mail about her is a moment old.",
        ("erin",),
        _erin_gets_a_password,
        Expected(
            wakes=(_CREDENTIALS,),
            users={"erin": Stands(_THROUGH_USER, marked=True)},
            mails=(Sends(NoticeKind.NEW_CREDENTIAL, Severity.HIGH, ("erin", "role/GitHubDeploy", "password")),),
            counted={"NoticesSent": 1},
        ),
    ),
    Step(
        "Somebody removes the guard's tags",
        "A call with dave's access key untags erin. The tags are back.",
        ("erin",),
        _tags_are_removed,
        Expected(
            wakes=(_TAGS,),
            users={"erin": Stands(_THROUGH_USER, marked=True)},
            mails=(Sends(NoticeKind.TAGS_CHANGED, None, ("erin", "user/dave", "198.51.100.23")),),
            counted={"UsersMarkedNoncompliant": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "A person whose key is at work",
        "grace has a password, a phone, and a key that was used yesterday; she is older than the guard, so nothing"
        " binds her yet. Another key makes the guard look, and her old one stops working without MFA.",
        ("grace",),
        _grace_gets_a_key,
        Expected(
            wakes=(_CREDENTIALS,),
            users={"grace": Stands(_THROUGH_USER, devices=1)},
            mails=(Sends(NoticeKind.ENFORCED, None, ("grace", "stop working without MFA", f"{_RELEASE}grace")),),
            counted={"UsersEnforced": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "grace enrolls a device by access key",
        "She may, but so may whoever finds her key: worth a question.",
        ("grace",),
        _grace_enrolls_by_key,
        Expected(
            wakes=(_DEVICES,),
            users={"grace": Stands(_THROUGH_USER, devices=2)},
            mails=(Sends(NoticeKind.DEVICE_WITH_KEY, Severity.MEDIUM, ("grace", "user/grace", "192.0.2.88")),),
            counted={"NoticesSent": 1},
        ),
    ),
    Step(
        "Noise",
        "A call that fails, a policy that is not the guard's, and users of other services who are called alice. Nothing"
        " wakes.",
        ("alice",),
        _noise,
        Expected(),
    ),
    Step(
        "A machine's key is rotated",
        "ci-deploy is older than the guard: no password, and a key that was used yesterday. Enforcing would stop a"
        " machine, so the guard asks.",
        ("ci-deploy",),
        _machine_key_is_rotated,
        Expected(
            wakes=(_CREDENTIALS,),
            users={"ci-deploy": Stands(marked=True)},
            mails=(
                Sends(
                    NoticeKind.DECISION,
                    None,
                    ("ci-deploy", "user/carol", _EXEMPT, "aws iam attach-user-policy --user-name ci-deploy"),
                ),
            ),
            counted={"UsersMarkedNoncompliant": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "carol exempts the machine",
        "She pastes the command that the mail offers, switches the old key off, and on again for a forgotten job. The"
        " guard leaves an exempt user alone.",
        ("ci-deploy",),
        _machine_is_exempted,
        Expected(
            wakes=(_EXEMPTED, _CREDENTIALS),
            users={"ci-deploy": Stands(exempt=True)},
            mails=(_recorded("ci-deploy", "active machine user"),),
            counted={"UsersCleared": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "The machine is renamed",
        "An exemption belongs to the user's id, not to the name.",
        ("ci-deploy", "ci-release"),
        _machine_is_renamed,
        Expected(wakes=(_RENAMED,), users={"ci-release": Stands(exempt=True)}),
    ),
    Step(
        "No room for another policy",
        "frank, who is older than the guard, gets a password. He has ten managed policies, as many as IAM allows: the"
        " group takes him instead.",
        ("frank",),
        _frank_gets_a_password,
        Expected(
            wakes=(_CREDENTIALS,),
            users={"frank": Stands(_THROUGH_GROUP, marked=True)},
            mails=(
                Sends(
                    NoticeKind.NONCOMPLIANT,
                    Severity.HIGH,
                    ("frank", "mfa-guard-enforced", "aws iam remove-user-from-group --user-name frank"),
                ),
            ),
            counted={"UsersEnforced": 1, "UsersMarkedNoncompliant": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "No room at all",
        "heidi has ten policies and is in ten groups. She gets an access key, and the guard cannot bind her: that is a"
        " critical mail and an alarm.",
        ("heidi",),
        _heidi_gets_a_key,
        Expected(
            wakes=(_CREDENTIALS,),
            users={"heidi": Stands(marked=True)},
            mails=(Sends(NoticeKind.NOT_ENFORCED, Severity.CRITICAL, ("heidi", "PoliciesPerUser", "GroupsPerUser")),),
            counted={"EnforcementFailed": 1, "UsersMarkedNoncompliant": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "No room for a tag",
        "judy is made with as many tags as IAM allows. She is bound and told, and a second, critical mail says that the"
        " tags are missing.",
        ("judy",),
        _judy_is_made_with_fifty_tags,
        Expected(
            wakes=(_CREDENTIALS,),
            users={"judy": Stands(_THROUGH_USER)},
            mails=(
                Sends(NoticeKind.NONCOMPLIANT, Severity.MEDIUM, ("judy",)),
                Sends(NoticeKind.NOT_TAGGED, Severity.CRITICAL, ("judy", "TagsPerUser")),
            ),
            counted={"UsersEnforced": 1, "EnforcementFailed": 1, "NoticesSent": 2},
        ),
    ),
    Step(
        "Exempt, and still bound",
        "carol runs only the first command of the undo: frank is exempt, and still in the group. The next event about"
        " him releases him. The guard's own write comes back as an event, and changes nothing.",
        ("frank",),
        _frank_is_exempted_only,
        Expected(
            wakes=(_EXEMPTED, _CREDENTIALS),
            users={"frank": Stands(exempt=True)},
            mails=(
                _recorded("frank", _UNDONE),
                Sends(NoticeKind.RELEASED, None, ("frank", "exempt", "mfa-guard-enforced")),
            ),
            counted={"UsersCleared": 1, "NoticesSent": 2},
            echoes=(_REMOVED,),
        ),
    ),
    Step(
        "An exempt user's last device goes",
        "frank gets a phone and loses it. He is exempt: nothing is changed, and a small mail says so.",
        ("frank",),
        _exempt_device_comes_and_goes,
        Expected(
            wakes=(_DEVICES,) * 2,
            users={"frank": Stands(exempt=True)},
            mails=(Sends(NoticeKind.EXEMPT_WITHOUT_DEVICE, Severity.LOW, ("frank", "exempt", "user/carol")),),
            counted={"NoticesSent": 1},
        ),
    ),
    Step(
        "A takeover",
        "Whoever has dave's access key enrolls a phone for erin, who has none.",
        ("erin",),
        _takeover,
        Expected(
            wakes=(_DEVICES,),
            users={"erin": Stands(_THROUGH_USER, devices=1)},
            mails=(
                Sends(
                    NoticeKind.DEVICE_WITH_KEY,
                    Severity.HIGH,
                    ("erin", "user/dave", "takeover", "198.51.100.23", "mfa/backup-phone"),
                ),
            ),
            counted={"UsersCleared": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "Root makes an access key",
        "No policy binds the root user. The guard can only say so, at once.",
        (),
        _root_makes_a_key,
        Expected(
            wakes=(_CREDENTIALS,),
            mails=(
                Sends(NoticeKind.ROOT_CREDENTIALS, Severity.CRITICAL, ("root", "CreateAccessKey", "198.51.100.99")),
            ),
            counted={"NoticesSent": 1},
        ),
    ),
    Step(
        "Root signs in to the console",
        "Without an MFA device, what is more.",
        (),
        _root_signs_in,
        Expected(
            wakes=(Wakes(f"{_ALERT}RootSignIn", _ALERT),),
            mails=(Sends(NoticeKind.ROOT_SIGN_IN, Severity.CRITICAL, ("root", "198.51.100.99", "No MFA")),),
            counted={"NoticesSent": 1},
        ),
    ),
    Step(
        "Somebody blinds and gags the guard",
        "dave's key disables a rule, and forbids the notice topic to send. The second is told on the other topic. carol"
        " enables the rule again.",
        (),
        _guard_is_tampered_with,
        Expected(
            wakes=(Wakes(f"{_ALERT}RuleTampering", _ALERT), Wakes(f"{_ALERT}TopicTampering", _ALERT)),
            mails=(
                Sends(NoticeKind.TAMPERING, None, ("DisableRule", "mfa-guard-new-credentials", "user/dave")),
                Sends(
                    NoticeKind.TAMPERING,
                    None,
                    ("SetTopicAttributes", "NoticesTopic", "user/dave"),
                    topic="OperationsTopic",
                ),
            ),
            counted={"NoticesSent": 2},
        ),
    ),
    Step(
        "An event that makes no sense",
        "A password for nobody. The function fails, is tried again twice, and the event waits in the dead-letter queue,"
        " where an alarm watches.",
        (),
        _event_makes_no_sense,
        Expected(
            wakes=(Wakes(_CREDENTIALS.rule, _USER, attempts=3),),
            counted={"EventsNotUnderstood": 3},
            dead_letters=1,
        ),
    ),
    Step(
        "The stack is updated to Mode: audit",
        "Whoever changes the guard itself is named.",
        (),
        _stack_is_updated,
        Expected(
            wakes=(Wakes(f"{_ALERT}StackChange", _ALERT),),
            mails=(Sends(NoticeKind.STACK_CHANGE, None, ("UpdateStack", "mfa-guard", "nadia@example.com")),),
            counted={"NoticesSent": 1},
        ),
    ),
    Step(
        "In audit mode the guard only tells",
        "carol creates ivan, with a password. Nothing is written to IAM; the mail says what would have been done.",
        ("ivan",),
        _audit,
        Expected(
            wakes=(_CREDENTIALS,) * 2,
            users={"ivan": Stands()},
            mails=(
                Sends(
                    NoticeKind.NONCOMPLIANT,
                    Severity.HIGH,
                    ("ivan", "user/carol", "audit", "would"),
                    lacks=("attached the policy", "TO UNDO"),
                ),
            ),
            counted={"NoticesSent": 1},
        ),
    ),
)

ONE_BY_ONE: Final = Scenario(
    "Users, one by one",
    "The stack as it is deployed without further choices: IAM's events enforce.",
    PARAMETERS,
    prepare,
    _STEPS,
)
