"""What AlertFunction watches: each kind of resource, what a change to it puts at risk, and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mfa_guard.core.notice_kinds import NoticeKind, Severity


@dataclass(frozen=True)
class WatchedResource:
    """A kind of resource that the guard depends on, and the alert about a change to it.

    `resource` names the kind. `parameters` are the request parameters that name the changed resource; a dot leads into
    an object. `risk` says what may no longer work. `repair` says what to do. `types` are the CloudFormation types whose
    change by the guard's own stack causes such calls.
    """

    kind: NoticeKind
    severity: Severity
    resource: str
    parameters: tuple[str, ...]
    risk: str
    repair: str
    types: tuple[str, ...] = ()


CLOUDTRAIL: Final = "cloudtrail.amazonaws.com"

# To deploy the same template again restores nothing, because CloudFormation compares templates and not resources.
_RESTORE: Final = (
    "If this change was not planned, undo it (the stack's drift shows how) and check what else the actor did."
)

# (Event source, event name) -> resource, where the event name decides.
WATCHED_CALLS: Final[Mapping[tuple[str, str], WatchedResource]] = {
    ("events.amazonaws.com", "EnableRule"): WatchedResource(
        NoticeKind.TAMPERING,
        Severity.MEDIUM,
        "rule",
        ("name",),
        "The rule is enabled again, so mfa-guard acts on its events again. Events that came while it was disabled are "
        "lost.",
        "If this ended an emergency stop, start a sweep with the command in the stack's output StartSweep. Otherwise "
        "check who disabled the rule and why.",
        ("AWS::Events::Rule",),
    ),
    ("iam.amazonaws.com", "CreateVirtualMFADevice"): WatchedResource(
        NoticeKind.UNASSIGNED_DEVICES,
        Severity.HIGH,
        "virtual MFA devices",
        (),
        "An account has a quota of virtual MFA devices. When it is used up, no user can enroll a virtual device, and a "
        "user who is enforced without a device stays blocked.",
        "If this was not planned, deactivate the actor's credentials, and delete the devices that no user needs with "
        "aws iam delete-virtual-mfa-device --serial-number SERIAL.",
    ),
}

# Event source -> resources. The request parameter distinguishes the resources of one source. IAM's policy comes last,
# because a call that attaches a policy to a group or a role names the policy as well. Lambda's mapping comes first,
# because a call that changes a mapping can name the function as well.
WATCHED: Final[Mapping[str, tuple[WatchedResource, ...]]] = {
    "iam.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.HIGH,
            "enforcement group",
            ("groupName",),
            "A policy attached to the group applies to every member. Members may no longer be enforced.",
            _RESTORE,
            ("AWS::IAM::Group",),
        ),
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.CRITICAL,
            "role",
            ("roleName",),
            "mfa-guard may be unable to work, or able to do more than its job.",
            _RESTORE,
            ("AWS::IAM::Role", "AWS::IAM::Policy"),
        ),
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.CRITICAL,
            "enforcement policy",
            ("policyArn",),
            "The policy may no longer require MFA, or may no longer apply to users.",
            _RESTORE,
            ("AWS::IAM::ManagedPolicy",),
        ),
    ),
    "events.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.CRITICAL,
            "rule",
            ("name", "rule"),
            "Events may no longer reach mfa-guard, so it may miss new users and removed devices.",
            "If this was the emergency stop, enable the rules again when it ends. " + _RESTORE,
            ("AWS::Events::Rule",),
        ),
    ),
    "scheduler.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.HIGH,
            "schedule",
            ("name",),
            "The sweep may no longer run.",
            _RESTORE,
            ("AWS::Scheduler::Schedule",),
        ),
    ),
    "lambda.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.CRITICAL,
            "event source mapping",
            ("uUID", "uuid"),
            "Changes in the exemption table may no longer cause a notice.",
            "Compare the exemption table with what you know: mfa-guard exempt list shows all records. " + _RESTORE,
            ("AWS::Lambda::EventSourceMapping",),
        ),
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.CRITICAL,
            "function",
            ("functionName", "resourceArn"),
            "mfa-guard may be switched off, or may run code or receive events that are not its own.",
            _RESTORE,
            (
                "AWS::Lambda::Function",
                "AWS::Lambda::Permission",
                "AWS::Lambda::EventInvokeConfig",
                "AWS::Lambda::EventSourceMapping",
            ),
        ),
    ),
    "sns.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.HIGH,
            "topic",
            ("topicArn", "subscriptionArn", "resourceArn"),
            "Notices or alarms may no longer reach you, or may reach someone else.",
            "Check the subscriptions of both topics. " + _RESTORE,
            ("AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "AWS::SNS::Subscription"),
        ),
    ),
    "sqs.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.HIGH,
            "dead-letter queue",
            ("queueUrl", "sourceArn"),
            "Events that could not be handled may be lost.",
            _RESTORE,
            ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy"),
        ),
    ),
    "monitoring.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.HIGH,
            "alarm",
            ("alarmName", "alarmNames", "muteTargets.alarmNames"),
            "A failure of mfa-guard may no longer raise an alarm.",
            _RESTORE,
            ("AWS::CloudWatch::Alarm",),
        ),
    ),
    "dynamodb.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.HIGH,
            "table",
            ("tableName", "resourceArn"),
            "Exemptions may be lost or changed by others, and notices may be sent twice.",
            "The exemption table has point-in-time recovery. " + _RESTORE,
            ("AWS::DynamoDB::Table",),
        ),
    ),
    "cloudcontrolapi.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.CRITICAL,
            "resource",
            ("identifier",),
            "A part of mfa-guard was changed or deleted through Cloud Control, and may no longer work.",
            _RESTORE,
        ),
    ),
    CLOUDTRAIL: (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.CRITICAL,
            "trail",
            ("name", "trailName"),
            "Without a trail that logs management events, no event of IAM reaches mfa-guard.",
            "If this change was not planned, undo it and check what else the actor did. At least one trail must log "
            "management write events.",
        ),
    ),
    "cloudformation.amazonaws.com": (
        WatchedResource(
            NoticeKind.STACK_CHANGE,
            Severity.MEDIUM,
            "stack",
            ("stackName",),
            "This changes mfa-guard itself.",
            "If this change was not planned, check the stack's events and what else the actor did.",
        ),
    ),
    "signin.amazonaws.com": (
        WatchedResource(
            NoticeKind.ROOT_SIGN_IN,
            Severity.CRITICAL,
            "root user",
            (),
            "The root user can do everything, and no policy in this account applies to it.",
            "If you did not sign in, change root's password, check its MFA devices and access keys, and call AWS "
            "Support.",
        ),
    ),
}
