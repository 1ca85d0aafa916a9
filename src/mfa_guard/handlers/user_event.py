"""UserEventFunction: an IAM event about one user."""

from aws_lambda_powertools.utilities.typing import LambdaContext

from mfa_guard.composition.user_event import remediate_dependencies
from mfa_guard.core.cloudtrail import UserEvent, parse_user_event
from mfa_guard.runtime.idempotency import idempotent
from mfa_guard.runtime.observability import LOGGER, METRICS, HandlerResult, count_event, read_settings
from mfa_guard.runtime.parsing import parse_cloudtrail_event
from mfa_guard.use_cases.remediate import remediate


@LOGGER.inject_lambda_context(clear_state=True)
@METRICS.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, object], context: LambdaContext) -> HandlerResult:
    """Remediate the subject of an EventBridge event that holds a CloudTrail record of IAM.

    Raises every failure: Lambda retries twice, then sends the event to the dead-letter queue.
    """
    count_event()
    user_event = parse_cloudtrail_event(event, parse_user_event)
    LOGGER.append_keys(subject=user_event.subject.label)
    return _remediate(user_event, context)


@idempotent("user-event")
def _remediate(user_event: UserEvent, _context: LambdaContext) -> HandlerResult:
    settings = read_settings()
    outcome = remediate(user_event, settings, remediate_dependencies(settings))
    LOGGER.info("Remediated", extra={"standing": outcome.standing, "actions": list(outcome.actions)})
    return {"standing": outcome.standing, "actions": list(outcome.actions), "notice": outcome.notice}
