"""The processes of this machine, read from /proc."""

import os
import time
from collections.abc import Callable
from pathlib import Path


def descendants(pid: int) -> set[int]:
    """Return the processes that a process started, and their own children."""
    children: dict[int, set[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (parent := _parent(int(entry.name))) is not None:
            children.setdefault(parent, set()).add(int(entry.name))
    found: set[int] = set()
    left = [pid]
    while left:
        new = children.get(left.pop(), set()) - found
        found |= new
        left += new
    return found


def alive(pids: set[int]) -> set[int]:
    """Return the processes that still run. A zombie does not."""
    return {pid for pid in pids if _state(pid) not in (None, "Z", "X")}


def wait_until(done: Callable[[], object], seconds: float, otherwise: Callable[[], object]) -> None:
    """Wait until `done`; fails with what `otherwise` returns when it takes longer than `seconds`."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, otherwise()
        time.sleep(0.05)


def _fields(pid: int) -> list[str] | None:
    try:
        # The name in parentheses may contain spaces.
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return None


def _parent(pid: int) -> int | None:
    fields = _fields(pid)
    return int(fields[1]) if fields else None


def _state(pid: int) -> str | None:
    fields = _fields(pid)
    return fields[0] if fields and pid != os.getpid() else None
