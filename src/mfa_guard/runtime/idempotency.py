"""An event that is delivered twice does its work once."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyPersistenceLayerError
from aws_lambda_powertools.utilities.typing import LambdaContext

from mfa_guard.core.metrics import Metric
from mfa_guard.runtime import clients
from mfa_guard.runtime.observability import TELEMETRY, Answer, settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import DataRecord

# Longer than EventBridge delivers an event (24 hours) would only cost; shorter would let a repetition through.
_REMEMBERED_SECONDS: Final = 24 * 60 * 60


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
    return DynamoDBPersistenceLayer(table_name=table, boto3_client=clients.state_table())


def _count_duplicate(response: object, idempotent_data: "DataRecord") -> object:  # noqa: ARG001 - its protocol
    TELEMETRY.count(Metric.DUPLICATE_EVENTS)
    return response
