"""Send each notice once, although several invocations see the same change and each of them can be repeated."""

from collections.abc import Callable
from typing import Final, Protocol

from mfa_guard.core.leases import Claim, Lease
from mfa_guard.core.mail.layout import Message
from mfa_guard.core.metrics import Metric
from mfa_guard.ports import Clock, Leases, Telemetry

_PAUSE_SECONDS: Final = 0.5
_PAUSES: Final = 60


class NoticeStuck(Exception):
    """Another invocation has held the lease for a notice longer than any invocation lasts."""


class NotifyDependencies(Protocol):
    """What sending a notice needs from outside."""

    @property
    def leases(self) -> Leases: ...
    @property
    def telemetry(self) -> Telemetry: ...
    @property
    def clock(self) -> Clock: ...


def claim(lease: Lease, leases: Leases) -> Claim:
    """Claim `lease` and return the answer."""
    return leases.claim(lease.scope, lease.kind, lease.holder, lease.exposure)


def notify_once(
    lease: Lease, message: Message, publish: Callable[[Message], None], dependencies: NotifyDependencies
) -> bool:
    """Publish `message` unless it was sent already, and return whether this call published it.

    While another invocation holds the lease, wait for it; take the lease over when it runs out. When this function
    returns, the notice has been sent. Raises NoticeStuck, and what `publish` raises.
    """
    leases = dependencies.leases
    answer = claim(lease, leases)
    for _ in range(_PAUSES):
        if answer is not Claim.HELD:
            break
        dependencies.clock.sleep(_PAUSE_SECONDS)
        answer = claim(lease, leases)
    if answer is Claim.HELD:
        raise NoticeStuck(f"Another invocation holds the lease for {lease.kind} and does not finish.")
    if answer is Claim.SENT:
        dependencies.telemetry.info("Notice already sent", kind=lease.kind.value)
        return False
    # Before publishing: after a crash, the kinds that this notice ends can still be sent again.
    leases.drop(lease.scope, lease.ends)
    publish(message)
    dependencies.telemetry.count(Metric.NOTICES_SENT)
    leases.sent(lease.scope, lease.kind, lease.holder)
    return True
