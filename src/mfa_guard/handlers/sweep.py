"""SweepFunction: the whole account, by schedule, on request, or in another round of the same sweep."""

from dataclasses import asdict
from datetime import timedelta

from aws_lambda_powertools.utilities.typing import LambdaContext

from mfa_guard.composition.sweep import sweep_dependencies
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.sweep_request import SweepNotUnderstood, SweepRequest, parse_sweep_request
from mfa_guard.runtime.idempotency import idempotent
from mfa_guard.runtime.observability import (
    LOGGER,
    METRICS,
    HandlerResult,
    count_event,
    count_not_understood,
    name_delivery,
    read_settings,
)
from mfa_guard.use_cases.sweep.round import sweep


@LOGGER.inject_lambda_context(clear_state=True)
@METRICS.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, object], context: LambdaContext) -> HandlerResult:
    """Sweep the account. The schedule and an administrator send the same event.

    Raises every failure: Lambda retries twice, then sends the event to the dead-letter queue.
    """
    count_event()
    name_delivery(event)
    with count_not_understood(SweepNotUnderstood):
        request = parse_sweep_request(event)
    LOGGER.append_keys(event_id=sanitize(request.id), round=request.round)
    return _sweep(request, context)


@idempotent("sweep")
def _sweep(request: SweepRequest, context: LambdaContext) -> HandlerResult:
    settings = read_settings()
    dependencies = sweep_dependencies(settings, context.invoked_function_arn)
    deadline = dependencies.clock.now() + timedelta(milliseconds=context.get_remaining_time_in_millis())
    outcome = sweep(request, settings, dependencies, deadline)
    LOGGER.info("Swept", extra=asdict(outcome))
    return asdict(outcome)
