"""The user record as attributes of an item in the state table, and back.

Reading trusts nothing: what has another form than the guard writes counts as absent, and an impossible time as now. So
a damaged or forged item can repeat a notice, and cannot silence one.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

from mfa_guard.core.leases import IN_PROGRESS, SENT
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.times import parse_utc, utc_text
from mfa_guard.core.user_record import Decision, NoticeRecord, ScopeReason, Standing, UserRecord

# DynamoDB deletes an item some time after the time in this attribute.
EXPIRATION: Final = "expiration"
_IN_SCOPE_SINCE: Final = "in_scope_since"
_IN_SCOPE_BECAUSE: Final = "in_scope_because"
_MACHINE_USER_AT: Final = "machine_user_at"
# Every attribute but the notices.
DECIDED: Final = (
    "name",
    "standing",
    "decided_at",
    "enforced",
    _IN_SCOPE_SINCE,
    _IN_SCOPE_BECAUSE,
    _MACHINE_USER_AT,
    EXPIRATION,
)

_SENT_OR_BEGUN: Final[Mapping[object, bool]] = {"sent": True, "begun": False}
# The clocks of two invocations differ a little.
_SKEW: Final = timedelta(seconds=5)

Word = TypeVar("Word", bound=StrEnum)


def notice_attribute(kind: NoticeKind) -> str:
    """Return the name of the attribute of a notice of this kind."""
    return f"notice_{kind.value}"


def notice_item(notice: NoticeRecord) -> dict[str, object]:
    """Return the value of a notice's attribute."""
    return {
        "state": "sent" if notice.sent else "begun",
        "holder": notice.holder,
        "until": epoch(notice.until),
        "exposure": sorted(notice.exposure),
    }


def decision_item(decision: Decision) -> tuple[dict[str, object], dict[str, object]]:
    """Return the attributes that a decision sets, and those that it sets only where the item lacks them."""
    always: dict[str, object] = {
        "name": decision.name,
        "standing": decision.standing.value,
        "decided_at": utc_text(decision.at),
        "enforced": decision.enforced,
    }
    if decision.qualifies:
        always[_MACHINE_USER_AT] = utc_text(decision.at)
    if decision.scope is None:
        return always, {}
    return always, {_IN_SCOPE_SINCE: utc_text(decision.at), _IN_SCOPE_BECAUSE: decision.scope.value}


def parse_user_record(item: Mapping[str, object], now: datetime) -> UserRecord:
    """Return the record in an item whose values are plain; an empty item is NO_RECORD."""
    name = item.get("name")
    return UserRecord(
        name=name if isinstance(name, str) else None,
        in_scope_since=_past(item, _IN_SCOPE_SINCE, now),
        in_scope_because=_word(item, _IN_SCOPE_BECAUSE, ScopeReason),
        standing=_word(item, "standing", Standing),
        decided_at=_past(item, "decided_at", now),
        enforced=item.get("enforced") is True,
        machine_user_at=_past(item, _MACHINE_USER_AT, now),
        notices=parse_notices(item, now),
        expiring=EXPIRATION in item,
    )


def parse_notices(item: Mapping[str, object], now: datetime) -> dict[NoticeKind, NoticeRecord]:
    """Return the notices in an item."""
    found = {kind: _notice(item.get(notice_attribute(kind)), now) for kind in NoticeKind}
    return {kind: notice for kind, notice in found.items() if notice is not None}


def epoch(time: datetime) -> int:
    """Return a time in seconds, which DynamoDB can compare."""
    return int(time.timestamp())


def _notice(value: object, now: datetime) -> NoticeRecord | None:
    if not isinstance(value, Mapping):
        return None
    state, holder, names = value.get("state"), value.get("holder"), value.get("exposure")
    if not (isinstance(state, str) and state in _SENT_OR_BEGUN and isinstance(holder, str)):
        return None
    sent = _SENT_OR_BEGUN[state]
    until = _until(value.get("until"), now, SENT if sent else IN_PROGRESS)
    exposure = frozenset(name for name in names if isinstance(name, str)) if isinstance(names, list) else frozenset()
    return NoticeRecord(sent, holder, until, exposure)


def _until(value: object, now: datetime, longest: timedelta) -> datetime:
    """Return the time until which a notice counts, which is at most `longest` from now."""
    if not isinstance(value, Decimal):
        return now
    left = value - epoch(now)
    possible = left <= (longest + _SKEW).total_seconds()
    return now.replace(microsecond=0) + timedelta(seconds=int(left)) if possible and left > 0 else now


def _past(item: Mapping[str, object], name: str, now: datetime) -> datetime | None:
    if name not in item:
        return None
    value = item[name]
    time = parse_utc(value) if isinstance(value, str) else None
    # An attribute that is there and unreadable says that something happened, and not when.
    return min(time, now) if time else now


def _word(item: Mapping[str, object], name: str, words: type[Word]) -> Word | None:
    value = item.get(name)
    return words(value) if isinstance(value, str) and value in set(words) else None
