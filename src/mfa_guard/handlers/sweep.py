"""SweepFunction: the whole account, by schedule, on request, or going on with itself."""

from datetime import timedelta

from aws_lambda_powertools.utilities.typing import LambdaContext

from mfa_guard.bootstrap.once import once
from mfa_guard.bootstrap.process import LOGGER, METRICS, TELEMETRY, Answer, count_event, name_delivery, settings
from mfa_guard.bootstrap.sweep import sweep_world
from mfa_guard.core.sweeping import SweepNotUnderstood, parse_sweep_request
from mfa_guard.core.text import safe
from mfa_guard.ports import Metric
from mfa_guard.sweep import sweep


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
    LOGGER.append_keys(event_id=safe(request.id), round=request.round)

    def body() -> Answer:
        chosen = settings()
        world = sweep_world(chosen, context.invoked_function_arn)
        deadline = world.clock.now() + timedelta(milliseconds=context.get_remaining_time_in_millis())
        outcome = sweep(request, chosen, world, deadline)
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
