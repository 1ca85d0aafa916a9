"""The rules, targets, schedules and functions as they are now, which may differ from the template."""

import json
from typing import Final

from moto.awslambda.models import lambda_backends
from moto.events.models import Rule as MotoRule
from moto.events.models import events_backends
from moto.scheduler.models import scheduler_backends

from mfa_guard_cli.stack.event_pattern import Matcher, compile_pattern
from mfa_guard_cli.stack.template import Fields, Stack

_BUS: Final = "default"


class Deployed:
    """Reads moto's services each time that something is delivered."""

    def __init__(self, stack: Stack) -> None:
        self._rules = events_backends[stack.account][stack.region]
        self._schedules = scheduler_backends[stack.account][stack.region]
        self._functions = lambda_backends[stack.account][stack.region]
        self._logical_ids = {each.physical_id: each.logical_id for each in stack.resources.values()}
        self._compiled: dict[str, tuple[str, Matcher]] = {}

    def matching(self, envelope: Fields) -> tuple[tuple[str, str], ...]:
        """Return the rules that an event matches, each with the ARN of a target.

        A rule is named by its logical id, or by its name where the stack has no such rule.
        """
        rules = tuple(self._rules.event_buses[_BUS].rules.values())
        return tuple(
            (self._logical_ids.get(rule.name, rule.name), str(target["Arn"]))
            for rule in rules
            if rule.state == "ENABLED" and self._matcher(rule)(envelope)
            for target in tuple(rule.targets)
        )

    def schedule_target(self, logical_id: str) -> Fields | None:
        """Return the target of a schedule; None when it is disabled or deleted."""
        name = next(each for each, found in self._logical_ids.items() if found == logical_id)
        for group in self._schedules.schedule_groups.values():
            schedule = group.schedules.get(name)
            if schedule and schedule.state == "ENABLED":
                target: Fields = schedule.target
                return target
        return None

    def is_throttled(self, function: str) -> bool:
        """Tell whether the function's reserved concurrency is zero."""
        try:
            found = self._functions.get_function(function)
        except Exception:  # noqa: BLE001 - moto raises its own error for a function that it does not have
            return False
        return found.reserved_concurrency is not None and int(found.reserved_concurrency) == 0

    def reads_stream(self) -> bool:
        """Tell whether the event source mapping of the exemption table's stream exists and is on."""
        mappings = self._functions.list_event_source_mappings("", "")
        return any(each.enabled for each in mappings if ":dynamodb:" in each.event_source_arn)

    def _matcher(self, rule: MotoRule) -> Matcher:
        pattern: Fields = rule.event_pattern.get_pattern()
        text = json.dumps(pattern, sort_keys=True)
        known = self._compiled.get(rule.name)
        if known is None or known[0] != text:
            known = self._compiled[rule.name] = (text, compile_pattern(pattern) if pattern else lambda _: False)
        return known[1]
