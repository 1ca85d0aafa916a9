"""The messages that end a window of notices, as Lambda delivers them from the guard's own queue."""

import json
from collections.abc import Mapping, Sequence

from mfa_guard.core.cloudtrail import EventNotUnderstood
from mfa_guard.core.notice_kinds import NoticeKind


def is_queue_batch(records: Sequence[object]) -> bool:
    """Tell whether the records are messages of a queue."""
    return bool(records) and all(isinstance(each, Mapping) and each.get("eventSource") == "aws:sqs" for each in records)


def parse_summary_kinds(records: Sequence[object]) -> tuple[NoticeKind, ...]:
    """Return the kinds whose windows ended; raises EventNotUnderstood for a message that the guard did not write."""
    return tuple(dict.fromkeys(_kind(each) for each in records))


def _kind(record: object) -> NoticeKind:
    body = record.get("body") if isinstance(record, Mapping) else None
    try:
        message = json.loads(body) if isinstance(body, str) else None
    except ValueError:
        message = None
    kind = message.get("kind") if isinstance(message, Mapping) else None
    if not isinstance(kind, str) or kind not in set(NoticeKind):
        raise EventNotUnderstood("The message names no kind of notice.")
    return NoticeKind(kind)
