"""Everybody is let go before the stack is, nobody while it stays, and CloudFormation hears of it in time."""

from datetime import timedelta

import pytest

from mfa_guard.core.attachments import Attachment, AttachmentKind
from mfa_guard.core.custom_resource import Status
from mfa_guard.core.errors import AccessDenied, AwsRequestFailed
from mfa_guard.use_cases.teardown import StackNotCreated, request_first_sweep, tear_down
from support.factories import NOW
from support.teardown import STACK, FakeDeletion, FakeLambda, Happening, member, request, request_event, tags, user

DENIED = AccessDenied("AccessDenied: not authorized to perform it")
THROTTLED = AwsRequestFailed("Throttling: Rate exceeded")
STAYS = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS")


class TestWhoIsLetGo:
    def test_everybody_whom_the_policy_the_group_or_a_tag_is_on(self) -> None:
        attachments = [
            user("alice"),
            Attachment(AttachmentKind.POLICY_ON_ROLE, "Build"),
            Attachment(AttachmentKind.POLICY_ON_GROUP, "staff"),
        ]
        deletion = FakeDeletion([*attachments, member("bob"), tags("alice")])
        verdict = tear_down(request(), deletion.dependencies())
        assert verdict is not None
        assert verdict.status is Status.SUCCESS
        assert deletion.on == []

    def test_the_policy_goes_first_and_the_tags_last(self) -> None:
        deletion = FakeDeletion([tags("alice"), member("alice"), user("alice")])
        tear_down(request(), deletion.dependencies())
        assert deletion.released() == [
            "the policy on user alice",
            "the membership of user alice",
            "the tags of user alice",
        ]

    def test_every_page_of_a_listing(self) -> None:
        deletion = FakeDeletion([user(f"user-{number}") for number in range(1001)])
        tear_down(request(), deletion.dependencies())
        assert deletion.on == []

    def test_the_rollback_of_a_creation_lets_go_too(self) -> None:
        deletion = FakeDeletion([user("alice")], "ROLLBACK_IN_PROGRESS")
        tear_down(request(), deletion.dependencies())
        assert deletion.on == []


class TestNoKillSwitch:
    @pytest.mark.parametrize("status", STAYS)
    def test_nobody_is_released_while_the_stack_stays(self, status: str) -> None:
        deletion = FakeDeletion([user("alice")], status)
        verdict = tear_down(request(), deletion.dependencies())
        assert verdict is not None
        assert verdict.status is Status.SUCCESS
        assert deletion.made == ["status"]
        assert "No user released" in deletion.telemetry.lines

    def test_nobody_is_released_while_the_stack_cannot_be_seen(self) -> None:
        deletion = FakeDeletion([user("alice")], happenings=[Happening(error=DENIED)] * 3)
        verdict = tear_down(request(), deletion.dependencies())
        assert verdict is not None
        assert verdict.status is Status.FAILED
        assert "the state of the stack (AccessDenied: " in verdict.reason
        assert deletion.made == ["status"] * 3

    def test_a_stack_that_is_no_longer_deleted_ends_the_release(self) -> None:
        deletion = FakeDeletion([user("alice")])
        dependencies = deletion.dependencies()
        deletion.denied[user("alice")] = THROTTLED
        pause = deletion.clock.sleep

        def fails_meanwhile(seconds: float) -> None:
            pause(seconds)
            if seconds > 1:
                deletion.stack_status = "DELETE_FAILED"

        deletion.clock.sleep = fails_meanwhile  # type: ignore[method-assign]
        tear_down(request(), dependencies)
        assert deletion.released() == ["the policy on user alice"]


class TestTheEnd:
    def test_it_takes_two_empty_listings_some_time_apart(self) -> None:
        deletion = FakeDeletion()
        tear_down(request(), deletion.dependencies())
        assert deletion.made == ["status", "attached", "members", "tagged"] * 2
        assert deletion.clock.now() - NOW >= timedelta(seconds=20)

    def test_a_listing_that_shows_something_starts_the_count_again(self) -> None:
        deletion = FakeDeletion([user("alice")])
        tear_down(request(), deletion.dependencies())
        assert deletion.made.count("attached") == 3

    def test_what_a_late_listing_shows_still_is_taken_off_again(self) -> None:
        deletion = FakeDeletion([user("alice")], shown_still=6)
        verdict = tear_down(request(), deletion.dependencies())
        assert verdict is not None
        assert verdict.status is Status.SUCCESS
        assert deletion.released() == ["the policy on user alice"] * 2

    @pytest.mark.parametrize("listing", [1, 2, 3])
    def test_a_listing_that_failed_was_not_empty(self, listing: int) -> None:
        happenings = [Happening() for _ in range(8)]
        happenings[4 + listing] = Happening(error=THROTTLED)
        deletion = FakeDeletion(happenings=happenings[:8])
        tear_down(request(), deletion.dependencies())
        assert deletion.made.count("attached") == 4


