"""Run the whole matrix in parts, each in its own process."""

from typing import Final

from faults.harness import open_harness
from faults.matrix import Cell, Matrix
from faults.scenarios import SCENARIOS

# Parts of each scenario: enough that no process still works on the longest scenario when the others have finished.
PARTS: Final = 8


def run_part(job: tuple[int, int]) -> list[Cell]:
    """Run one part of a scenario, which the job names by their numbers, and return its cells."""
    number, part = job
    with open_harness(SCENARIOS[number]) as harness:
        return list(Matrix(harness).cells(part=part, parts=PARTS))
