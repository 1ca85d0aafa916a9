"""Build the dependencies of SweepFunction."""

import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import boto3

from mfa_guard.adapters.account import IamAccount
from mfa_guard.adapters.clock import SystemClock
from mfa_guard.adapters.event_bus import EventBus
from mfa_guard.adapters.exemptions import ExemptionList
from mfa_guard.adapters.health import GuardHealth
from mfa_guard.adapters.iam import AccessKeys, IamUsers
from mfa_guard.adapters.sns import Topics
from mfa_guard.adapters.sweep_memory import SweepMemoryTable
from mfa_guard.core.health.checks import Check, judge
from mfa_guard.core.health.content import load_content
from mfa_guard.core.health.deployed import Deployed, parse_deployed
from mfa_guard.core.settings import Settings
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
    return SweepDependencies(
        account=IamAccount(clients.sweep_iam(), settings.policy_arn, settings.group_name, clock),
        exemptions=ExemptionList(clients.exemption_table(), settings.exemptions_table),
        health=_Health(parse_deployed(os.environ, settings, own_arn, load_content())),
        iam=IamUsers(clients.sweep_iam(), settings.policy_arn, settings.group_name),
        keys=AccessKeys(clients.sweep_iam()),
        memory=SweepMemoryTable(clients.state_table(), settings.state_table, clock, TELEMETRY),
        notifier=Topics(clients.sns(), settings.notices_topic_arn, settings.operations_topic_arn),
        sweep_starter=EventBus(clients.events()),
        telemetry=TELEMETRY,
        clock=clock,
        workers=_SWEEP_WORKERS,
    )


@dataclass(frozen=True)
class _Health:
    deployed: Deployed

    def checks(self) -> tuple[Check, ...]:
        reader = GuardHealth(
            iam=clients.sweep_iam(),
            events=clients.events(),
            sns=clients.sns(),
            sqs=boto3.client("sqs", config=clients.PATIENT),
            functions=boto3.client("lambda", config=clients.PATIENT),
            scheduler=boto3.client("scheduler", config=clients.PATIENT),
            dynamodb=clients.exemption_table(),
            cloudformation=boto3.client("cloudformation", config=clients.PATIENT),
            cloudtrail=_cloudtrail,
            workers=_SWEEP_WORKERS,
        )
        return judge(reader.read(self.deployed), self.deployed)


@cache
def _cloudtrail(region: str) -> "CloudTrailClient":
    return boto3.client("cloudtrail", region_name=region, config=clients.PATIENT)
