"""The world of AlertFunction."""

from mfa_guard.adapters.clock import SystemClock
from mfa_guard.adapters.leases import LeaseTable
from mfa_guard.adapters.sns import Topics
from mfa_guard.alert import AlertWorld
from mfa_guard.bootstrap import clients
from mfa_guard.bootstrap.process import TELEMETRY
from mfa_guard.core.settings import Settings


def alert_world(chosen: Settings) -> AlertWorld:
    """Return the world of AlertFunction."""
    clock = SystemClock()
    return AlertWorld(
        leases=LeaseTable(clients.state_table(), chosen.state_table, clock, TELEMETRY),
        notifier=Topics(clients.sns(), chosen.notices_topic_arn, chosen.operations_topic_arn),
        telemetry=TELEMETRY,
        clock=clock,
    )
