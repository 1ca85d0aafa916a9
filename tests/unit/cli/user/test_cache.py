"""The cache of sessions."""

import json
import stat
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.user.cache import Cache, CacheKey, cache_folder
from support.user import NOW, credentials

KEY = CacheKey("AKIAALICE", None, "https://sts.us-east-1.amazonaws.com", None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "mfa-guard"


def file_of(folder: Path) -> Path:
    (file,) = folder.glob("*.json")
    return file


def test_what_is_stored_is_found_again(folder: Path) -> None:
    kept = credentials()
    Cache(folder).write(KEY, kept, NOW)
    assert Cache(folder).read(KEY, NOW) == kept


def test_only_the_owner_can_read_it(folder: Path) -> None:
    Cache(folder).write(KEY, credentials(), NOW)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file_of(folder).stat().st_mode) == 0o600


def test_a_folder_that_others_may_enter_is_closed(folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o755)
    Cache(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "other",
    [
        replace(KEY, access_key_id="AKIABOB"),
        replace(KEY, device="work"),
        replace(KEY, endpoint="http://localhost:4566"),
        replace(KEY, duration=900),
        replace(KEY, role_arn="arn:aws:iam::111122223333:role/Deployer"),
    ],
)
def test_another_key_finds_nothing(folder: Path, other: CacheKey) -> None:
    cache = Cache(folder)
    cache.write(KEY, credentials(), NOW)
    assert cache.read(other, NOW) is None


def test_an_entry_that_was_moved_to_another_key_is_ignored(folder: Path) -> None:
    cache = Cache(folder)
    cache.write(KEY, credentials(), NOW)
    other = replace(KEY, access_key_id="AKIABOB")
    file_of(folder).rename(folder / f"{other.file_name}.json")
    assert cache.read(other, NOW) is None


@pytest.mark.parametrize(
    ("lasts", "used", "good"),
    [
        (43_200, 43_200 - 901, True),
        (43_200, 43_200 - 900, False),
        (43_200, 50_000, False),
        (3_600, 2_699, True),
        (3_600, 2_700, False),
        # Half of a short session at least is used.
        (900, 449, True),
        (900, 450, False),
    ],
)
def test_it_is_made_anew_some_minutes_before_it_ends(folder: Path, lasts: int, used: int, good: bool) -> None:
    cache = Cache(folder)
    cache.write(KEY, credentials(seconds=lasts), NOW)
    assert (cache.read(KEY, NOW + timedelta(seconds=used)) is not None) is good


def entry_with(**changes: object) -> Callable[[str], str]:
    return lambda text: json.dumps(json.loads(text) | changes)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: "",
        lambda text: text[: len(text) // 2],
        lambda _: "[]",
        lambda _: "null",
        lambda _: "\x00\xff",
        entry_with(version=99),
        entry_with(secret_access_key=None),
        entry_with(session_token=""),
        entry_with(access_key_id=7),
        entry_with(expiration="soon"),
        entry_with(expiration="2026-11-23T12:00:00"),
        entry_with(expiration="2999-01-01T00:00:00+00:00"),
        entry_with(made="2027-01-01T00:00:00+00:00"),
        entry_with(key={}),
    ],
)
def test_a_broken_file_is_as_good_as_none(folder: Path, spoil: Callable[[str], str]) -> None:
    cache = Cache(folder)
    cache.write(KEY, credentials(), NOW)
    file = file_of(folder)
    file.write_text(spoil(file.read_text()), encoding="latin-1")
    assert cache.read(KEY, NOW) is None
    cache.write(KEY, credentials("new"), NOW)
    assert cache.read(KEY, NOW) == credentials("new")


def test_a_file_that_others_could_have_written_is_not_taken(folder: Path) -> None:
    cache = Cache(folder)
    cache.write(KEY, credentials(), NOW)
    file_of(folder).chmod(0o620)
    assert cache.read(KEY, NOW) is None


def test_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    cache = Cache(folder)
    cache.write(KEY, credentials(), NOW)
    file = file_of(folder)
    file.symlink_to(file.rename(tmp_path / "elsewhere"))
    assert cache.read(KEY, NOW) is None


def test_the_name_of_a_file_says_nothing(folder: Path) -> None:
    Cache(folder).write(KEY, credentials(), NOW)
    assert "AKIA" not in file_of(folder).name


def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongUse, match="--no-cache"):
        Cache(tmp_path / "file")


def test_a_folder_without_locks_is_one_sentence(folder: Path) -> None:
    cache = Cache(folder)
    (folder / f"{KEY.file_name}.lock").mkdir()
    with (
        pytest.raises(WrongUse, match=r"cannot be locked .*--no-cache"),
        cache.locked(KEY, print),
    ):
        pytest.fail("it is not locked")


def test_the_second_waits_for_the_first(folder: Path) -> None:
    cache = Cache(folder)
    shown: list[str] = []
    order: list[str] = []
    first_has_it, first_may_go = threading.Event(), threading.Event()

    def first() -> None:
        with cache.locked(KEY, shown.append):
            first_has_it.set()
            first_may_go.wait(10)
            order.append("first")

    def show(text: str) -> None:
        shown.append(text)
        first_may_go.set()

    thread = threading.Thread(target=first)
    thread.start()
    assert first_has_it.wait(10)
    with Cache(folder).locked(KEY, show):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]
    assert shown == ["Waiting for another mfa-guard session that is getting the same credentials."]


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({"XDG_CACHE_HOME": "/var/cache/alice"}, "linux", "/var/cache/alice/mfa-guard"),
        ({"LOCALAPPDATA": "/local"}, "win32", "/local/mfa-guard"),
        ({}, "linux", f"{Path.home()}/.cache/mfa-guard"),
        ({"XDG_CACHE_HOME": ""}, "linux", f"{Path.home()}/.cache/mfa-guard"),
        ({"XDG_CACHE_HOME": "relative"}, "linux", f"{Path.home()}/.cache/mfa-guard"),
    ],
)
def test_the_folder_is_where_caches_belong(environment: dict[str, str], platform: str, expected: str) -> None:
    assert cache_folder(environment, platform) == Path(expected)


def test_without_a_home_folder_there_is_no_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", _no_home)
    with pytest.raises(WrongUse, match="set HOME or XDG_CACHE_HOME, or use --no-cache"):
        cache_folder({}, "linux")
    assert cache_folder({"XDG_CACHE_HOME": "/caches"}, "linux") == Path("/caches/mfa-guard")


def _no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")
