"""Parse a page as a browser would: elements, their attributes, and the text in them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "input"}


@dataclass
class Element:
    """One element, and all text in it."""

    name: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Read:
    """Every element in the order of its start tag, and those that were never closed."""

    elements: list[Element] = field(default_factory=list)
    open: list[Element] = field(default_factory=list)

    def all(self, name: str) -> list[Element]:
        return [each for each in self.elements if each.name == name]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.read = Read()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {key: value or "" for key, value in attrs})
        self.read.elements.append(element)
        if tag not in VOID:
            self.read.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.read.open[-1].name == tag
        self.read.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.read.open:
            element.text += data


def read_html(source: str) -> Read:
    parser = _Parser()
    parser.feed(source)
    parser.close()
    return parser.read
