"""The format in which the guard writes times: UTC with seconds, such as 2026-01-31T12:00:00Z."""

from datetime import UTC, datetime
from typing import Final

_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"


def utc_text(time: datetime) -> str:
    """Return `time`, which has a time zone, in the guard's format."""
    return time.astimezone(UTC).strftime(_FORMAT)


def parse_utc(text: str) -> datetime | None:
    """Return the time in a text that `utc_text` wrote, or None for any other text."""
    try:
        time = datetime.strptime(text, _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
    # strptime also accepts single digits and the digits of other scripts.
    return time if utc_text(time) == text else None
