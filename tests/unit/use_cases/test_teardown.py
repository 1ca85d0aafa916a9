"""The teardown releases all users, only while the stack is being deleted, and responds in time."""

from datetime import timedelta

import pytest

from mfa_guard.core.attachments import Attachment, AttachmentKind
from mfa_guard.core.custom_resource import Status
from mfa_guard.core.errors import AccessDenied, AwsRequestFailed
from mfa_guard.use_cases.teardown import StackNotCreated, request_first_sweep, tear_down
from support.factories import NOW
from support.teardown import STACK, CallResult, FakeDeletion, FakeLambda, member, request, request_event, tags, user

DENIED = AccessDenied("AccessDenied: not authorized to perform it")
THROTTLED = AwsRequestFailed("Throttling: Rate exceeded")
STAYS = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS")


class TestWhatIsRemoved:
    def test_everything_that_has_the_policy_the_group_or_a_tag(self) -> None:
        attachments = [
            user("alice"),
            Attachment(AttachmentKind.POLICY_ON_ROLE, "Build"),
            Attachment(AttachmentKind.POLICY_ON_GROUP, "staff"),
        ]
        deletion = FakeDeletion([*attachments, member("bob"), tags("alice")])
        response = tear_down(request(), deletion.dependencies())
        assert response is not None
        assert response.status is Status.SUCCESS
        assert deletion.attachments == []

    def test_the_policy_is_removed_first_and_the_tags_last(self) -> None:
        deletion = FakeDeletion([tags("alice"), member("alice"), user("alice")])
        tear_down(request(), deletion.dependencies())
        assert deletion.removed() == [
            "the policy on user alice",
            "the membership of user alice",
            "the tags of user alice",
        ]

    def test_every_page_of_a_listing(self) -> None:
        deletion = FakeDeletion([user(f"user-{number}") for number in range(1001)])
        tear_down(request(), deletion.dependencies())
        assert deletion.attachments == []

    def test_the_rollback_of_a_creation_removes_too(self) -> None:
        deletion = FakeDeletion([user("alice")], "ROLLBACK_IN_PROGRESS")
        tear_down(request(), deletion.dependencies())
        assert deletion.attachments == []


class TestWhileTheStackStays:
    @pytest.mark.parametrize("status", STAYS)
    def test_no_user_is_released_in_any_other_status(self, status: str) -> None:
        deletion = FakeDeletion([user("alice")], status)
        response = tear_down(request(), deletion.dependencies())
        assert response is not None
        assert response.status is Status.SUCCESS
        assert deletion.made == ["status"]
        assert "No user released" in deletion.telemetry.lines

    def test_no_user_is_released_while_the_status_is_unknown(self) -> None:
        deletion = FakeDeletion([user("alice")], results=[CallResult(error=DENIED)] * 3)
        response = tear_down(request(), deletion.dependencies())
        assert response is not None
        assert response.status is Status.FAILED
        assert "the state of the stack (AccessDenied: " in response.reason
        assert deletion.made == ["status"] * 3

    def test_a_stack_that_is_no_longer_being_deleted_ends_the_teardown(self) -> None:
        deletion = FakeDeletion([user("alice")])
        dependencies = deletion.dependencies()
        deletion.denied[user("alice")] = THROTTLED
        pause = deletion.clock.sleep

        def stack_status_changes(seconds: float) -> None:
            pause(seconds)
            if seconds > 1:
                deletion.stack_status = "DELETE_FAILED"

        deletion.clock.sleep = stack_status_changes  # type: ignore[method-assign]
        tear_down(request(), dependencies)
        assert deletion.removed() == ["the policy on user alice"]


class TestTheEnd:
    def test_it_takes_two_empty_listings_some_time_apart(self) -> None:
        deletion = FakeDeletion()
        tear_down(request(), deletion.dependencies())
        assert deletion.made == ["status", "attached", "members", "tagged"] * 2
        assert deletion.clock.now() - NOW >= timedelta(seconds=20)

    def test_a_listing_with_a_result_starts_the_count_again(self) -> None:
        deletion = FakeDeletion([user("alice")])
        tear_down(request(), deletion.dependencies())
        assert deletion.made.count("attached") == 3

    def test_what_a_stale_listing_still_shows_is_removed_again(self) -> None:
        deletion = FakeDeletion([user("alice")], stale_listings=6)
        response = tear_down(request(), deletion.dependencies())
        assert response is not None
        assert response.status is Status.SUCCESS
        assert deletion.removed() == ["the policy on user alice"] * 2

    @pytest.mark.parametrize("listing", [1, 2, 3])
    def test_a_listing_that_failed_is_not_empty(self, listing: int) -> None:
        results = [CallResult() for _ in range(8)]
        results[4 + listing] = CallResult(error=THROTTLED)
        deletion = FakeDeletion(results=results[:8])
        tear_down(request(), deletion.dependencies())
        assert deletion.made.count("attached") == 4


