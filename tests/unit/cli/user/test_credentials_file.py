"""A profile is written to the credentials file, and everything else stays as it is."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.session import Session

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.user.credentials_file import CredentialsFile, checked_name, credentials_path
from support.user import credentials

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
FILE = f"""\
# Mine. Do not touch.
[default]
aws_access_key_id=AKIADEFAULT
aws_secret_access_key = {SECRET}
s3 =
  max_concurrent_requests = 20

; the session
[mfa]
aws_access_key_id = ASIAOLD
# until noon
aws_secret_access_key : old
aws_session_token = old==
region = eu-west-1

# the next one
[Work]
AWS_ACCESS_KEY_ID = AKIAWORK
"""
NEW = {
    "aws_access_key_id": "ASIANEW",
    "aws_secret_access_key": "secret of new",
    "aws_session_token": "token of new",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".aws" / "credentials"


@pytest.fixture
def written(path: Path) -> Path:
    path.parent.mkdir()
    path.write_text(FILE)
    return path


def read_by_an_sdk(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path.parent / "none"))
    found = Session(profile="mfa").get_credentials()
    assert found is not None
    return (str(found.access_key), str(found.secret_key), str(found.token))


def others(path: Path) -> list[str]:
    """Return the files beside it, but for the lock, which is empty and stays."""
    return [each.name for each in path.parent.iterdir() if each.name not in (path.name, f".{path.name}.lock")]


def write(path: Path, name: str = "mfa") -> None:
    CredentialsFile(path).write(name, credentials("new"))


def test_a_new_file_is_made_for_its_owner_alone(path: Path) -> None:
    write(path)
    assert path.read_text() == (
        "[mfa]\naws_access_key_id = ASIANEW\naws_secret_access_key = secret of new\naws_session_token = token of new\n"
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_only_the_values_of_the_profile_change(written: Path) -> None:
    write(written)
    assert written.read_text() == FILE.replace("ASIAOLD", "ASIANEW").replace(
        "aws_secret_access_key : old", "aws_secret_access_key : secret of new"
    ).replace("old==", "token of new")


def test_a_new_profile_goes_to_the_end(written: Path) -> None:
    write(written, "fresh")
    text = written.read_text()
    assert text.startswith(FILE)
    assert text[len(FILE) :].startswith("\n[fresh]\naws_access_key_id = ASIANEW\n")


def test_permissions_of_other_users_are_removed(written: Path) -> None:
    written.chmod(0o644)
    write(written)
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


def test_nothing_else_is_left_in_the_folder(written: Path) -> None:
    write(written)
    assert others(written) == []


def test_writers_at_the_same_time_lose_nothing(written: Path) -> None:
    names = [f"session-{number}" for number in range(8)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: write(written, name), names))
    text = written.read_text()
    assert text.startswith(FILE)
    assert all(f"[{name}]" in text for name in names)


def test_an_sdk_reads_what_was_written(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(written)
    assert read_by_an_sdk(written, monkeypatch) == tuple(NEW.values())


def test_an_old_name_of_the_token_that_sdks_prefer_goes(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written.write_text("[mfa]\naws_access_key_id = A\naws_secret_access_key = s\naws_security_token = stale\n")
    write(written)
    assert read_by_an_sdk(written, monkeypatch) == tuple(NEW.values())


@pytest.mark.parametrize("name", ["default", "Work"])
def test_a_long_term_key_is_never_overwritten(written: Path, name: str) -> None:
    with pytest.raises(WrongUse, match="long-term access key, whose secret would be lost"):
        write(written, name)
    assert written.read_text() == FILE


@pytest.mark.parametrize(
    "text",
    [
        f"aws_secret_access_key = {SECRET}\n",
        f"[default]\naws_secret_access_key {SECRET}\n",
        f"[a]\nx = {SECRET}\n[a]\nx = 1\n",
        f"[a]\nx = {SECRET}\nX = {SECRET}\n",
        f"[a\nx = {SECRET}\n",
    ],
)
def test_a_broken_file_is_left_as_it_is_and_its_lines_are_not_quoted(written: Path, text: str) -> None:
    written.write_text(text)
    with pytest.raises(WrongUse, match=r"not a valid credentials file \(line \d\), and was left as it is") as refused:
        write(written)
    assert SECRET not in str(refused.value)
    assert written.read_text() == text


def test_what_is_not_utf_8_is_left_as_it_is(written: Path) -> None:
    written.write_bytes(b"[a]\nx = \xff\n")
    with pytest.raises(WrongUse, match="not UTF-8"):
        write(written)
    assert written.read_bytes() == b"[a]\nx = \xff\n"


def test_a_read_only_file_stays(written: Path) -> None:
    written.chmod(0o400)
    with pytest.raises(WrongUse, match="left as it is: it is read-only"):
        write(written)
    assert written.read_text() == FILE


def test_a_folder_in_the_place_of_the_file_is_one_sentence(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(WrongUse, match="not a regular file"):
        write(path)


def test_a_link_stays_a_link(written: Path, tmp_path: Path) -> None:
    target = written.rename(tmp_path / "dotfiles")
    written.symlink_to(target)
    write(written)
    assert written.is_symlink()
    assert "ASIANEW" in target.read_text()


def test_a_link_in_a_circle_is_one_sentence(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(path)
    with pytest.raises(WrongUse, match="cannot be written"):
        write(path)


def test_a_write_that_fails_leaves_the_old_file(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WrongUse, match="No space left on device"):
        write(written)
    assert written.read_text() == FILE
    assert others(written) == []


def test_line_ends_of_windows_stay(written: Path) -> None:
    written.write_bytes(FILE.replace("\n", "\r\n").encode())
    write(written)
    content = written.read_bytes()
    assert b"ASIANEW\r\n" in content
    assert content.count(b"\n") == content.count(b"\r\n")


def test_a_byte_order_mark_stays(written: Path) -> None:
    written.write_text("\ufeff[a]\nx = 1\n")
    write(written)
    assert written.read_text().startswith("\ufeff[a]\nx = 1\n\n[mfa]\n")


def test_a_last_line_without_an_end_gets_one(written: Path) -> None:
    written.write_text("[a]\nx = 1")
    write(written)
    assert written.read_text().startswith("[a]\nx = 1\n\n[mfa]\n")


@pytest.mark.parametrize(
    "text", ["[mfa]", "[mfa]\nregion = eu-west-1", "[mfa]\n\n# for b\n[b]\nx = 1\n", "[mfa]\n[b]\n"]
)
def test_a_profile_without_keys_gets_them(written: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written.write_text(text)
    write(written)
    assert read_by_an_sdk(written, monkeypatch) == tuple(NEW.values())


@pytest.mark.parametrize("name", ["", "a b", "a]b", "[a", "a\nb", "a#b", 'a"b', "a\tb"])
def test_a_name_that_the_file_could_not_hold_is_refused(name: str) -> None:
    with pytest.raises(WrongUse, match="--write-profile"):
        checked_name(name)


def test_the_file_is_where_the_sdks_look() -> None:
    assert credentials_path({}) == Path.home() / ".aws" / "credentials"
    assert credentials_path({"AWS_SHARED_CREDENTIALS_FILE": "~/other"}) == Path.home() / "other"


def test_without_a_home_folder_there_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", no_home)
    with pytest.raises(WrongUse, match="set HOME or AWS_SHARED_CREDENTIALS_FILE"):
        credentials_path({})
