"""The page: one file, no request, nothing that runs but its own script, and every user in it."""

import base64
import hashlib
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from mfa_guard_cli.preview.model import DeviceKind, Outcome
from mfa_guard_cli.preview.page import page
from mfa_guard_cli.preview.saving import MARK
from support.factories import NOW
from support.html import Read, read_html
from support.preview import KEY, Somebody, by_user, preview_of

PEOPLE = (
    Somebody("anna", password=True, virtual=True),
    Somebody("ben", password=True),
    Somebody("carl", password=True, keys=(KEY,), device=True, kinds=(DeviceKind.PASSKEY,)),
    Somebody("bot", "/ci/", keys=(KEY,)),
    Somebody("lone", keys=(KEY,)),
    Somebody("old"),
    Somebody("new", reported=False),
    Somebody("bound", password=True, attached=True),
)
PREVIEW = preview_of(*PEOPLE, caller=by_user("carl"), notes=("The permission iam:Something is missing.",))
# What makes a browser fetch or open something.
REACHING = {"src", "href", "srcset", "action", "formaction", "poster", "data", "style", "background", "ping"}


@pytest.fixture(scope="module")
def source() -> str:
    return page(PREVIEW)


@pytest.fixture(scope="module")
def read(source: str) -> Read:
    return read_html(source)


class TestSelfContained:
    def test_no_element_reaches_out(self, read: Read) -> None:
        reaching = {name for each in read.elements for name in each.attributes if name in REACHING or name[:2] == "on"}
        assert reaching == set()
        assert {each.name for each in read.elements}.isdisjoint({"link", "base", "img", "iframe", "object", "a"})

    def test_neither_does_its_style_or_script(self, read: Read) -> None:
        for each in (*read.all("style"), *read.all("script")):
            assert not re.search(r"url\(|@import|https?:|fetch|XMLHttp|WebSocket|</", each.text)

    def test_the_policy_lets_in_its_own_style_and_script_alone(self, read: Read) -> None:
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

    def test_the_mark_by_which_it_may_be_replaced_comes_first(self, source: str) -> None:
        assert MARK in source[:500]


class TestContent:
    def test_every_element_is_closed(self, read: Read) -> None:
        assert read.open == []
        assert [each.name for each in read.elements][:2] == ["html", "head"]

    def test_every_user_has_a_row_the_own_one_first(self, read: Read) -> None:
        names = [each.text for each in read.all("span") if each.attributes.get("class") == "name"]
        assert names[0] == "carl"
        assert sorted(names) == sorted(each.name for each in PEOPLE)
        assert [each.text[:4] for each in read.all("tr") if each.attributes.get("class") == "own"] == ["carl"]

    def test_the_own_users_warnings_stand_out(self, read: Read) -> None:
        alerts = [each.text for each in read.all("p") if each.attributes.get("class") == "alert"]
        assert any("ending in WXYZ" in each for each in alerts)
        quiet = read_html(page(preview_of(PEOPLE[0], caller=by_user("anna", long_term=False))))
        assert not [each for each in quiet.all("p") if each.attributes.get("class") == "alert"]

    def test_each_chart_is_filled_by_all_users(self, read: Read) -> None:
        widths = [float(each.attributes["width"]) for each in read.all("rect")]
        assert sum(widths) == pytest.approx(2000, abs=0.1)
        labels = [each.attributes["aria-label"] for each in read.all("svg")]
        assert [sum(map(int, re.findall(r"\d+", label))) for label in labels] == [len(PEOPLE)] * 2

    def test_advice_and_notes_are_there(self, read: Read) -> None:
        commands = "".join(each.text for each in read.all("pre"))
        assert "ExemptPathPrefixes=/ci/" in commands
        assert "mfa-guard exempt add lone" in commands
        assert any("iam:Something" in each.text for each in read.all("li"))

    def test_of_an_empty_account_is_whole(self) -> None:
        read = read_html(page(preview_of()))
        assert (read.open, read.all("rect")) == ([], [])


class TestOrder:
    def keys(self, column: int, *people: Somebody) -> dict[str, str]:
        read = read_html(page(preview_of(*people)))
        cells = [each.attributes["data-sort"] for each in read.all("td")]
        return {cells[start]: cells[start + column] for start in range(0, len(cells), 7)}

    def test_of_outcomes_is_that_of_concern(self) -> None:
        keys = self.keys(5, *PEOPLE)
        outcomes = {each.name: each.outcome for each in PREVIEW.outlooks}
        assert sorted(keys, key=lambda name: keys[name]) == sorted(
            keys, key=lambda name: list(Outcome).index(outcomes[name])
        )

    def test_of_access_keys_is_none_then_unused_then_by_last_use(self) -> None:
        keys = self.keys(
            3,
            Somebody("recent", keys=(KEY,)),
            Somebody("older", keys=(replace(KEY, last_used=NOW - timedelta(days=30)),)),
            Somebody("unused", keys=(replace(KEY, last_used=None),)),
            Somebody("none"),
        )
        assert sorted(keys, key=lambda name: keys[name]) == ["none", "unused", "older", "recent"]
