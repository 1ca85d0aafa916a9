"""The first scenario: users one by one, as the events of IAM reach the guard."""

from typing import Final

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard_emulator.demo import one_by_one_actions as actions
from mfa_guard_emulator.demo.expectations import EndState, Expected, ExpectedMail, Invokes
from mfa_guard_emulator.demo.scenario import Scenario, Step

PARAMETERS: Final = {
    "AlertEmail": "security@example.com",
    "OperationsEmail": "operations@example.com",
    "HelpUrl": "https://help.example.com/mfa",
}

_USER: Final = "UserEventFunction"
_ALERT: Final = "AlertFunction"
_CREDENTIALS: Final = Invokes(f"{_USER}NewCredentials", _USER)
_DEVICES: Final = Invokes(f"{_USER}MfaDevices", _USER)
_REMOVED: Final = Invokes(f"{_USER}EnforcementRemoved", _USER)
_TAGS: Final = Invokes(f"{_USER}TagsChanged", _USER)
_RENAMED: Final = Invokes(f"{_USER}UserRenamed", _USER)
_DEVICE_CREATED: Final = Invokes(f"{_ALERT}VirtualDevices", _ALERT)
_EXEMPTED: Final = Invokes(f"{_ALERT}ExemptionChanged", _ALERT)

_THROUGH_USER: Final = frozenset({AttachmentRoute.DIRECT})
_THROUGH_GROUP: Final = frozenset({AttachmentRoute.GROUP})
_EXEMPT: Final = "aws dynamodb put-item --region us-east-1 --table-name "
_RELEASE: Final = "aws iam detach-user-policy --user-name "


def _exemption_mail(user: str, reason: str) -> ExpectedMail:
    """Return the mail about an exemption that carol added."""
    return ExpectedMail(
        NoticeKind.EXEMPTION,
        None,
        (user, "exempt until", "owner administrators", f"reason {reason}", f"recorded by {actions.CAROL_ARN}"),
    )


_UNDONE: Final = "undo of an mfa-guard notice"

