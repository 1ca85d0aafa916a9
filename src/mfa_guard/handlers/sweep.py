"""SweepFunction: the whole account, by schedule, on request, or going on with itself."""

from datetime import timedelta

from aws_lambda_powertools.utilities.typing import LambdaContext

from mfa_guard.composition.sweep import sweep_dependencies
from mfa_guard.core.metrics import Metric
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.sweep_request import SweepNotUnderstood, parse_sweep_request
from mfa_guard.runtime.idempotency import once
from mfa_guard.runtime.observability import LOGGER, METRICS, TELEMETRY, Answer, count_event, name_delivery, settings
from mfa_guard.use_cases.sweep import sweep


@LOGGER.inject_lambda_context(clear_state=True)
@METRICS.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, object], context: LambdaContext) -> Answer:
    """Sweep the account; the schedule sends the same event as an administrator.

    Raises whatever leaves the sweep undone: Lambda retries twice, then the event goes to the dead-letter queue.
    """
    count_event()
    name_delivery(event)
    try:
        request = parse_sweep_request(event)
    except SweepNotUnderstood as error:
        TELEMETRY.count(Metric.EVENTS_NOT_UNDERSTOOD)
        TELEMETRY.warning("Event not understood", problem=str(error))
        raise
    LOGGER.append_keys(event_id=sanitize(request.id), round=request.round)

    def body() -> Answer:
        chosen = settings()
        dependencies = sweep_dependencies(chosen, context.invoked_function_arn)
        deadline = dependencies.clock.now() + timedelta(milliseconds=context.get_remaining_time_in_millis())
        outcome = sweep(request, chosen, dependencies, deadline)
        told = {
            "users": outcome.users,
            "changed": outcome.changed,
            "failed": outcome.failed,
            "left": outcome.left,
            "mailed": outcome.mailed,
        }
        LOGGER.info("Swept", extra=told)
        return dict(told)

    return once(event, context, "sweep", body, key="id")
