"""The composition root: the only place that knows both Powertools and the use cases.

Clients are made once per process. Settings are read at every invocation: that costs microseconds, and a wrong variable
is an error that Lambda counts instead of a function that cannot start.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyPersistenceLayerError
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from mfa_guard.adapters.account import IamAccount
from mfa_guard.adapters.bus import Bus
from mfa_guard.adapters.clock import SystemClock
from mfa_guard.adapters.cloudformation import Answers, OwnStackStatus, strict_opener
from mfa_guard.adapters.exemption_list import ExemptionList
from mfa_guard.adapters.exemptions import ExemptionTable
from mfa_guard.adapters.health import GuardHealth
from mfa_guard.adapters.iam import IamUsers
from mfa_guard.adapters.keys import AccessKeys
from mfa_guard.adapters.leases import LeaseTable
from mfa_guard.adapters.memory import SweepMemory
from mfa_guard.adapters.relay import LambdaRelay
from mfa_guard.adapters.release import IamHolds
from mfa_guard.adapters.sns import Topics
from mfa_guard.adapters.telemetry import PowertoolsTelemetry
from mfa_guard.alert import AlertWorld
from mfa_guard.core.cloudtrail import EventNotUnderstood, Fields, parse_record
from mfa_guard.core.custom_resource import StackId, parse_stack_id
from mfa_guard.core.health import Check, Deployed, judge, parse_deployed
from mfa_guard.core.settings import Settings, parse_settings
from mfa_guard.core.text import safe
from mfa_guard.ports import Metric
from mfa_guard.release import ReleaseWorld
from mfa_guard.remediate import World
from mfa_guard.sweep import SweepWorld

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import DataRecord
    from mypy_boto3_cloudtrail import CloudTrailClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_sns import SNSClient

# The alarms and the dashboard of the template look for this service and namespace.
LOGGER: Final = Logger(service="mfa-guard")
METRICS: Final = Metrics(namespace="MfaGuard", service="mfa-guard")
TELEMETRY: Final = PowertoolsTelemetry(LOGGER, METRICS)

# IAM and SNS must succeed, so botocore tries for a while. The state table may fail: the guard then goes on without it,
# and should not have spent the function's time waiting.
_PATIENT: Final = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=3, read_timeout=8)
_ADAPTIVE: Final = Config(
    retries={"mode": "adaptive", "max_attempts": 8}, connect_timeout=3, read_timeout=20, max_pool_connections=16
)
# A release lasts as long as it has to, but no single call may take longer than the reserve that the use case keeps.
_STEADY: Final = Config(retries={"mode": "adaptive", "max_attempts": 5}, connect_timeout=3, read_timeout=10)
_IMPATIENT: Final = Config(retries={"mode": "standard", "max_attempts": 2}, connect_timeout=1, read_timeout=2)

# IAM's throttle, and not the machine, bounds a sweep; more threads would only be turned away more often.
_SWEEP_WORKERS: Final = 8

# Longer than EventBridge delivers an event (24 hours) would only cost; shorter would let a repetition through.
_REMEMBERED_SECONDS: Final = 24 * 60 * 60

Parsed = TypeVar("Parsed")
Answer: TypeAlias = dict[str, object]


@cache
def _iam() -> "IAMClient":
    return boto3.client("iam", config=_PATIENT)


@cache
def _sns() -> "SNSClient":
    return boto3.client("sns", config=_PATIENT)


@cache
def _state_table() -> "DynamoDBClient":
    return boto3.client("dynamodb", config=_IMPATIENT)


@cache
def _exemption_table() -> "DynamoDBClient":
    return boto3.client("dynamodb", config=_PATIENT)


@cache
def _sweep_iam() -> "IAMClient":
    # A sweep's threads share one client, which slows all of them down when IAM throttles one.
    return boto3.client("iam", config=_ADAPTIVE)


@cache
def _events() -> "EventBridgeClient":
    return boto3.client("events", config=_PATIENT)


def settings() -> Settings:
    """Return the settings of this function's environment; raises SettingsError."""
    return parse_settings(os.environ)


def user_world(chosen: Settings) -> World:
    """Return the world of UserEventFunction."""
    clock = SystemClock()
    return World(
        iam=IamUsers(_iam(), chosen.policy_arn, chosen.group_name),
        exemptions=ExemptionTable(_exemption_table(), chosen.exemptions_table),
        leases=LeaseTable(_state_table(), chosen.state_table, clock, TELEMETRY),
        notifier=Topics(_sns(), chosen.notices_topic_arn, chosen.operations_topic_arn),
        telemetry=TELEMETRY,
        clock=clock,
    )


def sweep_world(chosen: Settings, own_arn: str) -> SweepWorld:
    """Return the world of SweepFunction, whose ARN its rule has to name; raises SettingsError."""
    clock = SystemClock()
    return SweepWorld(
        account=IamAccount(_sweep_iam(), chosen.policy_arn, chosen.group_name, clock),
        exemptions=ExemptionList(_exemption_table(), chosen.exemptions_table),
        health=_Health(parse_deployed(os.environ, chosen, own_arn)),
        iam=IamUsers(_sweep_iam(), chosen.policy_arn, chosen.group_name),
        keys=AccessKeys(_sweep_iam()),
        memory=SweepMemory(_state_table(), chosen.state_table, clock, TELEMETRY),
        notifier=Topics(_sns(), chosen.notices_topic_arn, chosen.operations_topic_arn),
        waker=Bus(_events()),
        telemetry=TELEMETRY,
        clock=clock,
        workers=_SWEEP_WORKERS,
    )


