"""Ask for a sweep of the whole account, as the output StartSweep does."""

from mfa_guard.adapters.event_bus import EventBus, SweepNotRequested
from mfa_guard.core.settings import Mode
from mfa_guard_cli.admin.guard import SWEEP_FUNCTION, Guard, open_guard
from mfa_guard_cli.admin.switches import State, Switchboard, sweep_rule
from mfa_guard_cli.common.errors import AwsError, WrongUse
from mfa_guard_cli.common.options import Format
from mfa_guard_cli.common.outcome import Outcome, ask, tell
from mfa_guard_cli.common.stack_location import StackLocation


def request_sweep(place: StackLocation, form: Format, *, audit: bool, yes: bool) -> None:
    """Put the request on the event bus. Raises WrongUse while nothing would hear it."""
    guard = open_guard(place)
    _must_be_heard(guard, place)
    writes = guard.settings.mode is Mode.ALL and not audit
    if writes:
        preview = place.command("sweep", options=["--audit"])
        plan = f"Mode is all: the sweep binds, releases and tags whom the plan demands. To be told only: {preview}"
        ask([plan], "Sweep the account?", yes=yes)
    try:
        EventBus(guard.events).request_sweep({"mode": "audit"} if audit else {})
    except SweepNotRequested as refusal:
        raise AwsError(f"{refusal}; see who may put events on the bus of {guard.settings.region}.") from refusal
    tell(
        Outcome(
            done=[f"A sweep is on its way{'' if writes else ', which reports and changes nobody'}."],
            notes=[
                f"It mails a digest when there is news; the log group of {SWEEP_FUNCTION} names every change.",
            ],
            back=[f"{place.command('release', 'NAME')}   (for each user whom it binds)"] if writes else [],
            facts={"mode": "audit" if audit else guard.settings.mode.value},
        ),
        form,
    )


def _must_be_heard(guard: Guard, place: StackLocation) -> None:
    """Raise WrongUse when the rule is off or the function may not run: EventBridge takes such an event all the same."""
    board = Switchboard(guard)
    rule = sweep_rule(guard)
    if rule is None or board.state(rule) is not State.ON:
        raise WrongUse(f"The guard is stopped, so no sweep can be asked for; start it first: {place.command('start')}")
    # Whoever may not read it learns it from the dead-letter queue.
    if board.sweeps_known_to_be_throttled():
        start = place.command("start", options=["--all"])
        raise WrongUse(f"{SWEEP_FUNCTION} is switched off by its concurrency of 0; switch it on first: {start}")
