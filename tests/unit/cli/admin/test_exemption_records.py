"""What an administrator requests becomes a record that the guard accepts, or is refused."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfa_guard.core.exemption import Exemption, parse_exemption
from mfa_guard.core.times import utc_text
from mfa_guard_cli.admin.exemption_records import ExemptionOptions, new_exemption
from mfa_guard_cli.common.errors import WrongUse
from support.factories import NOW


def new(owner: str = "platform", reason: str = "build machine", end: datetime = NOW + timedelta(days=30)) -> Exemption:
    options = ExemptionOptions(owner, reason, days=None, until=None)
    return new_exemption("AIDAEXAMPLE", "alice", options, created_by="user/carol", end=end, now=NOW)


def end_of(days: int | None, until: str | None) -> datetime:
    return ExemptionOptions("platform", "build machine", days, until).end(NOW)


@given(st.text(), st.text(), st.integers(-10, 400))
def test_any_request_is_refused_or_makes_a_valid_exemption(owner: str, reason: str, days: int) -> None:
    try:
        exemption = new(owner, reason, NOW + timedelta(days=days))
    except WrongUse:
        return
    texts = {**vars(exemption), "expires_at": utc_text(exemption.expires_at)}
    assert parse_exemption(texts, "AIDAEXAMPLE", NOW) == exemption
    assert exemption.owner.isprintable()
    assert exemption.expires_at <= NOW + timedelta(days=365)


def test_by_default_it_ends_in_thirty_days() -> None:
    assert end_of(None, None) == NOW + timedelta(days=30)


def test_a_date_means_midnight_in_utc() -> None:
    assert end_of(None, "2026-05-01") == datetime(2026, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize("until", ["", "2026-13-01", "2026-3-5", "01.05.2026", "2026-05-01T00:00", "now"])
def test_an_end_that_is_not_a_time_is_refused(until: str) -> None:
    with pytest.raises(WrongUse, match="--until is"):
        end_of(None, until)


def test_days_and_an_end_cannot_be_combined() -> None:
    with pytest.raises(WrongUse, match="--days or --until"):
        end_of(3, "2026-05-01")
