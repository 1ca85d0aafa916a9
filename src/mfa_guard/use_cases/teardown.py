"""A clean exit: whoever the stack holds on to is let go before CloudFormation deletes what it holds them with.

IAM refuses to delete a policy that is attached and a group that has members. It is also eventually consistent, so the
end is not one empty listing but two, some time apart. By then nothing is left that would put the policy back: the
functions that enforce, their rules and their roles are deleted before the Release resource is.
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

# It is no kill switch: nobody is released while the stack stays.
_LEAVING: Final = frozenset({"DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"})
_ARRIVING: Final = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"})
_ARRIVED: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"})

# CloudFormation has to be answered 50 minutes after its request, and Lambda ends an invocation after 15. Both times are
# cut by what may still come with all its retries: a call to AWS (110 seconds), another that hands over, and the answer
# (115). One call after the other lets an account's 5,000 users go in less than half an hour, so there are no threads,
# which would only be throttled.
GIVE_UP_AFTER: Final = timedelta(minutes=45)
HAND_OVER_SECONDS: Final = 340.0
_PAUSE_SECONDS: Final = 20.0

# A new rule takes a moment until it sees events.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule.html
_SETTLE_SECONDS: Final = 60.0

_EMPTY_LISTINGS: Final = 2
# A permission that was just granted takes seconds to be known everywhere, so the first refusal is not the last word.
_DENIED_ROUNDS: Final = 3

_NAMED: Final = 3
_AGAIN: Final = "delete the stack again, which goes on where this stopped"

NOTHING_TO_DO: Final = Response(Status.SUCCESS, "There is nothing to do until the stack is deleted.")


@dataclass(frozen=True)
class TeardownDependencies:
    """Everything outside of the process that the release touches. `remaining`: seconds left to this invocation."""

    stack: OwnStack
    attachments: Attachments
    self_invocation: SelfInvocation
    sweep_starter: SweepStarter
    telemetry: Telemetry
    clock: Clock
    remaining: Callable[[], float]


class StackNotThere(Exception):
    """The stack is still being created when there is no time left to wait for it."""


class _StackStays(Exception):
    """The stack is not being deleted."""


@dataclass(frozen=True)
class _Left:
    """What could not be done, and why."""

    what: str
    why: AwsRequestFailed

    def __str__(self) -> str:
        return f"{self.what} ({sanitize(str(self.why), 150)})"


@dataclass(frozen=True)
class _Round:
    """One listing of all holds, and what came of taking them off."""

    listed: int = 0
    released: int = 0
    unreached: int = 0
    left: tuple[_Left, ...] = ()

    @property
    def clean(self) -> bool:
        """Tell whether everything could be listed and nothing was found."""
        return not self.listed and not self.left

    @property
    def denied(self) -> bool:
        """Tell whether nothing was achieved, and AWS will hardly decide otherwise the next time."""
        return not self.released and bool(self.left) and all(isinstance(each.why, AccessDenied) for each in self.left)

    def __str__(self) -> str:
        named = [str(each) for each in self.left[:_NAMED]]
        if more := len(self.left) - len(named) + self.unreached:
            named.append(f"{more} more")
        return ", ".join(named) or f"{self.listed} found by the last listing"


class _Watch:
    """Tells when it is time to stop: for this invocation, and for good."""

    def __init__(self, began: datetime, dependencies: TeardownDependencies) -> None:
        self._world = dependencies
        self._end = began + GIVE_UP_AFTER
        # Never so much that an invocation would do nothing but start the next.
        self._reserve = min(HAND_OVER_SECONDS, dependencies.remaining() / 2)

    def over(self) -> bool:
        return self._world.clock.now() >= self._end

    def short(self) -> bool:
        return self.over() or self._world.remaining() <= self._reserve


def tear_down(request: Request, dependencies: TeardownDependencies) -> Response | None:
    """Let everybody go, and return the answer to a request to delete the Release resource.

    Returns None when another invocation goes on with the request and will answer it. Fails when AWS denies what is
    left, when time is up, and when no other invocation can be started. Success without doing anything while the stack
    stays.
    """
    now = dependencies.clock.now()
    began = min(request.began or now, now)
    watch = _Watch(began, dependencies)
    last, empty, denied = _Round(), 0, 0
    while not watch.short():
        try:
            last = _round(dependencies, watch)
        except _StackStays as stays:
            dependencies.telemetry.warning("Nobody released", reason=str(stays))
            return Response(Status.SUCCESS, str(stays))
        if watch.short():
            # What a round says that was cut short may be half the truth.
            break
        empty = empty + 1 if last.clean else 0
        denied = denied + 1 if last.denied else 0
        if empty == _EMPTY_LISTINGS:
            return Response(Status.SUCCESS, "Nobody is bound by the enforcement policy any more.")
        if denied == _DENIED_ROUNDS:
            return _failed(
                f"AWS denies what letting everybody go needs: {last}", f"allow it and {_AGAIN}", dependencies
            )
        dependencies.clock.sleep(_PAUSE_SECONDS)
    if watch.over():
        return _failed(f"Time was up before everybody was let go: {last}", _AGAIN, dependencies)
    return _handed_over(request, began, last, dependencies)


def _round(dependencies: TeardownDependencies, watch: _Watch) -> _Round:
    try:
        status = dependencies.stack.status()
    except AwsRequestFailed as refusal:
        return _Round(left=(_Left("the state of the stack", refusal),))
    if status not in _LEAVING:
        raise _StackStays(f"The stack is {status} and not being deleted, so nobody was released.")
    attachments, unlisted = _list(dependencies.attachments, watch)
    released, kept = 0, list[_Left]()
    for attachment in attachments:
        if watch.short():
            break
        try:
            dependencies.attachments.remove(attachment)
        except AwsRequestFailed as refusal:
            dependencies.telemetry.warning("Not released", subject=str(attachment), reason=str(refusal))
            kept.append(_Left(str(attachment), refusal))
        else:
            released += 1
    unreached = len(attachments) - released - len(kept)
    dependencies.telemetry.info(
        "Round ended", listed=len(attachments), released=released, kept=len(kept), unreached=unreached
    )
    return _Round(len(attachments), released, unreached, (*unlisted, *kept))


def _list(attachments: Attachments, watch: _Watch) -> tuple[list[Attachment], list[_Left]]:
    """Return what is still held: the policy first, as it blocks people, and the tags last, as they block nobody."""
    listings: tuple[tuple[str, Callable[[], Iterator[tuple[Attachment, ...]]]], ...] = (
        ("the list of what the policy is attached to", attachments.attached),
        ("the list of the group's members", attachments.members),
        ("the list of tagged users", attachments.tagged),
    )
    found: list[Attachment] = []
    unlisted: list[_Left] = []
    for what, pages in listings:
        if watch.short():
            break
        try:
            for page in pages():
                found.extend(page)
                if watch.short():
                    break
        except AwsRequestFailed as refusal:
            unlisted.append(_Left(what, refusal))
    return found, unlisted


def _handed_over(
    request: Request, began: datetime, last: _Round, dependencies: TeardownDependencies
) -> Response | None:
    try:
        dependencies.self_invocation.again(request.continued(began))
    except AwsRequestFailed as refusal:
        why = sanitize(str(refusal), 150)
        return _failed(f"The function ran out of time and could not start again ({why}): {last}", _AGAIN, dependencies)
    dependencies.telemetry.info("Handed over", began=utc_text(began))
    return None


def _failed(what: str, remedy: str, dependencies: TeardownDependencies) -> Response:
    reason = f"{what}; {remedy}."
    dependencies.telemetry.warning("Release failed", reason=reason)
    return Response(Status.FAILED, reason)


def request_first_sweep(dependencies: TeardownDependencies) -> bool:
    """Ask for the first audit sweep once the stack is there; returns whether there will be one.

    The Release resource is created before SweepFunction and its rule, so CloudFormation has its answer by now, and this
    waits for the rest of the stack. Raises Refused, StackNotThere, and what the event bus refuses: Lambda tries again.
    """
    watch = _Watch(dependencies.clock.now(), dependencies)
    while (status := dependencies.stack.status()) in _ARRIVING:
        if watch.short():
            raise StackNotThere(f"The stack is still {status}: the first sweep will be the schedule's.")
        dependencies.clock.sleep(_PAUSE_SECONDS)
    if status not in _ARRIVED:
        dependencies.telemetry.warning("First sweep not asked for", reason=f"The stack is {status}.")
        return False
    dependencies.clock.sleep(_SETTLE_SECONDS)
    dependencies.sweep_starter.request_sweep({"mode": "audit"})
    return True
