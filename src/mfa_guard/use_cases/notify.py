"""Send each notice once, although several invocations see the same change and each of them can be repeated."""

from collections.abc import Callable
from typing import Final, Protocol

from mfa_guard.core.leases import Claim, Lease
from mfa_guard.core.mail.layout import Message
from mfa_guard.core.metrics import Metric
from mfa_guard.core.user_record import Decision
from mfa_guard.ports import Clock, Leases, Notifier, Telemetry, UserRecords

_PAUSE_SECONDS: Final = 0.5
_PAUSES: Final = 60


class NoticeStuck(Exception):
    """Another invocation has held the lease for a notice longer than any invocation lasts."""


class _Waiting(Protocol):
    @property
    def telemetry(self) -> Telemetry: ...
    @property
    def clock(self) -> Clock: ...


class NotifyDependencies(_Waiting, Protocol):
    """What sending a notice about no user needs from outside."""

    @property
    def leases(self) -> Leases: ...


class NotifyOfUserDependencies(_Waiting, Protocol):
    """What sending a notice about a user needs from outside."""

    @property
    def records(self) -> UserRecords: ...
    @property
    def notifier(self) -> Notifier: ...


def notify_once(
    lease: Lease, message: Message, publish: Callable[[Message], None], dependencies: NotifyDependencies
) -> bool:
    """Publish a notice about no user unless it was sent already, and return whether this call published it.

    While another invocation holds the lease, wait for it; take the lease over when it runs out. When this function
    returns, the notice has been sent. Raises NoticeStuck, and what `publish` raises.
    """
    if not _is_mine(lease, None, lambda: dependencies.leases.claim(lease), dependencies):
        return False
    publish(message)
    dependencies.telemetry.count(Metric.NOTICES_SENT)
    dependencies.leases.sent(lease)
    return True


def notify_of_user(
    lease: Lease,
    decision: Decision,
    message: Message,
    dependencies: NotifyOfUserDependencies,
    claimed: Claim | None = None,
) -> bool:
    """Publish a notice about a user as `notify_once` does, and record the decision.

    `claimed` is the answer to a claim of the same lease that was made before the guard acted.
    """
    records = dependencies.records
    if not _is_mine(lease, claimed, lambda: records.claim(lease, decision), dependencies):
        return False
    dependencies.notifier.notices(message)
    dependencies.telemetry.count(Metric.NOTICES_SENT)
    records.sent(lease)
    return True


def _is_mine(lease: Lease, first: Claim | None, claim: Callable[[], Claim], dependencies: _Waiting) -> bool:
    answer = first or claim()
    for _ in range(_PAUSES):
        if answer is not Claim.HELD:
            break
        dependencies.clock.sleep(_PAUSE_SECONDS)
        answer = claim()
    if answer is Claim.HELD:
        raise NoticeStuck(f"Another invocation holds the lease for {lease.kind} and does not finish.")
    if answer is Claim.SENT:
        dependencies.telemetry.info("Notice already sent", kind=lease.kind.value)
    return answer is Claim.MINE
