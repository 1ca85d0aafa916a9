"""The event bus with fake functions: at least one delivery, retries, dead letters, delivery faults, full queues."""

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
from mfa_guard_emulator.account import LocalAccount
from mfa_guard_emulator.aws import delivery
from mfa_guard_emulator.aws.delivery import QUEUE_CAPACITY, Delivery, DeliveryFaults, EventBus, Invocation
from mfa_guard_emulator.aws.deployed import Deployed
from mfa_guard_emulator.aws.resources import create_all
from mfa_guard_emulator.functions.attempts import Attempt, FunctionError
from mfa_guard_emulator.functions.configuration import FunctionConfiguration, function_configuration
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
    """A runner. `handler` decides how each run ends; `runs` are the events, ids and times so far."""

    configuration: FunctionConfiguration
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
class Setup:
    """The bus, its functions, and what it sent and reported."""

    bus: EventBus
    functions: Mapping[str, FakeFunction]
    dead_letters: list[tuple[str, Fields]]
    reported: list[tuple[Delivery, Invocation | None]]
    failures: list[str]

    def wait_until_idle(self) -> None:
        assert self.bus.wait_until_idle(20), "The bus is not idle."

    def ended(self) -> list[Invocation]:
        return [invocation for _, invocation in self.reported if invocation]


Setups = Callable[..., Setup]


@contextmanager
def opened(
    account: LocalAccount,
    stack: Stack,
    folder: Path,
    *,
    delivery_faults: DeliveryFaults | None = None,
    refuse: bool = False,
) -> Iterator[Setup]:
    functions = {each: FakeFunction(function_configuration(stack, each, {}, folder)) for each in FUNCTIONS}
    dead_letters: list[tuple[str, Fields]] = []
    reported: list[tuple[Delivery, Invocation | None]] = []
    failures: list[str] = []

    def send(queue: str, message: Fields) -> None:
        if refuse:
            raise RuntimeError("no such queue")
        dead_letters.append((queue, message))

    bus = EventBus(
        stack,
        Deployed(stack),
        functions,
        send,
        lambda delivery, invocation: reported.append((delivery, invocation)),
        failures.append,
        delivery_faults or DeliveryFaults(),
        WAITS,
    )
    assert account.stack is stack
    try:
        yield Setup(bus, functions, dead_letters, reported, failures)
    finally:
        bus.close()


@pytest.fixture
def setup(account: LocalAccount, stack: Stack, tmp_path: Path) -> Iterator[Setup]:
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
    """Return a handler that fails `times` times for each event, and then succeeds."""
    seen: Counter[str] = Counter()

    def handle(event: Fields) -> Attempt:
        seen[str(event["id"])] += 1
        return BROKEN if seen[str(event["id"])] <= times else GOOD

    return handle


# At least one delivery


def test_an_event_invokes_the_function_of_the_rule_that_matches(setup: Setup) -> None:
    event = created()
    setup.bus.put(event)
    setup.wait_until_idle()
    assert [run[0] for run in setup.functions[USER].runs] == [event]
    assert [(each.rule, each.function, len(each.attempts)) for each in setup.ended()] == [
        ("UserEventFunctionNewCredentials", USER, 1)
    ]
    assert setup.dead_letters == []


def test_an_event_that_matches_no_rule_is_reported_too(setup: Setup) -> None:
    [delivery] = setup.bus.put(envelope(detail("DeleteUser")))
    assert setup.reported == [(delivery, None)]
    assert not delivery.lost


@pytest.mark.parametrize("times", [1, 2])
def test_a_function_that_fails_is_retried_with_the_same_id_after_a_wait(setup: Setup, times: int) -> None:
    setup.functions[USER].handler = failing(times)
    setup.bus.put(created())
    setup.wait_until_idle()
    runs = setup.functions[USER].runs
    assert len(runs) == times + 1
    assert len({request_id for _, request_id, _ in runs}) == 1
    waited = [after[2] - before[2] for before, after in pairwise(runs)]
    assert all(real >= planned for real, planned in zip(waited, WAITS, strict=False))
    [ended] = setup.ended()
    assert (ended.failed, ended.dead_letter, len(ended.attempts)) == (False, False, times + 1)
    assert setup.dead_letters == []


