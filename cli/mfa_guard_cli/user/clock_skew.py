"""How far this machine's clock is from AWS's."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

# TOTP codes change every 30 seconds. Signatures are valid for 5 minutes
# (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html).
CODE_TOLERANCE: Final = timedelta(seconds=30)
SIGNATURE_TOLERANCE: Final = timedelta(minutes=5)


def skew(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Return how far `now` is ahead of the Date header, in whole seconds, or None without a header."""
    try:
        theirs = parsedate_to_datetime(headers.get("date", ""))
        return timedelta(seconds=round((now - theirs).total_seconds()))
    except (TypeError, ValueError):
        return None


def in_words(ahead: timedelta) -> str:
    """Return the skew in words: `75 s ahead of AWS`. The header has whole seconds, so one second is no difference."""
    seconds = int(ahead.total_seconds())
    if abs(seconds) <= 1:
        return "right"
    return f"{abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'} AWS"


def hint(ahead: timedelta | None) -> str:
    """Return the sentence to add to a refused code, after a space; empty if the clock is right enough."""
    if ahead is None or abs(ahead) <= CODE_TOLERANCE:
        return ""
    return f" This machine's clock is {in_words(ahead)}; if this machine makes the codes, set its clock."
