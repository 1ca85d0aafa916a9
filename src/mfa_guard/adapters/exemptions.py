"""The exemption table: one item per immutable user id."""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from mfa_guard.core.exemption import Exemption, MalformedExemption, parse_exemption

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

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
        if "Item" not in answer:
            return None
        texts = {key: value["S"] for key, value in answer["Item"].items() if "S" in value}
        return parse_exemption(texts, user_id, now)
