"""The clock of the machine."""

import time
from datetime import UTC, datetime


class SystemClock:
    """Real time; see `mfa_guard.ports.Clock`."""

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        time.sleep(seconds)
