"""The events that the guard missed while it was stopped, from CloudTrail's event history and the template's rules."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.core.sanitize import sanitize
from mfa_guard_cli.common.errors import as_program_error
from mfa_guard_cli.common.output import counted
from mfa_guard_cli.stack.router import Routed, Router
from mfa_guard_cli.stack.template import load_template

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail import CloudTrailClient

_FUNCTION: Final = "UserEventFunction"
# Pages of 50 events. CloudTrail allows two requests a second.
_PAGES: Final = 10
_NAMED: Final = 10
_UNREAD: Final = "The missed events could not be read from CloudTrail's event history: "


def describe_missed_events(client: "CloudTrailClient", since: datetime, until: datetime) -> str:
    """Return a sentence about the events that would have invoked UserEventFunction.

    If CloudTrail's event history cannot be read, the sentence says so.
    """
    pages = client.get_paginator("lookup_events").paginate(
        LookupAttributes=[{"AttributeKey": "EventSource", "AttributeValue": "iam.amazonaws.com"}],
        StartTime=since,
        EndTime=until,
    )
    router = Router(load_template())
    routed: list[Routed] = []
    more = False
    try:
        for page in islice(pages, _PAGES):
            records = (json.loads(event["CloudTrailEvent"]) for event in page["Events"])
            routed += [each for each in map(router.route, records) if _FUNCTION in each.functions]
            more = "NextToken" in page
    except (ClientError, BotoCoreError) as error:
        return f"{_UNREAD}{as_program_error(error)}"
    except (KeyError, ValueError):
        return f"{_UNREAD}it holds an event that is not JSON."
    return _sentence(routed, more=more)


def _sentence(routed: Sequence[Routed], *, more: bool) -> str:
    if not routed and not more:
        return "Missed: no events, as far as CloudTrail's event history shows so far."
    subjects = (each.subject for each in routed if each.subject)
    names = sorted({sanitize(name, 64) for subject in subjects if (name := subject.name or subject.id)})
    users = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    counts = Counter(sanitize(each.event_name, 40) for each in routed)
    events = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    at_least = "at least " if more else ""
    missed = f"{at_least}{counted(len(routed), 'event')} ({events or 'none so far'})"
    return f"Missed: {missed}, about {users or 'no known user'}."
