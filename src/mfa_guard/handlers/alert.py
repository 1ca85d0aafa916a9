"""AlertFunction: root's sign-in, tampering with the guard, changes of its stack."""

from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from mfa_guard.alert import tell_alert
from mfa_guard.bootstrap import LOGGER, METRICS, Answer, alert_world, count_event, once, settings, understood
from mfa_guard.core.alerts import parse_alert


@LOGGER.inject_lambda_context(clear_state=True, correlation_id_path=correlation_paths.EVENT_BRIDGE)
@METRICS.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, object], context: LambdaContext) -> Answer:
    """Tell the administrators what the CloudTrail record in an EventBridge event says.

    Raises whatever leaves it untold: Lambda retries twice, then the event goes to the dead-letter queue.
    """
    count_event()
    alert = understood(event, parse_alert)
    LOGGER.append_keys(subject=alert.family.what)

    def body() -> Answer:
        chosen = settings()
        tell_alert(alert, chosen, alert_world(chosen))
        LOGGER.info("Told", extra={"kind": alert.family.kind.value, "actions": []})
        return {"notice": alert.family.kind.value}

    return once(event, context, "alert", body)
