"""The record of an emergency stop, which `mfa-guard stop` writes to the state table."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mfa_guard.core.times import parse_utc, utc_text

RECORD_ID: Final = "stop#emergency"


class StopNotUnderstood(Exception):
    """The record was not written by mfa-guard."""


@dataclass(frozen=True)
class RecordedStop:
    """An emergency stop: the kind and the name of what it disabled, since when, and by whose command (an ARN)."""

    disabled: tuple[tuple[str, str], ...]
    since: datetime
    by: str

    @property
    def names(self) -> frozenset[str]:
        """Return the names of the rules and schedules that it disabled."""
        return frozenset(name for _, name in self.disabled)


def dump_stop(stop: RecordedStop) -> str:
    """Return the text of a record."""
    return json.dumps(
        {"invokers": [list(each) for each in stop.disabled], "since": utc_text(stop.since), "by": stop.by}
    )


def parse_stop(text: str) -> RecordedStop:
    """Return the stop of a record's text. Raises StopNotUnderstood."""
    try:
        stored = json.loads(text)
        disabled = tuple((str(kind), str(name)) for kind, name in stored["invokers"])
        since, by = parse_utc(stored["since"]), str(stored["by"])
    except (KeyError, TypeError, ValueError) as error:
        raise StopNotUnderstood from error
    if since is None:
        raise StopNotUnderstood
    return RecordedStop(disabled, since, by)
