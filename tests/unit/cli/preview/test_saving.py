"""Where a page is written: whole or not at all, over an older page and over nothing else."""

import stat
from pathlib import Path

import pytest

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.preview.saving import MARK, check_target, save

PAGE = f"<!doctype html>{MARK}"


def test_a_new_file_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    save(file, "<p>Grüße</p>")
    assert file.read_text("utf-8") == "<p>Grüße</p>"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_an_older_page_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    save(file, PAGE)
    save(file, f"{PAGE}new")
    assert file.read_text("utf-8").endswith("new")


@pytest.mark.parametrize("content", ["", "notes", f"{'x' * 5000}{MARK}"])
def test_any_other_file_is_left_as_it_is(tmp_path: Path, content: str) -> None:
    file = tmp_path / "notes.md"
    file.write_text(content)
    for refused in (check_target, lambda path: save(path, PAGE)):
        with pytest.raises(WrongUse, match=r"is no page of mfa-guard preview; name another file, or remove it"):
            refused(file)
    assert file.read_text("utf-8") == content


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="is no file to write a page to"):
        check_target(tmp_path)


def test_a_folder_that_is_missing_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"There is no folder .*missing for page.html"):
        check_target(tmp_path / "missing" / "page.html")


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    page, link = tmp_path / "page.html", tmp_path / "link.html"
    save(page, PAGE)
    link.symlink_to(page)
    save(link, f"{PAGE}new")
    assert link.is_symlink()
    assert page.read_text("utf-8").endswith("new")


def test_what_fails_half_way_leaves_the_older_page(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    save(file, PAGE)
    with pytest.raises(UnicodeEncodeError):
        save(file, "\ud800")
    assert file.read_text("utf-8") == PAGE
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="there is no /proc, where nobody makes files, on this system")
def test_a_folder_that_takes_no_file_is_said_in_one_sentence() -> None:
    with pytest.raises(WrongUse, match="cannot be written"):
        save(Path("/proc/page.html"), PAGE)


@pytest.mark.parametrize("name", ["x" * 300, "x\0y"])
def test_a_name_that_no_file_can_have_is_said_in_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(WrongUse, match="is no file to write a page to"):
        check_target(tmp_path / name)
