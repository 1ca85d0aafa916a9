"""The exemption table: one item per immutable user id."""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from mfa_guard.core.exemption import Exemption, MalformedExemption, parse_exemption

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

PERMISSIONS: Final = ("dynamodb:GetItem",)


class ExemptionTable:
    """Exemptions as administrators wrote them; see `mfa_guard.ports.Exemptions`.

    Raises what DynamoDB raises: without knowing who is exempt, enforcing could lock somebody out.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def get(self, user_id: str, now: datetime) -> Exemption | MalformedExemption | None:
        """Return the user's record, or None when there is none."""
        answer = self._client.get_item(TableName=self._table, Key={"user_id": {"S": user_id}}, ConsistentRead=True)
        return record(answer["Item"], user_id, now) if "Item" in answer else None


def record(item: "Mapping[str, AttributeValueTypeDef]", user_id: str, now: datetime) -> Exemption | MalformedExemption:
    """Return what an item of the table says about `user_id`."""
    return parse_exemption({key: value["S"] for key, value in item.items() if "S" in value}, user_id, now)
