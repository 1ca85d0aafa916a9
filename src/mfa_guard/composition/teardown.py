"""Build the dependencies of TeardownFunction."""

import os

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext

from mfa_guard.adapters.attachments import IamAttachments
from mfa_guard.adapters.clock import SystemClock
from mfa_guard.adapters.cloudformation import OwnStackStatus, ResponseSender, strict_opener
from mfa_guard.adapters.event_bus import EventBus
from mfa_guard.adapters.self_invocation import LambdaSelfInvocation
from mfa_guard.core.custom_resource import StackId, parse_stack_id
from mfa_guard.runtime import clients
from mfa_guard.runtime.observability import TELEMETRY, read_settings
from mfa_guard.use_cases.teardown import TeardownDependencies


def own_stack() -> StackId:
    """Return the stack that this function belongs to; raises SettingsError."""
    return parse_stack_id(os.environ)


def response_sender() -> ResponseSender:
    """Return the sender of responses to CloudFormation."""
    return ResponseSender(strict_opener(), SystemClock())


def teardown_dependencies(context: LambdaContext) -> TeardownDependencies:
    """Return the dependencies of TeardownFunction; raises SettingsError."""
    settings = read_settings()
    return TeardownDependencies(
        stack=OwnStackStatus(boto3.client("cloudformation", config=clients.STEADY), own_stack()),
        attachments=IamAttachments(
            boto3.client("iam", config=clients.STEADY), settings.policy_arn, settings.group_name
        ),
        self_invocation=LambdaSelfInvocation(boto3.client("lambda", config=clients.STEADY), context.function_name),
        sweep_starter=EventBus(boto3.client("events", config=clients.STEADY)),
        telemetry=TELEMETRY,
        clock=SystemClock(),
        remaining=lambda: context.get_remaining_time_in_millis() / 1000,
    )
