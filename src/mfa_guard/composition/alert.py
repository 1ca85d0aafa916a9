"""Build the dependencies of AlertFunction."""

from mfa_guard.adapters.clock import SystemClock
from mfa_guard.adapters.leases import LeaseTable
from mfa_guard.adapters.sns import Topics
from mfa_guard.core.settings import Settings
from mfa_guard.runtime import clients
from mfa_guard.runtime.observability import TELEMETRY
from mfa_guard.use_cases.alert import AlertDependencies


def alert_dependencies(settings: Settings) -> AlertDependencies:
    """Return the dependencies of AlertFunction."""
    clock = SystemClock()
    return AlertDependencies(
        leases=LeaseTable(clients.state_table(), settings.state_table, clock, TELEMETRY),
        notifier=Topics(clients.sns(), settings.notices_topic_arn, settings.operations_topic_arn),
        telemetry=TELEMETRY,
        clock=clock,
    )
