"""Answer LookupEvents: CloudTrail's event history, with the records that the local account wrote.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from werkzeug.wrappers import Response

from mfa_guard_cli.stack.template import Fields
from mfa_guard_emulator.aws.calls import Call
from mfa_guard_emulator.aws.responses import answer

# The field of a record for each attribute that a call can look up here.
_FIELDS: Final[Mapping[str, str]] = {"EventId": "eventID", "EventName": "eventName", "EventSource": "eventSource"}


def lookup_events(call: Call, records: Iterable[Fields]) -> Response:
    """Return the response with all matching records in one page, newest first."""
    attributes = call.parameters.get("LookupAttributes")
    wanted = {
        _FIELDS[each["AttributeKey"]]: each["AttributeValue"]
        for each in (attributes if isinstance(attributes, list) else [])
        if each["AttributeKey"] in _FIELDS
    }
    start, end = (_seconds(call.parameters.get(name)) for name in ("StartTime", "EndTime"))
    found = [
        _event(record)
        for record in records
        if all(record[name] == value for name, value in wanted.items())
        and (start or 0) <= _time(record).timestamp() <= (end or float("inf"))
    ]
    return answer(call, {"Events": found[::-1]})


def _event(record: Fields) -> Fields:
    return {
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "EventSource": record["eventSource"],
        "EventTime": _time(record),
        "CloudTrailEvent": json.dumps(record),
    }


def _time(record: Fields) -> datetime:
    return datetime.fromisoformat(str(record["eventTime"]))


def _seconds(time: object) -> float | None:
    """Return the time in a parameter, which is a number in this protocol."""
    return float(str(time)) if time is not None else None
