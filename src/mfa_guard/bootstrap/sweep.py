"""The world of SweepFunction."""

import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import boto3

from mfa_guard.adapters.account import IamAccount
from mfa_guard.adapters.bus import Bus
from mfa_guard.adapters.clock import SystemClock
from mfa_guard.adapters.exemption_list import ExemptionList
from mfa_guard.adapters.health import GuardHealth
from mfa_guard.adapters.iam import IamUsers
from mfa_guard.adapters.keys import AccessKeys
from mfa_guard.adapters.memory import SweepMemory
from mfa_guard.adapters.sns import Topics
from mfa_guard.bootstrap import clients
from mfa_guard.bootstrap.process import TELEMETRY
from mfa_guard.core.health import Check, Deployed, judge, parse_deployed
from mfa_guard.core.settings import Settings
from mfa_guard.sweep import SweepWorld

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail import CloudTrailClient

# IAM's throttle, and not the machine, bounds a sweep; more threads would only be turned away more often.
_SWEEP_WORKERS: Final = 8


def sweep_world(chosen: Settings, own_arn: str) -> SweepWorld:
    """Return the world of SweepFunction, whose ARN its rule has to name; raises SettingsError."""
    clock = SystemClock()
    return SweepWorld(
        account=IamAccount(clients.sweep_iam(), chosen.policy_arn, chosen.group_name, clock),
        exemptions=ExemptionList(clients.exemption_table(), chosen.exemptions_table),
        health=_Health(parse_deployed(os.environ, chosen, own_arn)),
        iam=IamUsers(clients.sweep_iam(), chosen.policy_arn, chosen.group_name),
        keys=AccessKeys(clients.sweep_iam()),
        memory=SweepMemory(clients.state_table(), chosen.state_table, clock, TELEMETRY),
        notifier=Topics(clients.sns(), chosen.notices_topic_arn, chosen.operations_topic_arn),
        waker=Bus(clients.events()),
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
            cloudformation=boto3.client("cloudformation", config=clients.PATIENT),
            cloudtrail=_cloudtrail,
        )
        return judge(reader.read(self.deployed), self.deployed)


@cache
def _cloudtrail(region: str) -> "CloudTrailClient":
    return boto3.client("cloudtrail", region_name=region, config=clients.PATIENT)
