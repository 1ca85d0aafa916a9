"""Build the dependencies of UserEventFunction."""

from typing import Final

from mfa_guard.adapters.clock import SystemClock
from mfa_guard.adapters.exemptions import ExemptionTable
from mfa_guard.adapters.iam import IamLookup, IamUsers
from mfa_guard.adapters.leases import LeaseTable
from mfa_guard.adapters.sns import Topics
from mfa_guard.adapters.summary_timer import SummaryQueue
from mfa_guard.adapters.user_records import UserRecordTable
from mfa_guard.adapters.windows import WindowTable
from mfa_guard.core.settings import Settings
from mfa_guard.runtime import clients
from mfa_guard.runtime.observability import TELEMETRY
from mfa_guard.use_cases.remediate import RemediateDependencies

# As many reads as the plan begins with for a new user.
_WORKERS: Final = 4


def remediate_dependencies(settings: Settings) -> RemediateDependencies:
    """Return the dependencies of UserEventFunction."""
    clock = SystemClock()
    return RemediateDependencies(
        iam=IamUsers(clients.iam(), settings.policy_arn, settings.group_name),
        lookup=IamLookup(clients.iam()),
        records=UserRecordTable(
            clients.state_table(),
            (settings.state_table, settings.exemptions_table),
            ExemptionTable(clients.exemption_table(), settings.exemptions_table),
            clock,
            TELEMETRY,
        ),
        leases=LeaseTable(clients.state_table(), settings.state_table, clock, TELEMETRY),
        notifier=Topics(clients.sns(), settings.notices_topic_arn, settings.operations_topic_arn),
        windows=WindowTable(clients.state_table(), settings.state_table, TELEMETRY),
        timer=SummaryQueue(clients.sqs(), settings.summary_queue_url),
        telemetry=TELEMETRY,
        clock=clock,
        workers=_WORKERS,
    )
