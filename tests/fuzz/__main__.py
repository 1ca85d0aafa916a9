"""Send many generated events: `make fuzz`."""

import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from fuzz.run import BATCH, batch


def main() -> int:
    """Send the number of events given on the command line, and print the results."""
    wanted = int(sys.argv[1])
    batches = max(1, round(wanted / BATCH))
    started, understood, longest = time.monotonic(), Counter[str](), 0
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for done, (found, length) in enumerate(pool.map(batch, range(batches)), 1):
            understood, longest = understood + found, max(longest, length)
            print(f"\r{done * BATCH:,} events", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(f"{batches * BATCH:,} events in {time.monotonic() - started:.0f} seconds, and only declared errors.")
    print(f"The longest line of the log has {longest:,} bytes. Events that each part understood:")
    for name, count in understood.most_common():
        print(f"  {count:9,}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
