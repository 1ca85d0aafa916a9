"""Compute what mfa-guard costs, from the measurements and the public prices of AWS, and write docs/cost.md."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import ceil
from pathlib import Path
from typing import Final

from benchmarks.results import GUARD, Results

# US dollars in us-east-1, from the pages that docs/cost.md links.
PRICED: Final = date(2026, 11, 24)
_GB_SECOND: Final = 0.0000133334
_REQUEST: Final = 0.20 / 1e6
_WRITE: Final = 0.625 / 1e6
_READ: Final = 0.125 / 1e6
_PUBLISH: Final = 0.50 / 1e6
_MAIL: Final = 2.00 / 1e5
_LOG_GB: Final = 0.50
_ALARM: Final = 0.10
_DASHBOARD: Final = 3.00
_METRIC_HOUR: Final = 0.30 / 730
# The price tiers of AWS Config for evaluations of a rule: how many, and the price of each.
_EVALUATIONS: Final = ((100_000, 0.001), (400_000, 0.0008), (float("inf"), 0.0005))

_TABLE_READS: Final = {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"}

MEMORY_GB: Final = 0.5
# A function with 1,769 MB gets one processor, and others a proportional share.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
_PROCESSOR_SHARE: Final = 512 / 1769
_DAYS: Final = 30
_EVENTS_PER_USER: Final = 3
_LOG_KB_PER_EVENT: Final = 3
_SWEEPS_A_DAY: Final = 24
# A read of the state table returns the record of every user, and costs one unit for 4 KB.
_RECORDS_PER_READ: Final = 12
# The metrics of a sweep, every hour, and of an event, in its hour.
_SWEEP_METRICS: Final = 15
_EVENT_METRICS: Final = 5
_SIZES: Final = (50, 500, 5000)


@dataclass(frozen=True)
class Month:
    """The cost of one month in one account, in US dollars.

    `daily` is the total with one sweep a day. `config_rule` is for comparison.
    """

    users: int
    events: float
    sweeps: float
    metrics: float
    fixed: float
    daily: float
    config_rule: float

    @property
    def total(self) -> float:
        """Return the sum."""
        return self.events + self.sweeps + self.metrics + self.fixed


def billed_seconds(wall: float, cpu: float) -> float:
    """Return how long work takes on a function: waiting as measured, computing longer with its share of a processor."""
    return max(0.0, wall - cpu) + cpu / _PROCESSOR_SHARE


def event_price(results: Results, *, cold: bool) -> float:
    """Return the price of one event with a user who is enforced, tagged, and reported, without metrics."""
    run = results.event(GUARD, 0.02)
    span = run.cold if cold else run.warm
    each = {name: count / run.events for name, count in run.calls.items()}
    computing = billed_seconds(span.wall, span.cpu) * MEMORY_GB * _GB_SECOND + _REQUEST
    return computing + _calls_price(each) + _LOG_KB_PER_EVENT / 1e6 * _LOG_GB


def sweep_price(results: Results, users: int) -> float:
    """Return the price of a sweep that changes nothing, without metrics, interpolated between the measured sizes."""
    small, large = (results.sweep(GUARD, size, 0.02, "steady") for size in (results.sizes[0], results.sizes[-1]))
    low, high = (billed_seconds(run.wall.median, run.cpu.median) for run in (small, large))
    slope = (high - low) / (large.users - small.users)
    taken = max(low + slope * (users - small.users), 1.0)
    records = users / _RECORDS_PER_READ * _READ
    return taken * MEMORY_GB * _GB_SECOND + _REQUEST + _calls_price(small.calls) + records


def _calls_price(calls: Mapping[str, float]) -> float:
    """Return the price of calls to the tables and the topic. Calls to IAM and other services are free."""
    table = sum(
        count * (_READ if name in _TABLE_READS else _WRITE) for name, count in calls.items() if "dynamodb" in name
    )
    return table + calls.get("sns:Publish", 0.0) * (_PUBLISH + _MAIL)


def evaluations_price(count: float) -> float:
    """Return what AWS Config charges for evaluations of rules."""
    price = 0.0
    for most, each in _EVALUATIONS:
        price += min(count, most) * each
        count = max(0.0, count - most)
    return price


def month(results: Results, users: int, alarms: int) -> Month:
    """Return the cost of a month with this number of users."""
    events = users * _EVENTS_PER_USER
    hours = min(events, 730)
    by_sweeps = {
        sweeps: sweeps * _DAYS * (sweep_price(results, users) + _SWEEP_METRICS * _METRIC_HOUR)
        for sweeps in (1, _SWEEPS_A_DAY)
    }
    found = Month(
        users=users,
        # With so few events in an hour, no function is warm.
        events=events * event_price(results, cold=True),
        sweeps=_SWEEPS_A_DAY * _DAYS * sweep_price(results, users),
        metrics=(hours * _EVENT_METRICS + _SWEEPS_A_DAY * _DAYS * _SWEEP_METRICS) * _METRIC_HOUR,
        fixed=alarms * _ALARM + _DASHBOARD,
        daily=0.0,
        config_rule=evaluations_price(users * _DAYS),
    )
    return replace(found, daily=found.total - by_sweeps[_SWEEPS_A_DAY] + by_sweeps[1])


def alarms_of(template: Path) -> int:
    """Return the number of alarms in the template."""
    return len(re.findall(r"^    Type: AWS::CloudWatch::Alarm$", template.read_text("utf-8"), re.MULTILINE))


def page(results: Results, alarms: int) -> str:
    """Return docs/cost.md."""
    months = [month(results, users, alarms) for users in _SIZES]
    event = results.event(GUARD, 0.02)
    steady = (results.sweep(GUARD, size, 0.02, "steady") for size in results.sizes)
    sweeps: Mapping[int, float] = {run.users: run.wall.median for run in steady}
    return _PAGE.format(
        date=PRICED.isoformat(),
        measured=results.date.isoformat(),
        warm=f"{event_price(results, cold=False) * 1000:.3f}",
        cold=f"{event_price(results, cold=True) * 1000:.3f}",
        taken_warm=f"{billed_seconds(event.warm.wall, event.warm.cpu) * 1000:,.0f}",
        taken_cold=f"{billed_seconds(event.cold.wall, event.cold.cpu) * 1000:,.0f}",
        sweeps=" and ".join(f"{wall:.1f} s for {size:,} users" for size, wall in sweeps.items()),
        memory=ceil(max(run.peak.most for run in results.sweeps if run.tool == GUARD)),
        per_user=_EVENTS_PER_USER,
        alarms=alarms,
        sweep_metrics=_SWEEP_METRICS,
        rows="\n".join(_row(each) for each in months),
    )


def _row(each: Month) -> str:
    cells: Sequence[float] = (
        each.events,
        each.sweeps,
        each.metrics,
        each.fixed,
        each.total,
        each.daily,
        each.config_rule,
    )
    return f"| {each.users:,} | {' | '.join(f'{cell:.2f}' for cell in cells)} |"


_PAGE: Final = """# Cost

