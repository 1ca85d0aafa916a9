"""Release all users before CloudFormation deletes the enforcement policy and group.

IAM refuses to delete a policy that is attached, or a group that has members. IAM is also eventually consistent, so the
work ends with two empty listings, some time apart. By then nothing can attach the policy again: CloudFormation deletes
the functions that enforce, their rules and their roles before it deletes the Teardown resource.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mfa_guard.core.attachments import Attachment
from mfa_guard.core.custom_resource import Request, Response, Status
from mfa_guard.core.errors import AccessDenied, AwsRequestFailed
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.times import utc_text
from mfa_guard.ports import Attachments, Clock, OwnStack, SelfInvocation, SweepStarter, Telemetry

# Users are released in these states of the stack only: a forged request cannot release anyone while the stack stays.
_BEING_DELETED: Final = frozenset({"DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"})
_BEING_CREATED: Final = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"})
_CREATED: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"})

# CloudFormation needs a response within 50 minutes of its request, and Lambda ends an invocation after 15. Both limits
# leave time for what can still follow, with all its retries: one call to AWS (110 seconds), another one that invokes
# this function again, and the response (115 seconds). One call after the other releases an account's 5,000 users in
# less than half an hour. Threads would only be throttled.
_GIVE_UP_AFTER: Final = timedelta(minutes=45)
_RESERVE_SECONDS: Final = 340.0
_PAUSE_SECONDS: Final = 20.0

# A new rule needs a moment before it matches events.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule.html
_RULE_SETTLES_SECONDS: Final = 60.0

_EMPTY_PASSES: Final = 2
# A new permission needs seconds to apply everywhere, so the first denials are not final.
_DENIED_PASSES: Final = 3

_NAMED_FAILURES: Final = 3
_DELETE_AGAIN: Final = "delete the stack again, which continues where this stopped"

NOTHING_TO_DO: Final = Response(Status.SUCCESS, "There is nothing to do until the stack is deleted.")


@dataclass(frozen=True)
class TeardownDependencies:
    """What the teardown needs from outside. `remaining` returns the seconds that are left to this invocation."""

    stack: OwnStack
    attachments: Attachments
    self_invocation: SelfInvocation
    sweep_starter: SweepStarter
    telemetry: Telemetry
    clock: Clock
    remaining: Callable[[], float]


class StackNotCreated(Exception):
    """The stack is still being created, and there is no time left to wait for it."""


class _StackNotDeleted(Exception):
    """The stack is not being deleted."""


@dataclass(frozen=True)
class _Failure:
    """What could not be done, and the error."""

    what: str
    error: AwsRequestFailed

    def __str__(self) -> str:
        return f"{self.what} ({sanitize(str(self.error), 150)})"


@dataclass(frozen=True)
class _Pass:
    """The result of one pass, which lists all attachments and removes each. `unreached`: there was no time for them."""

    listed: int = 0
    removed: int = 0
    unreached: int = 0
    failures: tuple[_Failure, ...] = ()

    @property
    def empty(self) -> bool:
        """Tell whether everything could be listed and nothing was found."""
        return not self.listed and not self.failures

    @property
    def denied(self) -> bool:
        """Tell whether nothing was removed because AWS denied every attempt, so that another pass can hardly help."""
        denials = [isinstance(each.error, AccessDenied) for each in self.failures]
        return not self.removed and bool(denials) and all(denials)

    def __str__(self) -> str:
        named = [str(each) for each in self.failures[:_NAMED_FAILURES]]
        if more := len(self.failures) - len(named) + self.unreached:
            named.append(f"{more} more")
        return ", ".join(named) or f"{self.listed} found by the last listing"


class _TimeLimits:
    """When this invocation has to stop, and when the teardown as a whole has to."""

    def __init__(self, began: datetime, dependencies: TeardownDependencies) -> None:
        self._dependencies = dependencies
        self._end = began + _GIVE_UP_AFTER
        # A short invocation keeps half of its time, so that it does more than start the next one.
        self._reserve = min(_RESERVE_SECONDS, dependencies.remaining() / 2)

    def teardown_is_over(self) -> bool:
        return self._dependencies.clock.now() >= self._end

    def invocation_is_over(self) -> bool:
        return self.teardown_is_over() or self._dependencies.remaining() <= self._reserve


def tear_down(request: Request, dependencies: TeardownDependencies) -> Response | None:
    """Release all users, and return the response to a request to delete the Teardown resource.

    Returns None when another invocation continues the work and responds. The response is a failure when AWS denies the
    remaining calls, when time runs out, and when no other invocation can be started. It is a success without any change
    when the stack is not being deleted.
    """
    now = dependencies.clock.now()
    began = min(request.began or now, now)
    limits = _TimeLimits(began, dependencies)
    last, empty, denied = _Pass(), 0, 0
    while not limits.invocation_is_over():
        try:
            last = _list_and_remove(dependencies, limits)
        except _StackNotDeleted as reason:
            dependencies.telemetry.warning("No user released", reason=str(reason))
            return Response(Status.SUCCESS, str(reason))
        if limits.invocation_is_over():
            # A pass that was cut short says nothing about what is left.
            break
        empty = empty + 1 if last.empty else 0
        denied = denied + 1 if last.denied else 0
        if empty == _EMPTY_PASSES:
            return Response(Status.SUCCESS, "The enforcement policy no longer applies to any user.")
        if denied == _DENIED_PASSES:
            return _failed(f"AWS denies what the teardown needs: {last}", f"allow it and {_DELETE_AGAIN}", dependencies)
        dependencies.clock.sleep(_PAUSE_SECONDS)
    if limits.teardown_is_over():
        return _failed(f"Time ran out before all users were released: {last}", _DELETE_AGAIN, dependencies)
    return _continue_in_another_invocation(request, began, last, dependencies)


def _list_and_remove(dependencies: TeardownDependencies, limits: _TimeLimits) -> _Pass:
    try:
        status = dependencies.stack.status()
    except AwsRequestFailed as error:
        return _Pass(failures=(_Failure("the state of the stack", error),))
    if status not in _BEING_DELETED:
        raise _StackNotDeleted(f"The stack is {status} and not being deleted, so no user was released.")
    attachments, not_listed = _list(dependencies.attachments, limits)
    removed, not_removed = 0, list[_Failure]()
    for attachment in attachments:
        if limits.invocation_is_over():
            break
        try:
            dependencies.attachments.remove(attachment)
        except AwsRequestFailed as error:
            dependencies.telemetry.warning("Not removed", subject=str(attachment), reason=str(error))
            not_removed.append(_Failure(str(attachment), error))
        else:
            removed += 1
    unreached = len(attachments) - removed - len(not_removed)
    dependencies.telemetry.info(
        "Pass ended", listed=len(attachments), removed=removed, failed=len(not_removed), unreached=unreached
    )
    return _Pass(len(attachments), removed, unreached, (*not_listed, *not_removed))


def _list(attachments: Attachments, limits: _TimeLimits) -> tuple[list[Attachment], list[_Failure]]:
    """Return all attachments: the policy first, because it restricts users, and the tags last."""
    listings: tuple[tuple[str, Callable[[], Iterator[tuple[Attachment, ...]]]], ...] = (
        ("the list of what the policy is attached to", attachments.attached),
        ("the list of the group's members", attachments.members),
        ("the list of tagged users", attachments.tagged),
    )
    found: list[Attachment] = []
    not_listed: list[_Failure] = []
    for what, pages in listings:
        if limits.invocation_is_over():
            break
        try:
            for page in pages():
                found.extend(page)
                if limits.invocation_is_over():
                    break
        except AwsRequestFailed as error:
            not_listed.append(_Failure(what, error))
    return found, not_listed


def _continue_in_another_invocation(
    request: Request, began: datetime, last: _Pass, dependencies: TeardownDependencies
) -> Response | None:
    try:
        dependencies.self_invocation.again(request.continued(began))
    except AwsRequestFailed as error:
        why = sanitize(str(error), 150)
        what = f"The function ran out of time and could not start again ({why}): {last}"
        return _failed(what, _DELETE_AGAIN, dependencies)
    dependencies.telemetry.info("Continued in another invocation", began=utc_text(began))
    return None


def _failed(what: str, remedy: str, dependencies: TeardownDependencies) -> Response:
    reason = f"{what}; {remedy}."
    dependencies.telemetry.warning("Teardown failed", reason=reason)
    return Response(Status.FAILED, reason)


def request_first_sweep(dependencies: TeardownDependencies) -> bool:
    """Request the first sweep, an audit, once the stack is created; return whether it was requested.

    CloudFormation creates the Teardown resource before SweepFunction and its rule, so this function waits for the rest
    of the stack, after the response. Raises AwsRequestFailed, StackNotCreated, and every failure of the event bus:
    Lambda retries.
    """
    limits = _TimeLimits(dependencies.clock.now(), dependencies)
    while (status := dependencies.stack.status()) in _BEING_CREATED:
        if limits.invocation_is_over():
            raise StackNotCreated(f"The stack is still {status}: the first sweep will be the schedule's.")
        dependencies.clock.sleep(_PAUSE_SECONDS)
    if status not in _CREATED:
        dependencies.telemetry.warning("First sweep not requested", reason=f"The stack is {status}.")
        return False
    dependencies.clock.sleep(_RULE_SETTLES_SECONDS)
    dependencies.sweep_starter.request_sweep({"mode": "audit"})
    return True
