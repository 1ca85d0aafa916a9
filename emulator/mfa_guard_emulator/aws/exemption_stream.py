"""The stream of the exemption table, as Lambda reads it.

https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
"""

import threading
from collections.abc import Mapping
from datetime import UTC
from typing import Final

from moto.dynamodb.models import dynamodb_backends

from mfa_guard_cli.stack.template import Fields, Stack
from mfa_guard_emulator.clock import Clock

_TABLE: Final = "ExemptionsTable"


class ExemptionStream:
    """Reads each record of the stream once."""

    def __init__(self, stack: Stack, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._arn = str(stack.resolve({"Fn::GetAtt": [_TABLE, "StreamArn"]}))
        tables = dynamodb_backends[stack.account][stack.region].tables
        self._shard = tables[stack.physical_id(_TABLE)].stream_shard
        self._read = 0

    def unread(self) -> tuple[Fields, ...]:
        """Return the records that were written since the last call."""
        with self._lock:
            written = self._shard.items[self._read :] if self._shard else []
            self._read += len(written)
        return tuple(self._record(each.to_json()) for each in written)

    def _record(self, record: Mapping[str, Mapping[str, object]]) -> Fields:
        created = self._clock.account_time(record["dynamodb"]["ApproximateCreationDateTime"].replace(tzinfo=UTC))  # type: ignore[attr-defined]
        return {
            **record,
            "eventVersion": "1.1",
            "dynamodb": {**record["dynamodb"], "ApproximateCreationDateTime": created.timestamp()},
            "eventSourceARN": self._arn,
        }
