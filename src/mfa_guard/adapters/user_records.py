"""The user records: one item of the state table for each user id, as `mfa_guard.core.user_record_item` writes it."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.adapters.errors import translate_errors
from mfa_guard.adapters.exemptions import exemption_in
from mfa_guard.adapters.state_items import Changes, StateItems, plain
from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.leases import Claim, Lease
from mfa_guard.core.metrics import Metric
from mfa_guard.core.user_record import NO_RECORD, Decision, UserRecord
from mfa_guard.core.user_record_item import DECIDED, EXPIRATION, decision_item, epoch, parse_user_record
from mfa_guard.ports import Clock, Exemptions, Telemetry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, KeysAndAttributesTypeDef


_PREFIX: Final = "user#"
# How long the record of an id that is gone is kept.
_KEPT: Final = timedelta(days=30)


class UserRecordTable:
    """The record of one user at a time; see `mfa_guard.ports.UserRecords`.

    `exemptions` reads the exemption alone when the state table cannot be reached.
    """

    PERMISSIONS: Final = ("dynamodb:BatchGetItem",)

    def __init__(
        self,
        client: "DynamoDBClient",
        tables: tuple[str, str],
        exemptions: Exemptions,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._client = client
        self._state, self._exempt = tables
        self._exemptions = exemptions
        self._items = StateItems(client, self._state, clock)
        self._telemetry = telemetry

    def read(self, user_id: str, now: datetime) -> tuple[UserRecord, Exemption | MalformedExemption | None]:
        """Return the user's record and exemption."""
        try:
            answer = self._client.batch_get_item(
                RequestItems={
                    self._state: _one({"id": {"S": _PREFIX + user_id}}),
                    self._exempt: _one({"user_id": {"S": user_id}}),
                }
            )
        except (ClientError, BotoCoreError) as error:
            self._unreachable(error)
            return NO_RECORD, self._exemptions.get(user_id, now)
        found, missing = answer["Responses"], answer.get("UnprocessedKeys", {})
        if self._state in missing:
            self._count()
            self._telemetry.warning("State table throttled, continuing without the user record")
        record = parse_user_record(plain(_first(found.get(self._state))), now)
        if self._exempt in missing:
            return record, self._exemptions.get(user_id, now)
        item = _first(found.get(self._exempt))
        return record, exemption_in(item, user_id, now) if item else None

    def claim(self, lease: Lease, decision: Decision) -> Claim:
        """Claim the right to send a notice, and record the decision."""
        try:
            answer = self._items.claim(_PREFIX + lease.scope, lease, _changes(decision))
            if answer.claim is not Claim.MINE and answer.found is not None:
                self._remember_news(lease.scope, decision, answer.found)
        except (ClientError, BotoCoreError) as error:
            self._unreachable(error)
            return Claim.MINE
        return answer.claim

    def sent(self, lease: Lease) -> None:
        """Record that the notice is out."""
        try:
            if not self._items.sent(_PREFIX + lease.scope, lease):
                self._telemetry.info("Lease was taken over", kind=lease.kind.value)
        except (ClientError, BotoCoreError) as error:
            self._unreachable(error)

    def remember(self, user_id: str, decision: Decision) -> None:
        """Record a decision without a notice."""
        try:
            self._items.change(_PREFIX + user_id, _changes(decision))
        except (ClientError, BotoCoreError) as error:
            self._unreachable(error)

    def _remember_news(self, user_id: str, decision: Decision, item: "Mapping[str, object]") -> None:
        if parse_user_record(item, decision.at).changed_by(decision):
            self._items.change(_PREFIX + user_id, _changes(decision))

    def _unreachable(self, error: Exception) -> None:
        self._count()
        self._telemetry.warning("State table unreachable, continuing without the user record", reason=str(error))

    def _count(self) -> None:
        # Without the record, a stale read can be believed. An alarm watches this count.
        self._telemetry.count(Metric.USER_RECORD_UNREACHABLE)


class SweepRecordTable:
    """All records, which only the sweep reads; see `mfa_guard.ports.SweepRecords`."""

    PERMISSIONS: Final = ("dynamodb:Scan",)

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock, telemetry: Telemetry) -> None:
        self._client = client
        self._table = table
        self._items = StateItems(client, table, clock)
        self._clock = clock
        self._telemetry = telemetry

    def all(self) -> dict[str, UserRecord]:
        """Return every record by user id."""
        now = self._clock.now()
        names = {f"#n{index}": name for index, name in enumerate(("id", *DECIDED))}
        with translate_errors():
            pages = self._client.get_paginator("scan").paginate(
                TableName=self._table,
                ConsistentRead=True,
                FilterExpression="begins_with(#n0, :prefix)",
                ProjectionExpression=", ".join(names),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={":prefix": {"S": _PREFIX}},
            )
            items = [item for page in pages for item in page["Items"]]
        return {item["id"]["S"].removeprefix(_PREFIX): parse_user_record(plain(item), now) for item in items}

    def remember(self, user_id: str, decision: Decision) -> None:
        """Record a decision."""
        self._change(user_id, _changes(decision))

    def expire(self, user_id: str) -> None:
        """Let the record end, because the user id is gone."""
        self._change(user_id, Changes(once={EXPIRATION: epoch(self._clock.now() + _KEPT)}), only_existing=True)

    def _change(self, user_id: str, changes: Changes, *, only_existing: bool = False) -> None:
        try:
            self._items.change(_PREFIX + user_id, changes, only_existing=only_existing)
        except (ClientError, BotoCoreError) as error:
            self._telemetry.warning("State table unreachable, the user record is old", reason=str(error))


def _changes(decision: Decision) -> Changes:
    always, once = decision_item(decision)
    return Changes(always, once, removed=(EXPIRATION,))


def _one(key: "Mapping[str, AttributeValueTypeDef]") -> "KeysAndAttributesTypeDef":
    return {"Keys": [key], "ConsistentRead": True}


def _first(items: "list[dict[str, AttributeValueTypeDef]] | None") -> "dict[str, AttributeValueTypeDef]":
    return items[0] if items else {}
