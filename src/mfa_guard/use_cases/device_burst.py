"""Notice a burst of new virtual MFA devices, which belong to no user when they are created."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from mfa_guard.ports import CallCounter, UnassignedDevices

# Ten people who enroll by hand within a window assign their devices within a minute each. A program that uses up the
# account's quota of 5,000 devices creates hundreds in a window.
THRESHOLD: Final = 10
_WINDOW: Final = timedelta(minutes=15)
_KEPT: Final = timedelta(days=1)


class BurstDependencies(Protocol):
    """What counting needs from outside."""

    @property
    def devices(self) -> UnassignedDevices: ...
    @property
    def calls(self) -> CallCounter: ...


@dataclass(frozen=True)
class Window:
    """Fifteen minutes in which calls are counted together, from `begins` on."""

    begins: datetime

    @property
    def key(self) -> str:
        """Return the key of the count in the state table."""
        return f"burst#create-virtual-mfa-device#{int(self.begins.timestamp())}"


def window_of(time: datetime) -> Window:
    """Return the window that a call belongs to."""
    return Window(time - (time - datetime.min.replace(tzinfo=time.tzinfo)) % _WINDOW)


def is_burst(window: Window, dependencies: BurstDependencies) -> bool:
    """Count one more new device, and tell whether many were created and as many belong to no user.

    IAM is asked only when the count reaches the threshold, or when the count is not known. Raises AwsRequestFailed.
    """
    calls = dependencies.calls.add(window.key, window.begins + _WINDOW + _KEPT)
    if calls is not None and calls < THRESHOLD:
        return False
    return dependencies.devices.count(THRESHOLD) >= THRESHOLD
