"""CloudTrail's trails in notices: which of them the guard needs, and what a call changed about one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mfa_guard.core.alerts import Alert
from mfa_guard.core.cloudtrail import Fields, fields_of, text_at
from mfa_guard.core.health.readings import Unread
from mfa_guard.core.health.trail_selectors import Trail, TrailState, gap
from mfa_guard.core.notice_kinds import Severity
from mfa_guard.core.sanitize import sanitize

# A sweep saves the trails at least once a day. A memory that missed two sweeps can be wrong.
_BELIEVED: Final = timedelta(days=2)
_LONGEST: Final = 600


@dataclass(frozen=True)
class KnownTrails:
    """The trails as the last sweep saw them, by ARN: those that deliver IAM's events to the guard, and all others.

    A trail that the sweep could not read is in neither set.
    """

    feeding: frozenset[str]
    others: frozenset[str]
    at: datetime

    def believed(self, now: datetime) -> bool:
        """Tell whether the memory is recent. A time in the future is not believed."""
        return timedelta(0) <= now - self.at <= _BELIEVED


def known_trails(trails: Mapping[Trail, TrailState | Unread], region: str, now: datetime) -> KnownTrails:
    """Return what a sweep saw of the trails, for AlertFunction; `region` is the stack's."""
    gaps = {trail.arn: gap(trail, state, region) for trail, state in trails.items()}
    return KnownTrails(
        feeding=frozenset(arn for arn, found in gaps.items() if found is None),
        others=frozenset(arn for arn, found in gaps.items() if isinstance(found, str)),
        at=now,
    )


def trail_severity(alert: Alert, known: KnownTrails | None, home: str, now: datetime) -> tuple[Severity, str]:
    """Return how severe a change of a trail is, and a sentence that says why.

    `home` is the beginning of the ARNs of the account's trails in the region of the call. Without a memory, a trail
    counts as one that the guard needs.
    """
    arns = {each if each.startswith("arn:") else f"{home}{each}" for each in alert.targets}
    if known is None or not known.believed(now) or not arns <= known.feeding | known.others:
        return Severity.CRITICAL, "mfa-guard does not know whether it receives IAM's events through this trail."
    if arns & known.feeding:
        return Severity.CRITICAL, "mfa-guard receives IAM's events through this trail."
    return Severity.MEDIUM, "At the last sweep, mfa-guard did not receive IAM's events through this trail."


def trail_change(request: Fields) -> str | None:
    """Return one sentence on what a call sets for a trail, or None if the call sets nothing."""
    parts = list(_parts(request))
    return sanitize(f"The call sets: {'; '.join(parts)}", _LONGEST).rstrip(".") + "." if parts else None


def _parts(request: Fields) -> Iterator[str]:
    for selector in _objects(request, "eventSelectors"):
        yield _basic(selector)
    for selector in _objects(request, "advancedEventSelectors"):
        filters = [" and ".join(_filter(each)) for each in _objects(selector, "fieldSelectors")]
        yield f"events whose {' and '.join(filters)}" if filters else "no filter"
    for key, value in request.items():
        if key not in {"name", "trailName"} and isinstance(value, str | bool | int):
            yield f"{key} = {str(value).lower() if isinstance(value, bool) else value}"


def _basic(selector: Fields) -> str:
    if str(selector.get("includeManagementEvents", True)).lower() == "false":
        return "no management events"
    excluded = _texts(selector, "excludeManagementEventSources")
    without = f" without {', '.join(excluded)}" if excluded else ""
    return f"management events ({text_at(selector, 'readWriteType') or 'All'}){without}"


def _filter(field: Fields) -> Iterator[str]:
    for operator in field:
        if values := _texts(field, operator):
            yield f"{text_at(field, 'field')} {operator} {' or '.join(values)}"


def _objects(fields: Fields, key: str) -> list[Fields]:
    value = fields.get(key)
    return [fields_of(each) for each in value] if isinstance(value, list) else []


def _texts(fields: Fields, key: str) -> list[str]:
    value = fields.get(key)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