@dataclass(frozen=True)
class _Health:
    deployed: Deployed

    def checks(self) -> tuple[Check, ...]:
        reader = GuardHealth(
            iam=_sweep_iam(),
            events=_events(),
            sns=_sns(),
            sqs=boto3.client("sqs", config=_PATIENT),
            cloudformation=boto3.client("cloudformation", config=_PATIENT),
            cloudtrail=_cloudtrail,
        )
        return judge(reader.read(self.deployed), self.deployed)


@cache
def _cloudtrail(region: str) -> "CloudTrailClient":
    return boto3.client("cloudtrail", region_name=region, config=_PATIENT)


def alert_world(chosen: Settings) -> AlertWorld:
    """Return the world of AlertFunction."""
    clock = SystemClock()
    return AlertWorld(
        leases=LeaseTable(_state_table(), chosen.state_table, clock, TELEMETRY),
        notifier=Topics(_sns(), chosen.notices_topic_arn, chosen.operations_topic_arn),
        telemetry=TELEMETRY,
        clock=clock,
    )


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
        stack=OwnStackStatus(boto3.client("cloudformation", config=_STEADY), own_stack()),
        holds=IamHolds(boto3.client("iam", config=_STEADY), chosen.policy_arn, chosen.group_name),
        relay=LambdaRelay(boto3.client("lambda", config=_STEADY), context.function_name),
        waker=Bus(boto3.client("events", config=_STEADY)),
        telemetry=TELEMETRY,
        clock=SystemClock(),
        remaining=lambda: context.get_remaining_time_in_millis() / 1000,
    )


def understood(event: object, parse: Callable[[Fields], Parsed]) -> Parsed:
    """Return what `parse` makes of the CloudTrail record in an EventBridge event.

    An event that cannot be understood is logged and counted before EventNotUnderstood goes on to Lambda, so that it
    ends in the dead-letter queue.
    """
    name_delivery(event)
    try:
        detail = _detail(event)
        parsed = parse(detail)
    except EventNotUnderstood as error:
        TELEMETRY.count(Metric.EVENTS_NOT_UNDERSTOOD)
        TELEMETRY.warning("Event not understood", problem=str(error))
        raise
    record = parse_record(detail)
    LOGGER.append_keys(event_name=safe(record.name), event_id=safe(record.id), actor=safe(record.actor.label))
    return parsed


def name_delivery(event: object, key: str = "id") -> None:
    """Let every log line carry the delivery's id, bounded: whoever forges an event chooses it."""
    delivery = event.get(key) if isinstance(event, Mapping) else None
    LOGGER.set_correlation_id(safe(delivery) if isinstance(delivery, str) else "")


def _detail(event: object) -> Fields:
    detail = event.get("detail") if isinstance(event, Mapping) else None
    if not isinstance(detail, Mapping):
        raise EventNotUnderstood("The event has no CloudTrail record in its detail.")
    return detail


def once(
    event: Mapping[str, object],
    context: LambdaContext,
    name: str,
    body: Callable[[], Answer],
    key: str = "detail.eventID",
) -> Answer:
    """Return what `body` answers, running it once for all deliveries of the same event.

    `key` is where the event's identity is, as JMESPath; by default a CloudTrail record's, as EventBridge's own `id`
    differs with every delivery of one record.

    When the table cannot be reached, `body` runs all the same: its effects converge, and a user who is not enforced
    is worse than a mail that comes twice. Raises what `body` raises, and IdempotencyAlreadyInProgressError while
    another invocation is at it: Lambda retries later.
    """
    attempt = _Attempt(body)
    run = idempotent_function(
        attempt.run,
        data_keyword_argument="event",
        persistence_store=_remembering(settings().state_table, name),
        config=IdempotencyConfig(
            event_key_jmespath=key,
            raise_on_no_idempotency_key=True,
            expires_after_seconds=_REMEMBERED_SECONDS,
            lambda_context=context,
            response_hook=_count_duplicate,
        ),
        key_prefix=name,
    )
    try:
        answer: Answer = run(event=event)
    except IdempotencyPersistenceLayerError as error:
        TELEMETRY.warning("State table unreachable, going on without idempotency", reason=str(error))
        return attempt.answer()
    return answer


class _Attempt:
    """A body that runs at most once, and whose answer or error outlives a failing table."""

    def __init__(self, body: Callable[[], Answer]) -> None:
        self._body = body
        self._ended: Answer | Exception | None = None

    def run(self, *, event: object) -> Answer:  # noqa: ARG002 - Powertools takes the key from this argument
        return self.answer()

    def answer(self) -> Answer:
        if self._ended is None:
            try:
                self._ended = self._body()
            except Exception as error:
                self._ended = error
                raise
        if isinstance(self._ended, Exception):
            raise self._ended
        return self._ended


@cache
def _remembering(table: str, name: str) -> DynamoDBPersistenceLayer:  # noqa: ARG001 - a layer keeps its first name
    return DynamoDBPersistenceLayer(table_name=table, boto3_client=_state_table())


def _count_duplicate(response: object, idempotent_data: "DataRecord") -> object:  # noqa: ARG001 - its protocol
    TELEMETRY.count(Metric.DUPLICATE_EVENTS)
    return response


def count_event() -> None:
    """Count an invocation, so that every one of them has something to flush: Powertools warns of an empty flush."""
    METRICS.add_metric(name="EventsReceived", unit=MetricUnit.Count, value=1)
