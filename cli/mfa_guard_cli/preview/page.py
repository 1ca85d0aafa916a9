"""A preview as one HTML page that needs nothing else: no request, no font, no library. Pure but for its own files."""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from importlib.resources import files
from itertools import groupby
from typing import Final

from mfa_guard.core.times import utc_text
from mfa_guard_cli.preview.advice import advise
from mfa_guard_cli.preview.html import Html, element, joined
from mfa_guard_cli.preview.model import Mfa, Outcome, Outlook, Preview
from mfa_guard_cli.preview.saving import MARK
from mfa_guard_cli.preview.wording import (
    ENFORCED,
    LIMITS,
    MEANINGS,
    Part,
    advice_lines,
    caller_lines,
    devices_text,
    heading,
    keys_text,
    password_text,
    settings_text,
    source_text,
    stops,
)

_COLUMNS: Final = ("User", "Kind", "Password", "Access keys", "MFA devices", "Enforcing", "What stops")
_BAR: Final = 1000

_MFA_MEANINGS: Final[Mapping[Mfa, str]] = {
    Mfa.CODES: "Codes of an app or a token, for the CLI as well",
    Mfa.PASSKEY: "For the console; the CLI needs aws login",
    Mfa.OTHER: "A device of another kind, or whose kind was not read",
    Mfa.NONE: "Nothing to sign in with yet",
    Mfa.UNKNOWN: "Not known; the credential report does not tell",
}


