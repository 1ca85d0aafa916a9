"""Notify the administrators of what concerns no user's state, over a topic that its cause cannot silence."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from mfa_guard.core.alerts import Alert
from mfa_guard.core.errors import AwsRequestFailed
from mfa_guard.core.exemption_changes import ExemptionChange
from mfa_guard.core.leases import Lease
from mfa_guard.core.mail.alert_notices import alert_message
from mfa_guard.core.mail.notices import exemption_message
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.own_stack import changed_by_own_stack, oldest_needed
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.settings import Settings
from mfa_guard.core.trails import trail_severity
from mfa_guard.core.watched import CLOUDTRAIL
from mfa_guard.ports import (
    CallCounter,
    Clock,
    Leases,
    Notifier,
    StackHistory,
    SummaryTimer,
    Telemetry,
    TrailMemory,
    UnassignedDevices,
    Windows,
)
from mfa_guard.use_cases.device_burst import is_burst, window_of
from mfa_guard.use_cases.notify import notify_once, send_ended_windows

_EARLY: Final = timedelta(seconds=30)

# When the own stack's event for a call may still be missing.
_SETTLED: Final = timedelta(seconds=15)
# How long CloudFormation keeps the events of a stack.
_HISTORY: Final = timedelta(days=90)

_ANOTHER_STACK: Final = (
    "CloudFormation made this call, but mfa-guard's own stack did not change the resource at that time. So the call "
    "belongs to another stack, or to another way to let CloudFormation make calls."
)
_UNCHECKED: Final = (
    "CloudFormation made this call. mfa-guard could not check whether its own stack is the reason ({reason})."
)


@dataclass(frozen=True)
class AlertDependencies:
    """What notifying of an alert needs from outside."""

    leases: Leases
    notifier: Notifier
    windows: Windows
    timer: SummaryTimer
    telemetry: Telemetry
    clock: Clock
    stack: StackHistory
    trails: TrailMemory
    devices: UnassignedDevices
    calls: CallCounter


def notify_of_exemption_change(change: ExemptionChange, settings: Settings, dependencies: AlertDependencies) -> bool:
    """Send a notice of a change in the exemption table; return false when it was sent before.

    Raises what publishing raises.
    """
    lease = Lease(change.record.id, NoticeKind.EXEMPTION, change.record.id)
    message = exemption_message(change, settings, dependencies.clock.now())
    return notify_once(lease, message, dependencies)


def send_summaries(kinds: Iterable[NoticeKind], settings: Settings, dependencies: AlertDependencies) -> int:
    """Send the summaries of windows that have ended, or end within seconds; return the number of notices in them.

    The message that ends a window can arrive a moment early by this function's clock. A notice that comes after the
    summary has a window's timer of its own. Raises what `send_ended_windows` raises.
    """
    return send_ended_windows(kinds, settings, dependencies.clock.now() + _EARLY, dependencies)


def notify_of_alert(alert: Alert, settings: Settings, dependencies: AlertDependencies) -> bool:
    """Send a notice of `alert`; return false when it was sent before, or when there is nothing to report.

    There is nothing to report when the own stack made the change, which has an alert of its own, and when a new virtual
    device is not one of many that belong to no user. Tampering with the notice topic is reported to the operations
    topic, everything else to the notice topic. Raises what publishing raises.
    """
    scope, at = alert.record.id, _bounded(alert.record.time, dependencies.clock.now())
    if alert.watched.kind is NoticeKind.UNASSIGNED_DEVICES:
        window = window_of(at)
        if not is_burst(window, dependencies):
            return False
        scope = window.key
    if alert.through_cloudformation:
        note = _unless_own_stack(alert, at, dependencies)
        if note is None:
            dependencies.telemetry.info("Changed by the own stack", call=alert.record.name, target=alert.target)
            return False
        alert = replace(alert, notes=(*alert.notes, note))
    if alert.record.source == CLOUDTRAIL:
        home = f"arn:{settings.partition}:cloudtrail:{alert.record.region}:{settings.account}:trail/"
        severity, note = trail_severity(alert, dependencies.trails.load(), home, dependencies.clock.now())
        alert = replace(alert, severity=severity, notes=(*alert.notes, note))
    lease = Lease(scope, alert.watched.kind, alert.record.id)
    about_notices = (alert.target or "").startswith(settings.notices_topic_arn)
    publish = dependencies.notifier.operations if about_notices else None
    return notify_once(lease, alert_message(alert, settings), dependencies, publish)


def _bounded(time: datetime, now: datetime) -> datetime:
    """Return a record's time, which can be forged, within what CloudFormation can show."""
    return max(min(time, now), now - _HISTORY)


def _unless_own_stack(alert: Alert, at: datetime, dependencies: AlertDependencies) -> str | None:
    """Return None if the own stack changed the resource, otherwise a sentence for the notice.

    CloudFormation writes its event before it makes the call, and the event can be listed later than that. So a call of
    the last seconds is looked up twice.
    """
    clock, stack = dependencies.clock, dependencies.stack
    try:
        if changed_by_own_stack(stack.events(oldest_needed(at)), alert, at):
            return None
        wait = (at + _SETTLED - clock.now()).total_seconds()
        if wait > 0:
            clock.sleep(wait)
            if changed_by_own_stack(stack.events(oldest_needed(at)), alert, at):
                return None
    except AwsRequestFailed as error:
        reason = sanitize(str(error), 200)
        dependencies.telemetry.warning("Stack events not read", reason=reason)
        return _UNCHECKED.format(reason=reason)
    return _ANOTHER_STACK
