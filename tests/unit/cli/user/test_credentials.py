"""How long credentials may last, and what a role's session is called."""

import pytest

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.user.credentials import Role, checked_duration, checked_role, role_session_name, session_duration
from mfa_guard_cli.user.identity import identity
from support.user import ALICE, ROOT, credentials

DEPLOYER = "arn:aws:iam::111122223333:role/team/Deployer"


@pytest.mark.parametrize("seconds", [None, 900, 43_200, 129_600])
def test_sts_takes_a_quarter_of_an_hour_to_a_day_and_a_half(seconds: int | None) -> None:
    assert checked_duration(seconds) == seconds


@pytest.mark.parametrize("seconds", [0, -1, 899, 129_601])
def test_other_durations_are_refused_before_the_call(seconds: int) -> None:
    with pytest.raises(WrongUse, match="from 900 to 129600"):
        checked_duration(seconds)


def test_a_users_session_lasts_twelve_hours_unless_asked() -> None:
    assert session_duration(None, ALICE) == 43_200
    assert session_duration(129_600, ALICE) == 129_600


def test_roots_session_lasts_an_hour_at_most() -> None:
    assert session_duration(None, ROOT) == 3_600
    with pytest.raises(WrongUse, match="3600 seconds at most"):
        session_duration(3_601, ROOT)


def test_a_role_is_named_by_its_arn() -> None:
    assert checked_role(DEPLOYER, "alice") == Role(DEPLOYER, "alice")
    assert checked_role(None, None) is None


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        ("Deployer", None),
        ("arn:aws:iam::111122223333:user/alice", None),
        ("arn:aws:iam::1:role/Deployer", None),
        (DEPLOYER, "a"),
        (DEPLOYER, "with space"),
        (DEPLOYER, "a" * 65),
        (None, "alice"),
    ],
)
def test_what_sts_would_refuse_is_refused_before_the_call(arn: str | None, name: str | None) -> None:
    with pytest.raises(WrongUse):
        checked_role(arn, name)


def test_the_roles_session_is_named_after_the_user() -> None:
    assert role_session_name(Role(DEPLOYER), ALICE) == "alice"
    assert role_session_name(Role(DEPLOYER, "ci"), ALICE) == "ci"


def test_a_user_name_of_one_letter_is_too_short_for_a_session() -> None:
    assert role_session_name(Role(DEPLOYER), identity("arn:aws:iam::111122223333:user/j")) == "j-mfa"


def test_credentials_do_not_show_their_secrets() -> None:
    shown = repr(credentials("x"))
    assert "secret of" not in shown
    assert "token of" not in shown