class TestOneNeverStopsTheOthers:
    @pytest.mark.parametrize("refusal", [DENIED, THROTTLED])
    def test_a_user_who_cannot_be_released_is_named_and_the_others_are_free(self, refusal: AwsRequestFailed) -> None:
        deletion = FakeDeletion([user("alice"), user("bob"), tags("bob")], denied={user("alice"): refusal})
        lambda_ = FakeLambda(deletion)
        lambda_.run(request_event())
        [(_, verdict)] = lambda_.answers
        assert deletion.on == [user("alice")]
        assert verdict.status is Status.FAILED
        assert f"the policy on user alice ({refusal})" in verdict.reason
        assert verdict.reason.endswith("delete the stack again, which continues where this stopped.")
        assert "Not removed" in deletion.telemetry.lines

    def test_a_listing_that_is_denied_does_not_keep_the_others_from_being_worked_off(self) -> None:
        deletion = FakeDeletion([member("alice"), tags("bob")])
        deletion.happenings = [Happening(), Happening(error=DENIED)]
        tear_down(request(), deletion.dependencies())
        assert deletion.on == []

    def test_a_denial_that_passes_is_forgotten(self) -> None:
        deletion = FakeDeletion([user("alice")])
        deletion.happenings = [Happening(), Happening(error=DENIED), Happening(), Happening()] * 2
        verdict = tear_down(request(), deletion.dependencies())
        assert verdict is not None
        assert verdict.status is Status.SUCCESS

    def test_denials_alone_end_it_after_three_rounds(self) -> None:
        deletion = FakeDeletion([user("alice")], denied={user("alice"): DENIED})
        verdict = tear_down(request(), deletion.dependencies())
        assert verdict is not None
        assert verdict.status is Status.FAILED
        assert len(deletion.released()) == 3
        assert deletion.clock.now() - NOW < timedelta(minutes=2)

    def test_a_throttled_user_is_tried_until_he_is_free(self) -> None:
        deletion = FakeDeletion([user("alice")])
        quiet = [Happening()] * 4
        deletion.happenings = [*quiet, Happening(error=THROTTLED)] * 10
        tear_down(request(), deletion.dependencies())
        assert deletion.on == []
        assert len(deletion.released()) == 11

    def test_the_reason_names_three_and_counts_the_rest(self) -> None:
        attachments = [user(f"user-{number}") for number in range(8)]
        deletion = FakeDeletion(list(attachments), denied=dict.fromkeys(attachments, DENIED))
        verdict = tear_down(request(), deletion.dependencies())
        assert verdict is not None
        assert "user-2 (AccessDenied" in verdict.reason
        assert "user-3" not in verdict.reason
        assert "5 more" in verdict.reason