Prices are in US dollars, for us-east-1: the public prices of AWS as of {date}, applied to what `make bench` measured on
{measured}. No free tier is deducted. In most accounts, it covers the functions, the topics, ten alarms, ten metrics,
and three dashboards.

**1,000 events cost {warm} if the function is warm, and {cold} if each event starts it cold.** Each event is a new user
without a device who is enforced, tagged, and reported in one mail. At 20 ms per call, an event takes {taken_warm} ms
warm and {taken_cold} ms cold on a function with 512 MB, which gets 0.29 of a processor. Waiting time is as
measured, computing time is the measured time divided by 0.29.

A month has {per_user} such events for each user, all of them cold and spread over as many hours as possible, and one
sweep an hour, the default of SweepEveryHours ({sweeps}, at most {memory} MiB, at 20 ms per call):

| users | events | sweeps | metrics | {alarms} alarms, one dashboard | total | with one sweep a day | AWS Config rule |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
{rows}

Most of what hourly sweeps add are the {sweep_metrics} metrics of a sweep: CloudWatch charges a custom metric for each
hour in which it has data.

The last column is for comparison: the AWS Config rule `iam-user-mfa-enabled`, evaluated once a day for every user. It
finds users without a device and does nothing about them. The configuration recorder also charges for recording users
(0.003 an item), which is not included. The CloudTrail trail, which both need, is not included either: the first copy
of management events is free, but its storage in S3 is not. The notices topic uses the AWS managed key of SNS, which is
free. A customer managed key costs 1.00 a month.

Prices: [Lambda](https://aws.amazon.com/lambda/pricing/), [DynamoDB](https://aws.amazon.com/dynamodb/pricing/on-demand/),
[SNS](https://aws.amazon.com/sns/pricing/), [CloudWatch](https://aws.amazon.com/cloudwatch/pricing/),
[AWS Config](https://aws.amazon.com/config/pricing/). The arithmetic is [cost.py](../benchmarks/cost.py).
"""
