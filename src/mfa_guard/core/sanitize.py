"""Show strings that strangers wrote without letting them speak for the guard."""

import unicodedata
from typing import Final

SUBJECT_LIMIT: Final = 100


def sanitize(text: str | None, limit: int = 200) -> str:
    """Return `text` on one line, without control, format or unassigned characters, at most `limit` characters long.

    Every such character, line ends among them, becomes a question mark; a cut is shown by three dots.
    """
    shown = "".join(
        "?" if unicodedata.category(char)[0] in {"C", "Z"} and char != " " else char for char in text or "unknown"
    )
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def subject_line(text: str) -> str:
    """Return `text` as SNS takes a mail's subject: printable ASCII, at most 100 characters.

    https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
    """
    ascii_only = "".join(char if " " <= char <= "~" else "?" for char in text)
    return ascii_only if len(ascii_only) <= SUBJECT_LIMIT else ascii_only[: SUBJECT_LIMIT - 3] + "..."