class TestOneFailureDoesNotStopTheOthers:
    @pytest.mark.parametrize("refusal", [DENIED, THROTTLED])
    def test_a_user_who_cannot_be_released_is_named_and_the_others_are_released(
        self, refusal: AwsRequestFailed
    ) -> None:
        deletion = FakeDeletion([user("alice"), user("bob"), tags("bob")], denied={user("alice"): refusal})
        lambda_ = FakeLambda(deletion)
        lambda_.run(request_event())
        [(_, response)] = lambda_.responses
        assert deletion.attachments == [user("alice")]
        assert response.status is Status.FAILED
        assert f"the policy on user alice ({refusal})" in response.reason
        assert response.reason.endswith("delete the stack again, which continues where this stopped.")
        assert "Not removed" in deletion.telemetry.lines

    def test_a_denied_listing_does_not_stop_the_other_listings(self) -> None:
        deletion = FakeDeletion([member("alice"), tags("bob")])
        deletion.results = [CallResult(), CallResult(error=DENIED)]
        tear_down(request(), deletion.dependencies())
        assert deletion.attachments == []

    def test_a_denial_that_passes_is_forgotten(self) -> None:
        deletion = FakeDeletion([user("alice")])
        deletion.results = [CallResult(), CallResult(error=DENIED), CallResult(), CallResult()] * 2
        response = tear_down(request(), deletion.dependencies())
        assert response is not None
        assert response.status is Status.SUCCESS

    def test_denials_alone_end_it_after_three_passes(self) -> None:
        deletion = FakeDeletion([user("alice")], denied={user("alice"): DENIED})
        response = tear_down(request(), deletion.dependencies())
        assert response is not None
        assert response.status is Status.FAILED
        assert len(deletion.removed()) == 3
        assert deletion.clock.now() - NOW < timedelta(minutes=2)

    def test_a_throttled_user_is_tried_until_released(self) -> None:
        deletion = FakeDeletion([user("alice")])
        quiet = [CallResult()] * 4
        deletion.results = [*quiet, CallResult(error=THROTTLED)] * 10
        tear_down(request(), deletion.dependencies())
        assert deletion.attachments == []
        assert len(deletion.removed()) == 11

    def test_the_reason_names_three_and_counts_the_rest(self) -> None:
        attachments = [user(f"user-{number}") for number in range(8)]
        deletion = FakeDeletion(list(attachments), denied=dict.fromkeys(attachments, DENIED))
        response = tear_down(request(), deletion.dependencies())
        assert response is not None
        assert "user-2 (AccessDenied" in response.reason
        assert "user-3" not in response.reason
        assert "5 more" in response.reason


