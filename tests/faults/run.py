"""The whole matrix in parts, each for a process of its own."""

from typing import Final

from faults.matrix import Cell, Matrix
from faults.scenarios import SCENARIOS
from faults.stage import staged

# So many that no process is left with the longest scenario when the others are done.
PARTS: Final = 8


def part_of(job: tuple[int, int]) -> list[Cell]:
    """Return the cells of one scenario, by its number, that belong to one part."""
    number, part = job
    with staged(SCENARIOS[number]) as stage:
        return list(Matrix(stage).cells(part=part, parts=PARTS))
