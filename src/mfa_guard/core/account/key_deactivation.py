"""Decide when the access keys of a noncompliant user are deactivated: a digest always announces it first."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from mfa_guard.core.times import parse_utc
from mfa_guard.core.user import WARNED_TAG, noncompliant_since

# The least time between the announcement and the deactivation.
NOTICE_PERIOD: Final = timedelta(days=7)


class DeactivationStep(StrEnum):
    """The step that is due now."""

    NOTHING = "nothing"
    ANNOUNCE = "announce"
    DEACTIVATE = "deactivate"


@dataclass(frozen=True)
class KeyDeactivation:
    """The step that is due now. `due` is when the keys are deactivated, or None if that is not announced or near."""

    step: DeactivationStep = DeactivationStep.NOTHING
    due: datetime | None = None


NO_DEACTIVATION: Final = KeyDeactivation()


def key_deactivation(tags: Mapping[str, str], after_days: int, now: datetime) -> KeyDeactivation:
    """Return the step for a noncompliant user with these tags; `after_days` of 0 means that keys stay active.

    Keys are deactivated `after_days` days after mfa-guard:since and at least seven days after mfa-guard:warned. The
    count starts again if a date is missing, malformed or in the future, or if the warning is older than the
    noncompliance.
    """
    since = noncompliant_since(tags, now)
    if not after_days or since is None:
        return NO_DEACTIVATION
    end = since + timedelta(days=after_days)
    warned = parse_utc(tags[WARNED_TAG]) if WARNED_TAG in tags else None
    if warned is None or not since <= warned <= now:
        due = max(end, now + NOTICE_PERIOD)
        return KeyDeactivation(DeactivationStep.ANNOUNCE, due) if now >= end - NOTICE_PERIOD else NO_DEACTIVATION
    due = max(end, warned + NOTICE_PERIOD)
    return KeyDeactivation(DeactivationStep.DEACTIVATE if now >= due else DeactivationStep.NOTHING, due)
