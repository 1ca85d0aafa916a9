"""Build the dependencies of SweepFunction."""

import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import boto3

from mfa_guard.adapters.account import IamAccount
from mfa_guard.adapters.clock import SystemClock
from mfa_guard.adapters.cloudformation import OwnStackAge
from mfa_guard.adapters.dead_letters import DeadLetterQueue, ExemptionStream, Functions, Handovers, SweepDeadLetters
from mfa_guard.adapters.event_bus import EventBus
from mfa_guard.adapters.exemptions import ExemptionList
from mfa_guard.adapters.health import GuardHealth
from mfa_guard.adapters.iam import AccessKeys, IamUsers
from mfa_guard.adapters.running_sweep import RunningSweepTable
from mfa_guard.adapters.sns import Topics
from mfa_guard.adapters.sweep_memory import SweepMemoryTable
from mfa_guard.adapters.trail_memory import TrailTable
from mfa_guard.adapters.user_records import SweepRecordTable
from mfa_guard.adapters.windows import WindowTable
from mfa_guard.core.health.checks import Check, judge
from mfa_guard.core.health.content import load_content
from mfa_guard.core.health.deployed import Deployed, parse_deployed
from mfa_guard.core.health.readings import Unread
from mfa_guard.core.settings import Settings
from mfa_guard.core.trails import known_trails
from mfa_guard.ports import Clock, TrailMemory
from mfa_guard.runtime import clients
from mfa_guard.runtime.observability import TELEMETRY
from mfa_guard.use_cases.sweep.dependencies import SweepDependencies

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail import CloudTrailClient

# IAM's rate limit bounds a sweep: with more threads, IAM would only throttle more calls.
_SWEEP_WORKERS: Final = 8


def sweep_dependencies(settings: Settings, own_arn: str) -> SweepDependencies:
    """Return the dependencies of SweepFunction, which `own_arn` names; raises SettingsError."""
    clock = SystemClock()
    deployed = parse_deployed(os.environ, settings, own_arn, load_content())
    return SweepDependencies(
        account=IamAccount(clients.sweep_iam(), settings.policy_arn, settings.group_name, clock),
        exemptions=ExemptionList(clients.exemption_table(), settings.exemptions_table, clock),
        records=SweepRecordTable(clients.state_table(), settings.state_table, clock, TELEMETRY),
        health=_Health(deployed, TrailTable(clients.state_table(), settings.state_table, TELEMETRY), clock),
        windows=WindowTable(clients.state_table(), settings.state_table, TELEMETRY),
        iam=IamUsers(clients.sweep_iam(), settings.policy_arn, settings.group_name),
        keys=AccessKeys(clients.sweep_iam()),
        memory=SweepMemoryTable(clients.state_table(), settings.state_table, clock, TELEMETRY),
        running=RunningSweepTable(clients.state_table(), settings.state_table, clock, TELEMETRY),
        dead_letters=_dead_letters(deployed, clock),
        stack=OwnStackAge(clients.cloudformation(), deployed.stack_name),
        notifier=Topics(clients.sns(), settings.notices_topic_arn, settings.operations_topic_arn),
        sweep_starter=EventBus(clients.events()),
        telemetry=TELEMETRY,
        clock=clock,
        workers=_SWEEP_WORKERS,
        functions=frozenset(deployed.functions) - {own_arn},
        own_function=own_arn,
    )


def _dead_letters(deployed: Deployed, clock: Clock) -> SweepDeadLetters:
    return SweepDeadLetters(
        queue=DeadLetterQueue(clients.sqs(), deployed.queue_url),
        stream=ExemptionStream(
            boto3.client("dynamodbstreams", config=clients.PATIENT), deployed.settings.exemptions_table
        ),
        functions=Functions(boto3.client("lambda", config=clients.PATIENT)),
        handovers=Handovers(clients.state_table(), deployed.settings.state_table, clock),
    )


@dataclass(frozen=True)
class _Health:
    deployed: Deployed
    trails: TrailMemory
    clock: Clock

    def checks(self) -> tuple[Check, ...]:
        """Return the checks, and save the trails for AlertFunction, which may not read them itself."""
        reader = GuardHealth(
            iam=clients.sweep_iam(),
            events=clients.events(),
            sns=clients.sns(),
            sqs=clients.sqs(),
            functions=boto3.client("lambda", config=clients.PATIENT),
            scheduler=boto3.client("scheduler", config=clients.PATIENT),
            dynamodb=clients.exemption_table(),
            cloudformation=clients.cloudformation(),
            cloudtrail=_cloudtrail,
            workers=_SWEEP_WORKERS,
        )
        readings = reader.read(self.deployed)
        if not isinstance(readings.trails, Unread):
            self.trails.save(known_trails(readings.trails, self.deployed.settings.region, self.clock.now()))
        return judge(readings, self.deployed)


@cache
def _cloudtrail(region: str) -> "CloudTrailClient":
    return boto3.client("cloudtrail", region_name=region, config=clients.PATIENT)
