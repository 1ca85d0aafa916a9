"""Run the whole matrix and print it: `make faults`."""

import os
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from faults.fault_injection import Duration
from faults.matrix import COLUMNS, Cell
from faults.run import PARTS, run_part
from faults.scenarios import SCENARIOS
from faults.verdicts import Outcome

_ROW = 40
_COLUMN = 10


def _print_table(cells: Iterable[Cell]) -> None:
    outcomes: dict[tuple[str, str], dict[tuple[str, Duration], list[Outcome]]] = {}
    for cell in cells:
        row = outcomes.setdefault((cell.scenario, cell.row), {})
        row.setdefault((cell.column, cell.injection.duration), []).append(cell.verdict.outcome)
    scenario = ""
    for (found, name), row in outcomes.items():
        if found != scenario:
            scenario = found
            print(f"\n{scenario.upper()}")
        columns = (" ".join(_letter(row.get((name, each), [])) for each in Duration) for name in COLUMNS)
        print(f"  {name[: _ROW - 1]:{_ROW}}" + "".join(f"{column:{_COLUMN}}" for column in columns))


def _letter(outcomes: list[Outcome]) -> str:
    """Return the letter of the last outcome in the legend, which a read of several kinds shows for all of them."""
    return max(outcomes, key=list(Outcome).index).letter if outcomes else " "


def _print_heading() -> None:
    print("Every AWS call of every path. Left: a transient fault, one stale read, or the events of an identity change")
    print("arrive late. Right: a permanent fault, stale reads until the next sweep, or the events are lost. Empty: the")
    print("read shows nothing that changed.\n")
    words = [column.split(" ", 1) for column in COLUMNS]
    for line in (0, 1):
        print(
            " " * (_ROW + 2)
            + "".join(f"{word[line][: _COLUMN - 1] if line < len(word) else '':{_COLUMN}}" for word in words)
        )


def main() -> int:
    """Print the table, the legend, and the totals; return 1 if a cell ends badly."""
    jobs = [(number, part) for number in range(len(SCENARIOS)) for part in range(PARTS)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        cells_of = dict(zip(jobs, pool.map(run_part, jobs), strict=True))
    cells = []
    for number in range(len(SCENARIOS)):
        parts = [cells_of[number, part] for part in range(PARTS)]
        cells += [parts[index % PARTS][index // PARTS] for index in range(sum(map(len, parts)))]
    _print_heading()
    _print_table(cells)
    totals = Counter(cell.verdict.outcome for cell in cells)
    print()
    for outcome in Outcome:
        print(f"  {outcome.letter}  {totals[outcome]:5}  {outcome.meaning}")
    print(f"     {len(cells):5}  cells\n")
    for cell in cells:
        if cell.verdict.outcome is Outcome.BAD:
            print(cell)
    return 1 if totals[Outcome.BAD] else 0


if __name__ == "__main__":
    sys.exit(main())
