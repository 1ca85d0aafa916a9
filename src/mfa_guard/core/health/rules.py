"""Judge the EventBridge rules and the schedule of sweeps: what lets the guard see events and sweep the account."""

from collections.abc import Mapping, Sequence
from typing import Final

from mfa_guard.core.emergency_stop import RecordedStop
from mfa_guard.core.health.comparison import difference, target_difference
from mfa_guard.core.health.content import RULE, SCHEDULE
from mfa_guard.core.health.deployed import Deployed, Expected
from mfa_guard.core.health.judgment import Judgment, Verdict, fine, listed, problem, unverifiable
from mfa_guard.core.health.readings import Fields, Rule, Seen, Unread
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.times import utc_text

# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Rule.html
_ENABLED: Final = ("ENABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
_DISABLED: Final = "is DISABLED"
_STOPPED: Final = "mfa-guard start ends the emergency stop, and reports what the guard missed."


def judge_rules(seen: Seen[Mapping[str, Rule]], deployed: Deployed) -> Judgment:
    """Judge whether every rule is enabled, has its pattern, and invokes its functions."""
    expected = Expected(deployed, seen.resources)
    if expected.unread:
        return unverifiable(expected.unread.reason)
    names = {each: _name(expected, each) for each in expected.of_type(RULE)}
    faults, unknown, stopped = list[str](), list[str](), list[str]()
    for logical_id, name in names.items():
        found = _rule_fault(seen.part.get(name), expected, logical_id)
        if isinstance(found, Unread):
            unknown.append(found.reason)
        elif found:
            faults.append(f"{name} {found}")
            if found == _DISABLED and seen.stop and name in seen.stop.names:
                stopped.append(name)
    if faults:
        reason = f"Rules that do not work: {listed(faults, '; ')}"
        return _problem(reason, seen.stop if len(stopped) == len(faults) else None)
    if unknown:
        return unverifiable(f"The rules cannot be compared with what the stack deployed: {unknown[0]}")
    works = f"All {len(names)} rules are enabled, and match and invoke what the stack deployed"
    return _beside(seen.part, frozenset(names.values()), expected, deployed) or fine(works)


def _name(expected: Expected, logical_id: str) -> str:
    properties = expected.properties(logical_id, "Name")
    return "" if isinstance(properties, Unread) else str(properties["Name"])


def _problem(reason: str, stop: RecordedStop | None) -> Judgment:
    """Return the problem, which is an emergency stop if `stop` explains all of it."""
    if stop is None:
        return problem(reason)
    recorded = f"An emergency stop was recorded at {utc_text(stop.since)} by {sanitize(stop.by)}. {reason}"
    return Judgment(Verdict.PROBLEM, recorded, _STOPPED)


def _rule_fault(rule: Rule | None, expected: Expected, logical_id: str) -> str | Unread | None:
    if rule is None:
        return "does not exist"
    if rule.state not in _ENABLED:
        return f"is {sanitize(rule.state, 40)}"
    pattern = expected.properties(logical_id, "EventPattern")
    if isinstance(pattern, Unread):
        return pattern
    if rule.pattern != pattern.get("EventPattern"):
        return "has another pattern"
    targets = expected.properties(logical_id, "Targets")
    return targets if isinstance(targets, Unread) else _target_fault(rule.targets, targets["Targets"])


def _target_fault(actual: Sequence[Fields], expected: object) -> str | None:
    for target in expected if isinstance(expected, list) else ():
        function = sanitize(str(target["Arn"]).rpartition(":")[2], 70)
        same = [each for each in actual if each.get("Arn") == target["Arn"]]
        if not same:
            return f"does not invoke {function}"
        if name := min((target_difference(each, target) for each in same), key=lambda found: found is not None):
            return f"invokes {function} with another {sanitize(name, 40)}"
    return None


def _beside(rules: Mapping[str, Rule], own: frozenset[str], expected: Expected, deployed: Deployed) -> Judgment | None:
    """Return advice about rules that look like the stack's, and about targets that the stack's rules have besides."""
    others = sorted(sanitize(name, 70) for name in rules if name not in own)
    wanted = {
        (name, str(target["Arn"]))
        for logical_id in expected.of_type(RULE)
        for name in [_name(expected, logical_id)]
        for target in _targets(expected, logical_id)
    }
    besides = sorted(
        f"{name} also invokes {sanitize(str(target.get('Arn')), 160)}"
        for name in own
        for target in rules[name].targets
        if (name, str(target.get("Arn"))) not in wanted
    )
    found = [*(f"{name} is not the stack's" for name in others), *besides]
    if not found:
        return None
    advice = (
        f"A rule that begins with {deployed.name_prefix}- may send to the dead-letter queue, and a target that was "
        "added receives the events of the rule. Find out who added it, and delete what you do not know."
    )
    return Judgment(Verdict.PROBLEM, f"The stack's rules work. {listed(found, '; ')}", advice, advisory=True)


def _targets(expected: Expected, logical_id: str) -> Sequence[Fields]:
    properties = expected.properties(logical_id, "Targets")
    targets = () if isinstance(properties, Unread) else properties["Targets"]
    return targets if isinstance(targets, list) else ()


def judge_schedule(seen: Seen[Fields], deployed: Deployed) -> Judgment:
    """Judge whether the schedule starts the sweeps that the stack deployed."""
    wanted = Expected(deployed, seen.resources).only(SCHEDULE, "FlexibleTimeWindow", "Target")
    name = str(seen.part.get("Name"))
    fault = _time_fault(seen.part, deployed)
    if not fault and not isinstance(wanted, Unread):
        fault = _start_fault(seen.part, wanted)
    if fault:
        stop = seen.stop if fault == _DISABLED and seen.stop and name in seen.stop.names else None
        return _problem(f"The schedule {sanitize(name, 70)} {fault}", stop)
    if isinstance(wanted, Unread):
        return unverifiable(f"The schedule cannot be compared with what the stack deployed: {wanted.reason}")
    return fine(f"The schedule is enabled and starts sweeps: {deployed.schedule_expression}")


def _time_fault(schedule: Fields, deployed: Deployed) -> str | None:
    if (state := str(schedule.get("State"))) != "ENABLED":
        return f"is {sanitize(state, 40)}"
    # A date ends the schedule or delays it, and another time zone moves its hours.
    plain = {
        "ScheduleExpression": deployed.schedule_expression,
        "ScheduleExpressionTimezone": "UTC",
        "StartDate": None,
        "EndDate": None,
    }
    name = difference(schedule, plain)
    return f"has another {name}: {sanitize(str(schedule.get(name)), 80)}" if name else None


def _start_fault(schedule: Fields, wanted: Fields) -> str | None:
    if schedule.get("FlexibleTimeWindow") != wanted["FlexibleTimeWindow"]:
        return "has another FlexibleTimeWindow"
    found = target_difference(_fields(schedule.get("Target")), _fields(wanted["Target"]))
    return f"has a target with another {sanitize(found, 40)}" if found else None


def _fields(value: object) -> Fields:
    return value if isinstance(value, Mapping) else {}
