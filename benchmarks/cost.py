"""What mfa-guard costs: what was measured, times AWS's public prices, as docs/cost.md."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil
from pathlib import Path
from typing import Final

from benchmarks.results import GUARD, Results

# Dollars in us-east-1, from the pages that docs/cost.md names.
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
# Steps of AWS Config's price for one evaluation of a rule: how many of them, and each one's price.
_EVALUATIONS: Final = ((100_000, 0.001), (400_000, 0.0008), (float("inf"), 0.0005))

_TABLE_READS: Final = {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"}

MEMORY_GB: Final = 0.5
# Lambda gives a function of 1,769 MB one processor, and others their share.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
_SHARE: Final = 512 / 1769
_DAYS: Final = 30
_EVENTS_OF_A_USER: Final = 3
_LOG_KB_OF_AN_EVENT: Final = 3
# What a sweep counts and measures, once a day; what an event counts, in the hour that it comes.
_SWEEP_METRICS: Final = 12
_EVENT_METRICS: Final = 5
_SIZES: Final = (50, 500, 5000)


@dataclass(frozen=True)
class Month:
    """A month of an account, in dollars."""

    users: int
    events: float
    sweeps: float
    metrics: float
    fixed: float
    rule: float

    @property
    def whole(self) -> float:
        """Return all of it."""
        return self.events + self.sweeps + self.metrics + self.fixed


def seconds(wall: float, cpu: float) -> float:
    """Return how long work takes with a function's share of a processor: waiting as it was, computing longer."""
    return max(0.0, wall - cpu) + cpu / _SHARE


def an_event(results: Results, *, cold: bool) -> float:
    """Return the price of one event of a user who is bound, tagged and told of, without the metrics."""
    run = results.event(GUARD, 0.02)
    span = run.cold if cold else run.warm
    each = {name: count / run.events for name, count in run.calls.items()}
    computing = seconds(span.wall, span.cpu) * MEMORY_GB * _GB_SECOND + _REQUEST
    return computing + _of_calls(each) + _LOG_KB_OF_AN_EVENT / 1e6 * _LOG_GB


def a_sweep(results: Results, users: int) -> float:
    """Return the price of a sweep that finds nothing to do, without metrics; a line through the measured sizes."""
    small, large = (results.sweep(GUARD, size, 0.02, "steady") for size in (results.sizes[0], results.sizes[-1]))
    low, high = (seconds(run.span.wall, run.span.cpu) for run in (small, large))
    slope = (high - low) / (large.users - small.users)
    taken = max(low + slope * (users - small.users), 1.0)
    return taken * MEMORY_GB * _GB_SECOND + _REQUEST + _of_calls(small.calls)


def _of_calls(calls: Mapping[str, float]) -> float:
    """Return what the tables and the topic take for calls; IAM's and the others' are free."""
    table = sum(
        count * (_READ if name in _TABLE_READS else _WRITE) for name, count in calls.items() if "dynamodb" in name
    )
    return table + calls.get("sns:Publish", 0.0) * (_PUBLISH + _MAIL)


def evaluations(count: float) -> float:
    """Return what AWS Config takes for evaluations of rules."""
    price = 0.0
    for most, each in _EVALUATIONS:
        price += min(count, most) * each
        count = max(0.0, count - most)
    return price


def month(results: Results, users: int, alarms: int) -> Month:
    """Return a month of so many users."""
    events = users * _EVENTS_OF_A_USER
    hours = min(events, 730)
    return Month(
        users=users,
        # So few events an hour find no warm function.
        events=events * an_event(results, cold=True),
        sweeps=_DAYS * a_sweep(results, users),
        metrics=(hours * _EVENT_METRICS + _DAYS * _SWEEP_METRICS) * _METRIC_HOUR,
        fixed=alarms * _ALARM + _DASHBOARD,
        rule=evaluations(users * _DAYS),
    )


def alarms_of(template: Path) -> int:
    """Return how many alarms the template declares."""
    return len(re.findall(r"^    Type: AWS::CloudWatch::Alarm$", template.read_text("utf-8"), re.MULTILINE))


def page(results: Results, alarms: int) -> str:
    """Return docs/cost.md."""
    months = [month(results, users, alarms) for users in _SIZES]
    event = results.event(GUARD, 0.02)
    sweeps: Mapping[int, float] = {size: results.sweep(GUARD, size, 0.02, "steady").span.wall for size in results.sizes}
    return _PAGE.format(
        date=PRICED.isoformat(),
        measured=results.date.isoformat(),
        warm=f"{an_event(results, cold=False) * 1000:.3f}",
        cold=f"{an_event(results, cold=True) * 1000:.3f}",
        taken_warm=f"{seconds(event.warm.wall, event.warm.cpu) * 1000:,.0f}",
        taken_cold=f"{seconds(event.cold.wall, event.cold.cpu) * 1000:,.0f}",
        sweeps=" and ".join(f"{wall:.1f} s for {size:,} users" for size, wall in sweeps.items()),
        memory=ceil(max(run.peak_mib for run in results.sweeps if run.tool == GUARD)),
        per_user=_EVENTS_OF_A_USER,
        alarms=alarms,
        rows="\n".join(_row(each) for each in months),
    )


def _row(each: Month) -> str:
    cells: Sequence[float] = (each.events, each.sweeps, each.metrics, each.fixed, each.whole, each.rule)
    return f"| {each.users:,} | {' | '.join(f'{cell:.2f}' for cell in cells)} |"


_PAGE: Final = """# What it costs

Dollars in us-east-1, from AWS's public prices as of {date} and what `make bench` measured on {measured}. No free
tier is taken off; most accounts have one that covers the functions, the topics, ten alarms, ten metrics and three
dashboards.

**1,000 events: {warm} when the function is warm, {cold} when each starts cold.** Each is a new user without a
device who is bound, tagged and told of in a mail of its own. At 20 ms a call that takes {taken_warm} ms warm and
{taken_cold} ms cold on a function of 512 MB, which gets 0.29 of a processor: measured waiting as it was, measured
computing divided by 0.29.

A month, with {per_user} such events a user, all of them cold, each in an hour of its own as far as there are
hours, and a sweep a day ({sweeps}, at most {memory} MiB, at 20 ms a call):

| users | events | sweeps | metrics | {alarms} alarms, one dashboard | together | AWS Config's rule, for comparison |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: |
{rows}

The comparison is `iam-user-mfa-enabled`, evaluated once a day for every user; it finds users without a device and
does nothing about them. What the configuration recorder takes for recording users (0.003 an item) comes on top and
is left out. CloudTrail's trail, which both need, is left out as well: the first copy of management events is free,
its storage in S3 is not. The notice topic uses SNS's own key, which costs nothing; a key of your own costs 1.00 a
month.

Prices: [Lambda](https://aws.amazon.com/lambda/pricing/), [DynamoDB](https://aws.amazon.com/dynamodb/pricing/on-demand/),
[SNS](https://aws.amazon.com/sns/pricing/), [CloudWatch](https://aws.amazon.com/cloudwatch/pricing/),
[AWS Config](https://aws.amazon.com/config/pricing/). The arithmetic is [cost.py](../benchmarks/cost.py).
"""
