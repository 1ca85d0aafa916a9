"""Request a sweep of the whole account, as the command in the output StartSweep does."""

from mfa_guard.adapters.event_bus import EventBus, SweepNotRequested
from mfa_guard.core.settings import Mode
from mfa_guard_cli.admin.guard import SWEEP_FUNCTION, Guard, open_guard
from mfa_guard_cli.admin.invokers import Invokers, InvokerState, sweep_request_rule
from mfa_guard_cli.common.errors import AwsError, WrongUse
from mfa_guard_cli.common.options import Format
from mfa_guard_cli.common.outcome import Outcome, confirm_changes, print_outcome
from mfa_guard_cli.common.stack_location import StackLocation


def request_sweep(location: StackLocation, output_format: Format, *, audit: bool, yes: bool) -> None:
    """Put a sweep request on the event bus. Raises WrongUse while no function would get it."""
    guard = open_guard(location)
    _check_running(guard, location)
    writes = guard.settings.writes and not audit
    if writes:
        report = location.command("sweep", options=["--audit"])
        users = "users" if guard.settings.mode is Mode.ALL else "users in scope"
        change = (
            f"Mode is {guard.settings.mode.value}, so the sweep enforces, releases and tags {users} as planned. "
            f"To get a report only: {report}"
        )
        confirm_changes([change], "Sweep the account?", yes=yes)
    try:
        EventBus(guard.events).request_sweep({"mode": "audit"} if audit else {})
    except SweepNotRequested as error:
        raise AwsError(f"{error}; check who can put events on the event bus of {guard.settings.region}.") from error
    print_outcome(
        Outcome(
            done=[f"The sweep was requested{'' if writes else '. It reports, and changes no user'}."],
            notes=[
                f"It sends a digest if there is news. The log group of {SWEEP_FUNCTION} names every change. If another "
                "sweep is running, this one does nothing."
            ],
            undo=[f"{location.command('release', 'NAME')}   (for each user it enforces)"] if writes else [],
            facts={"mode": "audit" if audit else guard.settings.mode.value},
        ),
        output_format,
    )


def _check_running(guard: Guard, location: StackLocation) -> None:
    """Raise WrongUse if the rule is disabled or the function cannot run. EventBridge would accept the event anyway."""
    invokers = Invokers(guard)
    rule = sweep_request_rule(guard)
    if rule is None or invokers.state(rule) is not InvokerState.ENABLED:
        raise WrongUse(f"The guard is stopped, so it cannot sweep; start it first: {location.command('start')}")
    # If AWS does not allow to read the concurrency, the dead-letter queue will show a throttled sweep.
    if invokers.sweeps_known_to_be_throttled():
        start = location.command("start", options=["--all"])
        raise WrongUse(f"{SWEEP_FUNCTION} has a concurrency of 0, so it cannot sweep; remove that first: {start}")
