"""What can be switched off and on again: the rules that make the guard act, and the schedule of its sweeps."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.core.times import parse_utc, utc_text
from mfa_guard_cli.admin.guard import SWEEP_FUNCTION, Guard
from mfa_guard_cli.common.errors import WrongUse

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# By their logical ids in the template: the rules that wake UserEventFunction, and what wakes a sweep.
_ACTING: Final = "UserEventFunction"
_REQUESTS: Final = "SweepFunctionSweepRequested"
_RULE: Final = "AWS::Events::Rule"
_SCHEDULE: Final = "AWS::Scheduler::Schedule"


class Kind(StrEnum):
    """What is switched."""

    RULE = "rule"
    SCHEDULE = "schedule"


class State(StrEnum):
    """How AWS says it is."""

    ON = "enabled"
    OFF = "disabled"
    GONE = "gone"


@dataclass(frozen=True, order=True)
class Switch:
    """One thing to switch, by its name in AWS."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value} {self.name}"


@dataclass(frozen=True)
class Stop:
    """What an emergency stop switched off, since when, and by whom."""

    switches: tuple[Switch, ...]
    since: datetime
    by: str


class _Scheduler(Protocol):
    """What is used of EventBridge Scheduler's client."""

    def get_schedule(self, **parameters: str) -> Mapping[str, object]: ...
    def update_schedule(self, **parameters: object) -> object: ...


def switches_of(guard: Guard) -> tuple[Switch, ...]:
    """Return what an emergency stop switches off, the rules that act on users first."""
    rules = [each for each in guard.resources if each.type == _RULE and each.physical_id]
    acting = sorted(each.physical_id for each in rules if each.logical_id.startswith(_ACTING))
    requests = [each.physical_id for each in rules if each.logical_id == _REQUESTS]
    schedules = [each.physical_id for each in guard.resources if each.type == _SCHEDULE and each.physical_id]
    return (
        *(Switch(Kind.RULE, name) for name in (*acting, *requests)),
        *(Switch(Kind.SCHEDULE, name) for name in schedules),
    )


def sweep_rule(guard: Guard) -> Switch | None:
    """Return the rule by which requests for sweeps are heard."""
    return next((Switch(Kind.RULE, each.physical_id) for each in guard.resources if each.logical_id == _REQUESTS), None)


