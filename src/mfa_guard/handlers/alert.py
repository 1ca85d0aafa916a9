"""AlertFunction: root's sign-in, tampering with the guard, changes of its stack, changes of the exemption table."""

from collections.abc import Sequence

from aws_lambda_powertools.utilities.typing import LambdaContext

from mfa_guard.composition.alert import alert_dependencies
from mfa_guard.core.alerts import parse_alert
from mfa_guard.core.cloudtrail import EventNotUnderstood
from mfa_guard.core.exemption_changes import parse_exemption_change
from mfa_guard.core.metrics import Metric
from mfa_guard.runtime.idempotency import once
from mfa_guard.runtime.observability import LOGGER, METRICS, TELEMETRY, Answer, count_event, settings
from mfa_guard.runtime.parsing import understood
from mfa_guard.use_cases.alert import notify_of_alert, notify_of_exemption_change


@LOGGER.inject_lambda_context(clear_state=True)
@METRICS.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, object], context: LambdaContext) -> Answer:
    """Tell the administrators what an EventBridge event's CloudTrail record, or a batch of the table's stream, says.

    Raises whatever leaves it untold: Lambda retries, then the event goes to the dead-letter queue.
    """
    count_event()
    if isinstance(event, dict) and isinstance(records := event.get("Records"), list):
        return _exemptions(records)
    alert = understood(event, parse_alert)
    LOGGER.append_keys(subject=alert.watched.resource)

    def body() -> Answer:
        chosen = settings()
        notify_of_alert(alert, chosen, alert_dependencies(chosen))
        LOGGER.info("Told", extra={"kind": alert.watched.kind.value, "actions": []})
        return {"notice": alert.watched.kind.value}

    return once(event, context, "alert", body)


def _exemptions(records: Sequence[object]) -> Answer:
    """Tell every change of a batch in order. A failure is raised: Lambda repeats the batch, what is told stays told."""
    chosen = settings()
    dependencies = alert_dependencies(chosen)
    told = 0
    for record in records:
        try:
            change = parse_exemption_change(record, dependencies.clock.now())
        except EventNotUnderstood as error:
            TELEMETRY.count(Metric.EVENTS_NOT_UNDERSTOOD)
            TELEMETRY.warning("Event not understood", problem=str(error))
            raise
        told += notify_of_exemption_change(change, chosen, dependencies)
    LOGGER.info("Told", extra={"kind": "exemption", "actions": []})
    return {"notice": "exemption", "told": told}
