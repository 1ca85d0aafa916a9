"""From a request to credentials."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.user.account import CodeRefused
from mfa_guard_cli.user.cache import Cache
from mfa_guard_cli.user.codes import CodeSource
from mfa_guard_cli.user.credentials import Credentials, Role
from mfa_guard_cli.user.devices import Device
from mfa_guard_cli.user.obtain_session import SessionDependencies, SessionRequest, obtain
from mfa_guard_cli.user.terminal import Terminal
from support.user import APP, NOW, PASSKEY, ROLE, ROOT, TOKEN, FakeAws, credentials, denied, typing

KEY = "AKIAALICE"
DEPLOYER = Role("arn:aws:iam::111122223333:role/Deployer")


class Desk:
    """A user with a list of codes."""

    def __init__(
        self, *codes: str, again: bool = False, cache: Cache | None = None, terminal: Terminal | None = None
    ) -> None:
        self._codes = iter(codes)
        self._terminal = terminal
        self._again = again
        self._cache = cache
        self.shown: list[str] = []
        self.asked: list[str] = []
        self.now: datetime = NOW

    def obtain(self, aws: FakeAws, request: SessionRequest | None = None, key: str = KEY) -> Credentials:
        def read(serial: str) -> str:
            self.asked.append(serial)
            return next(self._codes)

        return obtain(
            aws,
            key,
            request or SessionRequest(),
            SessionDependencies(
                CodeSource(read, self._again), lambda: self._terminal, self.shown.append, lambda: self.now, self._cache
            ),
        )


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_a_session_is_made_with_a_code_of_the_device_that_was_found() -> None:
    desk = Desk("111111")
    assert desk.obtain(FakeAws()) == credentials("alice 111111")
    assert desk.asked == [APP.serial]


def test_a_hardware_token_is_a_device() -> None:
    assert Desk("111111").obtain(FakeAws(own=[PASSKEY, TOKEN])) == credentials("GAHT12345678 111111")


def test_with_a_whole_serial_number_devices_are_not_listed() -> None:
    aws = FakeAws()
    Desk("111111").obtain(aws, SessionRequest(device=APP.serial))
    assert "devices" not in aws.calls


def test_without_permission_to_list_devices_the_user_has_to_name_one() -> None:
    with pytest.raises(WrongUse, match=r"--device, .* arn:aws:iam::111122223333:mfa/alice\."):
        Desk().obtain(FakeAws(refusals={"devices": denied(explicit=False)}))


def test_no_code_is_asked_for_without_a_device_that_makes_codes() -> None:
    desk = Desk("111111")
    with pytest.raises(WrongUse, match="aws login"):
        desk.obtain(FakeAws(own=[PASSKEY]))
    assert desk.asked == []


def test_a_user_chooses_among_several() -> None:
    terminal, _ = typing("2")
    aws = FakeAws(own=[APP, Device("arn:aws:iam::111122223333:mfa/work")])
    assert Desk("111111", terminal=terminal).obtain(aws) == credentials("work 111111")


def test_a_user_can_try_again() -> None:
    desk = Desk("000000", "000001", "111111", again=True)
    assert desk.obtain(FakeAws()) == credentials("alice 111111")
    assert len(desk.shown) == 2


def test_three_wrong_codes_are_enough() -> None:
    with pytest.raises(CodeRefused):
        Desk("000000", "000001", "000002", "111111", again=True).obtain(FakeAws())


def test_a_given_code_is_tried_once() -> None:
    desk = Desk("000000", "111111")
    with pytest.raises(CodeRefused):
        desk.obtain(FakeAws())
    assert desk.asked == [APP.serial]


@pytest.mark.parametrize(("duration", "seconds"), [(None, 43_200), (900, 900), (129_600, 129_600)])
def test_it_lasts_as_long_as_asked(duration: int | None, seconds: int) -> None:
    aws = FakeAws()
    Desk("111111").obtain(aws, SessionRequest(duration=duration))
    assert aws.asked_seconds == [seconds]


def test_root_gets_an_hour() -> None:
    aws = FakeAws(caller=ROOT)
    Desk("111111").obtain(aws)
    assert aws.asked_seconds == [3_600]


def test_a_role_has_no_device() -> None:
    with pytest.raises(WrongUse, match="is not an IAM user"):
        Desk("111111").obtain(FakeAws(caller=ROLE))


class TestRole:
    def test_it_is_assumed_with_the_session_for_an_hour(self) -> None:
        aws = FakeAws()
        got = Desk("111111").obtain(aws, SessionRequest(role=DEPLOYER))
        assert got.access_key_id == f"ASIA{DEPLOYER.arn} alice by ASIAALICE 111111".upper()
        assert aws.asked_seconds == [43_200, 3_600]

    def test_a_shorter_duration_holds_for_the_role_too(self) -> None:
        aws = FakeAws()
        Desk("111111").obtain(aws, SessionRequest(role=DEPLOYER, duration=900))
        assert aws.asked_seconds == [900, 900]

    def test_its_hour_is_renewed_without_a_code(self, cache: Cache) -> None:
        aws, desk = FakeAws(), Desk("111111", cache=cache)
        desk.obtain(aws, SessionRequest(role=DEPLOYER))
        desk.now = NOW + timedelta(minutes=50)
        desk.obtain(aws, SessionRequest(role=DEPLOYER))
        assert desk.asked == [APP.serial]
        assert aws.calls.count("role") == 2

    def test_within_the_hour_nothing_is_called(self, cache: Cache) -> None:
        aws, desk = FakeAws(), Desk("111111", cache=cache)
        first = desk.obtain(aws, SessionRequest(role=DEPLOYER))
        before = list(aws.calls)
        assert desk.obtain(aws, SessionRequest(role=DEPLOYER)) == first
        assert aws.calls == before

    def test_two_roles_share_a_session_and_not_their_credentials(self, cache: Cache) -> None:
        aws, desk = FakeAws(), Desk("111111", cache=cache)
        first = desk.obtain(aws, SessionRequest(role=DEPLOYER))
        second = desk.obtain(aws, SessionRequest(role=Role("arn:aws:iam::111122223333:role/Reader")))
        assert first != second
        assert desk.asked == [APP.serial]


class TestCached:
    def test_the_session_is_used_again_without_any_call(self, cache: Cache) -> None:
        aws, desk = FakeAws(), Desk("111111", cache=cache)
        first = desk.obtain(aws)
        before = list(aws.calls)
        assert desk.obtain(aws) == first
        assert aws.calls == before

    def test_it_is_renewed_before_it_ends(self, cache: Cache) -> None:
        aws, desk = FakeAws(), Desk("111111", "222222", cache=cache)
        first = desk.obtain(aws)
        desk.now = NOW + timedelta(hours=11, minutes=50)
        assert desk.obtain(aws) != first

    def test_another_key_gets_another_session(self, cache: Cache) -> None:
        aws, desk = FakeAws(), Desk("111111", "222222", cache=cache)
        assert desk.obtain(aws) != desk.obtain(aws, key="AKIABOB")

    def test_renew_asks_although_there_is_one(self, cache: Cache) -> None:
        aws, desk = FakeAws(), Desk("111111", "222222", cache=cache)
        desk.obtain(aws)
        new = desk.obtain(aws, SessionRequest(renew=True))
        assert new == credentials("alice 222222")
        assert desk.obtain(aws) == new

    def test_a_refused_code_leaves_nothing(self, cache: Cache, tmp_path: Path) -> None:
        with pytest.raises(CodeRefused):
            Desk("000000", cache=cache).obtain(FakeAws())
        assert not list((tmp_path / "cache").glob("*.json"))

    def test_without_a_cache_nothing_is_written(self, tmp_path: Path) -> None:
        Desk("111111").obtain(FakeAws())
        assert not list(tmp_path.iterdir())