def test_two_events_have_ids_of_their_own(setup: Setup) -> None:
    setup.bus.put(created("alice"))
    setup.bus.put(created("bob"))
    setup.wait_until_idle()
    assert len({request_id for _, request_id, _ in setup.functions[USER].runs}) == 2


def test_the_third_failure_sends_the_event_to_the_dead_letter_queue_as_lambda_does(setup: Setup, stack: Stack) -> None:
    setup.functions[USER].handler = failing(3)
    event = created()
    setup.bus.put(event)
    setup.wait_until_idle()
    [ended] = setup.ended()
    assert (ended.failed, ended.dead_letter, len(ended.attempts)) == (True, True, 3)
    [(queue, message)] = setup.dead_letters
    request_id = setup.functions[USER].runs[0][1]
    arn = stack.resolve({"Fn::GetAtt": [USER, "Arn"]})
    assert queue == stack.resolve({"Fn::GetAtt": ["DeadLetterQueue", "Arn"]})
    assert datetime.fromisoformat(str(message["timestamp"])).tzinfo is not None
    assert {**message, "timestamp": ""} == {
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


def test_an_event_that_fails_does_not_delay_others(setup: Setup) -> None:
    setup.functions[USER].handler = lambda event: BROKEN if name_of(event) == "alice" else GOOD
    setup.bus.put(created("alice"))
    setup.bus.put(created("bob"))
    setup.wait_until_idle()
    order = [name_of(run[0]) for run in setup.functions[USER].runs]
    assert order == ["alice", "bob", "alice", "alice"]


def test_a_dead_letter_queue_that_fails_is_reported_and_ends_the_invocation(
    account: LocalAccount, stack: Stack, tmp_path: Path
) -> None:
    with opened(account, stack, tmp_path, refuse=True) as setup:
        setup.functions[USER].handler = lambda _: BROKEN
        setup.bus.put(created())
        setup.wait_until_idle()
        assert ["no such queue" in trace for trace in setup.failures] == [True]


# Delivery faults


def arrivals(
    account: LocalAccount, stack: Stack, folder: Path, delivery_faults: DeliveryFaults, count: int = 40
) -> Sequence[str]:
    with opened(account, stack, folder, delivery_faults=delivery_faults) as setup:
        for number in range(count):
            setup.bus.put(created(f"user-{number}"))
        setup.wait_until_idle()
        return [name_of(run[0]) for run in setup.functions[USER].runs]


def test_a_duplicate_has_an_id_of_its_own(account: LocalAccount, stack: Stack, tmp_path: Path) -> None:
    with opened(account, stack, tmp_path, delivery_faults=DeliveryFaults(duplicate=True)) as setup:
        event = created()
        setup.bus.put(event)
        setup.wait_until_idle()
        first, second = (run[0] for run in setup.functions[USER].runs)
        assert first["id"] != second["id"]
        assert {**first, "id": ""} == {**second, "id": ""} == {**event, "id": ""}


def test_shuffled_events_all_arrive_in_another_order(account: LocalAccount, stack: Stack, tmp_path: Path) -> None:
    came = arrivals(account, stack, tmp_path, DeliveryFaults(shuffle=True, seed=4))
    sent = [f"user-{number}" for number in range(40)]
    assert sorted(came) == sorted(sent)
    assert came != sent


def test_lost_events_are_reported_and_invoke_no_function(account: LocalAccount, stack: Stack, tmp_path: Path) -> None:
    with opened(account, stack, tmp_path, delivery_faults=DeliveryFaults(lose=30, seed=4)) as setup:
        for number in range(100):
            setup.bus.put(created(f"user-{number}"))
        setup.wait_until_idle()
        lost = [delivery for delivery, _ in setup.reported if delivery.lost]
        came = setup.functions[USER].runs
        assert len(lost) + len(came) == 100
        assert 15 <= len(lost) <= 45
        assert not {name_of(each.envelope) for each in lost} & {name_of(run[0]) for run in came}


@pytest.mark.parametrize("percent", [0, 100])
def test_no_or_all_events_are_lost(account: LocalAccount, stack: Stack, tmp_path: Path, percent: float) -> None:
    came = arrivals(account, stack, tmp_path, DeliveryFaults(lose=percent))
    assert len(came) == (0 if percent else 40)


def test_a_seed_repeats_the_faults(account: LocalAccount, stack: Stack, tmp_path: Path) -> None:
    def lost(seed: int) -> set[str]:
        return set(arrivals(account, stack, tmp_path, DeliveryFaults(lose=50, seed=seed)))

    assert lost(1) == lost(1) != lost(2)


# Full queues


@pytest.fixture
def gate(setup: Setup) -> threading.Event:
    """Return the event that UserEventFunction waits for."""
    opened = threading.Event()

    def wait(_: Fields) -> Attempt:
        assert opened.wait(20)
        return GOOD

    setup.functions[USER].handler = wait
    return opened


def test_a_full_queue_makes_the_caller_wait_and_loses_nothing(setup: Setup, gate: threading.Event) -> None:
    count, put = QUEUE_CAPACITY + 20, []

    def put_all() -> None:
        for number in range(count):
            setup.bus.put(created(f"user-{number}"))
            put.append(number)

    caller = threading.Thread(target=put_all)
    caller.start()
    # One event runs, and the queue is full.
    wait_until(lambda: len(put) == QUEUE_CAPACITY + 1, 20, lambda: len(put))
    caller.join(0.5)
    assert caller.is_alive()
    assert len(put) == QUEUE_CAPACITY + 1
    gate.set()
    caller.join(20)
    setup.wait_until_idle()
    assert [name_of(run[0]) for run in setup.functions[USER].runs] == [f"user-{number}" for number in range(count)]


def test_the_calls_of_a_function_never_wait(setup: Setup) -> None:
    """A function that waited for its own queue would never empty it."""
    more = QUEUE_CAPACITY + 50

    def cause_events(event: Fields) -> Attempt:
        if name_of(event) == "first":
            for number in range(more):
                setup.bus.put(created(f"own-{number}"), wait_for_room=False)
        return GOOD

    setup.functions[USER].handler = cause_events
    setup.bus.put(created("first"))
    setup.wait_until_idle()
    assert len(setup.functions[USER].runs) == more + 1


def test_a_retry_does_not_wait_for_room_in_its_own_queue(setup: Setup) -> None:
    full = threading.Event()
    failed: list[bool] = []

    def fail_once_the_queue_is_full(event: Fields) -> Attempt:
        if name_of(event) == "first" and not failed:
            failed.append(full.wait(20))
            return BROKEN
        return GOOD

    setup.functions[USER].handler = fail_once_the_queue_is_full
    setup.bus.put(created("first"))
    wait_until(lambda: setup.functions[USER].runs, 10, lambda: "It never ran.")
    for number in range(QUEUE_CAPACITY):
        setup.bus.put(created(f"user-{number}"))
    full.set()
    setup.wait_until_idle()
    assert len(setup.functions[USER].runs) == QUEUE_CAPACITY + 2


def test_closing_the_bus_ends_the_waiting_of_a_caller(setup: Setup, gate: threading.Event) -> None:
    caller = threading.Thread(target=lambda: [setup.bus.put(created()) for _ in range(QUEUE_CAPACITY + 5)])
    caller.start()
    caller.join(0.2)
    assert caller.is_alive()
    gate.set()
    setup.bus.close()
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


def test_records_come_in_batches_of_the_size_in_the_stack(setup: Setup) -> None:
    setup.bus.put_stream_records(exemptions(23))
    setup.wait_until_idle()
    assert [len(sequence(run[0])) for run in setup.functions[ALERT].runs] == [10, 10, 3]


def test_a_batch_that_fails_is_split_until_the_failing_record_is_alone(setup: Setup) -> None:
    setup.functions[ALERT].handler = lambda event: BROKEN if 6 in sequence(event) else GOOD
    setup.bus.put_stream_records(exemptions(10))
    setup.wait_until_idle()
    good = [number for run in setup.functions[ALERT].runs for number in sequence(run[0]) if 6 not in sequence(run[0])]
    assert sorted(good) == [0, 1, 2, 3, 4, 5, 7, 8, 9]
    assert [sequence(run[0]) for run in setup.functions[ALERT].runs].count([6]) == 3
    [(_, message)] = setup.dead_letters
    info = message["DDBStreamBatchInfo"]
    assert isinstance(info, Mapping)
    assert (info["batchSize"], info["startSequenceNumber"], info["endSequenceNumber"]) == (1, "6", "6")
    assert info["approximateArrivalOfFirstRecord"] == "2026-03-01T12:00:00.000Z"
    assert "requestPayload" not in message


# The rules, schedule and functions as they are now


@pytest.fixture
def restored(account: LocalAccount, stack: Stack) -> Iterator[LocalAccount]:
    """Return the account; after the test, restore its rules, schedule and functions."""
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


def test_a_disabled_rule_invokes_no_function_until_it_is_enabled(setup: Setup, restored: LocalAccount) -> None:
    events = restored.clients.events
    events.disable_rule(Name=RULE)
    setup.bus.put(created())
    events.enable_rule(Name=RULE)
    setup.bus.put(created("bob"))
    setup.wait_until_idle()
    assert [name_of(run[0]) for run in setup.functions[USER].runs] == ["bob"]


def test_a_deleted_rule_invokes_no_function(setup: Setup, restored: LocalAccount) -> None:
    events = restored.clients.events
    [target] = events.list_targets_by_rule(Rule=RULE)["Targets"]
    events.remove_targets(Rule=RULE, Ids=[target["Id"]])
    setup.bus.put(created())
    events.delete_rule(Name=RULE)
    setup.bus.put(created())
    setup.wait_until_idle()
    assert setup.functions[USER].runs == []


def test_a_changed_pattern_applies_at_once(setup: Setup, restored: LocalAccount) -> None:
    setup.bus.put(created("before"))
    setup.wait_until_idle()
    pattern = '{"source":["aws.iam"],"detail":{"eventName":["DeleteUser"]}}'
    restored.clients.events.put_rule(Name=RULE, EventPattern=pattern)
    setup.bus.put(created())
    deleted = envelope(detail("DeleteUser"))
    setup.bus.put(deleted)
    setup.wait_until_idle()
    assert [run[0] for run in setup.functions[USER].runs][1:] == [deleted]


def test_a_changed_target_is_invoked(setup: Setup, restored: LocalAccount, stack: Stack) -> None:
    events = restored.clients.events
    [target] = events.list_targets_by_rule(Rule=RULE)["Targets"]
    alert = str(stack.resolve({"Fn::GetAtt": [ALERT, "Arn"]}))
    events.put_targets(Rule=RULE, Targets=[{"Id": target["Id"], "Arn": alert}])
    setup.bus.put(created())
    setup.wait_until_idle()
    assert (len(setup.functions[USER].runs), len(setup.functions[ALERT].runs)) == (0, 1)


def test_a_target_that_is_not_a_function_is_ignored(setup: Setup, restored: LocalAccount) -> None:
    events = restored.clients.events
    events.put_rule(Name="others", EventPattern='{"source":["aws.iam"],"detail":{"eventName":["DeleteUser"]}}')
    events.put_targets(Rule="others", Targets=[{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:111122223333:q"}])
    setup.bus.put(envelope(detail("DeleteUser")))
    setup.wait_until_idle()
    assert [len(function.runs) for function in setup.functions.values()] == [0, 0, 0]
    assert setup.failures == []


def test_an_event_for_a_function_without_concurrency_becomes_a_dead_letter(
    setup: Setup, restored: LocalAccount, stack: Stack
) -> None:
    restored.clients.any("lambda").put_function_concurrency(
        FunctionName=stack.physical_id(USER), ReservedConcurrentExecutions=0
    )
    event = created()
    setup.bus.put(event)
    setup.wait_until_idle()
    assert setup.functions[USER].runs == []
    [(_, message)] = setup.dead_letters
    context = message["requestContext"]
    assert isinstance(context, Mapping)
    assert (context["condition"], context["approximateInvokeCount"]) == ("EventAgeExceeded", 0)
    assert message["requestPayload"] == event
    assert "responsePayload" not in message
    [ended] = setup.ended()
    assert (ended.failed, ended.dead_letter) == (True, True)


def test_the_schedule_invokes_with_its_input_and_an_id_each_time(setup: Setup, account: LocalAccount) -> None:
    assert account.stack.resource("SweepFunctionDaily")
    setup.bus.run_schedule("SweepFunctionDaily")
    setup.bus.run_schedule("SweepFunctionDaily")
    setup.wait_until_idle()
    first, second = (run[0] for run in setup.functions[SWEEP].runs)
    assert first["id"] != second["id"]
    request = {"source": "mfa-guard", "detail-type": "Sweep requested", "detail": {"scheduled": True}}
    assert {**first, "id": ""} == {"id": "", **request}


def test_a_disabled_schedule_invokes_no_function(setup: Setup, restored: LocalAccount) -> None:
    scheduler = administrator(restored).any("scheduler")
    now = restored.clients.any("scheduler").get_schedule(Name="mfa-guard-sweep")
    kept = {name: now[name] for name in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
    with restored.holding_events():
        scheduler.update_schedule(**kept, State="DISABLED")
    delivery = setup.bus.run_schedule("SweepFunctionDaily")
    setup.wait_until_idle()
    assert setup.functions[SWEEP].runs == []
    assert setup.reported == [(delivery, None)]


# Any combination


@given(
    failures=st.lists(st.integers(0, 4), min_size=1, max_size=12),
    duplicate=st.booleans(),
    shuffle=st.booleans(),
)
@settings(max_examples=40)
def test_every_event_ends_once_in_success_or_as_a_dead_letter(
    running: LocalAccount,
    stack: Stack,
    tmp_path_factory: pytest.TempPathFactory,
    failures: list[int],
    duplicate: bool,
    shuffle: bool,
) -> None:
    folder = tmp_path_factory.mktemp("events")
    seen: Counter[str] = Counter()

    def handle(event: Fields) -> Attempt:
        number = int(name_of(event).removeprefix("user-"))
        seen[str(event["id"])] += 1
        return BROKEN if seen[str(event["id"])] <= failures[number] else GOOD

    delivery_faults = DeliveryFaults(duplicate=duplicate, shuffle=shuffle)
    with (
        patch.object(delivery, "_SHUFFLE_SECONDS", 0.01),
        opened(running, stack, folder, delivery_faults=delivery_faults) as setup,
    ):
        setup.functions[USER].handler = handle
        for number in range(len(failures)):
            setup.bus.put(created(f"user-{number}"))
        setup.wait_until_idle()
        assert setup.failures == []
        copies = 2 if duplicate else 1
        ended = Counter(name_of(each.envelope) for each, invocation in setup.reported if invocation)
        dead_letters = Counter(name_of(_payload(message)) for _, message in setup.dead_letters)
        assert ended == {f"user-{number}": copies for number in range(len(failures))}
        assert dead_letters == {f"user-{number}": copies for number, times in enumerate(failures) if times > 2}
        runs = Counter(name_of(run[0]) for run in setup.functions[USER].runs)
        assert runs == {f"user-{number}": copies * min(times + 1, 3) for number, times in enumerate(failures)}


def _payload(message: Fields) -> Fields:
    payload = message["requestPayload"]
    assert isinstance(payload, Mapping)
    return payload
