"""The memory of the last sweep, in one item of the state table."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.core.sweep_memory import SweepMemory
from mfa_guard.core.times import parse_utc, utc_text
from mfa_guard.ports import Clock, Telemetry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


_KEY: Final = {"id": {"S": "sweep#memory"}}
_KEPT: Final = timedelta(days=30)
# An item has at most 400 KB. A forgotten entry makes a digest repeat it, which does no harm.
_MOST: Final = 2_000


class SweepMemoryTable:
    """Keeps the last sweep's memory; see `mfa_guard.ports.MemoryStore`."""

    PERMISSIONS: Final = ("dynamodb:GetItem", "dynamodb:PutItem")

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock, telemetry: Telemetry) -> None:
        self._client = client
        self._table = table
        self._clock = clock
        self._telemetry = telemetry

    def load(self) -> SweepMemory:
        """Return the last sweep's memory, or an empty memory if there is none."""
        try:
            item = self._client.get_item(TableName=self._table, Key=_KEY, ConsistentRead=True).get("Item", {})
        except (ClientError, BotoCoreError) as error:
            self._unreachable(error)
            return SweepMemory()
        kept = json.loads(item["kept"]["S"]) if "kept" in item else {}
        return SweepMemory(
            mailed_at=parse_utc(kept.get("mailed_at") or ""),
            pending=frozenset(kept.get("pending", [])),
            problems=frozenset(kept.get("problems", [])),
            not_tagged=tuple(kept.get("not_tagged", [])),
            unreported=frozenset(kept.get("unreported", [])),
        )

    def save(self, memory: SweepMemory) -> None:
        """Keep `memory` for the next sweep."""
        kept = {
            "mailed_at": utc_text(memory.mailed_at) if memory.mailed_at else None,
            "pending": sorted(memory.pending)[:_MOST],
            "problems": sorted(memory.problems)[:_MOST],
            "not_tagged": memory.not_tagged[:100],
            "unreported": sorted(memory.unreported),
        }
        expiration = str(int((self._clock.now() + _KEPT).timestamp()))
        try:
            self._client.put_item(
                TableName=self._table,
                Item={**_KEY, "kept": {"S": json.dumps(kept)}, "expiration": {"N": expiration}},
            )
        except (ClientError, BotoCoreError) as error:
            self._unreachable(error)

    def _unreachable(self, error: Exception) -> None:
        self._telemetry.warning("State table unreachable, continuing without memory", reason=str(error))
