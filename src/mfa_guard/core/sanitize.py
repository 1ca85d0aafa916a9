"""Make text from users, tags and user agents safe to show: it cannot add lines or imitate the guard's own text."""

import unicodedata
from typing import Final

# SNS documents subjects of less than 100 characters.
SUBJECT_LIMIT: Final = 99


def sanitize(text: str | None, limit: int = 200) -> str:
    """Return `text` as one line of at most `limit` characters.

    Control, format and unassigned characters, including line ends, become question marks. Three dots replace the end of
    a text that is too long.
    """
    shown = "".join(
        "?" if unicodedata.category(char)[0] in {"C", "Z"} and char != " " else char for char in text or "unknown"
    )
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def subject_line(text: str) -> str:
    """Return `text` as a subject that SNS accepts: printable ASCII, less than 100 characters.

    https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
    """
    ascii_only = "".join(char if " " <= char <= "~" else "?" for char in text)
    return ascii_only if len(ascii_only) <= SUBJECT_LIMIT else ascii_only[: SUBJECT_LIMIT - 3] + "..."
