"""Stop the guard in an emergency, and start it again: disable what acts on users, and enable only that."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import typer
from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.core.settings import Mode
from mfa_guard.core.times import utc_text
from mfa_guard_cli.admin.guard import SWEEP_FUNCTION, Guard, open_guard
from mfa_guard_cli.admin.missed_events import describe_missed_events
from mfa_guard_cli.admin.stop_record import EmergencyStop, StopRecord
from mfa_guard_cli.admin.triggers import Trigger, Triggers, TriggerState, triggers_of
from mfa_guard_cli.common.errors import FOUND, WrongUse, as_program_error
from mfa_guard_cli.common.options import Format
from mfa_guard_cli.common.outcome import Outcome, confirm_changes, print_outcome
from mfa_guard_cli.common.stack_location import StackLocation

_STILL_WORKS: Final = (
    "No user is released, and the guard finishes the events that it has begun to handle. AlertFunction still sends "
    "notices, and sends one about this stop."
)


def stop_guard(location: StackLocation, output_format: Format, *, yes: bool) -> None:
    """Disable the rules that act on users, sweep requests and the sweep schedule, and record what was disabled.

    Disables them even if the record cannot be written, because this is an emergency.
    """
    guard = open_guard(location)
    triggers, record = Triggers(guard), StopRecord(guard.dynamodb, guard.settings.state_table)
    states = triggers.states(triggers_of(guard))
    enabled = tuple(trigger for trigger, state in states.items() if state is TriggerState.ENABLED)
    earlier = _earlier_stop(record, states)
    if not enabled:
        since = f" since {utc_text(earlier.since)}, by {earlier.by}" if earlier else ""
        print_outcome(Outcome(notes=[f"The guard is stopped already{since}; nothing was changed."]), output_format)
        return
    confirm_changes(
        ["Will be disabled:", *(f"  {trigger}" for trigger in enabled), _STILL_WORKS], "Stop the guard?", yes=yes
    )
    stop = earlier or EmergencyStop((), guard.now(), guard.caller())
    # Recorded first, so that everything that is disabled from now on counts as this stop's.
    not_recorded = _save(replace(stop, triggers=tuple(dict.fromkeys((*stop.triggers, *enabled)))), record)
    done, failed = _set_states(enabled, TriggerState.DISABLED, triggers)
    before = [
        str(trigger)
        for trigger, state in states.items()
        if state is not TriggerState.ENABLED and trigger not in stop.triggers
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


def _earlier_stop(record: StopRecord, states: Mapping[Trigger, TriggerState]) -> EmergencyStop | None:
    """Return the stop that is still in force, with the triggers that are still disabled, as far as it can be read."""
    try:
        stop = record.load()
    except (WrongUse, ClientError, BotoCoreError):
        return None
    # A trigger that was enabled since, and then disabled for another reason, does not belong to this stop.
    disabled = tuple(each for each in stop.triggers if states.get(each) is TriggerState.DISABLED) if stop else ()
    return replace(stop, triggers=disabled) if stop and disabled else None


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
    triggers, record = Triggers(guard), StopRecord(guard.dynamodb, guard.settings.state_table)
    stop = None if enable_all else record.load()
    states = triggers.states(triggers_of(guard))
    disabled = [trigger for trigger, state in states.items() if state is TriggerState.DISABLED]
    stopped = set(stop.triggers) if stop else set[Trigger]()
    to_enable = disabled if enable_all else [trigger for trigger in disabled if trigger in stopped]
    throttled = triggers.sweeps_known_to_be_throttled()
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
    done, failed = _set_states(to_enable, TriggerState.ENABLED, triggers)
    if unthrottle:
        triggers.unthrottle_sweeps()
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
    states: Mapping[Trigger, TriggerState], to_enable: Iterable[Trigger], location: StackLocation, *, throttled: bool
) -> list[str]:
    """Return the line that names what stays disabled, if anything does."""
    enabled = set(to_enable)
    others = [
        f"{trigger} ({state.value})"
        for trigger, state in states.items()
        if state is not TriggerState.ENABLED and trigger not in enabled
    ]
    others += [f"{SWEEP_FUNCTION} (concurrency 0)"] if throttled else []
    if not others:
        return []
    start = location.command("start", options=["--all"])
    return [f"Not disabled by mfa-guard stop, so not enabled: {', '.join(others)}. To enable all: {start}"]


def _set_states(to_change: Iterable[Trigger], state: TriggerState, triggers: Triggers) -> tuple[list[str], list[str]]:
    """Return what was done and what failed, a line for each trigger."""
    done, failed = list[str](), list[str]()
    for trigger in to_change:
        try:
            triggers.set_state(trigger, state)
        except (ClientError, BotoCoreError) as error:
            failed.append(f"{trigger}: {as_program_error(error)}")
        else:
            done.append(f"{trigger}: {state.value}")
    return done, failed


def _catch_up(stop: EmergencyStop | None, guard: Guard, location: StackLocation) -> list[str]:
    """Return what the guard missed, and how it catches up."""
    lines = []
    if stop:
        lines.append(
            f"Stopped since {utc_text(stop.since)} by {stop.by}. EventBridge does not deliver the events of that time "
            "again."
        )
        lines.append(describe_missed_events(guard.session.client("cloudtrail"), stop.since, guard.now()))
    effect = "enforces as planned" if guard.settings.mode is Mode.ALL else "reports the users it would enforce"
    lines.append(f"To catch up, request a sweep, which {effect}: {location.command('sweep')}")
    return lines
