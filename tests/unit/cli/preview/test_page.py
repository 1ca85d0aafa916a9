"""The page: one file, no request, no script but its own, and every user in it."""

import base64
import hashlib
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mfa_guard_cli.common.page_file import check_page_file, write_page
from mfa_guard_cli.preview.advice import exempt_command
from mfa_guard_cli.preview.model import DeviceKind, Outcome
from mfa_guard_cli.preview.page import GENERATOR, page
from support.factories import NOW
from support.html import Read, read_html
from support.preview import KEY, SampleUser, preview_of, user_caller

USERS = (
    SampleUser("anna", password=True, virtual=True),
    SampleUser("ben", password=True),
    SampleUser("carl", password=True, keys=(KEY,), device=True, other_devices=(DeviceKind.PASSKEY,)),
    SampleUser("bot", "/ci/", keys=(KEY,)),
    SampleUser("lone", keys=(KEY,)),
    SampleUser("old"),
    SampleUser("new", reported=False),
    SampleUser("enforced", password=True, attached=True),
)
PREVIEW = preview_of(*USERS, caller=user_caller("carl"), notes=("The permission iam:Something is missing.",))
# Attributes that make a browser request or open something.
REQUESTING = {"src", "href", "srcset", "action", "formaction", "poster", "data", "style", "background", "ping"}


@pytest.fixture(scope="module")
def source() -> str:
    return page(PREVIEW)


@pytest.fixture(scope="module")
def read(source: str) -> Read:
    return read_html(source)


class TestSelfContained:
    def test_no_element_makes_a_request(self, read: Read) -> None:
        requesting = {
            name for each in read.elements for name in each.attributes if name in REQUESTING or name[:2] == "on"
        }
        assert requesting == set()
        assert {each.name for each in read.elements}.isdisjoint({"link", "base", "img", "iframe", "object", "a"})

    def test_its_style_and_script_make_no_request(self, read: Read) -> None:
        for each in (*read.all("style"), *read.all("script")):
            assert not re.search(r"url\(|@import|https?:|fetch|XMLHttp|WebSocket|</", each.text)

    def test_the_policy_allows_its_own_style_and_script_only(self, read: Read) -> None:
        [policy] = [
            each.attributes["content"]
            for each in read.all("meta")
            if each.attributes.get("http-equiv") == "Content-Security-Policy"
        ]
        allowed = {
            kind: base64.b64encode(hashlib.sha256(each.text.encode()).digest()).decode()
            for kind in ("style", "script")
            for each in read.all(kind)
        }
        assert policy.split("; ") == [
            "default-src 'none'",
            f"style-src 'sha256-{allowed['style']}'",
            f"script-src 'sha256-{allowed['script']}'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]

    def test_the_policy_comes_before_what_it_governs(self, source: str) -> None:
        assert source.index("Content-Security-Policy") < source.index("<style>") < source.index("<script>")

    def test_a_later_run_may_replace_it(self, source: str, tmp_path: Path) -> None:
        write_page(tmp_path / "page.html", source, GENERATOR)
        check_page_file(tmp_path / "page.html", GENERATOR)


class TestContent:
    def test_every_element_is_closed(self, read: Read) -> None:
        assert read.open == []
        assert [each.name for each in read.elements][:2] == ["html", "head"]

    def test_every_user_has_a_row_with_the_callers_own_user_first(self, read: Read) -> None:
        names = [each.text for each in read.all("span") if each.attributes.get("class") == "name"]
        assert names[0] == "carl"
        assert sorted(names) == sorted(each.name for each in USERS)
        assert [each.text.strip()[:4] for each in read.all("tr") if each.attributes.get("class") == "caller-row"] == [
            "carl"
        ]

    def test_every_cell_is_labeled_with_the_heading_of_its_column(self, read: Read) -> None:
        headings = [each.text for each in read.all("th")]
        assert [each.attributes["data-label"] for each in read.all("td")] == headings * len(USERS)

    def test_warnings_to_the_caller_stand_out(self, read: Read) -> None:
        alerts = [each.text for each in read.all("p") if each.attributes.get("class") == "alert"]
        assert any("ending in WXYZ" in each for each in alerts)
        calm = read_html(page(preview_of(USERS[0], caller=user_caller("anna", long_term=False))))
        assert not [each for each in calm.all("p") if each.attributes.get("class") == "alert"]

    def test_each_chart_shows_all_users(self, read: Read) -> None:
        widths = [float(each.attributes["width"]) for each in read.all("rect")]
        assert sum(widths) == pytest.approx(2000, abs=0.1)
        labels = [each.attributes["aria-label"] for each in read.all("svg")]
        assert [sum(map(int, re.findall(r"\d+", label))) for label in labels] == [len(USERS)] * 2

    def test_advice_and_notes_are_shown(self, read: Read) -> None:
        commands = "".join(each.text for each in read.all("pre"))
        assert "ExemptPathPrefixes=/ci/" in commands
        assert exempt_command("lone") in commands
        assert any("iam:Something" in each.text for each in read.all("li"))

    def test_the_page_of_an_empty_account_is_complete(self) -> None:
        read = read_html(page(preview_of()))
        assert (read.open, read.all("rect")) == ([], [])


class TestOrder:
    def keys(self, column: int, *users: SampleUser) -> dict[str, str]:
        read = read_html(page(preview_of(*users)))
        cells = [each.attributes["data-sort"] for each in read.all("td")]
        return {cells[start]: cells[start + column] for start in range(0, len(cells), 7)}

    def test_of_outcomes_is_the_order_of_concern(self) -> None:
        keys = self.keys(5, *USERS)
        outcomes = {each.name: each.outcome for each in PREVIEW.users}
        assert sorted(keys, key=lambda name: keys[name]) == sorted(
            keys, key=lambda name: list(Outcome).index(outcomes[name])
        )

    def test_of_access_keys_is_none_then_unused_then_by_last_use(self) -> None:
        keys = self.keys(
            3,
            SampleUser("recent", keys=(KEY,)),
            SampleUser("older", keys=(replace(KEY, last_used=NOW - timedelta(days=30)),)),
            SampleUser("unused", keys=(replace(KEY, last_used=None),)),
            SampleUser("none"),
        )
        assert sorted(keys, key=lambda name: keys[name]) == ["none", "unused", "older", "recent"]
