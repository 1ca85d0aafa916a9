"""Whatever strangers call themselves, it stays text: in elements, in attributes, and in a whole page."""

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from mfa_guard_cli.common.output import printable
from mfa_guard_cli.preview.html import element
from mfa_guard_cli.preview.model import Use, Uses
from mfa_guard_cli.preview.page import page
from support.html import read_html
from support.preview import KEY, Somebody, by_role, preview_of

TEXTS = st.text() | st.text("<>&\"'/=! -`\\\n\0\u202e\ud800scriptonload", max_size=30)
PLAIN = preview_of(Somebody("plain", "/path/", password=True, keys=(KEY,)))


@given(TEXTS, TEXTS)
@example("</td><script>alert(1)</script>", '" onload="alert(1)')
@example("&lt;b&gt;", "&quot;")
def test_an_element_holds_what_it_was_given_as_text(text: str, value: str) -> None:
    read = read_html(element("td", {"data-label": value, "class": "plain"}, text, element("b", None, text)).source)
    assert [each.name for each in read.elements] == ["td", "b"]
    assert read.open == []
    assert read.elements[0].attributes == {"data-label": printable(value), "class": "plain"}
    assert [each.text for each in read.elements] == [printable(text) * 2, printable(text)]


@given(TEXTS.filter(bool), TEXTS, TEXTS, TEXTS)
@example("<img src=x onerror=alert(1)>", '/"><script>alert(1)</script>/', "</script>", "<!--")
def test_a_page_has_the_same_elements_whatever_the_names(name: str, path: str, service: str, role: str) -> None:
    somebody = Somebody(
        name, f"/{path}/", password=True, keys=(KEY,), uses=Uses(None, {"key 1": Use(service, service)})
    )
    caller = replace(by_role(), name=role)
    hostile, plain = read_html(page(preview_of(somebody, caller=caller))), read_html(page(PLAIN))
    assert [(each.name, sorted(each.attributes)) for each in hostile.elements] == [
        (each.name, sorted(each.attributes)) for each in plain.elements
    ]
    assert hostile.open == []
    [shown] = [each.text for each in hostile.all("span") if each.attributes.get("class") == "name"]
    assert shown == printable(name)
