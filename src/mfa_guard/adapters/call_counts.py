"""Counts of calls, one item of the state table for each count."""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.ports import Telemetry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class CallCountTable:
    """Counts calls; see `mfa_guard.ports.CallCounter`."""

    PERMISSIONS: Final = ("dynamodb:UpdateItem",)

    def __init__(self, client: "DynamoDBClient", table: str, telemetry: Telemetry) -> None:
        self._client = client
        self._table = table
        self._telemetry = telemetry

    def add(self, key: str, expires_at: datetime) -> int | None:
        """Count one more call; parallel invocations never lose one. Returns None if the table cannot be reached."""
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key={"id": {"S": key}},
                UpdateExpression="ADD #calls :one SET #expiration = :expiration",
                # DynamoDB reserves hundreds of words, so no expression names an attribute.
                ExpressionAttributeNames={"#calls": "calls", "#expiration": "expiration"},
                ExpressionAttributeValues={":one": {"N": "1"}, ":expiration": {"N": str(int(expires_at.timestamp()))}},
                ReturnValues="UPDATED_NEW",
            )
        except (ClientError, BotoCoreError) as error:
            self._telemetry.warning("State table unreachable, continuing without a count", reason=str(error))
            return None
        return int(answer["Attributes"]["calls"]["N"])
