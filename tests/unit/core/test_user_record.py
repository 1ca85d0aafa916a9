"""What changes a user record, and what reading an item makes of it."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfa_guard.core.leases import Claim, Lease, answer, begun
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.user_record import NO_RECORD, NoticeRecord, ScopeReason, Standing
from mfa_guard.core.user_record_item import DECIDED, notice_attribute, parse_user_record
from support.factories import NOW, decision

DAY = timedelta(days=1)
KNOWN = NO_RECORD.after(decision(qualifies=True))


class TestNews:
    def test_a_first_decision_is_news(self) -> None:
        assert NO_RECORD.changed_by(decision())

    def test_the_same_decision_later_is_none(self) -> None:
        assert not KNOWN.changed_by(decision(qualifies=True, at=NOW + DAY / 2))
        assert not KNOWN.changed_by(decision(at=NOW + 100 * DAY))

    @pytest.mark.parametrize(
        "changes",
        [{"name": "bob"}, {"standing": Standing.EXEMPT}, {"enforced": False}],
        ids=lambda each: next(iter(each)),
    )
    def test_another_name_or_standing_or_enforcement_is_news(self, changes: dict[str, object]) -> None:
        assert KNOWN.changed_by(decision(**changes))

    def test_a_second_reason_for_the_scope_is_none(self) -> None:
        assert not KNOWN.changed_by(decision(scope=ScopeReason.ENFORCED))
        assert NO_RECORD.after(decision(scope=None)).changed_by(decision(scope=ScopeReason.ENFORCED))

    def test_an_active_machine_user_is_recorded_again_once_a_day(self) -> None:
        assert KNOWN.changed_by(decision(qualifies=True, at=NOW + DAY))
        assert NO_RECORD.after(decision()).changed_by(decision(qualifies=True))

    def test_an_id_that_is_seen_again_is_news(self) -> None:
        expiring = parse_user_record({"expiration": Decimal(1)}, NOW)
        assert expiring.expiring
        assert not expiring.after(decision()).expiring


class TestReading:
    def test_an_empty_item_is_no_record(self) -> None:
        assert parse_user_record({}, NOW) == NO_RECORD

    @pytest.mark.parametrize("name", ["in_scope_since", "decided_at", "machine_user_at"])
    @pytest.mark.parametrize(
        ("value", "read"),
        [
            ("2026-02-01T00:00:00Z", NOW - timedelta(days=28, hours=12)),
            ("2099-01-01T00:00:00Z", NOW),
            ("yesterday", NOW),
            (Decimal(1), NOW),
            (None, NOW),
        ],
    )
    def test_a_time_in_the_future_or_in_no_format_counts_as_now(self, name: str, value: object, read: datetime) -> None:
        assert getattr(parse_user_record({name: value}, NOW), name) == read

    @pytest.mark.parametrize(("value", "read"), [(True, True), (False, False), ("true", False), (Decimal(1), False)])
    def test_only_true_means_enforced(self, value: object, read: bool) -> None:
        assert parse_user_record({"enforced": value}, NOW).enforced is read

    @pytest.mark.parametrize("value", ["root", "", Decimal(1), ["enforced"], {"a": "b"}, {"enforced"}, None])
    def test_an_unknown_word_counts_as_absent(self, value: object) -> None:
        record = parse_user_record({"standing": value, "in_scope_because": value}, NOW)
        assert (record.standing, record.in_scope_because) == (None, None)


WORDS = st.sampled_from(["sent", "begun", "a", "enforced", "created", "2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z"])
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False) | st.integers(-(10**30), 10**30).map(Decimal)
SCALARS = st.none() | st.booleans() | WORDS | st.text(max_size=3) | NUMBERS | st.binary(max_size=3)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3))
NOTICES = st.fixed_dictionaries(
    {},
    optional={
        "state": VALUES,
        "holder": VALUES,
        "until": VALUES | st.integers(-100, 2000).map(lambda more: Decimal(int(NOW.timestamp()) + more)),
        "exposure": VALUES,
    },
)
NAMES = [*DECIDED, *(notice_attribute(kind) for kind in NoticeKind), "unknown"]
ITEMS = st.dictionaries(st.sampled_from(NAMES), VALUES | NOTICES, max_size=12)


@given(item=ITEMS, kind=st.sampled_from(list(NoticeKind)))
def test_no_item_silences_a_notice_for_longer_than_fifteen_minutes(item: dict[str, Any], kind: NoticeKind) -> None:
    record = parse_user_record(item, NOW)
    times = (record.in_scope_since, record.decided_at, record.machine_user_at)
    assert all(time is None or time <= NOW for time in times)
    later = NOW + timedelta(minutes=15, seconds=10)
    assert answer(Lease("AIDA1", kind, "holder"), record.notices, later) is Claim.MINE


@given(before=st.frozensets(st.integers(0, 10**6).map(str), max_size=150), named=st.frozensets(st.text(), max_size=30))
def test_a_notice_remembers_all_it_names_and_a_bounded_number_of_older_names(
    before: frozenset[str], named: frozenset[str]
) -> None:
    notices = {NoticeKind.NONCOMPLIANT: NoticeRecord(True, "a", NOW + DAY, before)}
    kept = begun(Lease("AIDA1", NoticeKind.NONCOMPLIANT, "b", named), notices, NOW).exposure
    assert named <= kept <= named | before
    assert len(kept) == min(len(named | before), 100)
