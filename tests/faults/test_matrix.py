"""No fault of any call ends in silence, in a wrong notice or in a lost notice.

A fixed seed chooses the cells that run here. `make faults` runs all of them.
"""

import pytest

from faults.harness import open_harness
from faults.matrix import SAMPLE, Matrix
from faults.scenarios import SCENARIOS, Scenario
from faults.verdicts import Outcome
from mfa_guard_cli.policy.evaluator import Decision
from support.recorder import Recorder

PARTS = [(scenario, part) for scenario in SCENARIOS for part in range(scenario.parts)]


@pytest.mark.parametrize(("scenario", "part"), PARTS, ids=[f"{each.name} {part + 1}" for each, part in PARTS])
def test_no_fault_ends_badly(scenario: Scenario, part: int) -> None:
    recorder = Recorder()
    with recorder.recording(), open_harness(scenario) as harness:
        cells = list(Matrix(harness).cells(SAMPLE, part=part, parts=scenario.parts))
    assert cells
    assert recorder.calls
    assert {str(call) for call in recorder.calls if call.decision() is not Decision.ALLOW} == set()
    assert [str(cell) for cell in cells if cell.verdict.outcome is Outcome.BAD] == []
