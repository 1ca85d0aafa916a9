"""Stop the guard in an emergency, and start it again: disable what acts on users, and enable only that."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import typer
from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.core.settings import Mode
from mfa_guard.core.times import utc_text
from mfa_guard_cli.admin.guard import SWEEP_FUNCTION, Guard, open_guard
from mfa_guard_cli.admin.invokers import Invoker, Invokers, InvokerState, invokers_of
from mfa_guard_cli.admin.missed_events import describe_missed_events
from mfa_guard_cli.admin.stop_record import EmergencyStop, StopRecord
from mfa_guard_cli.common.errors import FOUND, WrongUse, as_program_error
from mfa_guard_cli.common.options import Format
from mfa_guard_cli.common.outcome import Outcome, confirm_changes, print_outcome
from mfa_guard_cli.common.stack_location import StackLocation

_STILL_WORKS: Final = (
    "No user is released, and the guard finishes the events that it has begun to handle. AlertFunction still sends "
    "notices, and sends one about each rule and schedule that is disabled."
)


def stop_guard(location: StackLocation, output_format: Format, *, yes: bool) -> None:
    """Disable the rules that act on users, sweep requests and the sweep schedule, and record what was disabled.

    Disables them even if the record cannot be written, because this is an emergency.
    """
    guard = open_guard(location)
    invokers, record = Invokers(guard), StopRecord(guard.dynamodb, guard.settings.state_table)
    states = invokers.states(invokers_of(guard))
    enabled = tuple(invoker for invoker, state in states.items() if state is InvokerState.ENABLED)
    earlier = _earlier_stop(record, states)
    if not enabled:
        since = f" since {utc_text(earlier.since)}, by {earlier.by}" if earlier else ""
        print_outcome(Outcome(notes=[f"The guard is stopped already{since}; nothing was changed."]), output_format)
        return
    confirm_changes(
        ["Will be disabled:", *(f"  {invoker}" for invoker in enabled), _STILL_WORKS], "Stop the guard?", yes=yes
    )
    stop = earlier or EmergencyStop((), guard.now(), guard.caller())
    # Recorded first, so that everything that is disabled from now on counts as this stop's.
    not_recorded = _save(replace(stop, invokers=tuple(dict.fromkeys((*stop.invokers, *enabled)))), record)
    done, failed = _set_states(enabled, InvokerState.DISABLED, invokers)
    before = [
        str(invoker)
        for invoker, state in states.items()
        if state is not InvokerState.ENABLED and invoker not in stop.invokers
    ]
    print_outcome(
        Outcome(
            done=done,
            failed=[*failed, *not_recorded],
            notes=[*([f"Disabled before: {', '.join(before)}."] if before else []), _STILL_WORKS],
            undo=[location.command("start", options=["--all"] if not_recorded else [])],
            facts={"stopped_since": utc_text(stop.since)},
        ),
        output_format,
    )


def _earlier_stop(record: StopRecord, states: Mapping[Invoker, InvokerState]) -> EmergencyStop | None:
    """Return the stop that is still in force, with the invokers that are still disabled, as far as it can be read."""
    try:
        stop = record.load()
    except (WrongUse, ClientError, BotoCoreError):
        return None
    # An invoker that was enabled since, and then disabled for another reason, does not belong to this stop.
    disabled = tuple(each for each in stop.invokers if states.get(each) is InvokerState.DISABLED) if stop else ()
    return replace(stop, invokers=disabled) if stop and disabled else None


def _save(stop: EmergencyStop, record: StopRecord) -> list[str]:
    """Record a stop, or return why that failed."""
    try:
        record.save(stop)
    except (ClientError, BotoCoreError) as error:
        return [f"The stop could not be recorded, so starting the guard needs --all: {as_program_error(error)}"]
    return []


def start_guard(location: StackLocation, output_format: Format, *, enable_all: bool, yes: bool) -> None:
    """Enable what the stop disabled, or with `enable_all` everything that is disabled.

    Exits with 1 if something stays disabled that no stop is known to have disabled.
    """
    guard = open_guard(location)
    invokers, record = Invokers(guard), StopRecord(guard.dynamodb, guard.settings.state_table)
    stop = None if enable_all else record.load()
    states = invokers.states(invokers_of(guard))
    disabled = [invoker for invoker, state in states.items() if state is InvokerState.DISABLED]
    stopped = set(stop.invokers) if stop else set[Invoker]()
    to_enable = disabled if enable_all else [invoker for invoker in disabled if invoker in stopped]
    throttled = invokers.sweeps_known_to_be_throttled()
    left = _left_disabled(states, to_enable, location, throttled=throttled and not enable_all)
    if not to_enable and not (throttled and enable_all):
        _nothing_to_enable(record if stop else None, left, output_format)
        return
    unthrottle = [f"{SWEEP_FUNCTION} (concurrency 0)"] if throttled and enable_all else []
    confirm_changes(
        ["Will be enabled:", *(f"  {each}" for each in (*map(str, to_enable), *unthrottle)), *left],
        "Start the guard?",
        yes=yes,
    )
    done, failed = _set_states(to_enable, InvokerState.ENABLED, invokers)
    if unthrottle:
        invokers.unthrottle_sweeps()
        done.append(f"{SWEEP_FUNCTION}: enabled")
    if not failed:
        record.delete()
    notes = [*left, *_catch_up(stop, guard, location)]
    print_outcome(Outcome(done=done, failed=failed, notes=notes, undo=[location.command("stop")]), output_format)


def _nothing_to_enable(record: StopRecord | None, left: Sequence[str], output_format: Format) -> None:
    if record:
        # All that the stop disabled is enabled again or deleted.
        record.delete()
    note = "Nothing that mfa-guard stop disabled is still disabled; nothing was changed."
    print_outcome(Outcome(notes=[note, *left]), output_format)
    if left:
        raise typer.Exit(FOUND)


def _left_disabled(
    states: Mapping[Invoker, InvokerState], to_enable: Iterable[Invoker], location: StackLocation, *, throttled: bool
) -> list[str]:
    """Return the line that names what stays disabled, if anything does."""
    enabled = set(to_enable)
    others = [
        f"{invoker} ({state.value})"
        for invoker, state in states.items()
        if state is not InvokerState.ENABLED and invoker not in enabled
    ]
    others += [f"{SWEEP_FUNCTION} (concurrency 0)"] if throttled else []
    if not others:
        return []
    start = location.command("start", options=["--all"])
    return [f"Not disabled by mfa-guard stop, so not enabled: {', '.join(others)}. To enable all: {start}"]


def _set_states(to_change: Iterable[Invoker], state: InvokerState, invokers: Invokers) -> tuple[list[str], list[str]]:
    """Return what was done and what failed, a line for each invoker."""
    done, failed = list[str](), list[str]()
    for invoker in to_change:
        try:
            invokers.set_state(invoker, state)
        except (ClientError, BotoCoreError) as error:
            failed.append(f"{invoker}: {as_program_error(error)}")
        else:
            done.append(f"{invoker}: {state.value}")
    return done, failed


_EFFECT: Final[Mapping[Mode, str]] = {
    Mode.AUDIT: "reports the users it would enforce",
    Mode.EVENTS: "enforces users in scope, and reports the others",
    Mode.ALL: "enforces as planned",
}


def _catch_up(stop: EmergencyStop | None, guard: Guard, location: StackLocation) -> list[str]:
    """Return what the guard missed, and how it catches up."""
    lines = []
    if stop:
        lines.append(
            f"Stopped since {utc_text(stop.since)} by {stop.by}. EventBridge does not deliver the events of that time "
            "again."
        )
        lines.append(describe_missed_events(guard.session.client("cloudtrail"), stop.since, guard.now()))
    effect = _EFFECT[guard.settings.mode]
    lines.append(f"To catch up, request a sweep, which {effect}: {location.command('sweep')}")
    return lines
