"""Run Cloud Custodian in its own environment: `sweep`, `event`, or `size`.

`sweep` runs its command line with policies.json in the working folder. `event` runs its Lambda entry point on events
from standard input, as JSON lines, with config.json in the working folder. `size` prints the bytes of the archive that
it would deploy. `benchmarks.measure` describes the output of the first two.
"""

import json
import sys
from functools import partial

from benchmarks.measure import Stopwatch, report, timed


def main() -> None:
    """Run what the argument names."""
    {"sweep": _sweep, "event": _event, "size": _size}[sys.argv[1]]()


def _sweep() -> None:
    cold = Stopwatch()
    from c7n import cli  # noqa: PLC0415 - importing is measured

    # One list of users for all policies of the file, and no cache from an earlier run.
    sys.argv = ["custodian", "run", "--cache", "memory", "--output-dir", "out", "policies.json"]
    cli.main()
    report([cold.read()])


def _event() -> None:
    events = [json.loads(line) for line in sys.stdin if line.strip()]
    cold = Stopwatch()
    from c7n import handler  # noqa: PLC0415 - importing is measured

    handler.dispatch_event(events[0], None)
    report([cold.read(), *(timed(partial(handler.dispatch_event, event, None)) for event in events[1:])])


def _size() -> None:
    from c7n.mu import custodian_archive  # noqa: PLC0415 - sweep and event do not need it

    archive = custodian_archive()
    archive.close()
    print(archive.size)


if __name__ == "__main__":
    main()
