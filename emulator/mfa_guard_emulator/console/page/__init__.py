"""The page of the local account: three static files, and the headers of every response.

The page requests `page.css`, `page.js` and `state` relative to its own address, so this address ends with a slash. It
requests the state with If-None-Match and accepts 304 when nothing changed. It shows every string of the state as text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

# The page loads nothing from other hosts, runs only its own script, and turns no string into markup:
# https://www.w3.org/TR/CSP3/ and https://www.w3.org/TR/trusted-types/
_CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)

# For the files and for the state. With `no-cache`, the browser may keep a response but must validate it each time.
HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "; ".join(_CONTENT_SECURITY_POLICY),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Asset:
    """One file, as it is sent."""

    body: bytes
    content_type: str


_FILES: Final[Mapping[str, tuple[str, str]]] = {
    "": ("page.html", "text/html; charset=utf-8"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
    "page.js": ("page.js", "text/javascript; charset=utf-8"),
}


def asset(name: str) -> Asset | None:
    """Return a file by its address relative to the page; the empty string is the page itself.

    Returns None for any other name, so that only listed files are opened.
    """
    if name not in _FILES:
        return None
    file, content_type = _FILES[name]
    return Asset(files(__name__).joinpath(file).read_bytes(), content_type)