def page(preview: Preview) -> str:
    """Return the whole page."""
    style, script = (files(__package__).joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    title = heading(preview.reading)
    head = element(
        "head",
        None,
        element("meta", {"charset": "utf-8"}),
        Html(MARK),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": _policy(style, script)}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("meta", {"name": "referrer", "content": "no-referrer"}),
        element("title", None, title),
        element("style", None, Html(style)),
    )
    body = element(
        "body",
        None,
        _header(preview),
        element("main", None, *_sections(preview)),
        element("script", None, Html(script)),
    )
    return f"<!doctype html>\n{element('html', {'lang': 'en'}, head, body).source}\n"


def _policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy that lets the page's own style and script in, and nothing out.

    https://www.w3.org/TR/CSP3/ and https://www.w3.org/TR/trusted-types/
    """
    rules = (
        "default-src 'none'",
        f"style-src '{_hash(style)}'",
        f"script-src '{_hash(script)}'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return "; ".join(rules)


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _header(preview: Preview) -> Html:
    return element(
        "header",
        None,
        element("p", {"class": "kicker"}, "mfa-guard preview: nothing was changed"),
        element("h1", None, heading(preview.reading)),
        element("p", {"class": "quiet"}, source_text(preview.reading), " ", settings_text(preview.settings)),
    )


def _sections(preview: Preview) -> Iterator[Html]:
    totals, outlooks = preview.totals, preview.outlooks
    yield _caller(preview)
    yield _tiles(preview)
    outcomes = {outcome: (count, MEANINGS[outcome]) for outcome, count in totals.outcomes.items()}
    yield _section("What happens to whom", *_chart("What happens to whom", outcomes))
    devices = {mfa: (totals.mfa[mfa], meaning) for mfa, meaning in _MFA_MEANINGS.items()}
    yield _section("MFA devices", *_chart("MFA devices", devices))
    yield _section("Before you enforce", *_advice(preview))
    yield _section("Users", _filter(), _table(outlooks, preview.reading.at))
    yield _section("What this cannot tell", _list([*preview.reading.notes, *LIMITS]))


def _section(title: str, *children: Html) -> Html:
    return element("section", None, element("h2", None, title), *children)


def _list(lines: Iterable[str]) -> Html:
    return element("ul", {"class": "notes"}, *(element("li", None, line) for line in lines))


def _caller(preview: Preview) -> Html:
    facts, warnings = caller_lines(preview)
    return element(
        "section",
        {"class": "caller warning" if warnings else "caller", "aria-label": "Whose credentials read this"},
        element("p", None, " ".join(facts)),
        *(element("p", {"class": "alert"}, warning) for warning in warnings),
    )


def _tiles(preview: Preview) -> Html:
    totals = preview.totals
    numbers = {
        "users": totals.users,
        "would be enforced": sum(totals.outcomes[outcome] for outcome in ENFORCED),
        "without an MFA device": totals.mfa[Mfa.NONE],
        "access keys would stop": totals.keys_stopping,
        "machines wait for your decision": totals.outcomes[Outcome.DECIDE],
    }
    tiles = (
        element("li", None, element("strong", None, f"{number:,}"), element("span", None, label))
        for label, number in numbers.items()
    )
    return element("ul", {"class": "tiles"}, *tiles)


def _chart(title: str, parts: Mapping[Part, tuple[int, str]]) -> Iterator[Html]:
    """Yield a bar of the parts, as wide as each is large, and what they are."""
    present = {part: counted for part, counted in parts.items() if counted[0]}
    total = sum(count for count, _ in present.values())
    bars, start = [], 0.0
    for part, (count, _) in present.items():
        width = _BAR * count / total
        place = {"class": _class(part), "x": f"{start:.2f}", "y": "0", "width": f"{width:.2f}", "height": "1"}
        bars.append(element("rect", place, element("title", None, f"{part}: {count}")))
        start += width
    label = f"{title}: {', '.join(f'{count} {part}' for part, (count, _) in present.items())}"
    frame = {"class": "bar", "viewBox": f"0 0 {_BAR} 1", "preserveAspectRatio": "none", "role": "img"}
    yield element("svg", {**frame, "aria-label": label}, *bars)
    yield element("ul", {"class": "legend"}, *(_legend(part, *counted) for part, counted in present.items()))


def _legend(part: StrEnum, count: int, meaning: str) -> Html:
    return element(
        "li",
        {"class": _class(part)},
        element("strong", None, f"{count:,}"),
        element("span", None, element("b", None, part), " ", element("span", {"class": "quiet"}, meaning)),
    )


def _class(part: StrEnum) -> str:
    return f"c-{part.name.lower().replace('_', '-')}"


def _advice(preview: Preview) -> Iterator[Html]:
    """Yield the advice, commands that follow each other as one block: they are the lines that are set in."""
    for commands, lines in groupby(advice_lines(advise(preview)), lambda line: line.startswith(" ")):
        if commands:
            yield element("pre", {"tabindex": 0}, *(joined(line.strip(), Html("\n")) for line in lines))
        else:
            yield from (element("p", None, line) for line in lines)


def _filter() -> Html:
    field = element("input", {"type": "search", "id": "filter", "autocomplete": "off", "placeholder": "name, kind, s3"})
    return element(
        "p",
        {"class": "filter", "hidden": "hidden"},
        element("label", {"for": "filter"}, "Show only "),
        field,
        " ",
        element("span", {"id": "shown", "role": "status", "class": "quiet"}),
    )


def _table(outlooks: Iterable[Outlook], now: datetime) -> Html:
    # Without its script the page is whole, and its buttons do not pretend.
    headings = (
        element("th", {"scope": "col"}, element("button", {"type": "button", "disabled": "disabled"}, column))
        for column in _COLUMNS
    )
    return element(
        "table",
        None,
        element("thead", None, element("tr", None, *headings)),
        element("tbody", None, *(_row(outlook, now) for outlook in outlooks)),
    )


def _row(outlook: Outlook, now: datetime) -> Html:
    order = {outcome: f"{place:02}" for place, outcome in enumerate(Outcome)}
    name = [element("span", {"class": "name"}, outlook.name)]
    if outlook.path != "/":
        name.append(element("span", {"class": "path"}, outlook.path))
    if outlook.own:
        name.append(element("span", {"class": "badge"}, "read this"))
    used = max((key.last_used for key in outlook.keys or () if key.last_used), default=None)
    # What each column shows, and the text by which it is sorted.
    cells = (
        (joined(*name), outlook.name),
        (joined(outlook.sort), outlook.sort),
        (joined(password_text(outlook, now)), _sortable(outlook.password_used, known=bool(outlook.password))),
        (_lines(keys_text(outlook, now)), _sortable(used, known=bool(outlook.keys))),
        (joined(devices_text(outlook)), outlook.mfa),
        (element("span", {"class": f"pill {_class(outlook.outcome)}"}, outlook.outcome), order[outlook.outcome]),
        (_lines(stops(outlook)), "; ".join(stops(outlook))),
    )
    return element(
        "tr",
        {"class": "own"} if outlook.own else None,
        *(
            element("td", {"data-label": column, "data-sort": key}, shown)
            for column, (shown, key) in zip(_COLUMNS, cells, strict=True)
        ),
    )


def _lines(lines: Iterable[str]) -> Html:
    return joined(*(element("span", {"class": "line"}, line) for line in lines))


def _sortable(time: datetime | None, *, known: bool) -> str:
    return utc_text(time) if time else "1" if known else "0"
