"""When the access keys of somebody who stays noncompliant are deactivated: announced first, and never in a hurry."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from mfa_guard.core.times import parse_utc
from mfa_guard.core.user import WARNED_TAG, noncompliant_since

# Between the notice that announces it and the deactivation, at the least.
NOTICE_PERIOD: Final = timedelta(days=7)


class DeactivationStep(StrEnum):
    """What is due now."""

    NOTHING = "nothing"
    ANNOUNCE = "announce"
    DEACTIVATE = "deactivate"


@dataclass(frozen=True)
class KeyDeactivation:
    """What is due now, and when the keys go; `due` is None while nothing is announced or near."""

    step: DeactivationStep = DeactivationStep.NOTHING
    due: datetime | None = None


NO_DEACTIVATION: Final = KeyDeactivation()


def key_deactivation(tags: Mapping[str, str], after_days: int, now: datetime) -> KeyDeactivation:
    """Return what the tags of a noncompliant user demand, `after_days` days after he became so; 0 means never.

    Keys go when that many days have passed since `mfa-guard:since`, and at least seven since `mfa-guard:warned`. A date
    that is missing, malformed, in the future, or of a warning older than the noncompliance restarts the count.
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
