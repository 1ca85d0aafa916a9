"""The world of ReleaseFunction."""

import os

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext

from mfa_guard.adapters.bus import Bus
from mfa_guard.adapters.clock import SystemClock
from mfa_guard.adapters.cloudformation import Answers, OwnStackStatus, strict_opener
from mfa_guard.adapters.relay import LambdaRelay
from mfa_guard.adapters.release import IamHolds
from mfa_guard.bootstrap import clients
from mfa_guard.bootstrap.process import TELEMETRY, settings
from mfa_guard.core.custom_resource import StackId, parse_stack_id
from mfa_guard.release import ReleaseWorld


def own_stack() -> StackId:
    """Return the stack that this function belongs to; raises SettingsError."""
    return parse_stack_id(os.environ)


def answers() -> Answers:
    """Return what answers CloudFormation's requests."""
    return Answers(strict_opener(), SystemClock())


def release_world(context: LambdaContext) -> ReleaseWorld:
    """Return the world of ReleaseFunction; raises SettingsError."""
    chosen = settings()
    return ReleaseWorld(
        stack=OwnStackStatus(boto3.client("cloudformation", config=clients.STEADY), own_stack()),
        holds=IamHolds(boto3.client("iam", config=clients.STEADY), chosen.policy_arn, chosen.group_name),
        relay=LambdaRelay(boto3.client("lambda", config=clients.STEADY), context.function_name),
        waker=Bus(boto3.client("events", config=clients.STEADY)),
        telemetry=TELEMETRY,
        clock=SystemClock(),
        remaining=lambda: context.get_remaining_time_in_millis() / 1000,
    )
