"""Notify the administrators of what concerns no user's state, over a topic that its cause cannot silence."""

from dataclasses import dataclass

from mfa_guard.core.alerts import Alert
from mfa_guard.core.exemption_changes import ExemptionChange
from mfa_guard.core.leases import Lease
from mfa_guard.core.mail.notices import alert_message, exemption_message
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.settings import Settings
from mfa_guard.ports import Clock, Leases, Notifier, Telemetry
from mfa_guard.use_cases.notify import notify_once


@dataclass(frozen=True)
class AlertDependencies:
    """What notifying of an alert needs from outside."""

    leases: Leases
    notifier: Notifier
    telemetry: Telemetry
    clock: Clock


def notify_of_exemption_change(change: ExemptionChange, settings: Settings, dependencies: AlertDependencies) -> bool:
    """Send a notice of a change in the exemption table; return false when it was sent before.

    Raises what publishing raises.
    """
    lease = Lease(change.record.id, NoticeKind.EXEMPTION, change.record.id)
    message = exemption_message(change, settings, dependencies.clock.now())
    return notify_once(lease, message, dependencies.notifier.notices, dependencies)


def notify_of_alert(alert: Alert, settings: Settings, dependencies: AlertDependencies) -> bool:
    """Send a notice of `alert`; return false when it was sent before.

    Tampering with the notice topic is reported to the operations topic, everything else to the notice topic. Raises
    what publishing raises.
    """
    lease = Lease(alert.record.id, alert.watched.kind, alert.record.id)
    about_notices = (alert.target or "").startswith(settings.notices_topic_arn)
    publish = dependencies.notifier.operations if about_notices else dependencies.notifier.notices
    return notify_once(lease, alert_message(alert, settings), publish, dependencies)
