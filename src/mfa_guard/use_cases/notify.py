"""Tell the administrators once, though several invocations see the same change and each may be repeated."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mfa_guard.core.leases import Claim
from mfa_guard.core.metrics import Metric
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.ports import Clock, Leases, Telemetry

_PAUSE_SECONDS: Final = 0.5
_PAUSES: Final = 60


class NoticeStuck(Exception):
    """Another invocation has been about to send this notice for longer than any invocation lasts."""


@dataclass(frozen=True)
class Lease:
    """What is to be told: at most one invocation sends it.

    `scope` is the user's id, or the event's for what concerns no user; `holder` is the event's id, so that a retry of
    the same event goes on where the first attempt stopped.
    """

    scope: str
    kind: NoticeKind
    holder: str
    exposure: frozenset[str] = frozenset()
    ends: tuple[NoticeKind, ...] = ()

    def claim(self, leases: Leases) -> Claim:
        """Ask to be the one who tells."""
        return leases.claim(self.scope, self.kind, self.holder, self.exposure)


def notify_once(lease: Lease, publish: Callable[[], None], leases: Leases, clock: Clock, telemetry: Telemetry) -> bool:
    """Publish unless somebody did; wait for whoever is about to, and take over when he does not.

    Returns whether this call published. Returning at all means that the notice is out. Raises NoticeStuck, and what
    `publish` raises.
    """
    claim = lease.claim(leases)
    for _ in range(_PAUSES):
        if claim is not Claim.HELD:
            break
        clock.sleep(_PAUSE_SECONDS)
        claim = lease.claim(leases)
    if claim is Claim.HELD:
        raise NoticeStuck(f"Another invocation holds the lease for {lease.kind} and does not finish.")
    if claim is Claim.SENT:
        telemetry.info("Notice already sent", kind=lease.kind.value)
        return False
    # Before publishing: whatever crashes after it, what this notice ends can be told again when it comes back.
    leases.drop(lease.scope, lease.ends)
    publish()
    telemetry.count(Metric.NOTICES_SENT)
    leases.sent(lease.scope, lease.kind, lease.holder)
    return True
