"""AlertFunction: root's sign-in, tampering with the guard, changes of its stack, changes of the exemption table."""

from collections.abc import Sequence

from aws_lambda_powertools.utilities.typing import LambdaContext

from mfa_guard.composition.alert import alert_dependencies
from mfa_guard.core.alerts import Alert, parse_alert
from mfa_guard.core.cloudtrail import EventNotUnderstood
from mfa_guard.core.exemption_changes import parse_exemption_change
from mfa_guard.core.summary_request import is_queue_batch, parse_summary_kinds
from mfa_guard.runtime.idempotency import idempotent
from mfa_guard.runtime.observability import (
    LOGGER,
    METRICS,
    HandlerResult,
    count_event,
    count_not_understood,
    read_settings,
)
from mfa_guard.runtime.parsing import parse_cloudtrail_event
from mfa_guard.use_cases.alert import notify_of_alert, notify_of_exemption_change, send_summaries


@LOGGER.inject_lambda_context(clear_state=True)
@METRICS.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, object], context: LambdaContext) -> HandlerResult:
    """Notify of the CloudTrail record in an EventBridge event, of a batch of the table's stream, or of what waited.

    Raises every failure to notify: Lambda retries, then sends the event to the dead-letter queue.
    """
    count_event()
    if isinstance(event, dict) and isinstance(records := event.get("Records"), list):
        if is_queue_batch(records):
            return _send_summaries(records)
        return _notify_of_exemption_changes(records)
    alert = parse_cloudtrail_event(event, parse_alert)
    LOGGER.append_keys(subject=alert.watched.resource)
    return _notify_of_alert(alert, context)


@idempotent("alert")
def _notify_of_alert(alert: Alert, _context: LambdaContext) -> HandlerResult:
    settings = read_settings()
    kind = alert.watched.kind.value
    if not notify_of_alert(alert, settings, alert_dependencies(settings)):
        LOGGER.info("No notice is due", extra={"kind": kind})
        return {"notice": None}
    LOGGER.info("Notified", extra={"kind": kind, "actions": []})
    return {"notice": kind}


def _send_summaries(records: Sequence[object]) -> HandlerResult:
    """Send the summaries that messages of the guard's own queue ask for.

    Raises every failure: SQS then delivers the messages again, and keeps them in the dead-letter queue in the end.
    """
    with count_not_understood(EventNotUnderstood):
        kinds = parse_summary_kinds(records)
    settings = read_settings()
    sent = send_summaries(kinds, settings, alert_dependencies(settings))
    LOGGER.info("Notified", extra={"kind": "summary", "actions": []})
    return {"notice": "summary", "sent": sent}


def _notify_of_exemption_changes(records: Sequence[object]) -> HandlerResult:
    """Send a notice of every change in a batch, in order.

    Raises the first failure: Lambda then repeats the batch, and the leases keep a notice from being sent twice.
    """
    settings = read_settings()
    dependencies = alert_dependencies(settings)
    sent = 0
    for record in records:
        with count_not_understood(EventNotUnderstood):
            change = parse_exemption_change(record, dependencies.clock.now())
        sent += notify_of_exemption_change(change, settings, dependencies)
    LOGGER.info("Notified", extra={"kind": "exemption", "actions": []})
    return {"notice": "exemption", "sent": sent}