class TestTime:
    def test_short_of_time_it_starts_itself_again_with_the_same_request_and_does_not_answer(self) -> None:
        deletion = FakeDeletion([user(f"user-{number}") for number in range(600)])
        deletion.happenings = [Happening(seconds=2)] * 1000
        event = request_event()
        assert tear_down(request(), deletion.dependencies()) is None
        [relayed] = deletion.relayed
        assert {name: relayed[name] for name in event} == event
        assert len(deletion.on) > 0

    def test_the_next_invocation_goes_on_where_the_first_stopped(self) -> None:
        deletion = FakeDeletion([user(f"user-{number}") for number in range(600)])
        deletion.happenings = [Happening(seconds=2)] * 1000
        lambda_ = FakeLambda(deletion)
        lambda_.run(request_event())
        [(when, verdict)] = lambda_.answers
        assert (deletion.on, verdict.status) == ([], Status.SUCCESS)
        assert len(deletion.released()) == 600
        assert timedelta(minutes=20) < when - NOW < timedelta(minutes=30)

    def test_an_invocation_ends_before_lambda_ends_it(self) -> None:
        deletion = FakeDeletion([user(f"user-{number}") for number in range(600)])
        deletion.happenings = [Happening(seconds=110)] * 1000
        lambda_ = FakeLambda(deletion)
        lambda_.run(request_event())
        assert lambda_.longest <= timedelta(seconds=900 - 115)

    def test_it_fails_with_time_to_spare_for_the_answer_when_there_are_too_many(self) -> None:
        deletion = FakeDeletion([user(f"user-{number}") for number in range(5000)])
        deletion.happenings = [Happening(seconds=3)] * 10_000
        lambda_ = FakeLambda(deletion)
        lambda_.run(request_event())
        [(when, verdict)] = lambda_.answers
        assert verdict.status is Status.FAILED
        assert timedelta(minutes=45) <= when - NOW <= timedelta(minutes=48)
        assert verdict.reason.startswith("Time ran out before all users were released: ")
        assert " more; delete the stack again" in verdict.reason

    def test_it_fails_in_time_when_a_listing_never_ends_empty(self) -> None:
        deletion = FakeDeletion([user("alice")], shown_still=10_000)
        deletion.page_size = 1
        lambda_ = FakeLambda(deletion)
        lambda_.run(request_event())
        [(when, verdict)] = lambda_.answers
        assert verdict.status is Status.FAILED
        assert "1 found by the last listing" in verdict.reason
        assert when - NOW <= timedelta(minutes=48)

    @pytest.mark.parametrize("slow", [1, 2, 3, 4, 5])
    def test_a_slow_listing_is_cut_short(self, slow: int) -> None:
        deletion = FakeDeletion([user("alice"), member("alice"), tags("alice")], page_size=1)
        deletion.happenings = [Happening()] * (slow - 1) + [Happening(seconds=600)]
        assert tear_down(request(), deletion.dependencies()) is None
        assert len(deletion.made) == slow + 1

    def test_time_already_up_is_answered_at_once(self) -> None:
        deletion = FakeDeletion([user("alice")])
        event = request().continued(NOW - timedelta(minutes=46))
        lambda_ = FakeLambda(deletion)
        lambda_.run(event)
        [(_, verdict)] = lambda_.answers
        assert verdict.status is Status.FAILED
        assert deletion.made == []

    def test_a_beginning_in_the_future_buys_no_time(self) -> None:
        deletion = FakeDeletion([user("alice")], denied={user("alice"): THROTTLED})
        lambda_ = FakeLambda(deletion)
        lambda_.run(request().continued(NOW + timedelta(hours=5)))
        [(when, _)] = lambda_.answers
        assert when - NOW <= timedelta(minutes=48)

    @pytest.mark.parametrize("refusal", [DENIED, THROTTLED])
    def test_when_it_cannot_start_itself_again_it_fails_and_says_so(self, refusal: AwsRequestFailed) -> None:
        deletion = FakeDeletion([user("alice")])
        deletion.happenings = [Happening(seconds=600), Happening(error=refusal)]
        verdict = tear_down(request(), deletion.dependencies())
        assert verdict is not None
        assert verdict.status is Status.FAILED
        assert f"could not start again ({refusal})" in verdict.reason

    def test_a_short_invocation_works_too(self) -> None:
        deletion = FakeDeletion([user("alice")])
        verdict = tear_down(request(), deletion.dependencies(lambda: 60.0))
        assert verdict is not None
        assert verdict.status is Status.SUCCESS


class TestTheFirstSweep:
    @pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"])
    def test_it_is_an_audit_and_comes_when_its_rule_has_settled(self, status: str) -> None:
        deletion = FakeDeletion(stack_status=status)
        assert request_first_sweep(deletion.dependencies())
        assert deletion.sweep_starter.woken == [{"mode": "audit"}]
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

    def test_a_stack_that_is_not_there_in_time_raises_so_that_lambda_tries_again(self) -> None:
        deletion = FakeDeletion(stack_status="CREATE_IN_PROGRESS")
        with pytest.raises(StackNotCreated, match="CREATE_IN_PROGRESS"):
            request_first_sweep(deletion.dependencies())
        assert deletion.clock.now() - NOW < timedelta(seconds=900)

    @pytest.mark.parametrize("status", ["ROLLBACK_IN_PROGRESS", "CREATE_FAILED", "DELETE_IN_PROGRESS"])
    def test_a_stack_that_failed_wakes_nothing(self, status: str) -> None:
        deletion = FakeDeletion(stack_status=status)
        assert not request_first_sweep(deletion.dependencies())
        assert deletion.sweep_starter.woken == []

    def test_a_status_that_cannot_be_seen_raises(self) -> None:
        deletion = FakeDeletion(happenings=[Happening(error=DENIED)])
        with pytest.raises(AccessDenied):
            request_first_sweep(deletion.dependencies())


def test_the_stack_of_the_tests_is_the_requests() -> None:
    assert request().stack_id == STACK.arn
