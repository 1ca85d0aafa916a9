"""Send many generated events: `make fuzz`."""

import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from fuzz.run import BATCH, batch


def main() -> int:
    """Send as many events as the command line says, and print what became of them."""
    wanted = int(sys.argv[1])
    batches = max(1, round(wanted / BATCH))
    began, understood, longest = time.monotonic(), Counter[str](), 0
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for done, (found, length) in enumerate(pool.map(batch, range(batches)), 1):
            understood, longest = understood + found, max(longest, length)
            print(f"\r{done * BATCH:,} events", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(f"{batches * BATCH:,} events in {time.monotonic() - began:.0f} seconds: nothing raised but what is declared.")
    print(f"The longest line of the log has {longest:,} bytes. How many events each part understood:")
    for name, count in understood.most_common():
        print(f"  {count:9,}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
