"""Check MFA codes as IAM and STS do: by the device's seed and the time, and none twice.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_sync.html
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import pyotp

STEP_SECONDS: Final = 30
# How far a device's clock may be off, in steps.
_DRIFT: Final = 1
# Enabling takes a pair of codes, the first of which is already older.
_OLDEST: Final = -3


class Codes:
    """The codes of the account's devices; `now` tells the time in UTC."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._used: dict[str, int] = {}

    def consecutive(self, serial: str, seed: str, first: str, second: str) -> bool:
        """Tell whether two codes follow each other, and take both as used."""
        step = self._step()
        for candidate in range(step + _OLDEST, step + _DRIFT + 1):
            if _code(seed, candidate) == first and _code(seed, candidate + 1) == second:
                self._used[serial] = candidate + 1
                return True
        return False

    def once(self, serial: str, seed: str, code: str) -> bool:
        """Tell whether a code is right and newer than every code used before, and take it as used."""
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
