"""Tell the administrators once, though several invocations see the same change and each may be repeated."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mfa_guard.core.kinds import Kind
from mfa_guard.ports import Claim, Clock, Leases, Metric, Telemetry

_PAUSE_SECONDS: Final = 0.5
_PAUSES: Final = 60


class NoticeStuck(Exception):
    """Another invocation has been about to send this notice for longer than any invocation lasts."""


@dataclass(frozen=True)
class Ticket:
    """What is to be told: at most one invocation sends it.

    `scope` is the user's id, or the event's for what concerns no user; `holder` is the event's id, so that a retry of
    the same event goes on where the first attempt stopped.
    """

    scope: str
    kind: Kind
    holder: str
    exposure: frozenset[str] = frozenset()
    ends: tuple[Kind, ...] = ()

    def claim(self, leases: Leases) -> Claim:
        """Ask to be the one who tells."""
        return leases.claim(self.scope, self.kind, self.holder, self.exposure)


def tell_once(ticket: Ticket, publish: Callable[[], None], leases: Leases, clock: Clock, telemetry: Telemetry) -> bool:
    """Publish unless somebody did; wait for whoever is about to, and take over when he does not.

    Returns whether this call published. Returning at all means that the notice is out. Raises NoticeStuck, and what
    `publish` raises.
    """
    claim = ticket.claim(leases)
    for _ in range(_PAUSES):
        if claim is not Claim.HELD:
            break
        clock.sleep(_PAUSE_SECONDS)
        claim = ticket.claim(leases)
    if claim is Claim.HELD:
        raise NoticeStuck(f"Another invocation holds the lease for {ticket.kind} and does not finish.")
    if claim is Claim.TOLD:
        telemetry.info("Notice already sent", kind=ticket.kind.value)
        return False
    # Before publishing: whatever crashes after it, what this notice ends can be told again when it comes back.
    leases.drop(ticket.scope, ticket.ends)
    publish()
    telemetry.count(Metric.NOTICES_SENT)
    leases.sent(ticket.scope, ticket.kind, ticket.holder)
    return True
