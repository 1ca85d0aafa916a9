"""The QR code that an authenticator app scans.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_VirtualMFADevice.html says what the QR codes of AWS hold.
https://github.com/google/google-authenticator/wiki/Key-Uri-Format describes the format.
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
# White modules on black, in a part of the palette that themes do not change: readable on dark and light terminals.
_WHITE_ON_BLACK: Final = "\x1b[38;5;231;48;5;16m"
_RESET: Final = "\x1b[0m"
_PIXELS: Final = 6
SUFFIXES: Final = (".png", ".svg")


def otpauth_uri(seed: str, name: str, caller: Identity) -> str:
    """Return the URI in the QR code. The app shows the name of the device and the account."""
    label = f"{quote(_ISSUER)}:{quote(f'{name}@{caller.account}', safe='@')}"
    return f"otpauth://totp/{label}?secret={quote(seed)}&issuer={quote(_ISSUER)}"


def terminal_qr(uri: str, terminal: Terminal) -> str | None:
    """Return the QR code as lines of half blocks, two modules for each character; None if the terminal is too small.

    Also None if the terminal lacks the characters. Without colors, light modules have the terminal's text color, which
    fits dark terminals.
    """
    code = _code(uri)
    width, _ = code.symbol_size(border=_QUIET_ZONE)
    picture = io.StringIO()
    code.terminal(picture, border=_QUIET_ZONE, compact=True)
    text = picture.getvalue().rstrip("\n")
    if width > terminal.columns or not terminal.can_show(text):
        return None
    if not terminal.has_colors:
        return text
    return "\n".join(f"{_WHITE_ON_BLACK}{line}{_RESET}" for line in text.split("\n"))


def qr_image(uri: str, path: Path) -> bytes:
    """Return the QR code as an image. The suffix of the path, one of SUFFIXES, decides its format."""
    file = io.BytesIO()
    _code(uri).save(file, kind=path.suffix.lower().lstrip("."), scale=_PIXELS)
    return file.getvalue()


def _code(uri: str) -> segno.QRCode:
    return segno.make(uri, error="l", boost_error=False, micro=False)
