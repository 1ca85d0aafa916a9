"""Files that nobody else may read."""

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import Final

MODE: Final = 0o600
FOLDER_MODE: Final = 0o700


def replace_private(path: Path, content: bytes) -> None:
    """Put a file with mode 0600 in the place of another, or of none: completely or not at all.

    Raises OSError; the old file is as it was then.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        create_private(temporary, content)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise


def create_private(path: Path, content: bytes) -> None:
    """Make a file with mode 0600. Raises FileExistsError when there is one, and OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    with os.fdopen(descriptor, "wb") as file:
        # A umask can only have taken rights away.
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def private_folder(path: Path) -> None:
    """Make a folder with mode 0700, or take the rights of others away from one that is there.

    Raises PermissionError when it belongs to somebody else, NotADirectoryError, and OSError.
    """
    path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    if os.name != "posix":
        return
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(f"{path} is not a folder")
    if found.st_uid != os.geteuid():
        raise PermissionError(f"{path} belongs to somebody else")
    if stat.S_IMODE(found.st_mode) != FOLDER_MODE:
        path.chmod(FOLDER_MODE)


def read_private(path: Path) -> bytes:
    """Return the content of a file that is one's own, and that nobody else can have written.

    Raises PermissionError when that is not so, and OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if os.name == "posix" and (found.st_uid != os.geteuid() or found.st_mode & 0o077):
            raise PermissionError(f"{path} is not private")
        return file.read()
