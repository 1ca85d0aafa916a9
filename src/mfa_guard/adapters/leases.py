"""Leases of notices about no user: one expiring item of the state table for each scope and kind."""

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.adapters.state_items import Changes, StateItems
from mfa_guard.core.leases import Claim, Lease
from mfa_guard.core.user_record_item import EXPIRATION, epoch
from mfa_guard.ports import Clock, Telemetry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


# Longer than the retries of Lambda and EventBridge together, so that a late retry still finds its lease.
_KEPT: Final = timedelta(hours=48)


class LeaseTable:
    """Leases; see `mfa_guard.ports.Leases`."""

    PERMISSIONS: Final = StateItems.PERMISSIONS

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock, telemetry: Telemetry) -> None:
        self._items = StateItems(client, table, clock)
        self._clock = clock
        self._telemetry = telemetry

    def claim(self, lease: Lease) -> Claim:
        """Claim the right to send a notice."""
        kept = Changes({EXPIRATION: epoch(self._clock.now() + _KEPT)})
        try:
            return self._items.claim(_id(lease), lease, kept).claim
        except (ClientError, BotoCoreError) as error:
            self._unreachable(error)
            return Claim.MINE

    def sent(self, lease: Lease) -> None:
        """Record that the notice is out."""
        try:
            if not self._items.sent(_id(lease), lease):
                self._telemetry.info("Lease was taken over", kind=lease.kind.value)
        except (ClientError, BotoCoreError) as error:
            self._unreachable(error)

    def _unreachable(self, error: Exception) -> None:
        self._telemetry.warning("State table unreachable, continuing without leases", reason=str(error))


def _id(lease: Lease) -> str:
    return f"notice#{lease.scope}#{lease.kind.value}"
