"""Write an HTML page to a file: completely or not at all, over an older page and over no other file."""

import os
import tempfile
from pathlib import Path
from typing import Final

from mfa_guard_cli.common.errors import WrongUse

# base.html.j2 names the generator within this many bytes.
_BEGINNING: Final = 4096


def check_page_file(file: Path, generator: str) -> None:
    """Return if the page may be written to `file`.

    `generator` is the command that writes the page. Raises WrongUse if the file cannot be written, or is anything but a
    page of that command.
    """
    try:
        if not file.resolve().parent.is_dir():
            raise WrongUse(f"There is no folder {file.parent} for {file.name}. Create it, or name another file.")
        if not file.exists():
            return
        with file.open("rb") as opened:
            older_page = f'<meta name="generator" content="{generator}">'.encode() in opened.read(_BEGINNING)
    except (OSError, ValueError) as error:
        raise WrongUse(f"{file} is not a file that can hold a page ({_reason(error)}). Name another file.") from error
    if not older_page:
        raise WrongUse(f"{file} exists and is not a page of {generator}. Name another file, or remove it.")


def write_page(file: Path, page: str, generator: str) -> None:
    """Write the page, readable by its owner only. An older page stays until the new one is complete.

    Raises WrongUse if the file cannot be written, or was replaced by another file since `check_page_file`.
    """
    check_page_file(file, generator)
    # A symbolic link stays one, and the file that it points to is replaced.
    target = file.resolve()
    try:
        # mkstemp creates files with mode 0600: the page names users without MFA.
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as opened:
                opened.write(page)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise WrongUse(f"{file} cannot be written ({_reason(error)}). Name another file.") from error


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
