"""The QR code that an authenticator app scans.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_VirtualMFADevice.html says what AWS's own encodes; the form is
described at https://github.com/google/google-authenticator/wiki/Key-Uri-Format
"""

import io
from pathlib import Path
from typing import Final
from urllib.parse import quote

import segno

from mfa_guard_cli.user.identity import Identity
from mfa_guard_cli.user.terminal import Terminal

_ISSUER: Final = "Amazon Web Services"
_QUIET_ZONE: Final = 2
# White modules on black, in the part of the palette that themes leave alone: readable on dark and light terminals.
_WHITE_ON_BLACK: Final = "\x1b[38;5;231;48;5;16m"
_PLAIN: Final = "\x1b[0m"
_PIXELS: Final = 6
SUFFIXES: Final = (".png", ".svg")


def otpauth(seed: str, name: str, caller: Identity) -> str:
    """Return what the code encodes; the app shows the device's name and the account."""
    label = f"{quote(_ISSUER)}:{quote(f'{name}@{caller.account}', safe='@')}"
    return f"otpauth://totp/{label}?secret={quote(seed)}&issuer={quote(_ISSUER)}"


def drawn(uri: str, terminal: Terminal) -> str | None:
    """Return the code as lines of half blocks, two modules a character; None when the terminal cannot show it.

    Where colours are not wanted, light modules are in the terminal's own colour of text, as on a dark one.
    """
    code = _code(uri)
    width, _ = code.symbol_size(border=_QUIET_ZONE)
    picture = io.StringIO()
    code.terminal(picture, border=_QUIET_ZONE, compact=True)
    text = picture.getvalue().rstrip("\n")
    if width > terminal.columns or not terminal.can_show(text):
        return None
    if not terminal.coloured:
        return text
    return "\n".join(f"{_WHITE_ON_BLACK}{line}{_PLAIN}" for line in text.split("\n"))


def picture(uri: str, path: Path) -> bytes:
    """Return the code as a picture of the kind that the file's name says, one of SUFFIXES."""
    file = io.BytesIO()
    _code(uri).save(file, kind=path.suffix.lower().lstrip("."), scale=_PIXELS)
    return file.getvalue()


def _code(uri: str) -> segno.QRCode:
    return segno.make(uri, error="l", boost_error=False, micro=False)
