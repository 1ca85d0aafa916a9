"""The exemption table in DynamoDB: one item per immutable user id.

The classes raise what DynamoDB raises. If the guard does not know who is exempt, enforcement could lock out an exempt
user.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from mfa_guard.adapters.errors import translate_errors
from mfa_guard.core.errors import AwsRequestFailed
from mfa_guard.core.exemption import Exemption, MalformedExemption, parse_exemption
from mfa_guard.ports import Clock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import (
        AttributeValueTypeDef,
        KeysAndAttributesOutputTypeDef,
        KeysAndAttributesTypeDef,
    )

# The most keys of one BatchGetItem.
_BATCH: Final = 100
# DynamoDB returns a part when it throttles, or when the items have more than 16 MB.
_PAUSES_SECONDS: Final = (0.0, 0.1, 0.4, 1.6, 6.4)


class ExemptionTable:
    """Reads one exemption; see `mfa_guard.ports.Exemptions`."""

    PERMISSIONS: Final = ("dynamodb:GetItem",)

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def get(self, user_id: str, now: datetime) -> Exemption | MalformedExemption | None:
        """Return the user's record, or None if there is none."""
        response = self._client.get_item(TableName=self._table, Key={"user_id": {"S": user_id}}, ConsistentRead=True)
        return exemption_in(response["Item"], user_id, now) if "Item" in response else None


class ExemptionsThrottled(AwsRequestFailed):
    """DynamoDB did not return all exemptions, although the request was repeated."""


class ExemptionList:
    """Reads many exemptions, which only the sweep may do; see `mfa_guard.ports.ExemptionLister`."""

    PERMISSIONS: Final = ("dynamodb:Scan", "dynamodb:BatchGetItem")

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def all(self, now: datetime) -> dict[str, Exemption | MalformedExemption]:
        """Return every record by user id, including expired and malformed records."""
        pages = self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True)
        return {
            user_id: exemption_in(item, user_id, now)
            for page in pages
            for item in page["Items"]
            for user_id in [item["user_id"]["S"]]
        }

    def current(self, user_ids: Sequence[str], now: datetime) -> dict[str, Exemption | MalformedExemption]:
        """Return the records of these users as they are at this moment.

        Raises AwsRequestFailed, also if DynamoDB leaves out some of them five times.
        """
        found: dict[str, Exemption | MalformedExemption] = {}
        for start in range(0, len(user_ids), _BATCH):
            found |= self._batch(user_ids[start : start + _BATCH], now)
        return found

    def _batch(self, user_ids: Sequence[str], now: datetime) -> dict[str, Exemption | MalformedExemption]:
        found: dict[str, Exemption | MalformedExemption] = {}
        keys: KeysAndAttributesOutputTypeDef | KeysAndAttributesTypeDef = {
            "Keys": [{"user_id": {"S": user_id}} for user_id in user_ids],
            "ConsistentRead": True,
        }
        for pause in _PAUSES_SECONDS:
            self._clock.sleep(pause)
            with translate_errors():
                answer = self._client.batch_get_item(RequestItems={self._table: keys})
            for item in answer["Responses"].get(self._table, []):
                user_id = item["user_id"]["S"]
                found[user_id] = exemption_in(item, user_id, now)
            if self._table not in answer["UnprocessedKeys"]:
                return found
            keys = {**answer["UnprocessedKeys"][self._table], "ConsistentRead": True}
        raise ExemptionsThrottled("DynamoDB did not return all exemptions, although the request was repeated.")


def exemption_in(
    item: "Mapping[str, AttributeValueTypeDef]", user_id: str, now: datetime
) -> Exemption | MalformedExemption:
    """Return the exemption in an item of the table."""
    return parse_exemption({key: value["S"] for key, value in item.items() if "S" in value}, user_id, now)
