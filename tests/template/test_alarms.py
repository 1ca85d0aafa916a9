"""A chronic problem never hides a second one: for every pair of problems, an alarm acts when the second begins.

CloudWatch's alarms act on transitions only. Sweeps run every hour with the real use case, and the rest of what
CloudWatch sees is given by the problem itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product
from typing import Final

import pytest

from faults.alarms import Datapoint, actions
from mfa_guard.core.errors import AwsRequestFailed
from mfa_guard.core.health.checks import Check, Verdict, doublings
from mfa_guard.core.settings import Mode
from mfa_guard_cli.stack.template import load_template
from support.factories import NOW, settings
from support.fakes import FakeAccount
from support.sweeps import compliant_user, run, user

STACK: Final = load_template().render()
HOUR: Final = timedelta(hours=1)
MINUTE: Final = timedelta(minutes=1)
FIRST: Final = NOW + HOUR + 7 * MINUTE
SECOND: Final = NOW + 5 * HOUR + 20 * MINUTE
ENDED: Final = NOW + 8 * HOUR


@dataclass(frozen=True)
class Problem:
    """Something that goes wrong at a time and stays wrong.

    `check` is the health check that shows it, with its words. `failing` is a user that sweeps cannot enforce. `metrics`
    are the metrics of AWS that have a datapoint: `every` minute, or once.
    """

    name: str
    check: tuple[str, str] | None = None
    failing: str | None = None
    metric: tuple[str, str, str] | None = None
    every: bool = False
    times: int = 1


def _queue() -> str:
    return str(STACK.resolve({"Fn::GetAtt": ["DeadLetterQueue", "QueueName"]}))


def _lambda(metric: str, function: str) -> tuple[str, str, str]:
    return ("AWS/Lambda", metric, STACK.physical_id(function))


DEAD_LETTER: Final = ("dead-letter queue", "message")
PROBLEMS: Final = (
    Problem("no trail", check=("trail", "no trail")),
    Problem("a rule is disabled", check=("rules", "new-credentials is DISABLED")),
    Problem("another rule is deleted", check=("rules", "mfa-devices does not exist")),
    Problem("notices have no subscription", check=("notices topic", "no subscription")),
    Problem("alarms have no subscription", check=("operations topic", "no subscription")),
    Problem("the policy is changed", check=("enforcement policy", "v2")),
    Problem("the group has another policy", check=("enforcement group", "other policy")),
    Problem("root has no MFA device", check=("root", "no MFA device")),
    Problem("root has a key", check=("root", "access keys")),
    Problem("a dead letter", check=DEAD_LETTER, metric=("AWS/SQS", "NumberOfMessagesSent", _queue())),
    Problem("another dead letter", check=DEAD_LETTER, metric=("AWS/SQS", "NumberOfMessagesSent", _queue())),
    Problem("a sweep fails for ann", failing="ann"),
    Problem("a sweep fails for ben", failing="ben"),
    Problem("events fail", metric=_lambda("Errors", "UserEventFunction"), every=True),
    Problem("alerts fail", metric=_lambda("Errors", "AlertFunction"), every=True),
    Problem("sweeps fail", metric=_lambda("Errors", "SweepFunction"), every=True),
    Problem("teardown fails", metric=_lambda("Errors", "TeardownFunction"), every=True),
    Problem("an event is lost", metric=_lambda("DestinationDeliveryFailures", "UserEventFunction")),
    Problem("an alert is lost", metric=_lambda("DestinationDeliveryFailures", "AlertFunction")),
    Problem("a sweep request is lost", metric=_lambda("DestinationDeliveryFailures", "SweepFunction")),
    Problem("the user record is unreachable", metric=("MfaGuard", "UserRecordUnreachable", "mfa-guard")),
    Problem("a user cannot be enforced", metric=("MfaGuard", "EnforcementFailed", "mfa-guard")),
)
PAIRS: Final = [(one, other) for one, other in product(PROBLEMS, PROBLEMS) if one is not other]


@dataclass
class Timeline:
    """An account with an hourly sweep, and problems that begin at a time."""

    problems: Mapping[Problem, datetime]
    account: FakeAccount = field(
        default_factory=lambda: FakeAccount(
            compliant_user("carl"), user("ann", password=True), user("ben", password=True)
        )
    )

    def datapoints(self) -> Iterator[Datapoint]:
        """Yield what CloudWatch gets until the end."""
        for problem, began in self.problems.items():
            if problem.metric:
                minutes = int((ENDED - began) / MINUTE) if problem.every else 1
                yield from (Datapoint(*problem.metric, began + number * MINUTE, 1) for number in range(minutes))
        at = NOW
        while at <= ENDED:
            yield from self._sweep(at)
            at += HOUR

    def _sweep(self, at: datetime) -> Iterator[Datapoint]:
        current = [problem for problem, began in self.problems.items() if began <= at]
        account = self.account
        account.clock.time = at
        account.health.found = tuple(_checks(current))
        refused = AwsRequestFailed("Throttling: Rate exceeded")
        account.iam.refusing = {("attach", each.failing): refused for each in current if each.failing}
        account.telemetry.counts.clear()
        account.telemetry.gauges.clear()
        # Each user must need something in each sweep.
        for name in ("ann", "ben"):
            account.iam.users[name].attached = False
        run(account, settings(mode=Mode.ALL))
        for name, value in (*account.telemetry.counts.items(), *account.telemetry.gauges.items()):
            yield Datapoint("MfaGuard", name.value, "mfa-guard", at, value)


def _checks(current: Sequence[Problem]) -> Iterator[Check]:
    found: dict[str, list[str]] = {name: [] for name in ("trail", "rules", "notices topic")}
    for problem in current:
        if problem.check:
            found.setdefault(problem.check[0], []).append(problem.check[1])
    for name, words in found.items():
        verdict = Verdict.PROBLEM if words else Verdict.FINE
        parts = doublings(len(words)) if name == DEAD_LETTER[0] else ()
        yield Check(name, verdict, f"{'; '.join(words)}.", "Do something.", parts=parts)


def acting(problems: Mapping[Problem, datetime]) -> list[tuple[datetime, str]]:
    points = tuple(Timeline(problems).datapoints())
    # The heartbeat alarm's day begins before these hours.
    return [each for each in actions(STACK, points, NOW, ENDED) if each[1] != "HeartbeatAlarm"]


@pytest.mark.parametrize(("chronic", "second"), PAIRS, ids=lambda each: each.name)
def test_an_alarm_acts_when_a_second_problem_begins(chronic: Problem, second: Problem) -> None:
    found = acting({chronic: FIRST, second: SECOND})
    assert [name for at, name in found if SECOND <= at <= SECOND + HOUR], found


def test_without_a_problem_no_alarm_acts() -> None:
    assert acting({}) == []


@pytest.mark.parametrize("chronic", PROBLEMS, ids=lambda each: each.name)
def test_a_chronic_problem_is_announced_when_it_begins_and_not_again(chronic: Problem) -> None:
    times = [at for at, _ in acting({chronic: FIRST})]
    assert times
    assert all(FIRST <= at <= FIRST + HOUR for at in times)


EVENT_ALARMS: Final = (
    "HealthProblemsAlarm",
    "SweepFailuresAlarm",
    "DeadLetterQueueAlarm",
    "EnforcementFailedAlarm",
    "UserRecordUnreachableAlarm",
)


@pytest.mark.parametrize("name", EVENT_ALARMS)
def test_an_alarm_about_what_happens_returns_to_ok_within_minutes(name: str) -> None:
    alarm = STACK.resource(name).properties
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (60, 1, "notBreaching")
    assert alarm["Statistic"] == "Sum"


@pytest.mark.parametrize("name", ["NoticesTopicAlarm", "TrailAlarm", "RulesAlarm"])
def test_an_alarm_about_what_lasts_keeps_its_state_between_sweeps_and_says_when_it_ends(name: str) -> None:
    alarm = STACK.resource(name).properties
    assert alarm["TreatMissingData"] == "ignore"
    assert alarm["OKActions"] == alarm["AlarmActions"] == [STACK.resolve({"Ref": "OperationsTopic"})]


def test_the_model_latches_as_cloudwatch_does() -> None:
    # The number of messages in the queue, as an alarm could watch it: the second message causes no action.
    alarm = STACK.resource("DeadLetterQueueAlarm").properties
    chronic = [
        Datapoint("AWS/SQS", str(alarm["MetricName"]), _queue(), FIRST + number * MINUTE, 1) for number in range(300)
    ]
    second = Datapoint("AWS/SQS", str(alarm["MetricName"]), _queue(), SECOND, 1)
    assert [name for _, name in actions(STACK, [*chronic, second], NOW, ENDED) if name != "HeartbeatAlarm"] == [
        "DeadLetterQueueAlarm"
    ]
