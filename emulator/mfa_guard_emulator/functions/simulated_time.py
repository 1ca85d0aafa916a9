"""The handler of a function in a story: the real one, in the story's time, where a wait passes at once.

Runs in the function's own process; MFA_GUARD_STORY_CLOCK is the file of the account's clock.
"""

import importlib
import os
from pathlib import Path

from mfa_guard_emulator.aws.clock import Clock

_CLOCK = Clock(Path(os.environ["MFA_GUARD_STORY_CLOCK"]))
_MODULE, _, _NAME = os.environ["MFA_GUARD_STORY_HANDLER"].rpartition(".")
_HANDLER = getattr(importlib.import_module(_MODULE), _NAME)


def lambda_handler(event: object, context: object) -> object:
    """Run the real handler."""
    with _CLOCK.ruling():
        return _HANDLER(event, context)
