"""What an administrator gives becomes a record that the guard accepts, or is refused."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfa_guard.core.exemption import Exemption, parse_exemption
from mfa_guard.core.times import utc_text
from mfa_guard_cli.admin.exemption_records import end_of, new_exemption
from mfa_guard_cli.common.admin_options import user_name
from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.common.stack_location import StackLocation
from support.factories import NOW


def made(owner: str = "platform", reason: str = "build machine", end: datetime = NOW + timedelta(days=30)) -> Exemption:
    return new_exemption("AIDAEXAMPLE", "alice", owner=owner, reason=reason, created_by="user/carol", end=end, now=NOW)


@given(st.text(), st.text(), st.integers(-10, 400))
def test_whatever_is_given_is_refused_or_holds(owner: str, reason: str, days: int) -> None:
    try:
        exemption = made(owner, reason, NOW + timedelta(days=days))
    except WrongUse:
        return
    texts = {**vars(exemption), "expires_at": utc_text(exemption.expires_at)}
    assert parse_exemption(texts, "AIDAEXAMPLE", NOW) == exemption
    assert exemption.owner.isprintable()
    assert exemption.expires_at <= NOW + timedelta(days=365)


def test_without_a_term_it_ends_in_thirty_days() -> None:
    assert end_of(None, None, NOW) == NOW + timedelta(days=30)


def test_a_day_begins_at_midnight_utc() -> None:
    assert end_of(None, "2026-05-01", NOW) == datetime(2026, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize("until", ["", "2026-13-01", "2026-3-5", "01.05.2026", "2026-05-01T00:00", "now"])
def test_what_is_no_time_is_refused(until: str) -> None:
    with pytest.raises(WrongUse, match="--until is"):
        end_of(None, until, NOW)


@pytest.mark.parametrize("name", ["alice", "alice@example.com", "a+b=c,d.e-f_g", "-rf", "x" * 64])
def test_a_name_that_iam_gives_is_a_name(name: str) -> None:
    assert user_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a/b", "a\n", "é", "$(id)", "a'b"])
def test_a_name_that_iam_does_not_give_is_none(name: str) -> None:
    with pytest.raises(WrongUse, match="is no name of an IAM user"):
        user_name(name)


class TestTheWayBack:
    def test_what_was_left_to_the_configuration_is_not_repeated(self) -> None:
        assert StackLocation(None, None, "mfa-guard").command("release", "alice") == "mfa-guard release alice"

    def test_where_the_stack_was_is_repeated(self) -> None:
        place = StackLocation("prod account", "us-gov-west-1", "guard-2")
        assert place.command("exempt", "remove", "alice") == (
            "mfa-guard exempt remove alice --stack guard-2 --region us-gov-west-1 --profile 'prod account'"
        )

    def test_a_name_that_looks_like_an_option_stays_a_name(self) -> None:
        place = StackLocation(None, None, "guard-2")
        assert place.command("release", "-rf") == "mfa-guard release --stack guard-2 -- -rf"
