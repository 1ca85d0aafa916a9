"""TeardownFunction: the custom resource Release, which matters when the stack is deleted."""

from aws_lambda_powertools.utilities.typing import LambdaContext

from mfa_guard.composition.teardown import answers, own_stack, teardown_dependencies
from mfa_guard.core.custom_resource import Request, RequestNotUnderstood, RequestType, Response, Status, parse_request
from mfa_guard.core.sanitize import sanitize
from mfa_guard.runtime.observability import (
    LOGGER,
    METRICS,
    HandlerResult,
    count_event,
    count_not_understood,
    name_delivery,
)
from mfa_guard.use_cases.teardown import NOTHING_TO_DO, request_first_sweep, tear_down


@LOGGER.inject_lambda_context(clear_state=True)
@METRICS.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, object], context: LambdaContext) -> HandlerResult:
    """Answer a request of CloudFormation: let everybody go when the stack is deleted, wake a sweep when it is new.

    Raises RequestNotUnderstood for what is no request or could not be answered safely, ResponseNotDelivered, and what
    keeps the first sweep from being asked for: Lambda retries twice.
    """
    count_event()
    name_delivery(event, "RequestId")
    request = _understood(event)
    LOGGER.append_keys(
        subject=sanitize(request.logical_id), event_name=request.type.value, event_id=sanitize(request.id)
    )
    verdict = _released(request, context) if request.type is RequestType.DELETE else NOTHING_TO_DO
    if verdict is None:
        return {"status": "HANDED_OVER"}
    answers().send(request, verdict)
    LOGGER.info("Answered", extra={"status": verdict.status.value, "reason": verdict.reason})
    if request.type is RequestType.CREATE:
        request_first_sweep(teardown_dependencies(context))
    return {"status": verdict.status.value}


def _understood(event: object) -> Request:
    with count_not_understood(RequestNotUnderstood):
        return parse_request(event, own_stack())


def _released(request: Request, context: LambdaContext) -> Response | None:
    try:
        return tear_down(request, teardown_dependencies(context))
    except Exception as error:  # noqa: BLE001 - unanswered, CloudFormation would wait for an hour and not know why
        LOGGER.exception("Release failed")
        what = f"The function failed ({type(error).__name__}); read the newest ERROR in its log group"
        return Response(Status.FAILED, f"{what}, then delete the stack again: it goes on where it stopped.")
