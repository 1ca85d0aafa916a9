"""Check MFA codes as IAM and STS do: by the device's seed and the time, and each code once.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_sync.html
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import pyotp

STEP_SECONDS: Final = 30
# How far a device's clock may be from the right time, in steps.
_DRIFT: Final = 1
# A user types two consecutive codes to enable a device, so the first one may be older.
_OLDEST: Final = -3


class Codes:
    """The codes of the account's devices. `now` returns the time in UTC."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._used: dict[str, int] = {}

    def consecutive(self, serial: str, seed: str, first: str, second: str) -> bool:
        """Tell whether two codes are consecutive and valid, and mark both as used."""
        step = self._step()
        for candidate in range(step + _OLDEST, step + _DRIFT + 1):
            if _code(seed, candidate) == first and _code(seed, candidate + 1) == second:
                self._used[serial] = candidate + 1
                return True
        return False

    def once(self, serial: str, seed: str, code: str) -> bool:
        """Tell whether a code is valid and newer than every used code, and mark it as used."""
        step = self._step()
        for candidate in range(step - _DRIFT, step + _DRIFT + 1):
            if _code(seed, candidate) == code and candidate > self._used.get(serial, 0):
                self._used[serial] = candidate
                return True
        return False

    def _step(self) -> int:
        return int(self._now().timestamp()) // STEP_SECONDS


def _code(seed: str, step: int) -> str:
    return pyotp.TOTP(seed).generate_otp(step)
