"""A page of any template: one file whose policy allows its own style and script, and nothing else."""

import base64
import hashlib

import pytest
from jinja2 import UndefinedError

from mfa_guard_cli.common.html import render
from support.html import Element, Read, read_html

PLAIN = "support/plain.html.j2"
DATA = {"title": "A title", "generator": "mfa-guard test", "text": "a text", "value": "a-value"}


def policy(read: Read) -> list[str]:
    [found] = [each for each in read.all("meta") if each.attributes.get("http-equiv") == "Content-Security-Policy"]
    return found.attributes["content"].split("; ")


def digest(element: Element) -> str:
    return base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()


def test_a_page_without_a_script_has_the_shared_style_and_its_hash() -> None:
    read = read_html(render(PLAIN, DATA))
    assert (read.open, read.all("script")) == ([], [])
    [style] = read.all("style")
    assert f"style-src 'sha256-{digest(style)}'" in policy(read)


def test_the_policy_allows_no_request_form_or_foreign_script() -> None:
    rules = policy(read_html(render(PLAIN, DATA)))
    assert {"default-src 'none'", "base-uri 'none'", "form-action 'none'", "trusted-types 'none'"} < set(rules)


def test_the_page_names_its_title_and_the_command_that_wrote_it() -> None:
    read = read_html(render(PLAIN, DATA))
    assert [each.text for each in read.all("title") + read.all("h1")] == ["A title"] * 2
    assert {"name": "generator", "content": "mfa-guard test"} in [each.attributes for each in read.all("meta")]


def test_a_value_that_the_data_lacks_is_an_error_and_no_gap() -> None:
    with pytest.raises(UndefinedError, match="generator"):
        render(PLAIN, {"title": "A title", "text": "", "value": ""})
