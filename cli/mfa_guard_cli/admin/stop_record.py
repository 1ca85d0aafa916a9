"""The record of an emergency stop, and whether the guard runs."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard.core.emergency_stop import RECORD_ID, RecordedStop, StopNotUnderstood, dump_stop, parse_stop
from mfa_guard.core.times import utc_text
from mfa_guard_cli.admin.guard import SWEEP_FUNCTION, Guard
from mfa_guard_cli.admin.invokers import Invoker, InvokerKind, Invokers, InvokerState, invokers_of
from mfa_guard_cli.common.errors import WrongUse

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True)
class EmergencyStop:
    """An emergency stop: which invokers it disabled, since when, and by whose command (an ARN)."""

    invokers: tuple[Invoker, ...]
    since: datetime
    by: str


class StopRecord:
    """The record of the emergency stop, one item of the state table. Raises what DynamoDB raises."""

    _KEY: Final = {"id": {"S": RECORD_ID}}

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def load(self) -> EmergencyStop | None:
        """Return the recorded stop, or None. Raises WrongUse for a record that mfa-guard did not write."""
        item = self._client.get_item(TableName=self._table, Key=self._KEY, ConsistentRead=True).get("Item")
        if item is None:
            return None
        try:
            stop = parse_stop(item["stopped"]["S"])
            invokers = tuple(Invoker(InvokerKind(kind), name) for kind, name in stop.disabled)
        except (KeyError, ValueError, StopNotUnderstood) as error:
            raise WrongUse(
                f"The item stop#emergency of table {self._table} was not written by mfa-guard; use mfa-guard start "
                "--all."
            ) from error
        return EmergencyStop(invokers, stop.since, stop.by)

    def save(self, stop: EmergencyStop) -> None:
        """Record a stop. The record does not expire."""
        disabled = tuple((invoker.kind.value, invoker.name) for invoker in stop.invokers)
        text = dump_stop(RecordedStop(disabled, stop.since, stop.by))
        self._client.put_item(TableName=self._table, Item={**self._KEY, "stopped": {"S": text}})

    def delete(self) -> None:
        """Delete the record."""
        self._client.delete_item(TableName=self._table, Key=self._KEY)


@dataclass(frozen=True)
class RunState:
    """Whether the guard runs, as far as AWS allows to read it.

    `disabled`: invokers that are disabled or missing. `stop`: the recorded emergency stop. `unread`: why some of this
    is not known.
    """

    disabled: tuple[Invoker, ...]
    sweeps_throttled: bool
    stop: EmergencyStop | None
    unread: str | None = None

    @property
    def running(self) -> bool:
        """Return whether nothing is known to be disabled."""
        return not self.disabled and not self.sweeps_throttled

    @property
    def sentence(self) -> str:
        """Return the state as a sentence."""
        if self.running:
            return f"Running, as far as could be read: {self.unread}." if self.unread else "Running."
        throttled = [f"{SWEEP_FUNCTION} (concurrency 0)"] if self.sweeps_throttled else []
        since = f" since {utc_text(self.stop.since)} by {self.stop.by}" if self.stop else ""
        return f"Stopped{since}; disabled: {', '.join([*map(str, self.disabled), *throttled])}."


def read_run_state(guard: Guard) -> RunState:
    """Return whether the guard runs. An AWS request that fails becomes part of `unread`."""
    invokers, record = Invokers(guard), StopRecord(guard.dynamodb, guard.settings.state_table)
    disabled: tuple[Invoker, ...] = ()
    throttled, stop, errors = False, None, []
    try:
        states = invokers.states(invokers_of(guard))
        disabled = tuple(invoker for invoker, state in states.items() if state is not InvokerState.ENABLED)
    except (ClientError, BotoCoreError) as error:
        errors.append(str(error))
    try:
        throttled = invokers.sweeps_throttled()
    except (ClientError, BotoCoreError) as error:
        errors.append(str(error))
    try:
        stop = record.load()
    except (ClientError, BotoCoreError, WrongUse) as error:
        errors.append(str(error))
    return RunState(disabled, throttled, stop, "; ".join(errors).rstrip(".") or None)
