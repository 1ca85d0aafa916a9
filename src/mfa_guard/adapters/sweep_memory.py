"""What sweeps remember, in four items of the state table, because an item has at most 400 KB."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.core.account.scope import ModeMemory
from mfa_guard.core.sweep_memory import LONGEST_HELD, MOST_HELD, SweepMemory
from mfa_guard.core.times import parse_utc, utc_text
from mfa_guard.ports import Clock, Telemetry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


_SWEEP: Final = "memory#sweep"
_NOTE: Final = "memory#note"
_EXEMPTIONS: Final = "memory#exemptions"
_MODE: Final = "memory#mode"
_KEPT: Final = timedelta(days=30)
# A forgotten entry makes a digest repeat it, which does no harm.
_MOST: Final = 2_000
_MOST_EXEMPTIONS: Final = 6_000


class SweepMemoryTable:
    """Keeps what sweeps remember; see `mfa_guard.ports.MemoryStore`."""

    PERMISSIONS: Final = ("dynamodb:GetItem", "dynamodb:PutItem")

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock, telemetry: Telemetry) -> None:
        self._client = client
        self._table = table
        self._clock = clock
        self._telemetry = telemetry

    def load(self) -> SweepMemory:
        """Return the last sweep's memory, or an empty memory if there is none."""
        kept, note, exemptions = self._get(_SWEEP), self._get(_NOTE), self._get(_EXEMPTIONS)
        return SweepMemory(
            swept_at=_time(kept, "swept_at"),
            mailed_at=_time(kept, "mailed_at"),
            pending=frozenset(kept.get("pending", [])),
            problems=frozenset(kept.get("problems", [])),
            not_written=tuple(kept.get("not_written", [])),
            unreported=note,
            held=tuple(kept.get("held", [])),
            exemptions=exemptions,
        )

    def save(self, memory: SweepMemory) -> None:
        """Keep `memory` for the next sweep."""
        self._put(
            _SWEEP,
            {
                "swept_at": _text(memory.swept_at),
                "mailed_at": _text(memory.mailed_at),
                "pending": sorted(memory.pending)[:_MOST],
                "problems": sorted(memory.problems)[:_MOST],
                "not_written": memory.not_written[:100],
                "held": [line[:LONGEST_HELD] for line in memory.held[:MOST_HELD]],
            },
        )
        # Last: if the sweep ends before this, the next one reports a change twice, and never loses one.
        self.note(memory.unreported)

    def note(self, unreported: Mapping[str, str]) -> None:
        """Keep the planned actions of the users that a sweep is about to change, by id."""
        self._put(_NOTE, dict(unreported))

    def save_exemptions(self, fingerprints: Mapping[str, str]) -> None:
        """Keep the fingerprints of the exemptions that a digest has shown."""
        self._put(_EXEMPTIONS, dict(sorted(fingerprints.items())[:_MOST_EXEMPTIONS]))

    def load_mode(self) -> ModeMemory:
        """Return what sweeps remember about the stack's Mode."""
        kept = self._get(_MODE)
        return ModeMemory(_time(kept, "left_audit_at"), _time(kept, "last_audit_sweep"))

    def save_mode(self, memory: ModeMemory) -> None:
        """Keep `memory` for as long as the table exists."""
        times = {
            "left_audit_at": _text(memory.left_audit_at),
            "last_audit_sweep": _text(memory.last_audit_sweep),
        }
        self._put(_MODE, times, expires=False)

    def _get(self, key: str) -> Mapping[str, Any]:
        try:
            answer = self._client.get_item(TableName=self._table, Key={"id": {"S": key}}, ConsistentRead=True)
        except (ClientError, BotoCoreError) as error:
            self._unreachable(error)
            return {}
        item = answer.get("Item", {})
        kept: Mapping[str, Any] = json.loads(item["kept"]["S"]) if "kept" in item else {}
        return kept

    def _put(self, key: str, kept: Mapping[str, object], *, expires: bool = True) -> None:
        expiration = {"expiration": {"N": str(int((self._clock.now() + _KEPT).timestamp()))}} if expires else {}
        try:
            self._client.put_item(
                TableName=self._table, Item={"id": {"S": key}, "kept": {"S": json.dumps(kept)}, **expiration}
            )
        except (ClientError, BotoCoreError) as error:
            self._unreachable(error)

    def _unreachable(self, error: Exception) -> None:
        self._telemetry.warning("State table unreachable, continuing without memory", reason=str(error))


def _time(kept: Mapping[str, Any], name: str) -> datetime | None:
    return parse_utc(kept.get(name) or "")


def _text(time: datetime | None) -> str | None:
    return utc_text(time) if time else None
