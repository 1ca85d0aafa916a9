"""The trails as the last sweep saw them, in one item of the state table."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.core.times import parse_utc, utc_text
from mfa_guard.core.trails import KnownTrails
from mfa_guard.ports import Telemetry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEY: Final = {"id": {"S": "memory#trails"}}
_KEPT: Final = timedelta(days=30)


class TrailTable:
    """Keeps the known trails; see `mfa_guard.ports.TrailMemory`."""

    PERMISSIONS: Final = ("dynamodb:GetItem", "dynamodb:PutItem")

    def __init__(self, client: "DynamoDBClient", table: str, telemetry: Telemetry) -> None:
        self._client = client
        self._table = table
        self._telemetry = telemetry

    def load(self) -> KnownTrails | None:
        """Return the trails of the last sweep, or None if there are none or they cannot be read."""
        try:
            item = self._client.get_item(TableName=self._table, Key=_KEY, ConsistentRead=True).get("Item", {})
        except (ClientError, BotoCoreError) as error:
            self._unreachable(error)
            return None
        kept = json.loads(item["kept"]["S"]) if "kept" in item else {}
        at = parse_utc(kept.get("at") or "")
        return KnownTrails(frozenset(kept["feeding"]), frozenset(kept["others"]), at) if at else None

    def save(self, known: KnownTrails) -> None:
        """Keep `known` for AlertFunction."""
        kept = {"feeding": sorted(known.feeding), "others": sorted(known.others), "at": utc_text(known.at)}
        expiration = str(int((known.at + _KEPT).timestamp()))
        try:
            self._client.put_item(
                TableName=self._table, Item={**_KEY, "kept": {"S": json.dumps(kept)}, "expiration": {"N": expiration}}
            )
        except (ClientError, BotoCoreError) as error:
            self._unreachable(error)

    def _unreachable(self, error: Exception) -> None:
        self._telemetry.warning("State table unreachable, continuing without the known trails", reason=str(error))
