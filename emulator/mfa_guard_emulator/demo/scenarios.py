"""The story that `mfa-guard-local demo` tells: what happens, and how it has to end.

How it ends is written down from what the guard promises, never from what it did.
"""

from typing import Final

from mfa_guard_emulator.demo.one_by_one import ONE_BY_ONE
from mfa_guard_emulator.demo.scenario import Scenario
from mfa_guard_emulator.demo.whole_account import THE_WHOLE_ACCOUNT

SCENARIOS: Final[tuple[Scenario, ...]] = (ONE_BY_ONE, THE_WHOLE_ACCOUNT)
