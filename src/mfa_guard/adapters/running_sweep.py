"""Which sweep is running, in one item of the state table."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.ports import Clock, Telemetry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEY: Final = {"id": {"S": "running#sweep"}}

# No invocation of Lambda lasts longer, so a later end is not a sweep's.
_LONGEST: Final = timedelta(minutes=15)


class RunningSweepTable:
    """The right to sweep; see `mfa_guard.ports.RunningSweep`. Every round of a sweep claims it anew."""

    PERMISSIONS: Final = ("dynamodb:PutItem", "dynamodb:DeleteItem")

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock, telemetry: Telemetry) -> None:
        self._client = client
        self._table = table
        self._clock = clock
        self._telemetry = telemetry

    def begin(self, sweep: str, until: datetime) -> bool:
        """Claim the right, which ends by itself at `until`."""
        now = self._clock.now()
        end = str(int(until.timestamp()))
        try:
            self._client.put_item(
                TableName=self._table,
                Item={**_KEY, "holder": {"S": sweep}, "until": {"N": end}, "expiration": {"N": end}},
                ConditionExpression=(
                    "attribute_not_exists(#id) OR #holder = :sweep OR #until <= :now OR #until > :latest"
                ),
                ExpressionAttributeNames={"#id": "id", "#holder": "holder", "#until": "until"},
                ExpressionAttributeValues={
                    ":sweep": {"S": sweep},
                    ":now": {"N": str(int(now.timestamp()))},
                    ":latest": {"N": str(int((now + _LONGEST).timestamp()) + 1)},
                },
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        except (ClientError, BotoCoreError) as error:
            self._unreachable(error)
        return True

    def end(self, sweep: str) -> None:
        """Give the right back, if this sweep still has it."""
        try:
            self._client.delete_item(
                TableName=self._table,
                Key=_KEY,
                ConditionExpression="#holder = :sweep",
                ExpressionAttributeNames={"#holder": "holder"},
                ExpressionAttributeValues={":sweep": {"S": sweep}},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            self._telemetry.info("Another sweep has begun")
        except (ClientError, BotoCoreError) as error:
            self._unreachable(error)

    def _unreachable(self, error: Exception) -> None:
        self._telemetry.warning("State table unreachable, two sweeps could run at once", reason=str(error))
