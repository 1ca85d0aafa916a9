"""The account's time: the machine's, and whatever the story lets pass without waiting for it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from threading import Lock
from unittest.mock import patch

from mfa_guard.adapters.clock import SystemClock


class Clock:
    """The time in the account."""

    def __init__(self) -> None:
        self._passed = timedelta()
        self._lock = Lock()

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC) + self._passed

    def moved(self, moment: datetime) -> datetime:
        """Return what a moment that the machine's clock told just now is in the account."""
        return moment + self._passed

    def let_pass(self, span: timedelta) -> None:
        """Go on by a span of time, at once."""
        with self._lock:
            self._passed += span

    @contextmanager
    def ruling(self) -> Iterator[None]:
        """Let the functions live in this time, and their waits pass at once, until the end."""
        with ExitStack() as patches:
            patches.enter_context(patch.object(SystemClock, "now", lambda _: self.now()))
            patches.enter_context(
                patch.object(SystemClock, "sleep", lambda _, seconds: self.let_pass(timedelta(seconds=seconds)))
            )
            yield
