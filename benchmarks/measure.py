"""What both tools are measured by, inside their own processes: the standard library, as it runs in two environments."""

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Span:
    """One piece of work. `wall` and `cpu`: seconds."""

    wall: float
    cpu: float


class Stopwatch:
    """Wall and CPU time of this process, all its threads, since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> Span:
        """Return what has passed."""
        return Span(time.perf_counter() - self._wall, time.process_time() - self._cpu)


def timed(work: Callable[[], object]) -> Span:
    """Do the work; return what it took."""
    watch = Stopwatch()
    work()
    return watch.read()


def report(spans: Sequence[Span]) -> None:
    """Write the spans and the peak memory, in MiB, as the last line of standard output."""
    sys.stdout.flush()
    print("\n" + json.dumps({"spans": [asdict(span) for span in spans], "peak_mib": _peak_mib()}), flush=True)


def _peak_mib() -> float:
    """Return the most memory that this program had; getrusage's figure begins with that of whoever started it."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text("ascii", "replace").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024
