"""The handler of every function in the local account: the function's own handler, with the account's time.

It runs in the function's process, where the emulator is not installed: the local account copies this file into a folder
on the function's path. MFA_GUARD_LOCAL_HANDLER names the function's own handler. MFA_GUARD_LOCAL_CLOCK is the file of
the account's clock: the function uses its time, and a wait skips time. Without it, the function uses the machine's
time, and a wait lasts one second at most.
"""

import importlib
import mmap
import os
import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mfa_guard.adapters.clock import SystemClock

# The same format as in clock.py.
_SECONDS = struct.Struct("=d")
_LONGEST_WAIT_SECONDS = 1.0


def _use_clock(file: Path) -> None:
    with file.open("r+b") as opened:
        skipped = mmap.mmap(opened.fileno(), _SECONDS.size)

    def now(_: SystemClock) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=_SECONDS.unpack_from(skipped)[0])

    def sleep(_: SystemClock, seconds: float) -> None:
        _SECONDS.pack_into(skipped, 0, _SECONDS.unpack_from(skipped)[0] + seconds)

    SystemClock.now = now  # type: ignore[method-assign, assignment]
    SystemClock.sleep = sleep  # type: ignore[method-assign, assignment]


def _shorten_waits() -> None:
    def sleep(_: SystemClock, seconds: float) -> None:
        time.sleep(min(seconds, _LONGEST_WAIT_SECONDS))

    SystemClock.sleep = sleep  # type: ignore[method-assign, assignment]


if clock := os.environ.get("MFA_GUARD_LOCAL_CLOCK"):
    _use_clock(Path(clock))
else:
    _shorten_waits()
_module, _, _name = os.environ["MFA_GUARD_LOCAL_HANDLER"].rpartition(".")
# awslambdaric looks for this name.
lambda_handler = getattr(importlib.import_module(_module), _name)
