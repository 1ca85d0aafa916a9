"""Sessions that were made with a code, kept until shortly before they end.

One file for each question, named after a hash of it, mode 0600, in a folder of mode 0700. Only what GetSessionToken
gave for a code, or AssumeRole for such a session, is ever written. A file that is broken, that somebody else could have
written, or that answers another question is as good as none.
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
from mfa_guard_cli.user.credentials import LONGEST, Credentials
from mfa_guard_cli.user.private_files import MODE, private_folder, read_private, replace_private

# SDKs of the botocore family ask for new credentials when 15 minutes are left, at every call until they get them.
MARGIN: Final = timedelta(minutes=15)
_VERSION: Final = 1
# Seconds: a lock that is held longer is told of; and as long as a person may take to find a phone.
_NOTICEABLE: Final = 0.5
_PATIENCE: Final = 300.0


@dataclass(frozen=True)
class Question:
    """What a cached session answers: whose key, which device was asked for, where, for how long, and which role."""

    access_key_id: str
    device: str | None
    endpoint: str
    duration: int | None
    role_arn: str | None = None
    role_session_name: str | None = None

    @property
    def file_name(self) -> str:
        """A name that says nothing."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:40]


def cache_folder(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Return where sessions are kept: below XDG_CACHE_HOME, or LOCALAPPDATA on Windows.

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
    """The sessions below a folder. Raises WrongUse when the folder cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            private_folder(folder)
        except OSError as error:
            raise WrongUse(
                f"The cache folder {folder} cannot be used ({_why(error)}); --no-cache does without."
            ) from error

    def read(self, question: Question, now: datetime) -> Credentials | None:
        """Return the session that answers a question and is good for a while."""
        try:
            entry = json.loads(read_private(self._path(question)))
            credentials = _credentials(entry, question)
            made = datetime.fromisoformat(entry["made"])
            lifetime = credentials.expiration - made
            left = credentials.expiration - now
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if not timedelta() < lifetime <= timedelta(seconds=LONGEST) + MARGIN:
            return None
        return credentials if left > min(MARGIN, lifetime / 2) else None

    def write(self, question: Question, credentials: Credentials, now: datetime) -> None:
        """Keep a session. Raises WrongUse when it cannot be written."""
        entry = {
            "version": _VERSION,
            "question": asdict(question),
            "made": now.isoformat(),
            **asdict(credentials),
            "expiration": credentials.expiration.isoformat(),
        }
        try:
            replace_private(self._path(question), json.dumps(entry, indent=1).encode())
        except OSError as error:
            raise WrongUse(
                f"The session cannot be kept in {self._folder} ({_why(error)}); --no-cache does without."
            ) from error

    @contextmanager
    def locked(self, question: Question, tell: Callable[[str], None]) -> Iterator[None]:
        """Let one process at a time look for an answer; the next finds it in the cache.

        Raises WrongUse when the other takes longer than five minutes, and where nothing can be locked.
        """
        lock = FileLock(self._folder / f"{question.file_name}.lock", mode=MODE)
        try:
            lock.acquire(timeout=_NOTICEABLE)
        except Timeout:
            tell("Waiting for another mfa-guard session that is getting the same credentials.")
            try:
                lock.acquire(timeout=_PATIENCE)
            except Timeout as error:
                raise WrongUse("Another mfa-guard session still waits for its code; end it, and try again.") from error
        except (NotImplementedError, OSError) as error:
            # A folder that is read-only, or on a file system without locks.
            raise WrongUse(
                f"Nothing can be locked in {self._folder} ({_why(error)}); --no-cache does without."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _path(self, question: Question) -> Path:
        return self._folder / f"{question.file_name}.json"


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _credentials(entry: Mapping[str, object], question: Question) -> Credentials:
    if entry["version"] != _VERSION or entry["question"] != asdict(question):
        raise ValueError("the answer to another question")
    texts = [entry[name] for name in ("access_key_id", "secret_access_key", "session_token")]
    key, secret, token = (text for text in texts if isinstance(text, str) and text)
    expiration = datetime.fromisoformat(str(entry["expiration"]))
    return Credentials(key, secret, token, expiration)
