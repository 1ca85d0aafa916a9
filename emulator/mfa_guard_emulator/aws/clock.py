"""The account's time: the machine's, and whatever a story lets pass without waiting for it.

The time that passed stands in a small file, so that functions in other processes live in the same time.
"""

import mmap
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from unittest.mock import patch

from mfa_guard.adapters.clock import SystemClock

_SECONDS = struct.Struct("=d")


class Clock:
    """The time in the account. Without a file it is this process's alone."""

    def __init__(self, file: Path | None = None) -> None:
        self._lock = Lock()
        self._passed: mmap.mmap | bytearray = bytearray(_SECONDS.size)
        if file is not None:
            if not file.exists():
                file.write_bytes(bytes(_SECONDS.size))
            with file.open("r+b") as opened:
                self._passed = mmap.mmap(opened.fileno(), _SECONDS.size)

    @property
    def passed(self) -> timedelta:
        """Return how much time passed at once."""
        seconds: float = _SECONDS.unpack_from(self._passed)[0]
        return timedelta(seconds=seconds)

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC) + self.passed

    def moved(self, moment: datetime) -> datetime:
        """Return what a moment that the machine's clock told just now is in the account."""
        return moment + self.passed

    def let_pass(self, span: timedelta) -> None:
        """Go on by a span of time, at once."""
        with self._lock:
            _SECONDS.pack_into(self._passed, 0, (self.passed + span).total_seconds())

    @contextmanager
    def ruling(self) -> Iterator[None]:
        """Let the functions in this process live in this time, and their waits pass at once, until the end."""
        with ExitStack() as patches:
            patches.enter_context(patch.object(SystemClock, "now", lambda _: self.now()))
            patches.enter_context(
                patch.object(SystemClock, "sleep", lambda _, seconds: self.let_pass(timedelta(seconds=seconds)))
            )
            yield
