"""Measure a tool inside its own process. Standard library only, because it runs in the environments of both tools."""

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Span:
    """The time of one piece of work, in seconds."""

    wall: float
    cpu: float


class Stopwatch:
    """The wall and CPU time of this process, all threads, since the stopwatch was created."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> Span:
        """Return the time since then."""
        return Span(time.perf_counter() - self._wall, time.process_time() - self._cpu)


def timed(work: Callable[[], object]) -> Span:
    """Do the work, and return its time."""
    watch = Stopwatch()
    work()
    return watch.read()


def report(spans: Sequence[Span]) -> None:
    """Write the spans and the peak memory, in MiB, as the last line of standard output."""
    sys.stdout.flush()
    print("\n" + json.dumps({"spans": [asdict(span) for span in spans], "peak_mib": _peak_mib()}), flush=True)


def _peak_mib() -> float:
    """Return the peak memory of this program. The figure of getrusage includes the peak of the parent process."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text("ascii", "replace").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024
