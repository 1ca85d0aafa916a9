"""The world of UserEventFunction."""

from mfa_guard.adapters.clock import SystemClock
from mfa_guard.adapters.exemptions import ExemptionTable
from mfa_guard.adapters.iam import IamUsers
from mfa_guard.adapters.leases import LeaseTable
from mfa_guard.adapters.sns import Topics
from mfa_guard.bootstrap import clients
from mfa_guard.bootstrap.process import TELEMETRY
from mfa_guard.core.settings import Settings
from mfa_guard.remediate import World


def user_world(chosen: Settings) -> World:
    """Return the world of UserEventFunction."""
    clock = SystemClock()
    return World(
        iam=IamUsers(clients.iam(), chosen.policy_arn, chosen.group_name),
        exemptions=ExemptionTable(clients.exemption_table(), chosen.exemptions_table),
        leases=LeaseTable(clients.state_table(), chosen.state_table, clock, TELEMETRY),
        notifier=Topics(clients.sns(), chosen.notices_topic_arn, chosen.operations_topic_arn),
        telemetry=TELEMETRY,
        clock=clock,
    )
