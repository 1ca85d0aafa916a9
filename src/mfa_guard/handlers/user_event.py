"""UserEventFunction: an IAM event about one user."""

from aws_lambda_powertools.utilities.typing import LambdaContext

from mfa_guard.composition.user_event import remediate_dependencies
from mfa_guard.core.cloudtrail import SubjectKind, parse_user_event
from mfa_guard.runtime.idempotency import once
from mfa_guard.runtime.observability import LOGGER, METRICS, Answer, count_event, settings
from mfa_guard.runtime.parsing import understood
from mfa_guard.use_cases.remediate import remediate


@LOGGER.inject_lambda_context(clear_state=True)
@METRICS.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, object], context: LambdaContext) -> Answer:
    """Remediate the subject of an EventBridge event that holds a CloudTrail record of IAM.

    Raises whatever leaves the work undone: Lambda retries twice, then the event goes to the dead-letter queue.
    """
    count_event()
    user_event = understood(event, parse_user_event)
    subject = user_event.subject
    LOGGER.append_keys(subject="root" if subject.kind is SubjectKind.ROOT else f"user/{subject.name}")

    def body() -> Answer:
        chosen = settings()
        outcome = remediate(user_event, chosen, remediate_dependencies(chosen))
        LOGGER.info("Remediated", extra={"standing": outcome.standing, "actions": list(outcome.actions)})
        return {"standing": outcome.standing, "actions": list(outcome.actions), "notice": outcome.notice}

    return once(event, context, "user-event", body)
