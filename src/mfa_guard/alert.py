"""What needs no user to be looked at: tell it, and tell it where the one who did it cannot silence it."""

from dataclasses import dataclass

from mfa_guard.core.alerts import Alert
from mfa_guard.core.exemption_changes import ExemptionChange
from mfa_guard.core.kinds import Kind
from mfa_guard.core.notices import alert_message, exemption_message
from mfa_guard.core.settings import Settings
from mfa_guard.ports import Clock, Leases, Notifier, Telemetry
from mfa_guard.tell import Ticket, tell_once


@dataclass(frozen=True)
class AlertWorld:
    """Everything outside of the process that an alert touches."""

    leases: Leases
    notifier: Notifier
    telemetry: Telemetry
    clock: Clock


def tell_exemption(change: ExemptionChange, settings: Settings, world: AlertWorld) -> bool:
    """Tell the administrators of a change of the exemption table; returns whether this call sent it.

    Raises what publishing raises.
    """
    message = exemption_message(change, settings, world.clock.now())
    ticket = Ticket(change.record.id, Kind.EXEMPTION, change.record.id)
    publish = world.notifier.notices
    return tell_once(ticket, lambda: publish(message), world.leases, world.clock, world.telemetry)


def tell_alert(alert: Alert, settings: Settings, world: AlertWorld) -> bool:
    """Tell the administrators of `alert`; returns whether this call sent it, false when it was sent before.

    Tampering with the notice topic goes to the operations topic, everything else to the notice topic. Raises what
    publishing raises.
    """
    message = alert_message(alert, settings)
    about_notices = (alert.target or "").startswith(settings.notices_topic_arn)
    publish = world.notifier.operations if about_notices else world.notifier.notices
    ticket = Ticket(alert.record.id, alert.family.kind, alert.record.id)
    return tell_once(ticket, lambda: publish(message), world.leases, world.clock, world.telemetry)
