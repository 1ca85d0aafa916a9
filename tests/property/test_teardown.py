"""Despite errors, stale listings and crashes, a teardown releases every user and succeeds, or fails in time."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from mfa_guard.core.attachments import Attachment
from mfa_guard.core.custom_resource import Status
from mfa_guard.core.errors import AccessDenied, AwsRequestFailed
from support.factories import NOW
from support.teardown import INVOCATION, CallResult, FakeDeletion, FakeLambda, member, request_event, tags, user

# The URL has the time at which CloudFormation sent the request. After a crash, nothing else shows that time.
SIGNED = (
    "https://cloudformation-custom-resource-response-useast1.s3.us-east-1.amazonaws.com/x?X-Amz-Date=20260301T120000Z"
)
# The retries of the response add up to this.
ANSWER = timedelta(seconds=115)

attachments = st.lists(
    st.builds(lambda make, number: make(f"user-{number}"), st.sampled_from([user, member, tags]), st.integers(0, 5)),
    unique_by=str,
    max_size=12,
)
errors = st.none() | st.sampled_from([AwsRequestFailed("Throttling: slow down"), AccessDenied("AccessDenied: no")])
# A call lasts 110 seconds at most: then botocore gives up.
call_results = st.builds(
    CallResult, seconds=st.sampled_from([0.1, 1, 30, 110]), error=errors, although_done=st.booleans()
)


def deletion(
    on: list[Attachment], denied: list[int], stale: int, script: list[CallResult], crashes: list[int]
) -> FakeDeletion:
    for crash in crashes:
        script[crash : crash + 1] = [CallResult(seconds=1, crashes=True)]
    refused = {on[index % len(on)]: AccessDenied("AccessDenied: no") for index in denied} if on else {}
    return FakeDeletion(list(on), denied=dict(refused), stale_listings=stale, page_size=3, results=list(script))


@settings(max_examples=300)
@given(
    on=attachments,
    denied=st.lists(st.integers(0, 11), max_size=2),
    stale=st.integers(0, 12),
    script=st.lists(call_results, max_size=80),
    crashes=st.lists(st.integers(0, 60), max_size=2),
)
def test_success_with_all_users_released_or_failure_in_time(
    on: list[Attachment], denied: list[int], stale: int, script: list[CallResult], crashes: list[int]
) -> None:
    dependencies = deletion(on, denied, stale, script, crashes)
    lambda_ = FakeLambda(dependencies)
    lambda_.run(request_event(ResponseURL=SIGNED))
    assert lambda_.responses
    for when, response in lambda_.responses:
        assert when + ANSWER - NOW <= timedelta(minutes=50)
        assert response.status is Status.FAILED or dependencies.attachments == []
    assert lambda_.longest + ANSWER <= INVOCATION


@given(
    on=attachments,
    stale=st.integers(0, 12),
    script=st.lists(
        st.builds(CallResult, error=st.none() | st.just(AwsRequestFailed("Throttling: slow down"))), max_size=80
    ),
    crashes=st.lists(st.integers(0, 60), max_size=2),
)
def test_errors_that_pass_end_in_success(
    on: list[Attachment], stale: int, script: list[CallResult], crashes: list[int]
) -> None:
    dependencies = deletion(on, [], stale, script, crashes)
    lambda_ = FakeLambda(dependencies)
    lambda_.run(request_event(ResponseURL=SIGNED))
    assert [response.status for _, response in lambda_.responses] == [Status.SUCCESS]
    assert dependencies.attachments == []


@given(
    on=attachments,
    status=st.sampled_from(["CREATE_COMPLETE", "UPDATE_IN_PROGRESS", "DELETE_FAILED"]),
    at=st.integers(0, 9),
)
def test_nothing_is_removed_once_the_stack_stays(on: list[Attachment], status: str, at: int) -> None:
    dependencies = FakeDeletion(list(on), denied=dict.fromkeys(on, AwsRequestFailed("Throttling: slow down")))
    wait = dependencies.clock.sleep

    def stays_from_then_on(seconds: float) -> None:
        wait(seconds)
        if dependencies.clock.now() - NOW >= timedelta(seconds=20 * at):
            dependencies.stack_status = status

    dependencies.clock.sleep = stays_from_then_on  # type: ignore[method-assign]
    lambda_ = FakeLambda(dependencies)
    lambda_.run(request_event())
    assert [response.status for _, response in lambda_.responses] == [Status.SUCCESS]
    assert len(dependencies.removed()) <= len(on) * (at + 1)
