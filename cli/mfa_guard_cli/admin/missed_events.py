"""What the guard did not see while it was stopped, by CloudTrail's own event history and the template's rules."""

import json
from collections import Counter
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.core.sanitize import sanitize
from mfa_guard_cli.common.errors import as_program_error
from mfa_guard_cli.stack.router import Routed, Router
from mfa_guard_cli.stack.template import load_template

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail import CloudTrailClient

_FUNCTION: Final = "UserEventFunction"
# Fifty events each; CloudTrail answers two such requests a second.
_PAGES: Final = 10
_NAMED: Final = 10


def missed(client: "CloudTrailClient", since: datetime, until: datetime) -> str:
    """Return one sentence on the events that would have woken UserEventFunction. Never raises for what AWS refuses."""
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
        return f"CloudTrail's event history does not say what was missed: {as_program_error(error)}"
    except (KeyError, ValueError):
        return "CloudTrail's event history does not say what was missed: an event in it is none."
    return _sentence(routed, more=more)


def _sentence(routed: list[Routed], *, more: bool) -> str:
    if not routed and not more:
        return "Missed: nothing, as far as CloudTrail's event history shows by now."
    names = sorted({sanitize(each.subject.name, 64) for each in routed if each.subject and each.subject.name})
    about = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    counts = Counter(sanitize(each.event_name, 40) for each in routed)
    events = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    at_least = "at least " if more else ""
    return f"Missed: {at_least}{len(routed)} events ({events or 'none of them yet'}), about {about or 'nobody known'}."
