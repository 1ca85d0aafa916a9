"""AWS's clients, each made once per process and when it is first asked for."""

from functools import cache
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_sns import SNSClient

# IAM and SNS must succeed, so botocore tries for a while. The state table may fail: the guard then goes on without it,
# and should not have spent the function's time waiting.
PATIENT: Final = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=3, read_timeout=8)
ADAPTIVE: Final = Config(
    retries={"mode": "adaptive", "max_attempts": 8}, connect_timeout=3, read_timeout=20, max_pool_connections=16
)
# A release lasts as long as it has to, but no single call may take longer than the reserve that the use case keeps.
STEADY: Final = Config(retries={"mode": "adaptive", "max_attempts": 5}, connect_timeout=3, read_timeout=10)
IMPATIENT: Final = Config(retries={"mode": "standard", "max_attempts": 2}, connect_timeout=1, read_timeout=2)


@cache
def iam() -> "IAMClient":
    """Return IAM for one user at a time."""
    return boto3.client("iam", config=PATIENT)


@cache
def sns() -> "SNSClient":
    """Return SNS."""
    return boto3.client("sns", config=PATIENT)


@cache
def state_table() -> "DynamoDBClient":
    """Return DynamoDB for the state table, which a function goes on without."""
    return boto3.client("dynamodb", config=IMPATIENT)


@cache
def exemption_table() -> "DynamoDBClient":
    """Return DynamoDB for the exemptions."""
    return boto3.client("dynamodb", config=PATIENT)


@cache
def sweep_iam() -> "IAMClient":
    """Return IAM for many users at a time."""
    # A sweep's threads share one client, which slows all of them down when IAM throttles one.
    return boto3.client("iam", config=ADAPTIVE)


@cache
def events() -> "EventBridgeClient":
    """Return EventBridge."""
    return boto3.client("events", config=PATIENT)
