"""Conditional writes of items in the state table, in which DynamoDB decides which invocation sends a notice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from mfa_guard.core.leases import SENT, Claim, Lease, answer, begun
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.user_record import NoticeRecord
from mfa_guard.core.user_record_item import epoch, notice_attribute, notice_item, parse_notices
from mfa_guard.ports import Clock

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, UpdateItemInputTypeDef


@dataclass(frozen=True)
class Changes:
    """What one UpdateItem changes: attributes to set, to set where there are none, and to remove."""

    always: Mapping[str, object] = field(default_factory=dict)
    once: Mapping[str, object] = field(default_factory=dict)
    removed: Sequence[str] = ()


@dataclass(frozen=True)
class Answer:
    """The answer to a claim, and the item as it was if DynamoDB refused the first attempt."""

    claim: Claim
    found: Mapping[str, object] | None = None


class StateItems:
    """Items of the state table. Every call raises what boto3 raises."""

    PERMISSIONS: Final = ("dynamodb:UpdateItem",)

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def change(self, item_id: str, changes: Changes, *, only_existing: bool = False) -> None:
        """Apply `changes` to an item. With `only_existing`, never create the item."""
        request = _Request()
        condition = f"attribute_exists({request.name('id')})" if only_existing else ""
        self._update(item_id, request, changes, condition)

    def claim(self, item_id: str, lease: Lease, changes: Changes) -> Answer:
        """Claim the right to send a notice, and apply `changes` if the claim succeeds.

        One UpdateItem does both where nothing was sent. Where DynamoDB refuses it, the item decides: a notice that did
        not name everything, or an attribute that the guard did not write, is replaced unless it has changed since.
        """
        now = self._clock.now()
        request = _Request()
        refused = self._update(
            item_id,
            request,
            _with_notice(changes, lease, begun(lease, {}, now)),
            _nothing_counts(request, lease, epoch(now)),
        )
        if refused is None:
            return Answer(Claim.MINE)
        notices = parse_notices(refused, now)
        decided = answer(lease, notices, now)
        if decided is not Claim.MINE:
            return Answer(decided, refused)
        request = _Request()
        overtaken = self._update(
            item_id,
            request,
            _with_notice(changes, lease, begun(lease, notices, now)),
            _unchanged(request, lease.compared, refused),
        )
        return Answer(Claim.MINE if overtaken is None else Claim.HELD, refused)

    def sent(self, item_id: str, lease: Lease) -> bool:
        """Record that a notice is out, and return false if another invocation took the lease over or ended it."""
        request = _Request()
        notice = request.name(notice_attribute(lease.kind))
        state = f"{notice}.{request.name('state')} = {request.value('sent')}"
        until = f"{notice}.{request.name('until')} = {request.value(epoch(self._clock.now() + SENT))}"
        condition = f"{notice}.{request.name('holder')} = {request.value(lease.holder)}"
        return self._send(item_id, request, f"SET {state}, {until}", condition) is None

    def _update(
        self, item_id: str, request: "_Request", changes: Changes, condition: str
    ) -> Mapping[str, object] | None:
        sets = [f"{request.name(name)} = {request.value(value)}" for name, value in changes.always.items()]
        for name, value in changes.once.items():
            attribute = request.name(name)
            sets.append(f"{attribute} = if_not_exists({attribute}, {request.value(value)})")
        clauses = {"SET": sets, "REMOVE": [request.name(name) for name in changes.removed]}
        expression = " ".join(f"{clause} {', '.join(parts)}" for clause, parts in clauses.items() if parts)
        return self._send(item_id, request, expression, condition)

    def _send(self, item_id: str, request: "_Request", changes: str, condition: str) -> Mapping[str, object] | None:
        """Send one UpdateItem. Return None, or the item that did not meet the condition (empty if there is none)."""
        call: UpdateItemInputTypeDef = {
            "TableName": self._table,
            "Key": {"id": {"S": item_id}},
            "UpdateExpression": changes,
            "ExpressionAttributeNames": request.names,
            "ExpressionAttributeValues": request.values,
        }
        if condition:
            call |= {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        try:
            self._client.update_item(**call)
        except self._client.exceptions.ConditionalCheckFailedException as refused:
            return refused_item(refused)
        return None


def refused_item(refused: "ClientError") -> dict[str, object]:
    """Return the item that did not meet a write's condition, if the call asked for ALL_OLD; empty if there is none."""
    # botocore's types have no Item, because few operations return one with an error.
    found: Mapping[str, AttributeValueTypeDef] = refused.response.get("Item", {})  # type: ignore[assignment]
    return plain(found)


def plain(item: "Mapping[str, AttributeValueTypeDef]") -> dict[str, object]:
    """Return an item with plain values."""
    deserialize = TypeDeserializer().deserialize
    return {name: deserialize(value) for name, value in item.items()}


class _Request:
    """The placeholders of one request. DynamoDB reserves hundreds of words, so no expression names an attribute."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, AttributeValueTypeDef] = {}
        self._placeholders: dict[str, str] = {}

    def name(self, attribute: str) -> str:
        placeholder = self._placeholders.setdefault(attribute, f"#n{len(self._placeholders)}")
        self.names[placeholder] = attribute
        return placeholder

    def value(self, value: object) -> str:
        placeholder = f":v{len(self.values)}"
        self.values[placeholder] = TypeSerializer().serialize(value)
        return placeholder


def _with_notice(changes: Changes, lease: Lease, notice: NoticeRecord) -> Changes:
    own = notice_attribute(lease.kind)
    # DynamoDB refuses an expression that names an attribute twice.
    ended = {notice_attribute(kind) for kind in lease.ends} - {own}
    return Changes({**changes.always, own: notice_item(notice)}, changes.once, [*changes.removed, *sorted(ended)])


def _nothing_counts(request: _Request, lease: Lease, now: int) -> str:
    """Return the condition that no notice counts, or that this holder began it."""
    over, number = request.value(now), request.value("N")
    until = request.name("until")

    def free(kind: NoticeKind) -> str:
        attribute = request.name(notice_attribute(kind))
        # DynamoDB documents no result for the comparison of two types.
        ended = f"attribute_type({attribute}.{until}, {number}) AND {attribute}.{until} <= {over}"
        return f"attribute_not_exists({attribute}) OR ({ended})"

    own = request.name(notice_attribute(lease.kind))
    begun_here = f"{own}.{request.name('state')} = {request.value('begun')}"
    mine = f"{begun_here} AND {own}.{request.name('holder')} = {request.value(lease.holder)}"
    own_kind, *covering = lease.compared
    return " AND ".join([f"({free(own_kind)} OR ({mine}))", *(f"({free(kind)})" for kind in covering)])


def _unchanged(request: _Request, kinds: Sequence[NoticeKind], found: Mapping[str, object]) -> str:
    """Return the condition that the notices are what they were when they were found."""

    def same(kind: NoticeKind) -> str:
        name = notice_attribute(kind)
        attribute = request.name(name)
        return f"{attribute} = {request.value(found[name])}" if name in found else f"attribute_not_exists({attribute})"

    return " AND ".join(same(kind) for kind in kinds)
