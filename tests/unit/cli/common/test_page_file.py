"""Where a page is written: completely or not at all, over an older page and over no other file."""

import stat
from pathlib import Path

import pytest

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.common.page_file import check_page_file, write_page

GENERATOR = "mfa-guard test"
MARK = f'<meta name="generator" content="{GENERATOR}">'
PAGE = f"<!doctype html>{MARK}"


def test_a_new_file_is_written_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    write_page(file, "<p>Grüße</p>", GENERATOR)
    assert file.read_text("utf-8") == "<p>Grüße</p>"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_an_older_page_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    write_page(file, PAGE, GENERATOR)
    write_page(file, f"{PAGE}new", GENERATOR)
    assert file.read_text("utf-8").endswith("new")


@pytest.mark.parametrize("content", ["", "notes", f"{'x' * 5000}{MARK}", MARK.replace("test", "other")])
def test_any_other_file_stays_as_it_is(tmp_path: Path, content: str) -> None:
    file = tmp_path / "notes.md"
    file.write_text(content)
    for refused in (check_page_file, lambda path, generator: write_page(path, PAGE, generator)):
        with pytest.raises(WrongUse, match=f"is not a page of {GENERATOR}"):
            refused(file, GENERATOR)
    assert file.read_text("utf-8") == content


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="is not a file"):
        check_page_file(tmp_path, GENERATOR)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"There is no folder .*missing for page.html"):
        check_page_file(tmp_path / "missing" / "page.html", GENERATOR)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    page, link = tmp_path / "page.html", tmp_path / "link.html"
    write_page(page, PAGE, GENERATOR)
    link.symlink_to(page)
    write_page(link, f"{PAGE}new", GENERATOR)
    assert link.is_symlink()
    assert page.read_text("utf-8").endswith("new")


def test_a_failed_write_leaves_the_older_page(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    write_page(file, PAGE, GENERATOR)
    with pytest.raises(UnicodeEncodeError):
        write_page(file, "\ud800", GENERATOR)
    assert file.read_text("utf-8") == PAGE
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="this system has no /proc, which refuses new files")
def test_a_folder_that_is_not_writable_is_refused_in_one_sentence() -> None:
    with pytest.raises(WrongUse, match="cannot be written"):
        write_page(Path("/proc/page.html"), PAGE, GENERATOR)


@pytest.mark.parametrize("name", ["x" * 300, "x\0y"])
def test_an_impossible_file_name_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(WrongUse, match="is not a file"):
        check_page_file(tmp_path / name, GENERATOR)
