"""Judge the functions, and what reads the exemption table's changes."""

from collections.abc import Iterator, Mapping
from typing import Final

from mfa_guard.core.health.comparison import difference
from mfa_guard.core.health.content import EXEMPTION_MAPPING, INVOCATION
from mfa_guard.core.health.deployed import Deployed, Expected
from mfa_guard.core.health.judgment import Judgment, fine, listed, problem, unverifiable
from mfa_guard.core.health.readings import ExemptionStream, Fields, Function, Seen, Unread
from mfa_guard.core.sanitize import sanitize

_WITH_CONCURRENCY: Final = "UserEventFunction"


def judge_functions(seen: Seen[Mapping[str, Function | Unread]], deployed: Deployed) -> Judgment:
    """Judge each function's concurrency and what happens to events that it cannot handle; the keys are names."""
    expected = Expected(deployed, seen.resources)
    if expected.unread:
        return unverifiable(expected.unread.reason)
    faults, unknown = list[str](), list[str]()
    for logical_id in expected.of_type(INVOCATION):
        wanted = expected.properties(
            logical_id, "FunctionName", "DestinationConfig", "MaximumEventAgeInSeconds", "MaximumRetryAttempts"
        )
        if isinstance(wanted, Unread):
            unknown.append(wanted.reason)
            continue
        name = str(wanted["FunctionName"])
        function = seen.part.get(name, Unread(f"The function {name} was not read"))
        if isinstance(function, Unread):
            (faults if function.missing else unknown).append(f"{name}: {function.reason}")
            continue
        concurrency = deployed.max_concurrency if logical_id.startswith(_WITH_CONCURRENCY) else None
        faults += [f"{name} {fault}" for fault in _faults(function, concurrency, wanted)]
    if faults:
        return problem(f"Functions that do not work as deployed: {listed(faults, '; ')}")
    if unknown:
        return unverifiable(f"The functions cannot be compared with what the stack deployed: {unknown[0]}")
    return fine("Every function has the concurrency and the destination for failed events that the stack deployed")


def _faults(function: Function, concurrency: int | None, wanted: Fields) -> Iterator[str]:
    if function.concurrency == 0:
        yield "is switched off (concurrency 0)"
    elif function.concurrency != concurrency:
        yield f"has the concurrency {_shown(function.concurrency)} instead of {_shown(concurrency)}"
    if function.invocation is None:
        yield "has no configuration for failed events"
        return
    if (destination := _destination(function.invocation)) != _destination(wanted):
        yield f"sends failed events to {sanitize(destination or 'nowhere', 160)}"
    if name := difference(function.invocation, {each: wanted[each] for each in wanted if each.startswith("Maximum")}):
        yield f"has another {name}"


def _shown(concurrency: int | None) -> str:
    return "none" if concurrency is None else str(concurrency)


def _destination(invocation: Fields) -> str | None:
    """Return the ARN of the destination for failed events. Lambda shows empty objects for what is not set."""
    found: object = invocation.get("DestinationConfig")
    for name in ("OnFailure", "Destination"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return str(found) if found else None


_BETWEEN: Final = ("Creating", "Enabling", "Updating")


def judge_exemption_stream(seen: Seen[ExemptionStream], deployed: Deployed) -> Judgment:
    """Judge whether changes of exemptions reach AlertFunction."""
    mapping, stream = seen.part.mapping, seen.part.stream
    if (state := str(mapping.get("State"))) in _BETWEEN:
        return unverifiable(f"The event source mapping is {state}")
    expected = Expected(deployed, seen.resources)
    wanted = expected.properties(EXEMPTION_MAPPING, "FunctionName", "DestinationConfig", *_READING)
    faults = [
        *_stream_faults(mapping, stream),
        *([] if isinstance(wanted, Unread) else _mapping_faults(mapping, wanted)),
    ]
    if faults:
        return problem(f"Changes of exemptions do not reach AlertFunction as deployed: {'; '.join(faults)}")
    if isinstance(wanted, Unread):
        return unverifiable(
            f"The event source mapping cannot be compared with what the stack deployed: {wanted.reason}"
        )
    return fine("Changes of exemptions reach AlertFunction")


_READING: Final = ("BatchSize", "BisectBatchOnFunctionError", "MaximumRecordAgeInSeconds")
# What Lambda shows for a stream unless it is set otherwise: retries until the record is too old.
_UNTIL_TOO_OLD: Final = -1


def _stream_faults(mapping: Fields, stream: str | None) -> Iterator[str]:
    if stream is None:
        yield "the table's stream is off"
    elif mapping.get("EventSourceArn") != stream:
        yield "the event source mapping reads another stream than the table's"
    if mapping.get("State") != "Enabled":
        yield f"the event source mapping is {sanitize(str(mapping.get('State')), 40)}"
    if mapping.get("FilterCriteria"):
        yield "the event source mapping has filter criteria"
    if mapping.get("MaximumRetryAttempts", _UNTIL_TOO_OLD) != _UNTIL_TOO_OLD:
        yield "the event source mapping has another MaximumRetryAttempts"


def _mapping_faults(mapping: Fields, wanted: Fields) -> Iterator[str]:
    function = str(mapping.get("FunctionArn")).rpartition(":function:")[2]
    if function != wanted["FunctionName"]:
        yield f"the event source mapping invokes {sanitize(function, 160)}"
    if (destination := _destination(mapping)) != _destination(wanted):
        yield f"the event source mapping sends failed records to {sanitize(destination or 'nowhere', 160)}"
    if name := difference(mapping, {name: wanted[name] for name in _READING}):
        yield f"the event source mapping has another {name}"
