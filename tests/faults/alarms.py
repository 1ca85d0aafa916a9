"""Evaluate the alarms of the rendered template on datapoints, as CloudWatch does.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
"""

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from mfa_guard_cli.stack.template import Stack

_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
}
# When datapoints are missing, CloudWatch looks at some older ones as well, so an alarm returns to OK later than after
# its periods. AWS does not document the number.
_OLDER: Final = 5


@dataclass(frozen=True)
class Datapoint:
    """A value of a metric at a time. `dimension`: the value of its only dimension."""

    namespace: str
    metric: str
    dimension: str
    at: datetime
    value: float


def raised_alarms(stack: Stack, datapoints: Iterable[Datapoint]) -> frozenset[str]:
    """Return the logical ids of the alarms that the datapoints raise and that notify the operations topic."""
    points = tuple(datapoints)
    return frozenset(name for name, alarm in _notifying(stack) if _raises(alarm, points))


def _notifying(stack: Stack) -> Iterator[tuple[str, Mapping[str, Any]]]:
    operations = stack.resolve({"Ref": "OperationsTopic"})
    for resource in stack.resources.values():
        if resource.type == "AWS::CloudWatch::Alarm" and resource.properties.get("ActionsEnabled", True) is True:
            actions = resource.properties.get("AlarmActions", [])
            if isinstance(actions, list) and operations in actions:
                yield resource.logical_id, resource.properties


def _buckets(alarm: Mapping[str, Any], points: Iterable[Datapoint]) -> Mapping[int, float]:
    """Return the statistic of each period that has datapoints, by the period's number since 1970."""
    [dimension] = alarm["Dimensions"]
    watched = (alarm["Namespace"], alarm["MetricName"], dimension["Value"])
    buckets: dict[int, list[float]] = defaultdict(list)
    for point in points:
        if (point.namespace, point.metric, point.dimension) == watched:
            buckets[int(point.at.timestamp()) // int(alarm["Period"])].append(point.value)
    total = alarm["Statistic"] == "Sum"
    return {number: sum(values) if total else max(values) for number, values in buckets.items()}


def _periods(alarm: Mapping[str, Any]) -> tuple[int, int]:
    evaluated = int(alarm["EvaluationPeriods"])
    return evaluated, int(alarm.get("DatapointsToAlarm", evaluated))


def _raises(alarm: Mapping[str, Any], points: Iterable[Datapoint]) -> bool:
    # Without data, the alarm that fires for missing data would always be raised here.
    if alarm["TreatMissingData"] == "breaching":
        return False
    compare, threshold = _OPERATORS[alarm["ComparisonOperator"]], float(alarm["Threshold"])
    breaching = sorted(number for number, value in _buckets(alarm, points).items() if compare(value, threshold))
    window, needed = _periods(alarm)
    return any(sum(start <= each < start + window for each in breaching) >= needed for start in breaching)


def actions(
    stack: Stack, datapoints: Iterable[Datapoint], began: datetime, ended: datetime
) -> Iterator[tuple[datetime, str]]:
    """Yield when which alarm, by its logical id, goes to ALARM and so notifies the operations topic."""
    points = tuple(datapoints)
    for name, alarm in _notifying(stack):
        buckets, raised, at = _buckets(alarm, points), False, began
        while at <= ended:
            before, raised = raised, _state(alarm, buckets, int(at.timestamp()), raised=raised)
            if raised and not before:
                yield at, name
            at += timedelta(minutes=1)


def _state(alarm: Mapping[str, Any], buckets: Mapping[int, float], at: int, *, raised: bool) -> bool:
    """Return whether the alarm is in the state ALARM at a second since 1970."""
    compare, threshold = _OPERATORS[alarm["ComparisonOperator"]], float(alarm["Threshold"])
    missing, (window, needed) = alarm["TreatMissingData"], _periods(alarm)
    last = at // int(alarm["Period"])
    seen = {
        number: compare(buckets[number], threshold)
        for number in range(last - window + 1, last + 1)
        if number in buckets
    }
    absent = window - len(seen)
    if missing == "ignore" and not seen:
        return raised
    if sum(seen.values()) + (absent if missing == "breaching" else 0) >= needed:
        return True
    older = [number for number in buckets if last - window - _OLDER < number <= last - window]
    return raised and absent > 0 and any(compare(buckets[number], threshold) for number in older)
