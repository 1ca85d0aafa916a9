"""The account's time: the machine's time, plus the time that a scenario skips instead of waiting.

The skipped time is kept in a small file, so that functions in other processes live in the same time.
"""

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from unittest.mock import patch

from mfa_guard.adapters.clock import SystemClock

# The same format as in functions/handler.py.
_SECONDS = struct.Struct("=d")


class Clock:
    """The time in the account. Without a file, only this process shares it."""

    def __init__(self, file: Path | None = None) -> None:
        self._lock = Lock()
        self._skipped: mmap.mmap | bytearray = bytearray(_SECONDS.size)
        if file is not None:
            if not file.exists():
                file.write_bytes(bytes(_SECONDS.size))
            with file.open("r+b") as opened:
                self._skipped = mmap.mmap(opened.fileno(), _SECONDS.size)

    @property
    def skipped(self) -> timedelta:
        """Return how much time was skipped so far."""
        seconds: float = _SECONDS.unpack_from(self._skipped)[0]
        return timedelta(seconds=seconds)

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC) + self.skipped

    def account_time(self, moment: datetime) -> datetime:
        """Return the account's time for a moment that was just read from the machine's clock."""
        return moment + self.skipped

    def advance(self, span: timedelta) -> None:
        """Skip a span of time."""
        with self._lock:
            _SECONDS.pack_into(self._skipped, 0, (self.skipped + span).total_seconds())

    @contextmanager
    def replacing_system_clock(self) -> Iterator[None]:
        """Make the functions that run in this process use this clock; their waits skip time."""
        with (
            patch.object(SystemClock, "now", lambda _: self.now()),
            patch.object(SystemClock, "sleep", lambda _, seconds: self.advance(timedelta(seconds=seconds))),
        ):
            yield
