"""Windows in the state table: one item for each kind of notice.

`start` and `count` are those of the newest window. Each held notice is an attribute, `held#START#SCOPE#EVENT`, because
one expression cannot create a map and set an element of it. So a window that begins leaves the notices of the last one
alone, and a repetition by the same event replaces its own entry. `more#START` counts what is not stored.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.adapters.errors import translate_errors
from mfa_guard.adapters.state_items import plain, refused_item
from mfa_guard.core.errors import AwsRequestFailed
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.user_record_item import epoch
from mfa_guard.core.windows import LENGTH, MOST_HELD, SENT_AT_ONCE, Admission, EndedWindow, HeldNotice
from mfa_guard.ports import Telemetry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

_PREFIX: Final = "window#"
_HELD: Final = "held#"
_MORE: Final = "more#"
_SECONDS: Final = int(LENGTH.total_seconds())
# The clocks of two invocations differ a little.
_SKEW_SECONDS: Final = 5
# An expression has at most 4 KB.
_REMOVED_AT_ONCE: Final = 100


class WindowTable:
    """Counts and holds notices; see `mfa_guard.ports.Windows`."""

    PERMISSIONS: Final = ("dynamodb:BatchGetItem", "dynamodb:UpdateItem")

    def __init__(self, client: "DynamoDBClient", table: str, telemetry: Telemetry) -> None:
        self._client = client
        self._table = table
        self._telemetry = telemetry

    def admit(self, notice: HeldNotice, now: datetime) -> Admission:
        """Count a notice, and tell whether it is sent now or held."""
        try:
            newest = self._begin(notice.kind, epoch(now))
            return Admission.SEND if newest is None else self._join(notice, newest)
        except (ClientError, BotoCoreError) as error:
            self._telemetry.warning("State table unreachable, the notice does not wait", reason=str(error))
            return Admission.SEND

    def ended(self, kinds: Iterable[NoticeKind], now: datetime) -> tuple[EndedWindow, ...]:
        """Return what waits for a summary."""
        keys: list[Mapping[str, AttributeValueTypeDef]] = [{"id": {"S": _PREFIX + kind.value}} for kind in kinds]
        with translate_errors():
            answer = self._client.batch_get_item(
                RequestItems={self._table: {"Keys": keys, "ConsistentRead": True}},
            )
        if answer.get("UnprocessedKeys"):
            raise AwsRequestFailed("DynamoDB left out the windows of notices; they are read again later.")
        found = (_ended(plain(item), epoch(now)) for item in answer["Responses"].get(self._table, []))
        return tuple(each for each in found if each.count)

    def close(self, window: EndedWindow) -> None:
        """Forget what a summary named."""
        names = [*window.entries, *window.counters]
        with translate_errors():
            for start in range(0, len(names), _REMOVED_AT_ONCE):
                part = {f"#n{number}": name for number, name in enumerate(names[start : start + _REMOVED_AT_ONCE])}
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(window.kind),
                    UpdateExpression=f"REMOVE {', '.join(part)}",
                    ExpressionAttributeNames=part,
                )

    def _begin(self, kind: NoticeKind, now: int) -> dict[str, object] | None:
        """Begin a window with one notice. Return None, or the item with the window that has not ended."""
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(kind),
                UpdateExpression="SET #start = :now, #count = :one",
                # A time in the future, or of another type, is no window.
                ConditionExpression="NOT (attribute_type(#start, :number) AND attribute_type(#count, :number) "
                "AND #start > :ended AND #start <= :soon)",
                ExpressionAttributeNames={"#start": "start", "#count": "count"},
                ExpressionAttributeValues={
                    ":now": {"N": str(now)},
                    ":one": {"N": "1"},
                    ":number": {"S": "N"},
                    ":ended": {"N": str(now - _SECONDS)},
                    ":soon": {"N": str(now + _SKEW_SECONDS)},
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as refused:
            return refused_item(refused)
        return None

    def _join(self, notice: HeldNotice, newest: Mapping[str, object]) -> Admission:
        """Count a notice in a window that has begun, and hold it if the window is full."""
        start, stored = _number(newest["start"]), [name for name in newest if name.startswith(_HELD)]
        own = f"{_HELD}{start}#{notice.scope}#{notice.holder}"
        if _number(newest["count"]) < SENT_AT_ONCE:
            before = self._count(notice.kind, "count")
            # Other invocations joined since the item was read.
            if _number(before.get("count")) < SENT_AT_ONCE:
                return Admission.SEND
            stored = [name for name in before if name.startswith(_HELD)]
        if len(stored) >= MOST_HELD and own not in stored:
            self._count(notice.kind, f"{_MORE}{start}")
            return Admission.HELD
        before = self._store(notice.kind, own, notice.line)
        others = {name for name in before if name.startswith(f"{_HELD}{start}#")} - {own}
        return Admission.HELD if others else Admission.FIRST_HELD

    def _count(self, kind: NoticeKind, name: str) -> dict[str, object]:
        """Add one to a counter, and return the item as it was."""
        answer = self._client.update_item(
            TableName=self._table,
            Key=_key(kind),
            UpdateExpression="ADD #name :one",
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":one": {"N": "1"}},
            ReturnValues="ALL_OLD",
        )
        return plain(answer.get("Attributes", {}))

    def _store(self, kind: NoticeKind, name: str, line: str) -> dict[str, object]:
        """Store a held notice, and return the item as it was."""
        answer = self._client.update_item(
            TableName=self._table,
            Key=_key(kind),
            UpdateExpression="SET #name = :line",
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":line": {"S": line}},
            ReturnValues="ALL_OLD",
        )
        return plain(answer.get("Attributes", {}))


def _key(kind: NoticeKind) -> "dict[str, AttributeValueTypeDef]":
    return {"id": {"S": _PREFIX + kind.value}}


def _number(value: object) -> int:
    return int(value) if isinstance(value, Decimal) else 0


def _ended(item: Mapping[str, object], now: int) -> EndedWindow:
    """Return what waits in an item. What has another form than the guard writes is named as it is, and removed."""
    over = [name for name in item if name.startswith((_HELD, _MORE)) and _is_over(name, now)]
    entries = {name: str(item[name]) for name in sorted(over) if name.startswith(_HELD)}
    counters = {name: _number(item[name]) for name in over if name.startswith(_MORE)}
    return EndedWindow(NoticeKind(str(item["id"]).removeprefix(_PREFIX)), entries, counters)


def _is_over(name: str, now: int) -> bool:
    start = name.split("#")[1]
    return not (start.isascii() and start.isdigit() and now - _SECONDS < int(start) <= now + _SKEW_SECONDS)
