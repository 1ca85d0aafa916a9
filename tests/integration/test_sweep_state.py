"""What sweeps keep and read in DynamoDB and SQS, and how they act when a service answers in part or not at all."""

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import boto3
import pytest
from botocore.exceptions import ClientError

from mfa_guard.adapters.cloudformation import OwnStackAge
from mfa_guard.adapters.dead_letters import DeadLetterQueue, ExemptionStream, Functions, Handovers, SweepDeadLetters
from mfa_guard.adapters.exemptions import ExemptionList, ExemptionsThrottled
from mfa_guard.adapters.running_sweep import RunningSweepTable
from mfa_guard.core.dead_letters import Batch
from mfa_guard.core.errors import AwsRequestFailed
from mfa_guard.core.exemption import Exemption, MalformedExemption
from support.account import Account
from support.factories import NOW
from support.fakes import FakeClock, FakeTelemetry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FIVE_MINUTES = timedelta(minutes=5)


class TestRunningSweep:
    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def table(self, account: Account, clock: FakeClock) -> RunningSweepTable:
        name = account.stack.physical_id("StateTable")
        return RunningSweepTable(boto3.client("dynamodb"), name, clock, FakeTelemetry())

    def test_one_sweep_at_a_time(self, table: RunningSweepTable) -> None:
        assert table.begin("a", NOW + FIVE_MINUTES)
        assert not table.begin("b", NOW + FIVE_MINUTES)
        table.end("a")
        assert table.begin("b", NOW + FIVE_MINUTES)

    def test_the_rounds_and_retries_of_a_sweep_have_the_same_right(self, table: RunningSweepTable) -> None:
        assert table.begin("a", NOW + FIVE_MINUTES)
        assert table.begin("a", NOW + 2 * FIVE_MINUTES)

    def test_a_sweep_that_crashed_stops_counting_when_its_invocation_would_have_ended(
        self, table: RunningSweepTable, clock: FakeClock
    ) -> None:
        table.begin("a", NOW + FIVE_MINUTES)
        clock.sleep(299)
        assert not table.begin("b", clock.now() + FIVE_MINUTES)
        clock.sleep(1)
        assert table.begin("b", clock.now() + FIVE_MINUTES)

    def test_a_sweep_that_was_overtaken_does_not_end_the_other_one(
        self, table: RunningSweepTable, clock: FakeClock
    ) -> None:
        table.begin("a", NOW + FIVE_MINUTES)
        clock.sleep(300)
        table.begin("b", clock.now() + FIVE_MINUTES)
        table.end("a")
        assert not table.begin("c", clock.now() + FIVE_MINUTES)

    def test_an_end_that_no_invocation_can_have_is_not_believed(self, table: RunningSweepTable) -> None:
        """Scenario 12."""
        table.begin("forged", NOW.replace(year=2099))
        assert table.begin("b", NOW + FIVE_MINUTES)

    def test_the_longest_invocation_is_believed(self, table: RunningSweepTable) -> None:
        table.begin("a", NOW + timedelta(minutes=15))
        assert not table.begin("b", NOW + timedelta(minutes=15))

    def test_without_the_table_every_sweep_runs_and_it_is_logged(self, account: Account) -> None:  # noqa: ARG002
        telemetry = FakeTelemetry()
        table = RunningSweepTable(boto3.client("dynamodb"), "no-such-table", FakeClock(), telemetry)
        assert table.begin("a", NOW + FIVE_MINUTES)
        table.end("a")
        assert telemetry.lines == ["State table unreachable, two sweeps could run at once"] * 2


class Throttling:
    """A table that leaves out keys of the first answers, as DynamoDB does when it throttles."""

    def __init__(self, client: "DynamoDBClient", left_out: list[int]) -> None:
        self.client = client
        self.left_out = left_out
        self.asked: list[int] = []
        self.consistent: list[bool] = []

    def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        [(table, wanted)] = RequestItems.items()
        keys = wanted["Keys"]
        self.asked.append(len(keys))
        self.consistent.append(wanted["ConsistentRead"])
        cut = self.left_out.pop(0) if self.left_out else 0
        later, now = keys[:cut], keys[cut:]
        found = self.client.batch_get_item(RequestItems={table: {"Keys": now}})["Responses"] if now else {}
        return {"Responses": found, "UnprocessedKeys": {table: {"Keys": later}} if later else {}}


class TestCurrentExemptions:
    ITEM: ClassVar = {
        "user_name": "alice",
        "owner": "platform",
        "reason": "build machine",
        "created_by": "bob",
        "expires_at": "2026-04-01T00:00:00Z",
    }

    @pytest.fixture
    def filled(self, account: Account) -> Account:
        client, table = boto3.client("dynamodb"), account.stack.physical_id("ExemptionsTable")
        for number in range(130):
            item = {"user_id": f"AIDA{number}", **(self.ITEM if number else {})}
            client.put_item(TableName=table, Item={key: {"S": value} for key, value in item.items()})
        return account

    def read(self, account: Account, *left_out: int) -> tuple[Throttling, FakeClock, ExemptionList]:
        client, clock = Throttling(boto3.client("dynamodb"), list(left_out)), FakeClock()
        reader = ExemptionList(client, account.stack.physical_id("ExemptionsTable"), clock)  # type: ignore[arg-type]
        return client, clock, reader

    def test_a_hundred_at_a_time_and_consistently(self, filled: Account) -> None:
        client, _, reader = self.read(filled)
        found = reader.current([f"AIDA{number}" for number in range(250)], NOW)
        assert found.keys() == {f"AIDA{number}" for number in range(130)}
        assert isinstance(found["AIDA0"], MalformedExemption)
        assert isinstance(found["AIDA1"], Exemption)
        assert client.asked == [100, 100, 50]
        assert set(client.consistent) == {True}

    def test_for_nobody_nothing_is_asked(self, filled: Account) -> None:
        client, _, reader = self.read(filled)
        assert (reader.current([], NOW), client.asked) == ({}, [])

    def test_keys_that_were_left_out_are_asked_for_again(self, filled: Account) -> None:
        client, clock, reader = self.read(filled, 30, 30, 5)
        assert len(reader.current([f"AIDA{number}" for number in range(100)], NOW)) == 100
        assert client.asked == [100, 30, 30, 5]
        assert set(client.consistent) == {True}
        assert clock.now() > NOW

    def test_when_they_are_left_out_for_good_it_raises(self, filled: Account) -> None:
        client, _, reader = self.read(filled, *[1] * 10)
        with pytest.raises(ExemptionsThrottled):
            reader.current(["AIDA1"], NOW)
        assert len(client.asked) == 5


