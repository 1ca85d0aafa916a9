"""What invokes the functions, and an emergency stop disables: EventBridge rules, and the schedule of sweeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from mfa_guard_cli.admin.guard import Guard

# Prefix of the logical IDs of the rules that invoke UserEventFunction, and the rule that invokes a sweep.
_USER_EVENT_RULES: Final = "UserEventFunction"
_SWEEP_REQUEST_RULE: Final = "SweepFunctionSweepRequested"
_RULE_TYPE: Final = "AWS::Events::Rule"
_SCHEDULE_TYPE: Final = "AWS::Scheduler::Schedule"


class InvokerKind(StrEnum):
    """The kind of an invoker."""

    RULE = "rule"
    SCHEDULE = "schedule"


class InvokerState(StrEnum):
    """The state of an invoker in AWS."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    MISSING = "missing"


@dataclass(frozen=True, order=True)
class Invoker:
    """An EventBridge rule or a schedule, by name."""

    kind: InvokerKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value} {self.name}"


class _Scheduler(Protocol):
    """What this module uses of EventBridge Scheduler's client."""

    def get_schedule(self, **parameters: str) -> Mapping[str, object]: ...
    def update_schedule(self, **parameters: object) -> object: ...


def invokers_of(guard: Guard) -> tuple[Invoker, ...]:
    """Return what an emergency stop disables. The rules that act on users come first."""
    rules = [each for each in guard.resources if each.type == _RULE_TYPE and each.physical_id]
    user_events = sorted(each.physical_id for each in rules if each.logical_id.startswith(_USER_EVENT_RULES))
    requests = [each.physical_id for each in rules if each.logical_id == _SWEEP_REQUEST_RULE]
    schedules = [each.physical_id for each in guard.resources if each.type == _SCHEDULE_TYPE and each.physical_id]
    return (
        *(Invoker(InvokerKind.RULE, name) for name in (*user_events, *requests)),
        *(Invoker(InvokerKind.SCHEDULE, name) for name in schedules),
    )


def sweep_request_rule(guard: Guard) -> Invoker | None:
    """Return the rule that invokes SweepFunction for a sweep request."""
    names = (each.physical_id for each in guard.resources if each.logical_id == _SWEEP_REQUEST_RULE)
    return next((Invoker(InvokerKind.RULE, name) for name in names), None)


class Invokers:
    """Reads, enables and disables invokers, and the concurrency of SweepFunction. Raises what AWS raises."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        client: _Scheduler = guard.session.client("scheduler")
        self._scheduler = client
        # The protocol above has only the calls that are made; every client has its model as well.
        operation = client.meta.service_model.operation_model("UpdateSchedule")  # type: ignore[attr-defined]
        self._updatable = frozenset(operation.input_shape.members)

    def state(self, invoker: Invoker) -> InvokerState:
        """Return the state of an invoker."""
        try:
            state = self._read(invoker)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return InvokerState.MISSING
            raise
        return InvokerState.DISABLED if state == "DISABLED" else InvokerState.ENABLED

    def states(self, invokers: Sequence[Invoker]) -> dict[Invoker, InvokerState]:
        """Return the state of each invoker."""
        return {invoker: self.state(invoker) for invoker in invokers}

    def _read(self, invoker: Invoker) -> object:
        if invoker.kind is InvokerKind.RULE:
            return self._guard.events.describe_rule(Name=invoker.name)["State"]
        return self._scheduler.get_schedule(Name=invoker.name)["State"]

    def set_state(self, invoker: Invoker, state: InvokerState) -> None:
        """Enable or disable an invoker, and change nothing else of it."""
        if invoker.kind is InvokerKind.SCHEDULE:
            # UpdateSchedule replaces the whole schedule, so it has to get all of its settings.
            found = self._scheduler.get_schedule(Name=invoker.name)
            settings = {name: value for name, value in found.items() if name in self._updatable}
            self._scheduler.update_schedule(**{**settings, "State": state.value.upper()})
        elif state is InvokerState.ENABLED:
            self._guard.events.enable_rule(Name=invoker.name)
        else:
            self._guard.events.disable_rule(Name=invoker.name)

    def sweeps_throttled(self) -> bool:
        """Return whether SweepFunction has a concurrency of 0, as the command in the output EmergencyStop sets it."""
        answer = self._guard.functions.get_function_concurrency(FunctionName=self._guard.sweep_arn)
        return answer.get("ReservedConcurrentExecutions") == 0

    def sweeps_known_to_be_throttled(self) -> bool:
        """Return the same, or False if AWS does not allow to read it."""
        try:
            return self.sweeps_throttled()
        except (ClientError, BotoCoreError):
            return False

    def unthrottle_sweeps(self) -> None:
        """Remove the concurrency of 0 from SweepFunction."""
        self._guard.functions.delete_function_concurrency(FunctionName=self._guard.sweep_arn)
