"""Leases in DynamoDB: one item for each scope and kind decides, by conditional write, which invocation sends a notice.

(none) --claim--> begun --sent--> sent --15 minutes--> (as none)
                    \\--15 seconds--> any invocation may claim; the same holder may claim at any time
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.core.leases import Claim
from mfa_guard.core.notice_kinds import COVERED_BY, RESUMABLE, NoticeKind
from mfa_guard.ports import Clock, Telemetry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef


IN_PROGRESS: Final = timedelta(seconds=15)
SENT: Final = timedelta(minutes=15)
# Longer than the retries of Lambda and EventBridge together, so that a late retry still finds its lease.
_KEPT: Final = timedelta(hours=48)

_FREE: Final = "attribute_not_exists(id) OR #until < :now OR (#holder = :holder AND #state = :begun)"


class LeaseTable:
    """Leases; see `mfa_guard.ports.Leases`."""

    PERMISSIONS: Final = ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock, telemetry: Telemetry) -> None:
        self._client = client
        self._table = table
        self._clock = clock
        self._telemetry = telemetry

    def claim(self, scope: str, kind: NoticeKind, holder: str, exposure: frozenset[str]) -> Claim:
        """Claim the right to send a notice."""
        try:
            if any(self._covers(self._item(scope, other), exposure) for other in COVERED_BY.get(kind, ())):
                return Claim.SENT
            return self._put(scope, kind, holder, exposure)
        except (ClientError, BotoCoreError) as error:
            self._unreachable(error)
            return Claim.MINE

    def sent(self, scope: str, kind: NoticeKind, holder: str) -> None:
        """Record that the notice is out."""
        now = self._clock.now()
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(scope, kind),
                UpdateExpression="SET #state = :sent, #until = :until",
                ConditionExpression="#holder = :holder",
                ExpressionAttributeNames={"#state": "state", "#until": "until", "#holder": "holder"},
                ExpressionAttributeValues={
                    ":sent": {"S": "sent"},
                    ":until": _seconds(now + SENT),
                    ":holder": {"S": holder},
                },
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            self._telemetry.info("Lease was taken over", kind=kind.value)
        except (ClientError, BotoCoreError) as error:
            self._unreachable(error)

    def drop(self, scope: str, kinds: Iterable[NoticeKind]) -> None:
        """Forget that notices of `kinds` were sent."""
        try:
            for kind in kinds:
                self._client.delete_item(TableName=self._table, Key=_key(scope, kind))
        except (ClientError, BotoCoreError) as error:
            self._unreachable(error)

    def unfinished(self, scope: str, holder: str) -> NoticeKind | None:
        """Return the notice that `holder` claimed and did not send, if it is of a kind that a retry resumes."""
        try:
            items = {kind: self._item(scope, kind) for kind in RESUMABLE}
        except (ClientError, BotoCoreError) as error:
            self._unreachable(error)
            return None
        begun = {"state": {"S": "begun"}, "holder": {"S": holder}}
        return next((kind for kind, item in items.items() if begun.items() <= item.items()), None)

    def _put(self, scope: str, kind: NoticeKind, holder: str, exposure: frozenset[str]) -> Claim:
        now = self._clock.now()
        try:
            self._client.put_item(
                TableName=self._table,
                Item={
                    **_key(scope, kind),
                    "holder": {"S": holder},
                    "state": {"S": "begun"},
                    "until": _seconds(now + IN_PROGRESS),
                    "exposure": {"L": [{"S": name} for name in sorted(exposure)]},
                    "expiration": _seconds(now + _KEPT),
                },
                ConditionExpression=_FREE,
                ExpressionAttributeNames={"#state": "state", "#until": "until", "#holder": "holder"},
                ExpressionAttributeValues={
                    ":now": _seconds(now),
                    ":holder": {"S": holder},
                    ":begun": {"S": "begun"},
                },
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            item = self._item(scope, kind)
            if item.get("state") != {"S": "sent"}:
                return Claim.HELD
            return Claim.SENT if self._covers(item, exposure) else self._reopen(item, holder, exposure)
        return Claim.MINE

    def _reopen(self, item: "dict[str, AttributeValueTypeDef]", holder: str, exposure: frozenset[str]) -> Claim:
        """Claim a lease again whose notice was sent and did not name all of `exposure`."""
        now = self._clock.now()
        named = exposure | {name["S"] for name in item["exposure"]["L"]}
        try:
            self._client.put_item(
                TableName=self._table,
                Item=item
                | {
                    "holder": {"S": holder},
                    "state": {"S": "begun"},
                    "until": _seconds(now + IN_PROGRESS),
                    "exposure": {"L": [{"S": name} for name in sorted(named)]},
                    "expiration": _seconds(now + _KEPT),
                },
                ConditionExpression="#holder = :holder AND #state = :sent",
                ExpressionAttributeNames={"#state": "state", "#holder": "holder"},
                ExpressionAttributeValues={":holder": item["holder"], ":sent": {"S": "sent"}},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return Claim.HELD
        return Claim.MINE

    def _item(self, scope: str, kind: NoticeKind) -> "dict[str, AttributeValueTypeDef]":
        answer = self._client.get_item(TableName=self._table, Key=_key(scope, kind), ConsistentRead=True)
        return answer.get("Item", {})

    def _covers(self, item: "dict[str, AttributeValueTypeDef]", exposure: frozenset[str]) -> bool:
        if item.get("state") != {"S": "sent"} or float(item["until"]["N"]) < self._clock.now().timestamp():
            return False
        return exposure <= {name["S"] for name in item["exposure"]["L"]}

    def _unreachable(self, error: Exception) -> None:
        self._telemetry.warning("Lease table unreachable, continuing without leases", reason=str(error))


def _key(scope: str, kind: NoticeKind) -> "dict[str, AttributeValueTypeDef]":
    return {"id": {"S": f"lease#{scope}#{kind.value}"}}


def _seconds(time: datetime) -> "AttributeValueTypeDef":
    return {"N": str(int(time.timestamp()))}
