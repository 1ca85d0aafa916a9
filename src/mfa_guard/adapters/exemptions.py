"""The exemption table in DynamoDB: one item per immutable user id.

Both classes raise what DynamoDB raises. If the guard does not know who is exempt, enforcement could lock out an exempt
user.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from mfa_guard.core.exemption import Exemption, MalformedExemption, parse_exemption

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef


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


class ExemptionList:
    """Reads all exemptions, which only the sweep may do; see `mfa_guard.ports.ExemptionLister`."""

    PERMISSIONS: Final = ("dynamodb:Scan",)

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def all(self, now: datetime) -> dict[str, Exemption | MalformedExemption]:
        """Return every record by user id, including expired and malformed records."""
        pages = self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True)
        return {
            user_id: exemption_in(item, user_id, now)
            for page in pages
            for item in page["Items"]
            for user_id in [item["user_id"]["S"]]
        }


def exemption_in(
    item: "Mapping[str, AttributeValueTypeDef]", user_id: str, now: datetime
) -> Exemption | MalformedExemption:
    """Return the exemption in an item of the table."""
    return parse_exemption({key: value["S"] for key, value in item.items() if "S" in value}, user_id, now)
