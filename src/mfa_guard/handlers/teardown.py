"""TeardownFunction: the custom resource Teardown, which releases all users when the stack is deleted."""

from aws_lambda_powertools.utilities.typing import LambdaContext

from mfa_guard.composition.teardown import own_stack, response_sender, teardown_dependencies
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
    """Respond to CloudFormation: release all users when the stack is deleted, request a sweep when it is created.

    Raises RequestNotUnderstood for an event that is no request or has no safe place to respond to,
    ResponseNotDelivered, and every failure to request the first sweep: Lambda retries twice.
    """
    count_event()
    name_delivery(event, "RequestId")
    with count_not_understood(RequestNotUnderstood):
        request = parse_request(event, own_stack())
    LOGGER.append_keys(
        subject=sanitize(request.logical_id), event_name=request.type.value, event_id=sanitize(request.id)
    )
    response = _tear_down(request, context) if request.type is RequestType.DELETE else NOTHING_TO_DO
    if response is None:
        return {"status": "CONTINUED"}
    response_sender().send(request, response)
    LOGGER.info("Responded", extra={"status": response.status.value, "reason": response.reason})
    if request.type is RequestType.CREATE:
        request_first_sweep(teardown_dependencies(context))
    return {"status": response.status.value}


def _tear_down(request: Request, context: LambdaContext) -> Response | None:
    try:
        return tear_down(request, teardown_dependencies(context))
    except Exception as error:  # noqa: BLE001 - without a response, CloudFormation waits for an hour without a reason
        LOGGER.exception("Teardown failed")
        what = f"The function failed ({type(error).__name__}); read the newest ERROR in its log group"
        return Response(Status.FAILED, f"{what}, then delete the stack again, which continues where this stopped.")
