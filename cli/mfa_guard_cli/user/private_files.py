"""Files that only their owner can read."""

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import Final

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700


def replace_private(path: Path, content: bytes) -> None:
    """Write a file with mode 0600, atomically, also if there is one.

    Raises OSError, and leaves the old file as it is.
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
    """Write a new file with mode 0600. Raises FileExistsError if there is one, and OSError."""
    # A umask can only remove permissions.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def private_folder(path: Path) -> None:
    """Create a folder with mode 0700, or remove the permissions of other users from an existing one.

    Raises PermissionError if another user owns it, NotADirectoryError, and OSError.
    """
    path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    if os.name != "posix":
        return
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(f"{path} is not a folder")
    if found.st_uid != os.geteuid():
        raise PermissionError(f"{path} belongs to another user")
    if stat.S_IMODE(found.st_mode) != FOLDER_MODE:
        path.chmod(FOLDER_MODE)


def read_private(path: Path) -> bytes:
    """Return the content of a file that the current user owns and that no other user can have written.

    Raises PermissionError for another file, and OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if os.name == "posix" and (found.st_uid != os.geteuid() or found.st_mode & 0o077):
            raise PermissionError(f"{path} is not private")
        return file.read()
