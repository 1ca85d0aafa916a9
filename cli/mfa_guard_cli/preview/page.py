"""Build the data of the HTML page of a preview, and render it with page.html.j2. Pure except for reading templates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from mfa_guard.core.times import utc_text
from mfa_guard_cli.common.html import render
from mfa_guard_cli.preview.advice import advise
from mfa_guard_cli.preview.descriptions import (
    ENFORCED,
    LIMITATIONS,
    MFA_METHODS,
    OUTCOMES,
    Part,
    advice_text,
    caller_text,
    devices_text,
    heading,
    keys_text,
    parameters_text,
    password_text,
    source_text,
    what_stops,
)
from mfa_guard_cli.preview.model import MfaMethod, Outcome, Preview, UserForecast

# The page names it as its author, so that a later run may replace the page.
GENERATOR: Final = "mfa-guard preview"

_BAR_WIDTH: Final = 1000


@dataclass(frozen=True)
class Segment:
    """One part of a chart: `css_class` gives its color, `x` and `width` its place in a bar of 1000 units."""

    css_class: str
    name: str
    count: int
    description: str
    x: float
    width: float


@dataclass(frozen=True)
class Row:
    """One user of the table. The `sort_` texts are what a column is sorted by."""

    user: UserForecast
    css_class: str
    password: str
    keys: Sequence[str]
    devices: str
    stops: Sequence[str]
    sort_password: str
    sort_keys: str
    sort_outcome: str


def page(preview: Preview) -> str:
    """Return the whole page."""
    return render("mfa_guard_cli/preview/page.html.j2", _data(preview))


def _data(preview: Preview) -> Mapping[str, object]:
    facts, warnings = caller_text(preview)
    totals = preview.totals
    return {
        "generator": GENERATOR,
        "title": heading(preview.data),
        "source": source_text(preview.data),
        "parameters": parameters_text(preview.settings),
        "facts": facts,
        "warnings": warnings,
        "tiles": {
            "users": totals.users,
            "would be enforced": sum(totals.outcomes[outcome] for outcome in ENFORCED),
            "without an MFA device": totals.mfa_methods[MfaMethod.NONE],
            "access keys would stop": totals.keys_stopping,
            "active machine users need your decision": totals.outcomes[Outcome.DECIDE],
        },
        "charts": {
            "What would happen to users": _segments(totals.outcomes, OUTCOMES),
            "MFA devices": _segments(totals.mfa_methods, MFA_METHODS),
        },
        "advice": advice_text(advise(preview)),
        "rows": [_row(user, preview.data.read_at) for user in preview.users],
        "notes": (*preview.data.notes, *LIMITATIONS),
    }


def _segments(counts: Mapping[Part, int], descriptions: Mapping[Part, str]) -> Sequence[Segment]:
    total = sum(counts.values())
    segments: list[Segment] = []
    x = 0.0
    for part, description in descriptions.items():
        if count := counts[part]:
            width = _BAR_WIDTH * count / total
            segments.append(Segment(_css_class(part), part, count, description, x, width))
            x += width
    return segments


def _row(user: UserForecast, now: datetime) -> Row:
    key_last_used = max((key.last_used for key in user.keys or () if key.last_used), default=None)
    return Row(
        user=user,
        css_class=_css_class(user.outcome),
        password=password_text(user, now),
        keys=keys_text(user, now),
        devices=devices_text(user),
        stops=what_stops(user),
        sort_password=_sort_text(user.password_last_used, exists=bool(user.password)),
        sort_keys=_sort_text(key_last_used, exists=bool(user.keys)),
        sort_outcome=f"{list(Outcome).index(user.outcome):02}",
    )


def _css_class(part: StrEnum) -> str:
    return part.name.lower().replace("_", "-")


def _sort_text(last_used: datetime | None, *, exists: bool) -> str:
    """Return a text that sorts what does not exist first, then what was never used, then by last use."""
    if last_used:
        return utc_text(last_used)
    return "1" if exists else "0"
