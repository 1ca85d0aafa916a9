"""The boto3 clients. Each is created once per process, when it is first needed."""

from functools import cache
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

# Calls to IAM and SNS must succeed, so botocore retries them for a while. The functions continue without the state
# table, so its calls do not spend a function's time on waiting.
PATIENT: Final = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=3, read_timeout=8)
ADAPTIVE: Final = Config(
    retries={"mode": "adaptive", "max_attempts": 8}, connect_timeout=3, read_timeout=20, max_pool_connections=16
)
# The teardown takes as long as it needs, but a single call may not take longer than the reserve in use_cases/teardown.
STEADY: Final = Config(retries={"mode": "adaptive", "max_attempts": 5}, connect_timeout=3, read_timeout=10)
IMPATIENT: Final = Config(retries={"mode": "standard", "max_attempts": 2}, connect_timeout=1, read_timeout=2)


@cache
def iam() -> "IAMClient":
    """Return the IAM client for one user at a time."""
    return boto3.client("iam", config=PATIENT)


@cache
def sns() -> "SNSClient":
    """Return the SNS client."""
    return boto3.client("sns", config=PATIENT)


@cache
def sqs() -> "SQSClient":
    """Return the SQS client."""
    return boto3.client("sqs", config=IMPATIENT)


@cache
def state_table() -> "DynamoDBClient":
    """Return the DynamoDB client for the state table, which a function can continue without."""
    return boto3.client("dynamodb", config=IMPATIENT)


@cache
def exemption_table() -> "DynamoDBClient":
    """Return the DynamoDB client for the exemption table."""
    return boto3.client("dynamodb", config=PATIENT)


@cache
def sweep_iam() -> "IAMClient":
    """Return the IAM client for many users at a time."""
    # A sweep's threads share one client, so that all of them slow down when IAM throttles one.
    return boto3.client("iam", config=ADAPTIVE)


@cache
def cloudformation() -> "CloudFormationClient":
    """Return the CloudFormation client."""
    return boto3.client("cloudformation", config=PATIENT)


@cache
def events() -> "EventBridgeClient":
    """Return the EventBridge client."""
    return boto3.client("events", config=PATIENT)
