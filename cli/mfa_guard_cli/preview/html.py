"""HTML elements that escape whatever they are given. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Final, TypeAlias

from mfa_guard_cli.common.output import printable


@dataclass(frozen=True)
class Html:
    """A piece of HTML that is safe as it stands: made by this module, or a file of this package."""

    source: str


Child: TypeAlias = "Html | str | int"

# https://html.spec.whatwg.org/multipage/syntax.html#void-elements, those that a page of ours has.
_VOID: Final = frozenset({"meta", "input"})


def element(name: str, attributes: Mapping[str, str | int] | None = None, *children: Child) -> Html:
    """Return an element; texts in it and in its attributes stay texts, whatever they hold.

    `name` and the names of attributes are the program's own.
    """
    written = "".join(f' {key}="{_text(value)}"' for key, value in (attributes or {}).items())
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{joined(*children).source}</{name}>")


def joined(*children: Child) -> Html:
    """Return children one after the other."""
    return Html("".join(child.source if isinstance(child, Html) else _text(child) for child in children))


def _text(value: str | int) -> str:
    # What is not printable could turn the reading direction, or be no character of HTML at all.
    return escape(printable(str(value)), quote=True)
