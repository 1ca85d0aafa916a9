"""Run the whole matrix and print it: `make faults`."""

import os
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from faults.matrix import Cell, Outcome
from faults.run import PARTS, part_of
from faults.scenarios import SCENARIOS
from faults.wire import Fault, Span

_ROW = 40
_COLUMN = 8


def _table(cells: Iterable[Cell]) -> None:
    letters: dict[tuple[str, str], dict[tuple[Fault, Span], str]] = {}
    for cell in cells:
        name = str(cell.call) if cell.nth == 1 else f"{cell.call} ({cell.nth})"
        letters.setdefault((cell.scenario, name), {})[cell.fault, cell.span] = cell.outcome.letter
    scenario = ""
    for (found, name), row in letters.items():
        if found != scenario:
            scenario = found
            print(f"\n{scenario.upper()}")
        columns = (" ".join(row[fault, span] for span in Span) for fault in Fault)
        print(f"  {name[: _ROW - 1]:{_ROW}}" + "".join(f"{column:{_COLUMN}}" for column in columns))


def _head() -> None:
    print("Every AWS call of every path under every fault. Left: the fault passes; right: it stays.\n")
    words = [fault.value.split(" ", 1) for fault in Fault]
    for line in (0, 1):
        print(
            " " * (_ROW + 2)
            + "".join(f"{word[line][: _COLUMN - 1] if line < len(word) else '':{_COLUMN}}" for word in words)
        )


def main() -> int:
    """Print the table, the legend and the totals; return 1 when a cell ends badly."""
    jobs = [(number, part) for number in range(len(SCENARIOS)) for part in range(PARTS)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        order = dict(zip(jobs, pool.map(part_of, jobs), strict=True))
    cells = []
    for number in range(len(SCENARIOS)):
        parts = [order[number, part] for part in range(PARTS)]
        cells += [parts[index % PARTS][index // PARTS] for index in range(sum(map(len, parts)))]
    _head()
    _table(cells)
    totals = Counter(cell.outcome for cell in cells)
    print()
    for outcome in Outcome:
        print(f"  {outcome.letter}  {totals[outcome]:5}  {outcome.meaning}")
    print(f"     {len(cells):5}  cells\n")
    for cell in cells:
        if cell.outcome is Outcome.BAD:
            print(cell)
    return 1 if totals[Outcome.BAD] else 0


if __name__ == "__main__":
    sys.exit(main())
