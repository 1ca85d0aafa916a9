"""The story that `mfa-guard demo` tells: what happens, and how it has to end.

How it ends is written down from what the guard promises, never from what it did.
"""

from typing import Final

from mfa_guard_cli.local.chapter import Chapter
from mfa_guard_cli.local.events_chapter import ONE_BY_ONE
from mfa_guard_cli.local.sweep_chapter import THE_WHOLE_ACCOUNT

STORY: Final[tuple[Chapter, ...]] = (ONE_BY_ONE, THE_WHOLE_ACCOUNT)
