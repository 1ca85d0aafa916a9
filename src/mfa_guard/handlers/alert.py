"""AlertFunction: root's sign-in, tampering with the guard, changes of its stack, changes of the exemption table."""

from collections.abc import Sequence

from aws_lambda_powertools.utilities.typing import LambdaContext

from mfa_guard.alert import tell_alert, tell_exemption
from mfa_guard.bootstrap.alert import alert_world
from mfa_guard.bootstrap.once import once
from mfa_guard.bootstrap.process import LOGGER, METRICS, TELEMETRY, Answer, count_event, settings
from mfa_guard.bootstrap.records import understood
from mfa_guard.core.alerts import parse_alert
from mfa_guard.core.cloudtrail import EventNotUnderstood
from mfa_guard.core.exemption_changes import parse_exemption_change
from mfa_guard.ports import Metric


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
    LOGGER.append_keys(subject=alert.family.what)

    def body() -> Answer:
        chosen = settings()
        tell_alert(alert, chosen, alert_world(chosen))
        LOGGER.info("Told", extra={"kind": alert.family.kind.value, "actions": []})
        return {"notice": alert.family.kind.value}

    return once(event, context, "alert", body)


def _exemptions(records: Sequence[object]) -> Answer:
    """Tell every change of a batch in order. A failure is raised: Lambda repeats the batch, what is told stays told."""
    chosen = settings()
    world = alert_world(chosen)
    told = 0
    for record in records:
        try:
            change = parse_exemption_change(record, world.clock.now())
        except EventNotUnderstood as error:
            TELEMETRY.count(Metric.EVENTS_NOT_UNDERSTOOD)
            TELEMETRY.warning("Event not understood", problem=str(error))
            raise
        told += tell_exemption(change, chosen, world)
    LOGGER.info("Told", extra={"kind": "exemption", "actions": []})
    return {"notice": "exemption", "told": told}
