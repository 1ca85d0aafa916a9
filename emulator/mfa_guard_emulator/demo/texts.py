"""Texts about events, decisions and users, for all reports of the demo."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mfa_guard.core.cloudtrail import EventNotUnderstood, actor_of, subject_of
from mfa_guard.core.sweep_request import DETAIL_TYPE
from mfa_guard.core.user import GUARD_TAGS
from mfa_guard_cli.stack.template import Fields
from mfa_guard_emulator.activity import action_text, attempt_text
from mfa_guard_emulator.aws.delivery import Delivery, Invocation
from mfa_guard_emulator.aws.snapshot import Snapshot
from mfa_guard_emulator.demo.harness import StepResult

MOMENTS: Final = ("before", "after the calls", "after the guard")
# Longer lists of a mail, and longer series of events that match no rule, are cut.
LIST_LENGTH: Final = 8
SWEEP: Final = "SweepFunction"
_ROUTES: Final = {"user": "attached to the user", "group": "through the group"}


def event_text(envelope: Fields) -> str:
    """Return what an event is about, and who caused it."""
    if isinstance(records := envelope.get("Records"), list):
        return f"exemption table {', '.join(map(_change_text, records))}"
    if "RequestType" in envelope:
        return f"CloudFormation {envelope['RequestType']} of the resource {envelope['LogicalResourceId']}"
    detail = detail_of(envelope)
    if envelope["detail-type"] == DETAIL_TYPE:
        asked = ", ".join(f"{name} {value}" for name, value in detail.items())
        return f"{envelope['source']} {DETAIL_TYPE}{f': {asked}' if asked else ''}"
    failed = f", failed: {detail['errorCode']}" if "errorCode" in detail else ""
    source = str(envelope["source"]).removeprefix("aws.")
    return f"{source} {event_name(envelope)} by {actor_of(detail).label}{_subject_text(detail)}{failed}"


def event_name(envelope: Fields) -> str:
    """Return the name of an event, such as CreateUser."""
    return str(detail_of(envelope).get("eventName"))


def detail_of(envelope: Fields) -> Fields:
    """Return the record in an event."""
    detail = envelope.get("detail")
    return detail if isinstance(detail, Mapping) else {}


def decision_text(result: StepResult) -> str:
    """Return what the guard decided in a step, on one line."""
    invocations = _invocations(result.deliveries)
    own = _invocations(result.own_deliveries)
    if invocations:
        # A sweep that runs out of time invokes itself. The other events of the guard's own calls lead to no change.
        own = [each for each in own if each.function == SWEEP]
    return "; ".join((*_failures(invocations), *_decisions([*invocations, *own]))) or "no rule matches"


def _invocations(deliveries: Sequence[Delivery]) -> list[Invocation]:
    return [each for delivery in deliveries for each in delivery.invocations]


def _failures(invocations: Sequence[Invocation]) -> Iterator[str]:
    for each in invocations:
        if each.failed and each.attempts and (error := each.attempts[-1].error):
            yield f"{error.type} {len(each.attempts)} times, then the dead-letter queue"


def _decisions(invocations: Sequence[Invocation]) -> tuple[str, ...]:
    """Return one text for each decision, although several invocations may have led to it."""
    actions: dict[str, dict[str, None]] = {}
    sweep: Counter[str] = Counter()
    others: dict[str, None] = {}
    for attempt in (each.attempts[-1] for each in invocations if not each.failed):
        answer = attempt.answer if isinstance(attempt.answer, Mapping) else {}
        if attempt.sums()["DuplicateEvents"]:
            continue
        if "standing" in answer:
            taken = map(action_text, answer["actions"])
            actions.setdefault(str(answer["standing"]), {}).update(dict.fromkeys(taken))
        elif "users" in answer:
            sweep += Counter({name: int(answer[name]) for name in ("changed", "failed")})
            sweep["users"] = int(answer["users"])
        elif "notice" in answer:
            others |= {"notify": None} if answer["notice"] else {}
        else:
            others[attempt_text(attempt)] = None
    return (
        *others,
        *(f"{standing}: {', '.join(taken) or 'no change'}" for standing, taken in actions.items()),
        *([f"{sweep['users']} users: {sweep['changed']} changed, {sweep['failed']} failed"] if sweep else []),
    )


def together(names: Sequence[str], users: Mapping[str, Snapshot]) -> str:
    """Return the state of several users, with the number of users in each state."""
    states = Counter(state_text(users.get(name)) for name in names)
    return next(iter(states)) if len(states) == 1 else ", ".join(f"{count} {text}" for text, count in states.items())


def facts(snapshot: Snapshot | None) -> Mapping[str, str]:
    """Return what is true about a user, by the name of the fact."""
    return dict(_facts(snapshot)) if snapshot else {}


def short_mail(text: str) -> str:
    """Return a mail with its long lists cut, each with the number of lines that are left out."""
    return "\n\n".join(map(_short_block, text.split("\n\n")))


def _change_text(record: Fields) -> str:
    stream = record["dynamodb"]
    images = [stream.get(image) for image in ("NewImage", "OldImage")] if isinstance(stream, Mapping) else []
    names = [image["user_name"]["S"] for image in images if isinstance(image, Mapping) and "user_name" in image]
    return f"{record['eventName']} of {names[0] if names else 'a record without a name'}"


def _subject_text(detail: Fields) -> str:
    try:
        subject = subject_of(detail)
    except EventNotUnderstood:
        return ", about no user"
    return f", about {subject.name or subject.id or subject.kind.value}" if subject else ""


def state_text(snapshot: Snapshot | None) -> str:
    """Return the state of one user in a few words."""
    if snapshot is None:
        return "does not exist"
    parts = [*(["enforced"] if snapshot.routes else []), *(["tagged"] if snapshot.tags else [])]
    return " and ".join(parts) or "-"


def _facts(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    yield "policy", ", ".join(_ROUTES[route] for route in snapshot.routes) or "no"
    for tag in GUARD_TAGS[:2]:
        yield tag, snapshot.tags.get(tag, "-")
    yield "MFA devices", ", ".join(snapshot.devices) or "none"
    yield "password", "yes" if snapshot.password else "no"
    yield "access keys", ", ".join(map(str, snapshot.keys)) or "none"
    if snapshot.exempt_until:
        yield "exempt until", snapshot.exempt_until


def _short_block(block: str) -> str:
    head, *lines = block.split("\n")
    if len(lines) <= LIST_LENGTH + 1:
        return block
    more = f"  [{len(lines) - LIST_LENGTH} more lines, which the demo leaves out]"
    return "\n".join([head, *lines[:LIST_LENGTH], more])
