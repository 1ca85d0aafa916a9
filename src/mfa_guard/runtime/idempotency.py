"""Do the work of an event once, however often the event is delivered."""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import cache, partial, wraps
from typing import TYPE_CHECKING, Final, TypeVar

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyPersistenceLayerError
from aws_lambda_powertools.utilities.typing import LambdaContext

from mfa_guard.core.metrics import Metric
from mfa_guard.runtime import clients
from mfa_guard.runtime.observability import TELEMETRY, HandlerResult, read_settings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import DataRecord

# EventBridge delivers an event for up to 24 hours. A longer time costs more; a shorter one lets repetitions through.
_EXPIRES_AFTER_SECONDS: Final = 24 * 60 * 60

Parsed = TypeVar("Parsed", bound="DataclassInstance")


def idempotent(
    prefix: str,
) -> Callable[[Callable[[Parsed, LambdaContext], HandlerResult]], Callable[[Parsed, LambdaContext], HandlerResult]]:
    """Decorate a function of a parsed event and Lambda's context: it runs once for all deliveries of the same event.

    Two deliveries are of the same event if everything that the guard reads from them is the same: the parsed event, a
    dataclass. The id alone would let a forged event with the id of a genuine one make the genuine one a duplicate. The
    envelope that EventBridge adds to a CloudTrail record differs with every delivery, so no parsed record holds it.
    `prefix` names the function in the state table, so that its records outlive a change of the function's own name.

    When the state table cannot be reached, the function runs without idempotency: its effects converge, and a user who
    is not enforced is worse than a notice that is sent twice. The decorated function raises what it raised before, and
    IdempotencyAlreadyInProgressError while another invocation works on the same event: Lambda retries later.
    """

    def decorate(
        function: Callable[[Parsed, LambdaContext], HandlerResult],
    ) -> Callable[[Parsed, LambdaContext], HandlerResult]:
        @wraps(function)
        def run_once(event: Parsed, context: LambdaContext) -> HandlerResult:
            attempt = _SingleRun(partial(function, event, context))
            return _run_even_without_the_table(attempt, _identity(event), prefix, _config(context))

        return run_once

    return decorate


def _identity(event: "DataclassInstance") -> str:
    """Return everything in a parsed event as text that is the same for the same event."""
    return json.dumps(asdict(event), sort_keys=True, default=str)


def _run_even_without_the_table(
    attempt: "_SingleRun", identity: str, prefix: str, config: IdempotencyConfig
) -> HandlerResult:
    run = idempotent_function(
        attempt.run,
        data_keyword_argument="identity",
        persistence_store=_persistence_layer(read_settings().state_table, prefix),
        config=config,
        key_prefix=prefix,
    )
    try:
        result: HandlerResult = run(identity=identity)
    except IdempotencyPersistenceLayerError as error:
        TELEMETRY.warning("State table unreachable, continuing without idempotency", reason=str(error))
        return attempt.result()
    return result


class _SingleRun:
    """Work that runs at most once, and whose result or error outlives a failure of the state table."""

    def __init__(self, work: Callable[[], HandlerResult]) -> None:
        self._work = work
        self._ended: HandlerResult | Exception | None = None

    def run(self, *, identity: str) -> HandlerResult:  # noqa: ARG002 - Powertools takes the key from this argument
        return self.result()

    def result(self) -> HandlerResult:
        if self._ended is None:
            try:
                self._ended = self._work()
            except Exception as error:
                self._ended = error
                raise
        if isinstance(self._ended, Exception):
            raise self._ended
        return self._ended


def _config(context: LambdaContext) -> IdempotencyConfig:
    return IdempotencyConfig(
        # Powertools' default is MD5, under which an actor who chooses parts of two events can make them collide.
        hash_function="sha256",
        expires_after_seconds=_EXPIRES_AFTER_SECONDS,
        lambda_context=context,
        response_hook=_count_duplicate,
    )


@cache
def _persistence_layer(table: str, prefix: str) -> DynamoDBPersistenceLayer:  # noqa: ARG001 - a layer keeps its prefix
    return DynamoDBPersistenceLayer(table_name=table, boto3_client=clients.state_table())


def _count_duplicate(response: object, idempotent_data: "DataRecord") -> object:  # noqa: ARG001 - Powertools' protocol
    TELEMETRY.count(Metric.DUPLICATE_EVENTS)
    return response
