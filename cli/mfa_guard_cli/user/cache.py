"""A cache of sessions that were made with an MFA code, until shortly before they expire.

Each session is a file with mode 0600, named after a hash of its key, in a folder with mode 0700. The cache holds only
what GetSessionToken returned for a code, or AssumeRole for such a session. A file that is broken, that another user
could have written, or that belongs to another key counts as missing.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.user.credentials import MAXIMUM, Credentials
from mfa_guard_cli.user.private_files import FILE_MODE, private_folder, read_private, replace_private

# SDKs of the botocore family ask for new credentials when 15 minutes are left, at every call until they get them.
MARGIN: Final = timedelta(minutes=15)
_VERSION: Final = 2
# Seconds to wait for the lock: before the user is told, and in total, since the other process may wait for a user.
_NOTICEABLE: Final = 0.5
_PATIENCE: Final = 300.0


@dataclass(frozen=True)
class CacheKey:
    """What a session in the cache is for. `device` and `duration` are as requested."""

    access_key_id: str
    device: str | None
    endpoint: str
    duration: int | None
    role_arn: str | None = None
    role_session_name: str | None = None

    @property
    def file_name(self) -> str:
        """Return a file name that reveals nothing."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:40]


def cache_folder(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Return the folder of the cache: below XDG_CACHE_HOME, or LOCALAPPDATA on Windows.

    Raises WrongUse without a home folder.
    """
    name = "LOCALAPPDATA" if platform == "win32" else "XDG_CACHE_HOME"
    base = Path(environment.get(name) or "")
    # A relative path is invalid; https://specifications.freedesktop.org/basedir-spec/latest/
    try:
        return (base if base.is_absolute() else Path.home() / ".cache") / "mfa-guard"
    except RuntimeError as error:
        raise WrongUse(f"There is no home folder for a cache; set HOME or {name}, or use --no-cache.") from error


class Cache:
    """The sessions in a folder. Raises WrongUse if the folder cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            private_folder(folder)
        except OSError as error:
            raise _unusable(f"The cache folder {folder} cannot be used", error) from error

    def read(self, key: CacheKey, now: datetime) -> Credentials | None:
        """Return the session of a key, if it is valid for a while."""
        try:
            entry = json.loads(read_private(self._path(key)))
            credentials = _credentials(entry, key)
            made = datetime.fromisoformat(entry["made"])
            lifetime = credentials.expiration - made
            left = credentials.expiration - now
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if not timedelta() < lifetime <= timedelta(seconds=MAXIMUM) + MARGIN:
            return None
        return credentials if left > min(MARGIN, lifetime / 2) else None

    def write(self, key: CacheKey, credentials: Credentials, now: datetime) -> None:
        """Store a session. Raises WrongUse if it cannot be written."""
        entry = {
            "version": _VERSION,
            "key": asdict(key),
            "made": now.isoformat(),
            **asdict(credentials),
            "expiration": credentials.expiration.isoformat(),
        }
        try:
            replace_private(self._path(key), json.dumps(entry, indent=1).encode())
        except OSError as error:
            raise _unusable(f"The session cannot be stored in {self._folder}", error) from error

    @contextmanager
    def locked(self, key: CacheKey, show: Callable[[str], None]) -> Iterator[None]:
        """Let one process at a time get the session of a key. The next process finds it in the cache.

        `show` tells the user why the process waits. Raises WrongUse if the other process takes longer than five minutes
        or the folder does not support locks.
        """
        lock = FileLock(self._folder / f"{key.file_name}.lock", mode=FILE_MODE)
        try:
            lock.acquire(timeout=_NOTICEABLE)
        except Timeout:
            show("Waiting for another mfa-guard session that is getting the same credentials.")
            try:
                lock.acquire(timeout=_PATIENCE)
            except Timeout as error:
                raise WrongUse("Another mfa-guard session still waits for its code; end it, then try again.") from error
        except (NotImplementedError, OSError) as error:
            # The folder is read-only, or its file system has no locks.
            raise _unusable(f"Files in {self._folder} cannot be locked", error) from error
        try:
            yield
        finally:
            lock.release()

    def _path(self, key: CacheKey) -> Path:
        return self._folder / f"{key.file_name}.json"


def _credentials(entry: Mapping[str, object], key: CacheKey) -> Credentials:
    if entry["version"] != _VERSION or entry["key"] != asdict(key):
        raise ValueError("an entry of another key")
    texts = [entry[name] for name in ("access_key_id", "secret_access_key", "session_token")]
    key_id, secret, token = (text for text in texts if isinstance(text, str) and text)
    expiration = datetime.fromisoformat(str(entry["expiration"]))
    return Credentials(key_id, secret, token, expiration)


def _unusable(what: str, error: Exception) -> WrongUse:
    why = str(getattr(error, "strerror", None) or error)
    return WrongUse(f"{what} ({why}); use --no-cache to work without a cache.")
