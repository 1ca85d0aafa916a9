"""Whether a call that CloudFormation made belongs to a change of the guard's own stack.

CloudTrail's record of such a call does not name the stack. The stack's events do show which resource the stack changed
and when: an event with a status such as UPDATE_IN_PROGRESS before the calls, and UPDATE_COMPLETE or UPDATE_FAILED after
them.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mfa_guard.core.alerts import Alert

# CloudTrail cuts the time of a call to seconds, and the clocks of two services differ.
_TOLERANCE: Final = timedelta(seconds=30)
# How long CloudFormation works on one resource of the template. Roles, tables and mappings take minutes.
_LONGEST: Final = timedelta(minutes=15)

_STATUS: Final = re.compile(r"[A-Z_]+_(IN_PROGRESS|COMPLETE|FAILED)")
_FUNCTION: Final = re.compile(r"(?:^|:)function:([^:]+)")


@dataclass(frozen=True)
class StackEvent:
    """An event of the guard's own stack. `properties` is the JSON of the resource's properties, or an empty text."""

    at: datetime
    logical_id: str
    type: str
    status: str
    physical_id: str
    properties: str


def oldest_needed(at: datetime) -> datetime:
    """Return the time from which on the stack's events matter to a call that was made at `at`."""
    return at - _LONGEST


def changed_by_own_stack(events: Iterable[StackEvent], alert: Alert, at: datetime) -> bool:
    """Tell whether the stack changed every target of `alert` at the time of the call, `at`.

    `events` are the stack's, newest first; this function stops reading at the first that is too old to matter.
    """
    missing = {_plain(target) for target in alert.targets}
    finished: dict[str, datetime] = {}
    names: dict[str, set[str]] = {}
    for event in events:
        if event.at < oldest_needed(at) or not missing:
            break
        status = _STATUS.fullmatch(event.status)
        if status is None or event.type not in alert.watched.types:
            continue
        if status[1] != "IN_PROGRESS":
            finished[event.logical_id] = event.at
            names[event.logical_id] = set()
        # The first event of a creation comes before the resource has an id. The later events have it.
        names.setdefault(event.logical_id, set()).update(filter(None, _names(event)))
        if status[1] == "IN_PROGRESS" and _covers(event.at, finished.get(event.logical_id), at):
            missing -= names[event.logical_id]
    return not missing


def _covers(started: datetime, finished: datetime | None, call: datetime) -> bool:
    return started - _TOLERANCE <= call and (finished is None or call <= finished + _TOLERANCE)


def _names(event: StackEvent) -> Iterator[str]:
    """Yield the resource, and what its properties name: a permission names its function, a topic policy its topics."""
    yield _plain(event.physical_id)
    try:
        properties: object = json.loads(event.properties or "{}")
    except ValueError:
        return
    yield from map(_plain, _texts(properties))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _plain(text: str) -> str:
    """Return a name, an ARN or a URL as a name in lower case, because calls, ids and properties differ in that."""
    function = _FUNCTION.search(text)
    return (function[1] if function else re.split(r"[:/]", text)[-1]).lower()
