"""What needs no user to be looked at: root's sign-in, tampering with the guard, changes to its stack."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mfa_guard.core.cloudtrail import EventNotUnderstood, Fields, Record, parse_record
from mfa_guard.core.notice_kinds import NoticeKind, Severity


@dataclass(frozen=True)
class WatchedResource:
    """One kind of thing that somebody can do to the guard.

    `what` is the thing; `names` are the request parameters that name it; `risk` says what may no longer work;
    `repair` says what to do.
    """

    kind: NoticeKind
    severity: Severity
    resource: str
    parameters: tuple[str, ...]
    risk: str
    repair: str


@dataclass(frozen=True)
class Alert:
    """A record that AlertFunction tells. `target` is the resource as the caller named it, or None."""

    record: Record
    watched: WatchedResource
    target: str | None
    mfa_used: str | None


# An unchanged deployment restores nothing: CloudFormation compares templates, not resources.
_REDEPLOY: Final = "If nobody planned this, set it back (the stack's drift shows how), and see what else the actor did."

# Event source -> family. IAM has three, told apart by the parameter that names the resource; the policy comes last,
# since a call that attaches one to a group or role names it as well.
_WATCHED: Final[Mapping[str, tuple[WatchedResource, ...]]] = {
    "iam.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.HIGH,
            "enforcement group",
            ("groupName",),
            "Whatever is attached to the group spreads to every member, and members may no longer be bound.",
            _REDEPLOY,
        ),
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.CRITICAL,
            "function role",
            ("roleName",),
            "The guard may be unable to work, or able to do more than its job.",
            _REDEPLOY,
        ),
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.CRITICAL,
            "enforcement policy",
            ("policyArn",),
            "Users may be bound by a policy that no longer asks for MFA, or by none.",
            _REDEPLOY,
        ),
    ),
    "events.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.CRITICAL,
            "rule",
            ("name", "rule"),
            "Events may no longer reach the guard: new users and removed devices go unseen.",
            "If this was the emergency stop, enable the rules again when it is over. " + _REDEPLOY,
        ),
    ),
    "scheduler.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING, Severity.HIGH, "schedule", ("name",), "The sweep may no longer run.", _REDEPLOY
        ),
    ),
    "lambda.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.CRITICAL,
            "function",
            ("functionName",),
            "The guard may be switched off, or run code that is not its own.",
            _REDEPLOY,
        ),
    ),
    "sns.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.HIGH,
            "topic",
            ("topicArn", "subscriptionArn", "resourceArn"),
            "Notices or alarms may no longer reach you, or may reach somebody else.",
            "Check the subscriptions of both topics. " + _REDEPLOY,
        ),
    ),
    "sqs.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.HIGH,
            "dead-letter queue",
            ("queueUrl",),
            "Events that could not be handled may be lost.",
            _REDEPLOY,
        ),
    ),
    "monitoring.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.HIGH,
            "alarm",
            ("alarmName", "alarmNames"),
            "A failure of the guard may raise no alarm.",
            _REDEPLOY,
        ),
    ),
    "dynamodb.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.HIGH,
            "table",
            ("tableName", "resourceArn"),
            "Exemptions may be lost or open to others, and notices may be sent twice.",
            "The exemption table has point-in-time recovery. " + _REDEPLOY,
        ),
    ),
    "cloudtrail.amazonaws.com": (
        WatchedResource(
            NoticeKind.TAMPERING,
            Severity.CRITICAL,
            "trail",
            ("name", "trailName"),
            "Without a trail that logs management events, nothing in IAM reaches the guard.",
            "Check that a trail of management write events is logging: aws cloudtrail get-trail-status --name TRAIL.",
        ),
    ),
    "cloudformation.amazonaws.com": (
        WatchedResource(
            NoticeKind.STACK_CHANGE,
            Severity.MEDIUM,
            "stack",
            ("stackName",),
            "The guard itself is being changed.",
            "If nobody planned this, look at the stack's events and at what else the actor did.",
        ),
    ),
    "signin.amazonaws.com": (
        WatchedResource(
            NoticeKind.ROOT_SIGN_IN,
            Severity.CRITICAL,
            "root user",
            (),
            "The root user can do everything, and no policy in this account binds it.",
            "If it was not you: change root's password, check its MFA device and access keys, and call AWS Support.",
        ),
    ),
}


def parse_alert(detail: Fields) -> Alert:
    """Return what AlertFunction should tell of a record.

    Raises EventNotUnderstood when the record is of no family or does not name what was touched.
    """
    record = parse_record(detail)
    watched = _WATCHED.get(record.source)
    if watched is None:
        raise EventNotUnderstood(f"{record.name[:80]!a} of {record.source[:80]!a} is nothing the guard alerts about.")
    for each in watched:
        target = next((text for name in each.parameters if (text := _named(record.request.get(name)))), None)
        if target is not None or not each.parameters:
            extra = detail.get("additionalEventData")
            used = extra.get("MFAUsed") if isinstance(extra, Mapping) else None
            return Alert(record, each, target, used if isinstance(used, str) else None)
    raise EventNotUnderstood(f"{record.name[:80]!a} does not say what it touched.")


def _named(value: object) -> str | None:
    if isinstance(value, list):
        return ", ".join(item for item in value if isinstance(item, str)) or None
    return value if isinstance(value, str) and value else None
