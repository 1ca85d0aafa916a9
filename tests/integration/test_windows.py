"""The windows' table and its fake do the same."""

from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from mfa_guard.adapters.summary_timer import SummaryQueue
from mfa_guard.adapters.windows import WindowTable
from mfa_guard.core.errors import AwsRequestFailed
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.windows import MOST_HELD, SENT_AT_ONCE, Admission, EndedWindow, HeldNotice
from mfa_guard.ports import Windows
from mfa_guard_cli.stack.template import Stack
from support.account import Account
from support.factories import NOW
from support.fakes import Calls, FakeClock, FakeTelemetry, FakeWindows

KIND = NoticeKind.NONCOMPLIANT


@dataclass
class World:
    windows: Windows
    clock: FakeClock

    def admit(self, scope: str, kind: NoticeKind = KIND, holder: str = "event") -> Admission:
        return self.windows.admit(HeldNotice(kind, scope, holder, f"line of {scope}"), self.clock.now())

    def fill(self, kind: NoticeKind = KIND) -> None:
        assert {self.admit(f"early-{number}", kind) for number in range(SENT_AT_ONCE)} == {Admission.SEND}

    def ended(self, *kinds: NoticeKind) -> tuple[EndedWindow, ...]:
        return self.windows.ended(kinds or tuple(NoticeKind), self.clock.now())


def table_world(stack: Stack, telemetry: FakeTelemetry | None = None, table: str = "") -> World:
    name = table or stack.physical_id("StateTable")
    return World(WindowTable(boto3.client("dynamodb"), name, telemetry or FakeTelemetry()), FakeClock())


@pytest.fixture
def table(account: Account, stack: Stack) -> World:  # noqa: ARG001 - the table is in the account
    return table_world(stack)


