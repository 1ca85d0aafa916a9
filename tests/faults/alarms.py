"""Evaluate the alarms of the rendered template on datapoints, as CloudWatch does."""

import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from mfa_guard_cli.stack.template import Stack

_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
}


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


def _raises(alarm: Mapping[str, Any], points: Iterable[Datapoint]) -> bool:
    if alarm["ComparisonOperator"] not in _OPERATORS:
        return False
    [dimension] = alarm["Dimensions"]
    watched = (alarm["Namespace"], alarm["MetricName"], dimension["Value"])
    period = int(alarm["Period"])
    buckets: Counter[int] = Counter()
    for point in points:
        if (point.namespace, point.metric, point.dimension) == watched:
            bucket, value = int(point.at.timestamp()) // period, int(point.value)
            buckets[bucket] = buckets[bucket] + value if alarm["Statistic"] == "Sum" else max(buckets[bucket], value)
    compare, threshold = _OPERATORS[alarm["ComparisonOperator"]], float(alarm["Threshold"])
    breaching = sorted(bucket for bucket, value in buckets.items() if compare(value, threshold))
    window, needed = int(alarm["EvaluationPeriods"]), int(alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]))
    return any(sum(start <= each < start + window for each in breaching) >= needed for start in breaching)
