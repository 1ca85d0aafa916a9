"""Alerts that need no look at a user: sign-ins of root, tampering with the guard, and changes to its stack."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mfa_guard.core.cloudtrail import EventNotUnderstood, Fields, Record, fields_of, parse_record
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard.core.watched import WATCHED, WATCHED_CALLS, WatchedResource

# CloudTrail writes it as the address of calls that CloudFormation makes, for whatever stack or other request.
_CLOUDFORMATION: Final = "cloudformation.amazonaws.com"


@dataclass(frozen=True)
class Alert:
    """A record that AlertFunction sends a notice about.

    `targets` are the resources as the actor named them. `notes` are sentences on what mfa-guard found out about the
    call. The notice has `severity`, which at first is that of `watched`.
    """

    record: Record
    watched: WatchedResource
    targets: tuple[str, ...]
    mfa_used: str | None
    severity: Severity
    notes: tuple[str, ...] = ()

    @property
    def target(self) -> str | None:
        """Return all targets as one text, or None if there is none."""
        return ", ".join(self.targets) or None

    @property
    def through_cloudformation(self) -> bool:
        """Tell whether CloudFormation made the call, for this or for another stack."""
        return self.record.address == _CLOUDFORMATION and self.watched.kind is NoticeKind.TAMPERING


def parse_alert(detail: Fields) -> Alert:
    """Return the alert about a record.

    Raises EventNotUnderstood if the record is not about a watched resource or does not name it.
    """
    record = parse_record(detail)
    by_call = WATCHED_CALLS.get((record.source, record.name))
    watched = WATCHED.get(record.source) if by_call is None else (by_call,)
    if watched is None:
        raise EventNotUnderstood(
            f"{record.name[:80]!a} of {record.source[:80]!a} is not an event that the guard alerts about."
        )
    for each in watched:
        targets = next((found for name in each.parameters if (found := _named(record.request, name))), ())
        if targets or not each.parameters:
            used = fields_of(detail.get("additionalEventData")).get("MFAUsed")
            return Alert(record, each, targets, used if isinstance(used, str) else None, each.severity)
    raise EventNotUnderstood(f"{record.name[:80]!a} does not name the resource that it changed.")


def _named(request: Fields, path: str) -> tuple[str, ...]:
    value: object = request
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return tuple(each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str) and each)