class Switchboard:
    """Reads and switches rules and schedules. Raises what AWS raises, but for what is gone when it is read."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        client: _Scheduler = guard.session.client("scheduler")
        self._scheduler = client
        operation = client.meta.service_model.operation_model("UpdateSchedule")  # type: ignore[attr-defined]
        self._updatable = frozenset(operation.input_shape.members)

    def state(self, switch: Switch) -> State:
        """Return how it is switched now."""
        try:
            state = self._read(switch)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return State.GONE
            raise
        return State.OFF if state == "DISABLED" else State.ON

    def states(self, switches: Sequence[Switch]) -> dict[Switch, State]:
        """Return how each of them is switched now."""
        return {switch: self.state(switch) for switch in switches}

    def _read(self, switch: Switch) -> object:
        if switch.kind is Kind.RULE:
            return self._guard.events.describe_rule(Name=switch.name)["State"]
        return self._scheduler.get_schedule(Name=switch.name)["State"]

    def switch(self, switch: Switch, state: State) -> None:
        """Switch it on or off, and change nothing else of it."""
        if switch.kind is Kind.SCHEDULE:
            # UpdateSchedule replaces the whole schedule: what is not repeated is lost.
            found = self._scheduler.get_schedule(Name=switch.name)
            kept = {name: value for name, value in found.items() if name in self._updatable}
            self._scheduler.update_schedule(**{**kept, "State": "ENABLED" if state is State.ON else "DISABLED"})
        elif state is State.ON:
            self._guard.events.enable_rule(Name=switch.name)
        else:
            self._guard.events.disable_rule(Name=switch.name)

    def sweeps_throttled(self) -> bool:
        """Tell whether SweepFunction may not run at all, as the paste in the output EmergencyStop leaves it."""
        answer = self._guard.functions.get_function_concurrency(FunctionName=self._guard.sweep_arn)
        return answer.get("ReservedConcurrentExecutions") == 0

    def sweeps_known_to_be_throttled(self) -> bool:
        """Tell the same, where whoever may not read it goes on as if it were not so."""
        try:
            return self.sweeps_throttled()
        except (ClientError, BotoCoreError):
            return False

    def unthrottle_sweeps(self) -> None:
        """Let SweepFunction run again."""
        self._guard.functions.delete_function_concurrency(FunctionName=self._guard.sweep_arn)


class StopRecord:
    """What the emergency stop switched off, in one item of the state table. Raises what DynamoDB raises."""

    _KEY: Final = {"id": {"S": "emergency-stop"}}

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def load(self) -> Stop | None:
        """Return the stop that lasts, or None. Raises WrongUse for a record that is none of this program's."""
        item = self._client.get_item(TableName=self._table, Key=self._KEY, ConsistentRead=True).get("Item")
        if item is None:
            return None
        try:
            kept = json.loads(item["stopped"]["S"])
            since = parse_utc(kept["since"])
            switches = tuple(Switch(Kind(kind), name) for kind, name in kept["switches"])
        except (KeyError, TypeError, ValueError):
            since = None
        if since is None:
            raise WrongUse(
                f"The item emergency-stop of table {self._table} is none that mfa-guard wrote; start with --all."
            )
        return Stop(switches, since, str(kept["by"]))

    def save(self, stop: Stop) -> None:
        """Remember a stop. The item does not expire, as a stop does not."""
        kept = {
            "switches": [[switch.kind.value, switch.name] for switch in stop.switches],
            "since": utc_text(stop.since),
            "by": stop.by,
        }
        self._client.put_item(TableName=self._table, Item={**self._KEY, "stopped": {"S": json.dumps(kept)}})

    def delete(self) -> None:
        """Forget the stop."""
        self._client.delete_item(TableName=self._table, Key=self._KEY)


@dataclass(frozen=True)
class Power:
    """Whether the guard is switched on, as far as AWS tells. `unread` is why some of it is not known."""

    off: tuple[Switch, ...]
    throttled: bool
    stop: Stop | None
    unread: str | None = None

    @property
    def on(self) -> bool:
        """Tell whether nothing was found to be off."""
        return not self.off and not self.throttled

    @property
    def sentence(self) -> str:
        """Return how it stands, in one sentence."""
        parts = [str(switch) for switch in self.off] + (
            [f"{SWEEP_FUNCTION} (no concurrency)"] if self.throttled else []
        )
        if self.on:
            return f"Running, as far as AWS tells: {self.unread}." if self.unread else "Running."
        since = f" since {utc_text(self.stop.since)} by {self.stop.by}" if self.stop else ""
        return f"Stopped{since}; off: {', '.join(parts)}."


def power(guard: Guard) -> Power:
    """Return whether the guard is switched on. Never raises for what AWS refuses."""
    board, record = Switchboard(guard), StopRecord(guard.dynamodb, guard.settings.state_table)
    off: tuple[Switch, ...] = ()
    throttled, stop, refused = False, None, []
    try:
        off = tuple(switch for switch, state in board.states(switches_of(guard)).items() if state is not State.ON)
    except (ClientError, BotoCoreError) as error:
        refused.append(str(error))
    try:
        throttled = board.sweeps_throttled()
    except (ClientError, BotoCoreError) as error:
        refused.append(str(error))
    try:
        stop = record.load()
    except (ClientError, BotoCoreError, WrongUse) as error:
        refused.append(str(error))
    return Power(off, throttled, stop, "; ".join(refused).rstrip(".") or None)