class TestTime:
    def test_out_of_time_it_invokes_itself_with_the_same_request_and_does_not_respond(self) -> None:
        deletion = FakeDeletion([user(f"user-{number}") for number in range(600)])
        deletion.results = [CallResult(seconds=2)] * 1000
        event = request_event()
        assert tear_down(request(), deletion.dependencies()) is None
        [invoked] = deletion.invoked
        assert {name: invoked[name] for name in event} == event
        assert len(deletion.attachments) > 0

    def test_the_next_invocation_continues_where_the_first_stopped(self) -> None:
        deletion = FakeDeletion([user(f"user-{number}") for number in range(600)])
        deletion.results = [CallResult(seconds=2)] * 1000
        lambda_ = FakeLambda(deletion)
        lambda_.run(request_event())
        [(when, response)] = lambda_.responses
        assert (deletion.attachments, response.status) == ([], Status.SUCCESS)
        assert len(deletion.removed()) == 600
        assert timedelta(minutes=20) < when - NOW < timedelta(minutes=30)

    def test_an_invocation_ends_before_lambda_ends_it(self) -> None:
        deletion = FakeDeletion([user(f"user-{number}") for number in range(600)])
        deletion.results = [CallResult(seconds=110)] * 1000
        lambda_ = FakeLambda(deletion)
        lambda_.run(request_event())
        assert lambda_.longest <= timedelta(seconds=900 - 115)

    def test_with_too_many_users_it_fails_in_time_for_the_response(self) -> None:
        deletion = FakeDeletion([user(f"user-{number}") for number in range(5000)])
        deletion.results = [CallResult(seconds=3)] * 10_000
        lambda_ = FakeLambda(deletion)
        lambda_.run(request_event())
        [(when, response)] = lambda_.responses
        assert response.status is Status.FAILED
        assert timedelta(minutes=45) <= when - NOW <= timedelta(minutes=48)
        assert response.reason.startswith("Time ran out before all users were released: ")
        assert " more; delete the stack again" in response.reason

    def test_it_fails_in_time_when_a_listing_is_never_empty(self) -> None:
        deletion = FakeDeletion([user("alice")], stale_listings=10_000)
        deletion.page_size = 1
        lambda_ = FakeLambda(deletion)
        lambda_.run(request_event())
        [(when, response)] = lambda_.responses
        assert response.status is Status.FAILED
        assert "1 found by the last listing" in response.reason
        assert when - NOW <= timedelta(minutes=48)

    @pytest.mark.parametrize("slow", [1, 2, 3, 4, 5])
    def test_a_slow_listing_is_cut_short(self, slow: int) -> None:
        deletion = FakeDeletion([user("alice"), member("alice"), tags("alice")], page_size=1)
        deletion.results = [CallResult()] * (slow - 1) + [CallResult(seconds=600)]
        assert tear_down(request(), deletion.dependencies()) is None
        assert len(deletion.made) == slow + 1

    def test_a_request_out_of_time_gets_its_response_without_a_call(self) -> None:
        deletion = FakeDeletion([user("alice")])
        event = request().continued(NOW - timedelta(minutes=46))
        lambda_ = FakeLambda(deletion)
        lambda_.run(event)
        [(_, response)] = lambda_.responses
        assert response.status is Status.FAILED
        assert deletion.made == []

    def test_a_start_in_the_future_gives_no_more_time(self) -> None:
        deletion = FakeDeletion([user("alice")], denied={user("alice"): THROTTLED})
        lambda_ = FakeLambda(deletion)
        lambda_.run(request().continued(NOW + timedelta(hours=5)))
        [(when, _)] = lambda_.responses
        assert when - NOW <= timedelta(minutes=48)

    @pytest.mark.parametrize("refusal", [DENIED, THROTTLED])
    def test_when_it_cannot_start_itself_again_it_fails_and_says_so(self, refusal: AwsRequestFailed) -> None:
        deletion = FakeDeletion([user("alice")])
        deletion.results = [CallResult(seconds=600), CallResult(error=refusal)]
        response = tear_down(request(), deletion.dependencies())
        assert response is not None
        assert response.status is Status.FAILED
        assert f"could not start again ({refusal})" in response.reason

    def test_a_short_invocation_works_too(self) -> None:
        deletion = FakeDeletion([user("alice")])
        response = tear_down(request(), deletion.dependencies(lambda: 60.0))
        assert response is not None
        assert response.status is Status.SUCCESS


class TestTheFirstSweep:
    @pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"])
    def test_it_is_an_audit_and_waits_for_its_rule(self, status: str) -> None:
        deletion = FakeDeletion(stack_status=status)
        assert request_first_sweep(deletion.dependencies())
        assert deletion.sweep_starter.requested == [{"mode": "audit"}]
        assert deletion.clock.now() - NOW >= timedelta(seconds=60)

    @pytest.mark.parametrize("status", ["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"])
    def test_it_waits_for_the_rest_of_the_stack(self, status: str) -> None:
        deletion = FakeDeletion(stack_status=status)
        dependencies = deletion.dependencies()
        wait = deletion.clock.sleep

        def completes_after_a_while(seconds: float) -> None:
            wait(seconds)
            if deletion.clock.now() - NOW > timedelta(minutes=3):
                deletion.stack_status = "CREATE_COMPLETE"

        deletion.clock.sleep = completes_after_a_while  # type: ignore[method-assign]
        assert request_first_sweep(dependencies)
        assert deletion.clock.now() - NOW >= timedelta(minutes=4)

    def test_a_stack_not_created_in_time_raises_so_that_lambda_retries(self) -> None:
        deletion = FakeDeletion(stack_status="CREATE_IN_PROGRESS")
        with pytest.raises(StackNotCreated, match="CREATE_IN_PROGRESS"):
            request_first_sweep(deletion.dependencies())
        assert deletion.clock.now() - NOW < timedelta(seconds=900)

    @pytest.mark.parametrize("status", ["ROLLBACK_IN_PROGRESS", "CREATE_FAILED", "DELETE_IN_PROGRESS"])
    def test_a_stack_that_failed_gets_no_sweep(self, status: str) -> None:
        deletion = FakeDeletion(stack_status=status)
        assert not request_first_sweep(deletion.dependencies())
        assert deletion.sweep_starter.requested == []

    def test_an_unknown_status_raises(self) -> None:
        deletion = FakeDeletion(results=[CallResult(error=DENIED)])
        with pytest.raises(AccessDenied):
            request_first_sweep(deletion.dependencies())


def test_the_stack_of_the_tests_is_the_requests() -> None:
    assert request().stack_id == STACK.arn
