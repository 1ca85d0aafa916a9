"""Build the dependencies of AlertFunction."""

import os

from mfa_guard.adapters.call_counts import CallCountTable
from mfa_guard.adapters.clock import SystemClock
from mfa_guard.adapters.cloudformation import OwnStackEvents
from mfa_guard.adapters.leases import LeaseTable
from mfa_guard.adapters.sns import Topics
from mfa_guard.adapters.summary_timer import SummaryQueue
from mfa_guard.adapters.trail_memory import TrailTable
from mfa_guard.adapters.virtual_devices import VirtualDevices
from mfa_guard.adapters.windows import WindowTable
from mfa_guard.core.custom_resource import StackId
from mfa_guard.core.settings import Settings, required_variable
from mfa_guard.runtime import clients
from mfa_guard.runtime.observability import TELEMETRY
from mfa_guard.use_cases.alert import AlertDependencies


def alert_dependencies(settings: Settings) -> AlertDependencies:
    """Return the dependencies of AlertFunction; raises SettingsError."""
    clock = SystemClock()
    return AlertDependencies(
        leases=LeaseTable(clients.state_table(), settings.state_table, clock, TELEMETRY),
        notifier=Topics(clients.sns(), settings.notices_topic_arn, settings.operations_topic_arn),
        windows=WindowTable(clients.state_table(), settings.state_table, TELEMETRY),
        timer=SummaryQueue(clients.sqs(), settings.summary_queue_url),
        telemetry=TELEMETRY,
        clock=clock,
        stack=OwnStackEvents(clients.cloudformation(), StackId(required_variable(os.environ, "STACK_ID"))),
        trails=TrailTable(clients.state_table(), settings.state_table, TELEMETRY),
        devices=VirtualDevices(clients.iam()),
        calls=CallCountTable(clients.state_table(), settings.state_table, TELEMETRY),
    )
