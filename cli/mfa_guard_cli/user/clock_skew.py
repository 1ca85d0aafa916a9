"""How far this machine's clock is from AWS's."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

# TOTP codes change every 30 seconds; signatures are good for 5 minutes
# (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html).
CODES_SUFFER: Final = timedelta(seconds=30)
SIGNATURES_SUFFER: Final = timedelta(minutes=5)


def skew(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Return by how much `now` is ahead of the Date header, in whole seconds; None without a header."""
    try:
        theirs = parsedate_to_datetime(headers.get("date", ""))
        return timedelta(seconds=round((now - theirs).total_seconds()))
    except (TypeError, ValueError):
        return None


def in_words(ahead: timedelta) -> str:
    """Say how far the clock is off: `75 s ahead of AWS`. The header has whole seconds, so one more is no difference."""
    seconds = int(ahead.total_seconds())
    if abs(seconds) <= 1:
        return "right"
    return f"{abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'} AWS"


def hint(ahead: timedelta | None) -> str:
    """Return the sentence to add to a refused code, beginning with a space; empty while the clock is right enough."""
    if ahead is None or abs(ahead) <= CODES_SUFFER:
        return ""
    return f" This machine's clock is {in_words(ahead)}: if it makes the codes, set it right."
