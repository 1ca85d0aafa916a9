"""The emergency stop and its end: what acts on users is switched off, and only that is switched on again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import typer
from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.core.settings import Mode
from mfa_guard.core.times import utc_text
from mfa_guard_cli.admin.guard import SWEEP_FUNCTION, Guard, open_guard
from mfa_guard_cli.admin.missed_events import missed
from mfa_guard_cli.admin.switches import State, Stop, StopRecord, Switch, Switchboard, switches_of
from mfa_guard_cli.common.errors import FOUND, WrongUse, as_program_error
from mfa_guard_cli.common.options import Format
from mfa_guard_cli.common.outcome import Outcome, ask, tell
from mfa_guard_cli.common.stack_location import StackLocation

_GOES_ON: Final = (
    "Nobody is released, events under way are still handled, and AlertFunction goes on telling: the stop itself too, "
    "as tampering."
)


def stop_guard(place: StackLocation, form: Format, *, yes: bool) -> None:
    """Switch off the rules that act on users, requests for sweeps, and the schedule; remember which.

    What cannot be remembered is switched off all the same: it is an emergency.
    """
    guard = open_guard(place)
    board, record = Switchboard(guard), StopRecord(guard.dynamodb, guard.settings.state_table)
    states = board.states(switches_of(guard))
    on = tuple(switch for switch, state in states.items() if state is State.ON)
    earlier = _earlier(record, states)
    if not on:
        since = f" since {utc_text(earlier.since)}, by {earlier.by}" if earlier else ""
        tell(Outcome(notes=[f"The guard is stopped already{since}; nothing was changed."]), form)
        return
    ask(["Will be disabled:", *(f"  {switch}" for switch in on), _GOES_ON], "Stop the guard?", yes=yes)
    begun = earlier or Stop((), guard.now(), guard.caller())
    # First, so that whatever happens then is known to be this stop's doing.
    forgotten = _remember(replace(begun, switches=tuple(dict.fromkeys((*begun.switches, *on)))), record)
    done, failed = _switch(on, State.OFF, board)
    before = [str(switch) for switch, state in states.items() if state is not State.ON and switch not in begun.switches]
    notes = [*([f"Off before: {', '.join(before)}."] if before else []), _GOES_ON]
    back = place.command("start", options=["--all"] if forgotten else [])
    facts = {"stopped_since": utc_text(begun.since)}
    tell(Outcome(done=done, failed=[*failed, *forgotten], notes=notes, back=[back], facts=facts), form)


def _earlier(record: StopRecord, states: Mapping[Switch, State]) -> Stop | None:
    """Return the stop that still lasts, as far as the table tells, with what is still off of it."""
    try:
        stop = record.load()
    except (WrongUse, ClientError, BotoCoreError):
        return None
    # What somebody enabled by hand since, and then disabled for a reason of his own, is no longer this stop's.
    still = tuple(each for each in stop.switches if states.get(each) is State.OFF) if stop else ()
    return replace(stop, switches=still) if stop and still else None


def _remember(stop: Stop, record: StopRecord) -> list[str]:
    """Remember a stop, or return why that is not possible."""
    try:
        record.save(stop)
    except (ClientError, BotoCoreError) as error:
        return [f"What was on could not be remembered, so that start needs --all: {as_program_error(error)}"]
    return []


def start_guard(place: StackLocation, form: Format, *, everything: bool, yes: bool) -> None:
    """Switch on what the stop switched off; with `everything` whatever is off.

    Ends with exit code 1 when something stays off that no stop is known to have switched off.
    """
    guard = open_guard(place)
    board, record = Switchboard(guard), StopRecord(guard.dynamodb, guard.settings.state_table)
    stop = None if everything else record.load()
    states = board.states(switches_of(guard))
    off = [switch for switch, state in states.items() if state is State.OFF]
    stopped = set(stop.switches) if stop else set[Switch]()
    mine = off if everything else [switch for switch in off if switch in stopped]
    throttled = board.sweeps_known_to_be_throttled()
    left = _left(states, mine, place, throttled=throttled and not everything)
    if not mine and not (throttled and everything):
        _nothing_to_start(record if stop else None, left, form)
        return
    words = [
        *map(str, mine),
        *([f"{SWEEP_FUNCTION}: without its concurrency of 0"] if throttled and everything else []),
    ]
    ask(["Will be enabled:", *(f"  {each}" for each in words), *left], "Start the guard?", yes=yes)
    done, failed = _switch(mine, State.ON, board)
    if throttled and everything:
        board.unthrottle_sweeps()
        done.append(f"{SWEEP_FUNCTION}: may run again")
    if not failed:
        record.delete()
    notes = [*left, *_caught_up(stop, guard, place)]
    tell(Outcome(done=done, failed=failed, notes=notes, back=[place.command("stop")]), form)


def _nothing_to_start(record: StopRecord | None, left: Sequence[str], form: Format) -> None:
    if record:
        # Whatever that stop switched off is on again, by whatever hand, or gone.
        record.delete()
    tell(Outcome(notes=["Nothing that a stop switched off is off; nothing was changed.", *left]), form)
    if left:
        raise typer.Exit(FOUND)


def _left(states: dict[Switch, State], mine: Iterable[Switch], place: StackLocation, *, throttled: bool) -> list[str]:
    started = set(mine)
    others = [
        f"{switch} ({state.value})"
        for switch, state in states.items()
        if state is not State.ON and switch not in started
    ]
    others += [f"{SWEEP_FUNCTION} (concurrency 0)"] if throttled else []
    if not others:
        return []
    start = place.command("start", options=["--all"])
    return [
        f"Stays off, as no mfa-guard stop switched it off: {', '.join(others)}. To enable what is disabled: {start}"
    ]


def _switch(switches: Iterable[Switch], state: State, board: Switchboard) -> tuple[list[str], list[str]]:
    done, failed = list[str](), list[str]()
    for switch in switches:
        try:
            board.switch(switch, state)
        except (ClientError, BotoCoreError) as error:
            failed.append(f"{switch}: {as_program_error(error)}")
        else:
            done.append(f"{switch}: {state.value}")
    return done, failed


def _caught_up(stop: Stop | None, guard: Guard, place: StackLocation) -> list[str]:
    """Return what the guard did not see meanwhile, and how it catches up."""
    lines = []
    if stop:
        lines.append(f"Stopped from {utc_text(stop.since)} by {stop.by}. Events of that time do not come again.")
        trails = guard.session.client("cloudtrail")
        lines.append(missed(trails, stop.since, guard.now()))
    writes = "binds whom the plan demands" if guard.settings.mode is Mode.ALL else "reports whom it would bind"
    lines.append(f"To catch up, a sweep {writes}: {place.command('sweep')}")
    return lines
