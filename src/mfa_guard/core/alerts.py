"""Alerts that need no look at a user: sign-ins of root, tampering with the guard, and changes to its stack."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mfa_guard.core.cloudtrail import EventNotUnderstood, Fields, Record, parse_record
from mfa_guard.core.notice_kinds import NoticeKind, Severity


@dataclass(frozen=True)
class WatchedResource:
    """A kind of resource that the guard depends on, and the alert about a change to it.

    `resource` names the kind. `parameters` are the request parameters that name the changed resource. `risk` says what
    may no longer work. `repair` says what to do.
    """

    kind: NoticeKind
    severity: Severity
    resource: str
    parameters: tuple[str, ...]
    risk: str
    repair: str


@dataclass(frozen=True)
class Alert:
    """A record that AlertFunction sends a notice about. `target` is the resource as the actor named it, or None."""

    record: Record
    watched: WatchedResource
    target: str | None
    mfa_used: str | None


# To deploy the same template again restores nothing, because CloudFormation compares templates and not resources.
_RESTORE: Final = (
    "If this change was not planned, undo it (the stack's drift shows how) and check what else the actor did."
)

# Event source -> resources. The request parameter distinguishes IAM's three resources. The policy comes last, because a
# call that attaches a policy to a group or a role names the policy as well.
_WATCHED: Final[Mapping[str, tuple[WatchedResource, ...]]] = {
    "iam.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.HIGH,
            "enforcement group",
            ("groupName",),
            "A policy attached to the group applies to every member. Members may no longer be enforced.",
            _RESTORE,
        ),
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.CRITICAL,
            "function role",
            ("roleName",),
            "mfa-guard may be unable to work, or able to do more than its job.",
            _RESTORE,
        ),
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.CRITICAL,
            "enforcement policy",
            ("policyArn",),
            "The policy may no longer require MFA, or may no longer apply to users.",
            _RESTORE,
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
        ),
    ),
    "scheduler.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING, Severity.HIGH, "schedule", ("name",), "The sweep may no longer run.", _RESTORE
        ),
    ),
    "lambda.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.CRITICAL,
            "function",
            ("functionName",),
            "mfa-guard may be switched off, or may run code that is not its own.",
            _RESTORE,
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
        ),
    ),
    "sqs.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.HIGH,
            "dead-letter queue",
            ("queueUrl",),
            "Events that could not be handled may be lost.",
            _RESTORE,
        ),
    ),
    "monitoring.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.HIGH,
            "alarm",
            ("alarmName", "alarmNames"),
            "A failure of mfa-guard may no longer raise an alarm.",
            _RESTORE,
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
        ),
    ),
    "cloudtrail.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.CRITICAL,
            "trail",
            ("name", "trailName"),
            "Without a trail that logs management events, no event of IAM reaches mfa-guard.",
            "Check that a trail of management write events is logging: aws cloudtrail get-trail-status --name TRAIL",
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


def parse_alert(detail: Fields) -> Alert:
    """Return the alert about a record.

    Raises EventNotUnderstood if the record is not about a watched resource or does not name it.
    """
    record = parse_record(detail)
    watched = _WATCHED.get(record.source)
    if watched is None:
        raise EventNotUnderstood(
            f"{record.name[:80]!a} of {record.source[:80]!a} is not an event that the guard alerts about."
        )
    for each in watched:
        target = next((text for name in each.parameters if (text := _named(record.request.get(name)))), None)
        if target is not None or not each.parameters:
            extra = detail.get("additionalEventData")
            used = extra.get("MFAUsed") if isinstance(extra, Mapping) else None
            return Alert(record, each, target, used if isinstance(used, str) else None)
    raise EventNotUnderstood(f"{record.name[:80]!a} does not name the resource that it changed.")


def _named(value: object) -> str | None:
    if isinstance(value, list):
        return ", ".join(item for item in value if isinstance(item, str)) or None
    return value if isinstance(value, str) and value else None
