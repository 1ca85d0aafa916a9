"""Text from strangers stays text: in elements, in attributes, and in a whole page."""

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from mfa_guard_cli.common.html import render
from mfa_guard_cli.common.output import printable
from mfa_guard_cli.preview.model import KeyUse, LastUses
from mfa_guard_cli.preview.page import page
from support.html import read_html
from support.preview import KEY, SampleUser, preview_of, role_caller

TEXTS = st.text() | st.text("<>&\"'/=! -`\\\n\0\u202e\ud800scriptonload", max_size=30)
DATA = ("title", "generator", "text", "value")
ELEMENTS = [each.name for each in read_html(render("support/plain.html.j2", dict.fromkeys(DATA, ""))).elements]
PLAIN = preview_of(SampleUser("plain", "/path/", password=True, keys=(KEY,)))


@given(TEXTS, TEXTS)
@example("</td><script>alert(1)</script>", '" onload="alert(1)')
@example("&lt;b&gt;", "&quot;")
def test_a_template_shows_every_value_as_text(text: str, value: str) -> None:
    data = {"title": text, "generator": value, "text": text, "value": value}
    read = read_html(render("support/plain.html.j2", data))
    assert [each.name for each in read.elements] == ELEMENTS
    assert read.open == []
    [paragraph], [bold], [title] = read.all("p"), read.all("b"), read.all("title")
    assert paragraph.attributes == {"id": printable(value), "class": "plain"}
    assert [each.text for each in (paragraph, bold, title)] == [printable(text) * 2, printable(text), printable(text)]
    assert {"name": "generator", "content": printable(value)} in [each.attributes for each in read.all("meta")]


@given(TEXTS.filter(bool), TEXTS, TEXTS, TEXTS)
@example("<img src=x onerror=alert(1)>", '/"><script>alert(1)</script>/', "</script>", "<!--")
def test_a_page_has_the_same_elements_for_every_name(name: str, path: str, service: str, role: str) -> None:
    user = SampleUser(
        name, f"/{path}/", password=True, keys=(KEY,), last_uses=LastUses(None, {"key 1": KeyUse(service, service)})
    )
    caller = replace(role_caller(), name=role)
    hostile, plain = read_html(page(preview_of(user, caller=caller))), read_html(page(PLAIN))
    assert [(each.name, sorted(each.attributes)) for each in hostile.elements] == [
        (each.name, sorted(each.attributes)) for each in plain.elements
    ]
    assert hostile.open == []
    [shown] = [each.text for each in hostile.all("span") if each.attributes.get("class") == "name"]
    assert shown == printable(name)
