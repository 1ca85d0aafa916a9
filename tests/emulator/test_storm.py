"""500 users are created at once while IAM allows 20 calls a second, in simulated time."""

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from mfa_guard.core.cloudtrail import parse_user_event
from mfa_guard.core.errors import AwsRequestFailed
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import STATUS_TAG
from mfa_guard.use_cases.alert import send_summaries
from mfa_guard.use_cases.remediate import remediate
from mfa_guard_emulator.aws.async_queue import LONGEST_WAIT, AsyncQueue
from support.alert_fakes import alert_dependencies
from support.factories import NOW, detail, settings
from support.fakes import Calls, FakeAccount, FakeUser

USERS = 500
CALLS_A_SECOND = 20
ATTEMPTS = 5
LATENCY = timedelta(milliseconds=20)


@dataclass
class Throttled(Calls):
    """Lets time pass with every call. IAM refuses calls beyond its rate, and botocore tries a refused call again."""

    account: FakeAccount | None = None
    accepted: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    jitter: random.Random = field(default_factory=lambda: random.Random(6))  # noqa: S311 - botocore's jitter

    def enter(self, name: str) -> None:
        assert self.account is not None
        clock = self.account.clock
        clock.time += LATENCY
        if not name.startswith("iam."):
            return
        for attempt in range(ATTEMPTS):
            second = int(clock.time.timestamp())
            if self.accepted[second] < CALLS_A_SECOND:
                self.accepted[second] += 1
                return
            self.refused += 1
            # https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
            clock.time += timedelta(seconds=self.jitter.random() * min(2**attempt, 20))
        raise AwsRequestFailed("Throttling: Rate exceeded")


def storm(concurrency: int | None) -> tuple[FakeAccount, AsyncQueue, Throttled]:
    users = [FakeUser(f"user-{number}", f"AIDA{number}", password=True, created_at=NOW) for number in range(USERS)]
    account = FakeAccount(*users)
    calls = Throttled(account=account)
    for part in (account, account.iam, account.records, account.notifier, account.windows, account.timer):
        part.calls = calls

    def invoke(event: object, start: datetime) -> tuple[datetime, bool]:
        assert isinstance(event, dict)
        account.clock.time = start
        try:
            remediate(parse_user_event(event), settings(), account.dependencies)
        except Exception:  # noqa: BLE001 - Lambda retries whatever the function raises
            return account.clock.time, False
        return account.clock.time, True

    queue = AsyncQueue(concurrency, invoke)
    queue.run(
        (NOW + timedelta(seconds=order), detail(name, {"userName": user.name}, eventTime=utc_text(NOW)))
        for order, name in enumerate(("CreateUser", "CreateLoginProfile"))
        for user in users
    )
    while account.timer.started:
        when, kind = account.timer.started.pop(0)
        account.clock.time = max(account.clock.time, when)
        send_summaries([kind], settings(), alert_dependencies(account))
    return account, queue, calls


def test_with_reserved_concurrency_everyone_is_enforced_by_at_most_twelve_mails() -> None:
    account, queue, calls = storm(concurrency=5)
    assert calls.refused > 0
    assert queue.dropped == []
    assert all(user.attached and STATUS_TAG in user.tags for user in account.iam.users.values())
    assert len(account.notifier.sent) <= 12


def test_without_it_the_same_storm_ends_in_dead_letters() -> None:
    _, queue, _ = storm(concurrency=None)
    assert queue.dropped != []


class TestQueue:
    """What the queue itself does."""

    @staticmethod
    def queue(concurrency: int | None, lasts: float, *, succeeds: bool = True) -> AsyncQueue:
        return AsyncQueue(concurrency, lambda _, start: (start + timedelta(seconds=lasts), succeeds))

    def test_a_throttled_invocation_waits_and_uses_up_no_retry(self) -> None:
        queue = self.queue(1, lasts=60)
        queue.run((NOW, number) for number in range(20))
        assert queue.dropped == []
        assert queue.oldest >= timedelta(minutes=19)

    def test_an_event_that_waited_for_six_hours_is_dropped(self) -> None:
        queue = self.queue(1, lasts=LONGEST_WAIT.total_seconds() + 1)
        queue.run((NOW, name) for name in ("first", "second"))
        assert queue.dropped == ["second"]

    @pytest.mark.parametrize("concurrency", [1, None])
    def test_an_invocation_that_fails_three_times_is_dropped(self, concurrency: int | None) -> None:
        queue = self.queue(concurrency, lasts=1, succeeds=False)
        queue.run([(NOW, "event")])
        assert queue.dropped == ["event"]