_STEPS: Final[tuple[Step, ...]] = (
    Step(
        "carol creates alice in the console",
        "carol is an administrator. alice gets a password and an access key. CloudTrail delivers the three events in"
        " the wrong order, and then all of them again: six invocations, one mail.",
        ("alice",),
        actions.create_alice,
        Expected(
            invokes=(_CREDENTIALS,) * 6,
            users={"alice": EndState(_THROUGH_USER, tagged=True)},
            mails=(
                ExpectedMail(
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
            metrics={"UsersEnforced": 1, "UsersMarkedNoncompliant": 1, "NoticesSent": 1, "DuplicateEvents": 3},
        ),
        order=actions.twice_and_out_of_order,
    ),
    Step(
        "alice enrolls a phone",
        "Without MFA, the policy allows little else. The guard removes its tags. The policy stays, because a device"
        " protects only those sign-ins that use it.",
        ("alice",),
        actions.alice_enrolls,
        Expected(
            invokes=(_DEVICE_CREATED, _DEVICES),
            users={"alice": EndState(_THROUGH_USER, devices=1)},
            mails=(ExpectedMail(NoticeKind.SOLVED, None, ("alice", "user/alice", "mfa/alice-phone")),),
            metrics={"UsersCleared": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "nadia detaches the policy from alice",
        "nadia is an administrator from Identity Center. The guard attaches the policy again. The mail names nadia.",
        ("alice",),
        actions.detach_policy,
        Expected(
            invokes=(_REMOVED,),
            users={"alice": EndState(_THROUGH_USER, devices=1)},
            mails=(
                ExpectedMail(
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
            metrics={"UsersEnforced": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "alice removes one of two devices",
        "alice adds a tablet and removes it again. One device is left, so the guard changes nothing and sends a short"
        " mail.",
        ("alice",),
        actions.add_and_remove_tablet,
        Expected(
            invokes=(_DEVICE_CREATED, _DEVICES, _DEVICES),
            users={"alice": EndState(_THROUGH_USER, devices=1)},
            mails=(ExpectedMail(NoticeKind.DEVICE_REMOVED, Severity.LOW, ("alice", "mfa/")),),
            metrics={"NoticesSent": 1},
        ),
    ),
    Step(
        "carol removes alice's last device",
        "alice lost the phone. IAM's list still shows the phone when the guard reads it, but the event proves that it"
        " was removed.",
        ("alice",),
        actions.remove_last_device,
        Expected(
            invokes=(_DEVICES,),
            users={"alice": EndState(_THROUGH_USER, tagged=True)},
            mails=(
                ExpectedMail(
                    NoticeKind.NONCOMPLIANT, Severity.HIGH, ("alice", "user/carol", _EXEMPT, f"{_RELEASE}alice")
                ),
            ),
            metrics={"UsersMarkedNoncompliant": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "carol runs the undo commands of the mail",
        "The commands exempt alice for 30 days and then release alice. The exemption makes the undo hold: the guard"
        " sees the release and does not enforce again. A mail reports the exemption, its end and its author.",
        ("alice",),
        actions.run_undo_commands,
        Expected(
            invokes=(_EXEMPTED, _REMOVED),
            users={"alice": EndState(exempt=True)},
            mails=(_exemption_mail("alice", _UNDONE),),
            metrics={"UsersCleared": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "A pipeline creates erin; IAM is slow",
        "The event arrives before IAM's reads show erin. The guard waits for some seconds, asks again, and finds erin.",
        ("erin",),
        actions.create_erin,
        Expected(
            invokes=(_CREDENTIALS,),
            users={"erin": EndState(_THROUGH_USER, tagged=True)},
            mails=(
                ExpectedMail(NoticeKind.NONCOMPLIANT, Severity.MEDIUM, ("erin", "role/GitHubDeploy/GitHubActions")),
            ),
            metrics={"UsersEnforced": 1, "UsersMarkedNoncompliant": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "erin gets a password",
        "erin has no device yet, so a new way to sign in is news, although the last mail is only minutes old.",
        ("erin",),
        actions.give_erin_password,
        Expected(
            invokes=(_CREDENTIALS,),
            users={"erin": EndState(_THROUGH_USER, tagged=True)},
            mails=(ExpectedMail(NoticeKind.NEW_CREDENTIAL, Severity.HIGH, ("erin", "role/GitHubDeploy", "password")),),
            metrics={"NoticesSent": 1},
        ),
    ),
    Step(
        "dave's access key removes erin's tags",
        "The guard tags erin again.",
        ("erin",),
        actions.remove_tags,
        Expected(
            invokes=(_TAGS,),
            users={"erin": EndState(_THROUGH_USER, tagged=True)},
            mails=(ExpectedMail(NoticeKind.TAGS_CHANGED, None, ("erin", "user/dave", "198.51.100.23")),),
            metrics={"UsersMarkedNoncompliant": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "grace, whose key is in use, gets a second key",
        "grace has a password, a phone, and a key that was used yesterday. The user is older than the guard, so not"
        " enforced yet. The event makes the guard enforce, and the keys stop working without MFA.",
        ("grace",),
        actions.create_second_key,
        Expected(
            invokes=(_CREDENTIALS,),
            users={"grace": EndState(_THROUGH_USER, devices=1)},
            mails=(ExpectedMail(NoticeKind.ENFORCED, None, ("grace", "stop working without MFA", f"{_RELEASE}grace")),),
            metrics={"UsersEnforced": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "grace enrolls a device by access key",
        "grace has a phone already. An attacker with grace's key would do the same, so a mail asks whether it was"
        " grace.",
        ("grace",),
        actions.enroll_by_key,
        Expected(
            invokes=(_DEVICE_CREATED, _DEVICES),
            users={"grace": EndState(_THROUGH_USER, devices=2)},
            mails=(ExpectedMail(NoticeKind.DEVICE_ENROLLED, Severity.HIGH, ("grace", "user/grace", "192.0.2.88")),),
            metrics={"NoticesSent": 1},
        ),
    ),
    Step(
        "Events that are not about the guard",
        "A call that fails, another policy than the guard's, and users of other services who are also called alice. No"
        " rule matches.",
        ("alice",),
        actions.make_unrelated_calls,
        Expected(),
    ),
    Step(
        "The key of a machine user is rotated",
        "ci-deploy is older than the guard. It has no password, and its key was used yesterday. Enforcement would stop"
        " the machine, so a mail asks for a decision.",
        ("ci-deploy",),
        actions.rotate_machine_key,
        Expected(
            invokes=(_CREDENTIALS,),
            users={"ci-deploy": EndState(tagged=True)},
            mails=(
                ExpectedMail(
                    NoticeKind.DECISION,
                    None,
                    ("ci-deploy", "user/carol", _EXEMPT, "aws iam attach-user-policy --user-name ci-deploy"),
                ),
            ),
            metrics={"UsersMarkedNoncompliant": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "carol exempts the machine user",
        "carol runs the command of the mail, deactivates the old key, and activates it again because a job still uses"
        " it. The guard does not change an exempt user.",
        ("ci-deploy",),
        actions.exempt_machine_user,
        Expected(
            invokes=(_EXEMPTED, _CREDENTIALS),
            users={"ci-deploy": EndState(exempt=True)},
            mails=(_exemption_mail("ci-deploy", "active machine user"),),
            metrics={"UsersCleared": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "The machine user is renamed",
        "The exemption belongs to the user's id, not to the name.",
        ("ci-deploy", "ci-release"),
        actions.rename_machine_user,
        Expected(invokes=(_RENAMED,), users={"ci-release": EndState(exempt=True)}),
    ),
    Step(
        "frank gets a password; no room for a policy",
        "frank is older than the guard and has ten managed policies, IAM's maximum. The guard adds frank to the"
        " enforcement group instead.",
        ("frank",),
        actions.give_frank_password,
        Expected(
            invokes=(_CREDENTIALS,),
            users={"frank": EndState(_THROUGH_GROUP, tagged=True)},
            mails=(
                ExpectedMail(
                    NoticeKind.NONCOMPLIANT,
                    Severity.HIGH,
                    ("frank", "mfa-guard-enforced", "aws iam remove-user-from-group --user-name frank"),
                ),
            ),
            metrics={"UsersEnforced": 1, "UsersMarkedNoncompliant": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "heidi gets a key; no room for policy or group",
        "heidi has ten policies and is in ten groups. The guard cannot enforce. It sends a critical mail, and a metric"
        " for the alarm.",
        ("heidi",),
        actions.give_heidi_key,
        Expected(
            invokes=(_CREDENTIALS,),
            users={"heidi": EndState(tagged=True)},
            mails=(
                ExpectedMail(NoticeKind.NOT_ENFORCED, Severity.CRITICAL, ("heidi", "PoliciesPerUser", "GroupsPerUser")),
            ),
            metrics={"EnforcementFailed": 1, "UsersMarkedNoncompliant": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "carol creates judy with 50 tags",
        "IAM allows no further tag. The guard enforces, and a second, critical mail says that the tags are missing.",
        ("judy",),
        actions.create_judy_with_50_tags,
        Expected(
            invokes=(_CREDENTIALS,),
            users={"judy": EndState(_THROUGH_USER)},
            mails=(
                ExpectedMail(NoticeKind.NONCOMPLIANT, Severity.MEDIUM, ("judy",)),
                ExpectedMail(NoticeKind.NOT_TAGGED, Severity.CRITICAL, ("judy", "TagsPerUser")),
            ),
            metrics={"UsersEnforced": 1, "EnforcementFailed": 1, "NoticesSent": 2},
        ),
    ),
    Step(
        "carol runs only half of frank's undo",
        "frank is exempt, but still in the group. The guard releases frank at the next event. The release"
        " is an event itself, which changes nothing.",
        ("frank",),
        actions.run_half_of_undo,
        Expected(
            invokes=(_EXEMPTED, _CREDENTIALS),
            users={"frank": EndState(exempt=True)},
            mails=(
                _exemption_mail("frank", _UNDONE),
                ExpectedMail(NoticeKind.RELEASED, None, ("frank", "exempt", "mfa-guard-enforced")),
            ),
            metrics={"UsersCleared": 1, "NoticesSent": 2},
            own_events_invoke=(_REMOVED,),
        ),
    ),
    Step(
        "frank, who is exempt, loses the last device",
        "carol gives frank a phone, and removes it at once. The guard changes no exempt user. It reports the removal,"
        " and that another person enrolled a device: for two minutes it waits for IAM to show the phone.",
        ("frank",),
        actions.add_and_remove_exempt_device,
        Expected(
            invokes=(_DEVICE_CREATED, _DEVICES, Invokes(_DEVICES.rule, _USER, attempts=3)),
            users={"frank": EndState(exempt=True)},
            mails=(
                ExpectedMail(NoticeKind.EXEMPT_WITHOUT_DEVICE, Severity.LOW, ("frank", "exempt", "user/carol")),
                ExpectedMail(NoticeKind.DEVICE_ENROLLED, Severity.HIGH, ("frank", "takeover", "user/carol")),
            ),
            metrics={"NoticesSent": 2},
        ),
    ),
    Step(
        "dave's access key enrolls a phone for erin",
        "erin had no device. With this phone, the holder of dave's key can sign in as erin.",
        ("erin",),
        actions.enroll_for_erin,
        Expected(
            invokes=(_DEVICE_CREATED, _DEVICES),
            users={"erin": EndState(_THROUGH_USER, devices=1)},
            mails=(
                ExpectedMail(
                    NoticeKind.DEVICE_ENROLLED,
                    Severity.HIGH,
                    ("erin", "user/dave", "takeover", "198.51.100.23", "mfa/backup-phone"),
                ),
            ),
            metrics={"UsersCleared": 1, "NoticesSent": 1},
        ),
    ),
    Step(
        "Root creates an access key",
        "No policy applies to the root user. The guard can only send a mail.",
        (),
        actions.create_root_key,
        Expected(
            invokes=(_CREDENTIALS,),
            mails=(
                ExpectedMail(
                    NoticeKind.ROOT_CREDENTIALS, Severity.CRITICAL, ("root", "CreateAccessKey", "198.51.100.99")
                ),
            ),
            metrics={"NoticesSent": 1},
        ),
    ),
    Step(
        "Root signs in to the console",
        "The sign-in was without MFA.",
        (),
        actions.sign_in_as_root,
        Expected(
            invokes=(Invokes(f"{_ALERT}RootSignIn", _ALERT),),
            mails=(ExpectedMail(NoticeKind.ROOT_SIGN_IN, Severity.CRITICAL, ("root", "198.51.100.99", "No MFA")),),
            metrics={"NoticesSent": 1},
        ),
    ),
    Step(
        "dave's key attacks the guard",
        "It disables a rule, denies publishing to the notices topic, and creates ten virtual devices for no user. The"
        " guard reports the change of the topic on the other topic, and the devices in one mail. carol enables the rule"
        " again.",
        (),
        actions.attack_guard,
        Expected(
            invokes=(
                *((Invokes(f"{_ALERT}RuleTampering", _ALERT),) * 2),
                Invokes(f"{_ALERT}TopicTampering", _ALERT),
                *((_DEVICE_CREATED,) * 10),
            ),
            mails=(
                ExpectedMail(
                    NoticeKind.TAMPERING, Severity.MEDIUM, ("EnableRule", "mfa-guard-new-credentials", "carol")
                ),
                ExpectedMail(
                    NoticeKind.TAMPERING, Severity.CRITICAL, ("DisableRule", "mfa-guard-new-credentials", "user/dave")
                ),
                ExpectedMail(
                    NoticeKind.TAMPERING,
                    None,
                    ("SetTopicAttributes", "NoticesTopic", "user/dave"),
                    topic="OperationsTopic",
                ),
                ExpectedMail(NoticeKind.UNASSIGNED_DEVICES, Severity.HIGH, ("belong to no user", "user/dave")),
            ),
            metrics={"NoticesSent": 4},
        ),
    ),
    Step(
        "An event that cannot be understood",
        "A password for no user. The function fails three times, and the event goes to the dead-letter queue, which has"
        " an alarm.",
        (),
        actions.record_unreadable_event,
        Expected(
            invokes=(Invokes(_CREDENTIALS.rule, _USER, attempts=3),),
            metrics={"EventsNotUnderstood": 3},
            dead_letters=1,
        ),
    ),
    Step(
        "nadia updates the stack to Mode: audit",
        "The mail names who changed the guard.",
        (),
        actions.update_to_audit,
        Expected(
            invokes=(Invokes(f"{_ALERT}StackChange", _ALERT),),
            mails=(ExpectedMail(NoticeKind.STACK_CHANGE, None, ("UpdateStack", "mfa-guard", "nadia@example.com")),),
            metrics={"NoticesSent": 1},
        ),
    ),
    Step(
        "carol creates ivan in audit mode",
        "The guard changes nothing in IAM. The mail says what it would have done.",
        ("ivan",),
        actions.create_ivan,
        Expected(
            invokes=(_CREDENTIALS,) * 2,
            users={"ivan": EndState()},
            mails=(
                ExpectedMail(
                    NoticeKind.NONCOMPLIANT,
                    Severity.HIGH,
                    ("ivan", "user/carol", "audit", "would"),
                    lacks=("attached the policy", "TO UNDO"),
                ),
            ),
            metrics={"NoticesSent": 1},
        ),
    ),
)

ONE_BY_ONE: Final = Scenario(
    "Users, one by one",
    "The stack with the default parameters: events about IAM users enforce.",
    PARAMETERS,
    actions.prepare,
    _STEPS,
)
