"""Write the page: whole or not at all, over an older page and over no other file."""

import os
import tempfile
from pathlib import Path
from typing import Final

from mfa_guard_cli.common.errors import WrongUse

MARK: Final = '<meta name="generator" content="mfa-guard preview">'
_BEGINNING: Final = 4096


def check_target(file: Path) -> None:
    """Return when the page may be written there; raises WrongUse with the reason otherwise."""
    try:
        if not file.resolve().parent.is_dir():
            raise WrongUse(f"There is no folder {file.parent} for {file.name}; make it, or name another file.")
        if not file.exists():
            return
        with file.open("rb") as opened:
            own = MARK.encode() in opened.read(_BEGINNING)
    except (OSError, ValueError) as error:
        raise WrongUse(f"{file} is no file to write a page to ({_reason(error)}); name another one.") from error
    if not own:
        raise WrongUse(f"{file} exists and is no page of mfa-guard preview; name another file, or remove it.")


def save(file: Path, text: str) -> None:
    """Write the page, readable for its owner only; an older one is there until the new one is whole.

    Raises WrongUse when the file cannot be written, or has become another since `check_target`.
    """
    check_target(file)
    # A link stays one, and what it points to is replaced.
    target = file.resolve()
    try:
        # mkstemp makes files of mode 0600: the page says who has no MFA.
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as opened:
                opened.write(text)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise WrongUse(f"{file} cannot be written ({_reason(error)}); name another file.") from error


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
