"""Wait for IAM to show what a young event proves, for a bounded time in one invocation."""

from datetime import datetime, timedelta
from typing import Final

from mfa_guard.ports import Clock

# IAM is eventually consistent: it may not show a change for some seconds.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
_YOUNG: Final = timedelta(seconds=120)
_LONGEST_SECONDS: Final = 40.0
_FIRST_PAUSE_SECONDS: Final = 2.0


class Patience:
    """How long one invocation may still wait: 40 seconds in all, and only while the event is younger than 120 seconds.

    The pauses grow from 2 seconds, and each is twice as long as the one before it.
    """

    def __init__(self, event_time: datetime, clock: Clock) -> None:
        self._event_time = event_time
        self._clock = clock
        self._left = _LONGEST_SECONDS
        self._pause = _FIRST_PAUSE_SECONDS

    def is_young(self) -> bool:
        """Tell whether the event is so young that IAM may not show its change yet."""
        return self._clock.now() - self._event_time < _YOUNG

    def wait(self) -> bool:
        """Wait for one pause, and return True; return False at once when waiting cannot help or the time is up."""
        if self._left <= 0 or not self.is_young():
            return False
        pause = min(self._pause, self._left)
        self._clock.sleep(pause)
        self._left -= pause
        self._pause *= 2
        return True