class TestDeadLetters:
    BATCH = Batch("arn:aws:dynamodb:us-east-1:111122223333:table/exemptions/stream/1", "shard", "1", 2, 2)

    @pytest.fixture
    def letters(self, account: Account) -> SweepDeadLetters:
        stack = account.stack
        return SweepDeadLetters(
            DeadLetterQueue(boto3.client("sqs"), str(stack.resolve({"Ref": "DeadLetterQueue"}))),
            ExemptionStream(boto3.client("dynamodbstreams"), stack.physical_id("ExemptionsTable")),
            Functions(boto3.client("lambda")),
            Handovers(boto3.client("dynamodb"), stack.physical_id("StateTable"), FakeClock()),
        )

    def fill(self, account: Account, count: int) -> None:
        url = str(account.stack.resolve({"Ref": "DeadLetterQueue"}))
        for number in range(count):
            boto3.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps({"number": number}))

    def test_messages_are_hidden_until_they_are_deleted_or_shown_again(
        self, account: Account, letters: SweepDeadLetters
    ) -> None:
        self.fill(account, 25)
        received = letters.receive()
        assert len(received) == 25
        assert letters.receive() == []
        letters.delete(received[0])
        letters.unhide(received[1:])
        assert {each.id for each in letters.receive()} == {each.id for each in received[1:]}

    def test_a_sweep_takes_no_more_than_it_can_hand_over(self, account: Account, letters: SweepDeadLetters) -> None:
        self.fill(account, 330)
        assert len(letters.receive()) == 300

    def test_a_payload_may_be_handed_over_twice(self, letters: SweepDeadLetters) -> None:
        assert [letters.may_hand_over("a") for _ in range(4)] == [True, True, False, False]
        assert letters.may_hand_over("b")

    def test_a_queue_that_shows_the_same_messages_again_is_read_once(self) -> None:
        answer = {"Messages": [{"MessageId": "1", "Body": "{}", "ReceiptHandle": "r"}]}
        client = SimpleNamespace(receive_message=lambda **_: answer)
        assert [each.id for each in DeadLetterQueue(client, "url").receive(1)] == ["1"]  # type: ignore[arg-type]

    @pytest.mark.parametrize("code", ["AccessDeniedException", "TrimmedDataAccessException"])
    def test_a_stream_without_the_records_is_none_and_any_other_answer_is_raised(self, code: str) -> None:
        def refused(**_: object) -> dict[str, str]:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "GetShardIterator")

        stream = ExemptionStream(SimpleNamespace(get_shard_iterator=refused, get_records=refused), "exemptions")
        if code.startswith("Trimmed"):
            assert stream.read(self.BATCH) is None
        else:
            with pytest.raises(ClientError):
                stream.read(self.BATCH)

    def test_binary_values_of_records_are_passed_on_in_base64(self) -> None:
        sent: list[bytes] = []
        client = SimpleNamespace(invoke=lambda **parameters: sent.append(parameters["Payload"]))
        Functions(client).invoke("f", {"Records": [{"B": b"x"}]})  # type: ignore[arg-type]
        assert sent == [b'{"Records": [{"B": "eA=="}]}']
        with pytest.raises(TypeError, match="holds a set"):
            Functions(client).invoke("f", {"Records": [{"B": {1}}]})  # type: ignore[arg-type]

    def test_a_batch_of_another_stream_is_not_read(self, letters: SweepDeadLetters) -> None:
        assert letters.records(self.BATCH) is None

    def test_what_aws_refuses_is_translated(self, account: Account, letters: SweepDeadLetters) -> None:
        self.fill(account, 1)
        [message] = letters.receive()
        sqs, table = boto3.client("sqs"), account.stack.physical_id("StateTable")
        sqs.delete_queue(QueueUrl=str(account.stack.resolve({"Ref": "DeadLetterQueue"})))
        boto3.client("dynamodb").delete_table(TableName=table)
        for call in (
            letters.receive,
            lambda: letters.delete(message),
            lambda: letters.unhide([message]),
            lambda: letters.may_hand_over("a"),
            lambda: letters.invoke("no-such-function", {}),
        ):
            with pytest.raises(AwsRequestFailed):
                call()


def test_the_age_of_the_stack(account: Account) -> None:  # noqa: ARG001
    client = boto3.client("cloudformation")
    client.create_stack(StackName="mfa-guard", TemplateBody=json.dumps({"Resources": {}}))
    [described] = client.describe_stacks(StackName="mfa-guard")["Stacks"]
    assert OwnStackAge(client, "mfa-guard").created_at() == described["CreationTime"]
    with pytest.raises(AwsRequestFailed):
        OwnStackAge(client, "another").created_at()