@pytest.fixture(params=["fake", "table"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "table":
        found = request.getfixturevalue("table")
        assert isinstance(found, World)
        return found
    return World(FakeWindows(Calls()), FakeClock())


def test_ten_notices_are_sent_and_the_eleventh_is_the_first_that_waits(world: World) -> None:
    world.fill()
    assert [world.admit("a"), world.admit("b")] == [Admission.FIRST_HELD, Admission.HELD]


def test_a_window_ends_after_fifteen_minutes(world: World) -> None:
    world.fill()
    world.clock.sleep(15 * 60 - 1)
    assert world.admit("a") is Admission.FIRST_HELD
    world.clock.sleep(1)
    assert world.admit("b") is Admission.SEND


def test_each_kind_has_a_window_of_its_own(world: World) -> None:
    world.fill()
    assert world.admit("a", NoticeKind.SOLVED) is Admission.SEND


def test_a_repetition_by_the_same_event_is_stored_once_and_starts_the_timer_again(world: World) -> None:
    world.fill()
    assert [world.admit("a"), world.admit("a")] == [Admission.FIRST_HELD, Admission.FIRST_HELD]
    world.clock.sleep(15 * 60)
    assert [window.count for window in world.ended()] == [1]


def test_another_event_about_the_same_user_is_stored_too(world: World) -> None:
    world.fill()
    world.admit("a", holder="first")
    world.admit("a", holder="second")
    world.clock.sleep(15 * 60)
    assert [window.count for window in world.ended()] == [2]


def test_what_waits_is_returned_when_its_window_has_ended_until_it_is_closed(world: World) -> None:
    world.fill()
    world.admit("a")
    world.admit("b")
    assert world.ended() == ()
    world.clock.sleep(15 * 60)
    [window] = world.ended()
    assert (window.kind, sorted(window.entries.values())) == (KIND, ["line of a", "line of b"])
    assert world.ended(NoticeKind.SOLVED) == ()
    world.windows.close(window)
    assert world.ended() == ()


def test_a_new_window_leaves_what_waits_alone(world: World) -> None:
    world.fill()
    world.admit("a")
    world.clock.sleep(15 * 60)
    world.fill()
    assert world.admit("b") is Admission.FIRST_HELD
    [window] = world.ended()
    assert list(window.entries.values()) == ["line of a"]
    world.windows.close(window)
    world.clock.sleep(15 * 60)
    assert [list(each.entries.values()) for each in world.ended()] == [["line of b"]]


def test_beyond_250_notices_only_the_count_grows(world: World) -> None:
    world.fill()
    for number in range(MOST_HELD + 3):
        world.admit(f"late-{number}")
    world.clock.sleep(15 * 60)
    [window] = world.ended()
    assert (len(window.entries), window.count) == (MOST_HELD, MOST_HELD + 3)
    world.windows.close(window)
    assert world.ended() == ()


class TestTable:
    """What only the real table has."""

    def test_the_first_notice_is_one_call(self, table: World) -> None:
        calls: list[str] = []
        client = vars(table.windows)["_client"]
        client.meta.events.register("before-call.dynamodb", lambda model, **_: calls.append(model.name))
        table.admit("a")
        assert calls == ["UpdateItem"]

    def test_a_window_that_other_invocations_filled_meanwhile_holds_the_notice(
        self, table: World, stack: Stack
    ) -> None:
        slower = table_world(stack)
        table.admit("first")
        overtaken: list[Admission] = []

        def overtake(**_: object) -> None:
            if not overtaken:
                overtaken.extend(table.admit(f"early-{number}") for number in range(SENT_AT_ONCE - 1))

        vars(slower.windows)["_client"].meta.events.register("after-call.dynamodb.UpdateItem", overtake)
        assert slower.admit("a") is Admission.FIRST_HELD
        assert set(overtaken) == {Admission.SEND}

    @pytest.mark.parametrize(
        "fields",
        [
            {"start": {"N": "4070908800"}, "count": {"N": "99"}},
            {"start": {"S": "now"}, "count": {"N": "99"}},
            {"start": {"N": "0"}, "count": {"N": "99"}},
            {"count": {"N": "99"}},
            {"start": {"N": str(int(NOW.timestamp()))}, "count": {"S": "many"}},
        ],
        ids=str,
    )
    def test_what_others_wrote_keeps_no_notice_waiting(
        self, table: World, stack: Stack, fields: dict[str, Any]
    ) -> None:
        put(stack, fields)
        assert table.admit("a") is Admission.SEND

    @pytest.mark.parametrize("name", ["held#", "held#soon#a", "held#4070908800#a#e", "held#-1#a"])
    def test_an_entry_with_an_impossible_time_is_in_the_next_summary(
        self, table: World, stack: Stack, name: str
    ) -> None:
        put(stack, {name: {"S": "the line"}})
        [window] = table.ended()
        assert list(window.entries.values()) == ["the line"]
        table.windows.close(window)
        assert table.ended() == ()

    def test_without_the_table_no_notice_waits(self, account: Account, stack: Stack) -> None:  # noqa: ARG002
        telemetry = FakeTelemetry()
        world = table_world(stack, telemetry, "no-such-table")
        assert world.admit("a") is Admission.SEND
        assert telemetry.lines == ["State table unreachable, the notice does not wait"]
        with pytest.raises(AwsRequestFailed):
            world.ended()
        with pytest.raises(AwsRequestFailed):
            world.windows.close(EndedWindow(KIND, {"held#1#a": "line"}))

    def test_windows_that_dynamodb_left_out_are_no_empty_windows(self, table: World, stack: Stack) -> None:
        def leave_out(parsed: dict[str, Any], **_: object) -> None:
            parsed["UnprocessedKeys"] = {stack.physical_id("StateTable"): {}}

        vars(table.windows)["_client"].meta.events.register("after-call.dynamodb.BatchGetItem", leave_out)
        with pytest.raises(AwsRequestFailed, match="left out"):
            table.ended()


def put(stack: Stack, fields: dict[str, Any]) -> None:
    item = {"id": {"S": f"window#{KIND.value}"}, **fields}
    boto3.client("dynamodb").put_item(TableName=stack.physical_id("StateTable"), Item=item)


class TestSummaryQueue:
    """The messages that end a window."""

    def test_a_message_names_the_kind_and_arrives_after_fifteen_minutes(self, account: Account, stack: Stack) -> None:
        sent: list[dict[str, Any]] = []
        client = account.session.client("sqs")
        client.meta.events.register("provide-client-params.sqs.SendMessage", lambda params, **_: sent.append(params))
        SummaryQueue(client, stack.environment("AlertFunction")["SUMMARY_QUEUE_URL"]).start(KIND)
        [message] = sent
        assert (message["MessageBody"], message["DelaySeconds"]) == ('{"kind": "noncompliant"}', 900)

    def test_a_queue_that_is_gone_is_an_error(self, account: Account) -> None:
        url = "https://sqs.us-east-1.amazonaws.com/111122223333/no-such-queue"
        with pytest.raises(AwsRequestFailed):
            SummaryQueue(account.session.client("sqs"), url).start(KIND)
