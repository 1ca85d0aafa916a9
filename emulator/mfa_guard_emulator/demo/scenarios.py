"""The scenarios that `mfa-guard-local demo` plays, with what each step must lead to.

The expectations come from what the guard promises, never from a run.
"""

from typing import Final

from mfa_guard_emulator.demo.one_by_one import ONE_BY_ONE
from mfa_guard_emulator.demo.scenario import Scenario
from mfa_guard_emulator.demo.whole_account import THE_WHOLE_ACCOUNT

SCENARIOS: Final[tuple[Scenario, ...]] = (ONE_BY_ONE, THE_WHOLE_ACCOUNT)
