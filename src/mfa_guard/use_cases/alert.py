"""What needs no user to be looked at: tell it, and tell it where the one who did it cannot silence it."""

from dataclasses import dataclass

from mfa_guard.core.alerts import Alert
from mfa_guard.core.exemption_changes import ExemptionChange
from mfa_guard.core.mail.notices import alert_message, exemption_message
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.settings import Settings
from mfa_guard.ports import Clock, Leases, Notifier, Telemetry
from mfa_guard.use_cases.notify import Lease, notify_once


@dataclass(frozen=True)
class AlertDependencies:
    """Everything outside of the process that an alert touches."""

    leases: Leases
    notifier: Notifier
    telemetry: Telemetry
    clock: Clock


def notify_of_exemption_change(change: ExemptionChange, settings: Settings, dependencies: AlertDependencies) -> bool:
    """Tell the administrators of a change of the exemption table; returns whether this call sent it.

    Raises what publishing raises.
    """
    message = exemption_message(change, settings, dependencies.clock.now())
    lease = Lease(change.record.id, NoticeKind.EXEMPTION, change.record.id)
    publish = dependencies.notifier.notices
    return notify_once(lease, lambda: publish(message), dependencies.leases, dependencies.clock, dependencies.telemetry)


def notify_of_alert(alert: Alert, settings: Settings, dependencies: AlertDependencies) -> bool:
    """Tell the administrators of `alert`; returns whether this call sent it, false when it was sent before.

    Tampering with the notice topic goes to the operations topic, everything else to the notice topic. Raises what
    publishing raises.
    """
    message = alert_message(alert, settings)
    about_notices = (alert.target or "").startswith(settings.notices_topic_arn)
    publish = dependencies.notifier.operations if about_notices else dependencies.notifier.notices
    lease = Lease(alert.record.id, alert.watched.kind, alert.record.id)
    return notify_once(lease, lambda: publish(message), dependencies.leases, dependencies.clock, dependencies.telemetry)
