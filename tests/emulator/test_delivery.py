"""The bus on functions that a test writes: at least once, retries, dead letters, bad weather, full queues."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Final
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfa_guard_cli.stack.template import Fields, Stack
from mfa_guard_emulator.aws import delivery
from mfa_guard_emulator.aws.account import LocalAccount
from mfa_guard_emulator.aws.delivery import CAPACITY, Bus, Delivery, DeliveryFaults, Invocation
from mfa_guard_emulator.aws.deployed import Deployed
from mfa_guard_emulator.aws.resources import create_all
from mfa_guard_emulator.functions.attempts import Attempt, FunctionError
from mfa_guard_emulator.functions.runtime import Hosted, hosted
from support.factories import detail, envelope, stream_record
from support.local import administrator
from support.processes import wait_until

USER: Final = "UserEventFunction"
ALERT: Final = "AlertFunction"
SWEEP: Final = "SweepFunction"
FUNCTIONS: Final = (USER, ALERT, SWEEP)
WAITS: Final = (0.02, 0.05)
BROKEN: Final = Attempt(error=FunctionError("ValueError", "no", ("line 1", "line 2")))
GOOD: Final = Attempt(answer={"status": "done"})

Handler = Callable[[Fields], Attempt]


@dataclass
class FakeFunction:
    """A runner. `handler` says how each run ends; `runs` are the events, ids and times so far."""

    hosted: Hosted
    handler: Handler = field(default=lambda _: GOOD)
    runs: list[tuple[Fields, str, float]] = field(default_factory=list)

    def start(self) -> None:
        pass

    def invoke(self, event: Fields, request_id: str) -> Attempt:
        self.runs.append((event, request_id, monotonic()))
        return self.handler(event)

    def close(self) -> None:
        pass


@dataclass
class World:
    """The bus and everything around it."""

    bus: Bus
    functions: Mapping[str, FakeFunction]
    letters: list[tuple[str, Fields]]
    watched: list[tuple[Delivery, Invocation | None]]
    failures: list[str]

    def settle(self) -> None:
        assert self.bus.settle(20), "The bus is not at rest."

    def ended(self) -> list[Invocation]:
        return [invocation for _, invocation in self.watched if invocation]


Worlds = Callable[..., World]


@contextmanager
def opened(
    account: LocalAccount,
    stack: Stack,
    folder: Path,
    *,
    delivery_faults: DeliveryFaults | None = None,
    refuse: bool = False,
) -> Iterator[World]:
    functions = {each: FakeFunction(hosted(stack, each, {}, folder)) for each in FUNCTIONS}
    letters: list[tuple[str, Fields]] = []
    watched: list[tuple[Delivery, Invocation | None]] = []
    failures: list[str] = []

    def send(queue: str, letter: Fields, _attributes: Mapping[str, str]) -> None:
        if refuse:
            raise RuntimeError("no such queue")
        letters.append((queue, letter))

    bus = Bus(
        stack,
        Deployed(stack),
        functions,
        send,
        lambda delivery, invocation: watched.append((delivery, invocation)),
        failures.append,
        delivery_faults or DeliveryFaults(),
        WAITS,
    )
    assert account.stack is stack
    try:
        yield World(bus, functions, letters, watched, failures)
    finally:
        bus.close()


@pytest.fixture
def dependencies(account: LocalAccount, stack: Stack, tmp_path: Path) -> Iterator[World]:
    with opened(account, stack, tmp_path) as made:
        yield made
        assert made.failures == []


def created(name: str = "alice") -> Fields:
    return envelope(detail("CreateUser", {"userName": name}))


def name_of(event: Fields) -> str:
    record = event["detail"]
    assert isinstance(record, Mapping)
    return str(record["requestParameters"]["userName"])


def failing(times: int) -> Handler:
    """Return a handler that fails so often for each event, and then succeeds."""
    seen: Counter[str] = Counter()

    def handle(event: Fields) -> Attempt:
        seen[str(event["id"])] += 1
        return BROKEN if seen[str(event["id"])] <= times else GOOD

    return handle


# At least once


def test_an_event_wakes_the_function_of_the_rule_that_matches(dependencies: World) -> None:
    event = created()
    dependencies.bus.put(event)
    dependencies.settle()
    assert [run[0] for run in dependencies.functions[USER].runs] == [event]
    assert [(each.rule, each.function, len(each.attempts)) for each in dependencies.ended()] == [
        ("UserEventFunctionNewCredentials", USER, 1)
    ]
    assert dependencies.letters == []


def test_an_event_that_matches_no_rule_is_told_all_the_same(dependencies: World) -> None:
    [delivery] = dependencies.bus.put(envelope(detail("DeleteUser")))
    assert dependencies.watched == [(delivery, None)]
    assert not delivery.lost


@pytest.mark.parametrize("times", [1, 2])
def test_a_function_that_fails_is_tried_again_with_the_same_id_after_a_wait(dependencies: World, times: int) -> None:
    dependencies.functions[USER].handler = failing(times)
    dependencies.bus.put(created())
    dependencies.settle()
    runs = dependencies.functions[USER].runs
    assert len(runs) == times + 1
    assert len({request_id for _, request_id, _ in runs}) == 1
    waited = [after[2] - before[2] for before, after in pairwise(runs)]
    assert all(real >= asked for real, asked in zip(waited, WAITS, strict=False))
    [ended] = dependencies.ended()
    assert (ended.failed, ended.dead_letter, len(ended.attempts)) == (False, False, times + 1)
    assert dependencies.letters == []


def test_two_events_have_ids_of_their_own(dependencies: World) -> None:
    dependencies.bus.put(created("alice"))
    dependencies.bus.put(created("bob"))
    dependencies.settle()
    assert len({request_id for _, request_id, _ in dependencies.functions[USER].runs}) == 2


def test_the_third_failure_puts_the_event_on_the_dead_letter_queue_as_lambda_does(
    dependencies: World, stack: Stack
) -> None:
    dependencies.functions[USER].handler = failing(3)
    event = created()
    dependencies.bus.put(event)
    dependencies.settle()
    [ended] = dependencies.ended()
    assert (ended.failed, ended.dead_letter, len(ended.attempts)) == (True, True, 3)
    [(queue, letter)] = dependencies.letters
    request_id = dependencies.functions[USER].runs[0][1]
    arn = stack.resolve({"Fn::GetAtt": [USER, "Arn"]})
    assert queue == stack.resolve({"Fn::GetAtt": ["DeadLetterQueue", "Arn"]})
    assert datetime.fromisoformat(str(letter["timestamp"])).tzinfo is not None
    assert {**letter, "timestamp": ""} == {
        "version": "1.0",
        "timestamp": "",
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{arn}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": event,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {
            "errorMessage": "no",
            "errorType": "ValueError",
            "requestId": request_id,
            "stackTrace": ["line 1", "line 2"],
        },
    }


def test_one_event_that_fails_holds_no_other_up(dependencies: World) -> None:
    dependencies.functions[USER].handler = lambda event: BROKEN if name_of(event) == "alice" else GOOD
    dependencies.bus.put(created("alice"))
    dependencies.bus.put(created("bob"))
    dependencies.settle()
    order = [name_of(run[0]) for run in dependencies.functions[USER].runs]
    assert order == ["alice", "bob", "alice", "alice"]


def test_a_queue_that_takes_no_letter_is_told_and_ends_the_job(
    account: LocalAccount, stack: Stack, tmp_path: Path
) -> None:
    with opened(account, stack, tmp_path, refuse=True) as dependencies:
        dependencies.functions[USER].handler = lambda _: BROKEN
        dependencies.bus.put(created())
        dependencies.settle()
        assert ["no such queue" in trace for trace in dependencies.failures] == [True]


# Bad weather


def arrivals(
    account: LocalAccount, stack: Stack, folder: Path, delivery_faults: DeliveryFaults, count: int = 40
) -> Sequence[str]:
    with opened(account, stack, folder, delivery_faults=delivery_faults) as dependencies:
        for number in range(count):
            dependencies.bus.put(created(f"user-{number}"))
        dependencies.settle()
        return [name_of(run[0]) for run in dependencies.functions[USER].runs]


def test_duplicates_come_as_deliveries_with_an_id_of_their_own(
    account: LocalAccount, stack: Stack, tmp_path: Path
) -> None:
    with opened(account, stack, tmp_path, delivery_faults=DeliveryFaults(duplicate=True)) as dependencies:
        event = created()
        dependencies.bus.put(event)
        dependencies.settle()
        first, second = (run[0] for run in dependencies.functions[USER].runs)
        assert first["id"] != second["id"]
        assert {**first, "id": ""} == {**second, "id": ""} == {**event, "id": ""}


def test_shuffled_events_all_arrive_in_another_order(account: LocalAccount, stack: Stack, tmp_path: Path) -> None:
    came = arrivals(account, stack, tmp_path, DeliveryFaults(shuffle=True, seed=4))
    sent = [f"user-{number}" for number in range(40)]
    assert sorted(came) == sorted(sent)
    assert came != sent


def test_lost_events_are_told_and_wake_nobody(account: LocalAccount, stack: Stack, tmp_path: Path) -> None:
    with opened(account, stack, tmp_path, delivery_faults=DeliveryFaults(lose=30, seed=4)) as dependencies:
        for number in range(100):
            dependencies.bus.put(created(f"user-{number}"))
        dependencies.settle()
        lost = [delivery for delivery, _ in dependencies.watched if delivery.lost]
        came = dependencies.functions[USER].runs
        assert len(lost) + len(came) == 100
        assert 15 <= len(lost) <= 45
        assert not {name_of(each.envelope) for each in lost} & {name_of(run[0]) for run in came}


@pytest.mark.parametrize("percent", [0, 100])
def test_none_or_all_are_lost(account: LocalAccount, stack: Stack, tmp_path: Path, percent: float) -> None:
    came = arrivals(account, stack, tmp_path, DeliveryFaults(lose=percent))
    assert len(came) == (0 if percent else 40)


def test_a_seed_makes_the_same_weather_again(account: LocalAccount, stack: Stack, tmp_path: Path) -> None:
    def lost(seed: int) -> set[str]:
        return set(arrivals(account, stack, tmp_path, DeliveryFaults(lose=50, seed=seed)))

    assert lost(1) == lost(1) != lost(2)


# Full queues


@pytest.fixture
def gate(dependencies: World) -> threading.Event:
    """Return what has to be set before UserEventFunction goes on."""
    opened = threading.Event()

    def wait(_: Fields) -> Attempt:
        assert opened.wait(20)
        return GOOD

    dependencies.functions[USER].handler = wait
    return opened


def test_a_full_queue_makes_the_caller_wait_and_loses_nothing(dependencies: World, gate: threading.Event) -> None:
    count, put = CAPACITY + 20, []

    def put_all() -> None:
        for number in range(count):
            dependencies.bus.put(created(f"user-{number}"))
            put.append(number)

    caller = threading.Thread(target=put_all)
    caller.start()
    caller.join(0.5)
    assert caller.is_alive()
    # One is at work, the queue holds its capacity.
    assert len(put) == CAPACITY + 1
    gate.set()
    caller.join(20)
    dependencies.settle()
    assert [name_of(run[0]) for run in dependencies.functions[USER].runs] == [
        f"user-{number}" for number in range(count)
    ]


def test_a_functions_own_calls_never_wait(dependencies: World) -> None:
    """A function that waited for its own queue would never empty it."""
    more = CAPACITY + 50

    def cause_more(event: Fields) -> Attempt:
        if name_of(event) == "first":
            for number in range(more):
                dependencies.bus.put(created(f"echo-{number}"), patient=False)
        return GOOD

    dependencies.functions[USER].handler = cause_more
    dependencies.bus.put(created("first"))
    dependencies.settle()
    assert len(dependencies.functions[USER].runs) == more + 1


def test_a_retry_does_not_wait_for_room_in_the_queue_that_it_alone_can_empty(dependencies: World) -> None:
    full = threading.Event()
    failed: list[bool] = []

    def fail_once_the_queue_is_full(event: Fields) -> Attempt:
        if name_of(event) == "first" and not failed:
            failed.append(full.wait(20))
            return BROKEN
        return GOOD

    dependencies.functions[USER].handler = fail_once_the_queue_is_full
    dependencies.bus.put(created("first"))
    wait_until(lambda: dependencies.functions[USER].runs, 10, lambda: "It never ran.")
    for number in range(CAPACITY):
        dependencies.bus.put(created(f"user-{number}"))
    full.set()
    dependencies.settle()
    assert len(dependencies.functions[USER].runs) == CAPACITY + 2


def test_closing_lets_whoever_waits_go(dependencies: World, gate: threading.Event) -> None:
    caller = threading.Thread(target=lambda: [dependencies.bus.put(created()) for _ in range(CAPACITY + 5)])
    caller.start()
    caller.join(0.2)
    assert caller.is_alive()
    gate.set()
    dependencies.bus.close()
    caller.join(5)
    assert not caller.is_alive()


# The stream


def exemptions(count: int) -> list[Fields]:
    return [
        {
            **stream_record("INSERT", {"user_id": f"AIDA{number}"}),
            "eventSourceARN": "arn:aws:dynamodb:us-east-1:111122223333:table/t/stream/s",
            "dynamodb": {
                "SequenceNumber": str(number),
                "ApproximateCreationDateTime": 1_772_366_400.0,
                "NewImage": {"user_id": {"S": f"AIDA{number}"}},
            },
        }
        for number in range(count)
    ]


def sequence(event: Fields) -> list[int]:
    listed = event["Records"]
    assert isinstance(listed, list)
    return [int(each["dynamodb"]["SequenceNumber"]) for each in listed]


def test_records_come_in_batches_as_large_as_the_stack_has_them(dependencies: World) -> None:
    dependencies.bus.changed(exemptions(23))
    dependencies.settle()
    assert [len(sequence(run[0])) for run in dependencies.functions[ALERT].runs] == [10, 10, 3]


def test_a_batch_that_fails_is_halved_down_to_the_record_that_is_wrong(dependencies: World) -> None:
    dependencies.functions[ALERT].handler = lambda event: BROKEN if 6 in sequence(event) else GOOD
    dependencies.bus.changed(exemptions(10))
    dependencies.settle()
    good = [
        number for run in dependencies.functions[ALERT].runs for number in sequence(run[0]) if 6 not in sequence(run[0])
    ]
    assert sorted(good) == [0, 1, 2, 3, 4, 5, 7, 8, 9]
    assert [sequence(run[0]) for run in dependencies.functions[ALERT].runs].count([6]) == 3
    [(_, letter)] = dependencies.letters
    info = letter["DDBStreamBatchInfo"]
    assert isinstance(info, Mapping)
    assert (info["batchSize"], info["startSequenceNumber"], info["endSequenceNumber"]) == (1, "6", "6")
    assert info["approximateArrivalOfFirstRecord"] == "2026-03-01T12:00:00.000Z"
    assert "requestPayload" not in letter


# What is deployed now


@pytest.fixture
def restored(account: LocalAccount, stack: Stack) -> Iterator[LocalAccount]:
    """Return the account, whose rules, schedule and functions a test may change."""
    yield account
    events, scheduler = account.clients.any("events"), account.clients.any("scheduler")
    for rule in tuple(account.clients.events.list_rules()["Rules"]):
        targets = account.clients.events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        if targets:
            events.remove_targets(Rule=rule["Name"], Ids=[each["Id"] for each in targets])
        events.delete_rule(Name=rule["Name"])
    listed = scheduler.list_schedules()["Schedules"]
    assert isinstance(listed, list)
    for schedule in listed:
        scheduler.delete_schedule(Name=schedule["Name"])
    create_all(account.clients, stack, {"AWS::Events::Rule", "AWS::Scheduler::Schedule"})
    account.clients.any("lambda").delete_function_concurrency(FunctionName=stack.physical_id(USER))


RULE: Final = "mfa-guard-new-credentials"


def test_a_disabled_rule_wakes_nobody_until_it_is_enabled(dependencies: World, restored: LocalAccount) -> None:
    events = restored.clients.events
    events.disable_rule(Name=RULE)
    dependencies.bus.put(created())
    events.enable_rule(Name=RULE)
    dependencies.bus.put(created("bob"))
    dependencies.settle()
    assert [name_of(run[0]) for run in dependencies.functions[USER].runs] == ["bob"]


def test_a_deleted_rule_wakes_nobody(dependencies: World, restored: LocalAccount) -> None:
    events = restored.clients.events
    [target] = events.list_targets_by_rule(Rule=RULE)["Targets"]
    events.remove_targets(Rule=RULE, Ids=[target["Id"]])
    dependencies.bus.put(created())
    events.delete_rule(Name=RULE)
    dependencies.bus.put(created())
    dependencies.settle()
    assert dependencies.functions[USER].runs == []


def test_a_changed_pattern_holds_at_once(dependencies: World, restored: LocalAccount) -> None:
    dependencies.bus.put(created("before"))
    dependencies.settle()
    pattern = '{"source":["aws.iam"],"detail":{"eventName":["DeleteUser"]}}'
    restored.clients.events.put_rule(Name=RULE, EventPattern=pattern)
    dependencies.bus.put(created())
    deleted = envelope(detail("DeleteUser"))
    dependencies.bus.put(deleted)
    dependencies.settle()
    assert [run[0] for run in dependencies.functions[USER].runs][1:] == [deleted]


def test_a_changed_target_is_woken(dependencies: World, restored: LocalAccount, stack: Stack) -> None:
    events = restored.clients.events
    [target] = events.list_targets_by_rule(Rule=RULE)["Targets"]
    alert = str(stack.resolve({"Fn::GetAtt": [ALERT, "Arn"]}))
    events.put_targets(Rule=RULE, Targets=[{"Id": target["Id"], "Arn": alert}])
    dependencies.bus.put(created())
    dependencies.settle()
    assert (len(dependencies.functions[USER].runs), len(dependencies.functions[ALERT].runs)) == (0, 1)


def test_a_target_that_is_no_function_here_wakes_nobody(dependencies: World, restored: LocalAccount) -> None:
    events = restored.clients.events
    events.put_rule(Name="others", EventPattern='{"source":["aws.iam"],"detail":{"eventName":["DeleteUser"]}}')
    events.put_targets(Rule="others", Targets=[{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:111122223333:q"}])
    dependencies.bus.put(envelope(detail("DeleteUser")))
    dependencies.settle()
    assert [len(function.runs) for function in dependencies.functions.values()] == [0, 0, 0]
    assert dependencies.failures == []


def test_a_function_without_concurrency_leaves_a_letter(
    dependencies: World, restored: LocalAccount, stack: Stack
) -> None:
    restored.clients.any("lambda").put_function_concurrency(
        FunctionName=stack.physical_id(USER), ReservedConcurrentExecutions=0
    )
    event = created()
    dependencies.bus.put(event)
    dependencies.settle()
    assert dependencies.functions[USER].runs == []
    [(_, letter)] = dependencies.letters
    context = letter["requestContext"]
    assert isinstance(context, Mapping)
    assert (context["condition"], context["approximateInvokeCount"]) == ("EventAgeExceeded", 0)
    assert letter["requestPayload"] == event
    assert "responsePayload" not in letter
    [ended] = dependencies.ended()
    assert (ended.failed, ended.dead_letter) == (True, True)


def test_the_schedule_invokes_with_its_input_and_an_id_each_time(dependencies: World, account: LocalAccount) -> None:
    assert account.stack.resource("SweepFunctionDaily")
    dependencies.bus.fire("SweepFunctionDaily")
    dependencies.bus.fire("SweepFunctionDaily")
    dependencies.settle()
    first, second = (run[0] for run in dependencies.functions[SWEEP].runs)
    assert first["id"] != second["id"]
    assert {**first, "id": ""} == {"id": "", "source": "mfa-guard", "detail-type": "Sweep requested", "detail": {}}


def test_a_disabled_schedule_invokes_nobody(dependencies: World, restored: LocalAccount) -> None:
    scheduler = administrator(restored).any("scheduler")
    now = restored.clients.any("scheduler").get_schedule(Name="mfa-guard-sweep")
    kept = {name: now[name] for name in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
    with restored.holding():
        scheduler.update_schedule(**kept, State="DISABLED")
    delivery = dependencies.bus.fire("SweepFunctionDaily")
    dependencies.settle()
    assert dependencies.functions[SWEEP].runs == []
    assert dependencies.watched == [(delivery, None)]


# Whatever happens


@given(
    failures=st.lists(st.integers(0, 4), min_size=1, max_size=12),
    duplicate=st.booleans(),
    shuffle=st.booleans(),
)
@settings(max_examples=40)
def test_every_job_ends_once_in_success_or_in_a_letter(
    running: LocalAccount,
    stack: Stack,
    tmp_path_factory: pytest.TempPathFactory,
    failures: list[int],
    duplicate: bool,
    shuffle: bool,
) -> None:
    folder = tmp_path_factory.mktemp("jobs")
    seen: Counter[str] = Counter()

    def handle(event: Fields) -> Attempt:
        number = int(name_of(event).removeprefix("user-"))
        seen[str(event["id"])] += 1
        return BROKEN if seen[str(event["id"])] <= failures[number] else GOOD

    delivery_faults = DeliveryFaults(duplicate=duplicate, shuffle=shuffle)
    with (
        patch.object(delivery, "_SHUFFLE_SECONDS", 0.01),
        opened(running, stack, folder, delivery_faults=delivery_faults) as dependencies,
    ):
        dependencies.functions[USER].handler = handle
        for number in range(len(failures)):
            dependencies.bus.put(created(f"user-{number}"))
        dependencies.settle()
        assert dependencies.failures == []
        copies = 2 if duplicate else 1
        ended = Counter(name_of(each.envelope) for each, invocation in dependencies.watched if invocation)
        letters = Counter(name_of(_payload(letter)) for _, letter in dependencies.letters)
        assert ended == {f"user-{number}": copies for number in range(len(failures))}
        assert letters == {f"user-{number}": copies for number, times in enumerate(failures) if times > 2}
        runs = Counter(name_of(run[0]) for run in dependencies.functions[USER].runs)
        assert runs == {f"user-{number}": copies * min(times + 1, 3) for number, times in enumerate(failures)}


def _payload(letter: Fields) -> Fields:
    payload = letter["requestPayload"]
    assert isinstance(payload, Mapping)
    return payload
