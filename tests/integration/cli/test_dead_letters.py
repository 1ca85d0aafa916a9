"""`mfa-guard dead-letters` lists every message, invokes only the guard's functions, and loses no message."""

import json
from collections.abc import Mapping
from datetime import timedelta

import boto3
import pytest

from mfa_guard.core.exemption_changes import parse_exemption_change
from support.deployed import Deployed
from support.factories import NOW, ROOT_OF_THE_PROJECT

EVENT = json.loads((ROOT_OF_THE_PROJECT / "events" / "create-user.json").read_text("utf-8"))


def send(deployed: Deployed, body: object, attributes: Mapping[str, str] | None = None) -> str:
    text = body if isinstance(body, str) else json.dumps(body)
    return deployed.account.clients.sqs.send_message(
        QueueUrl=deployed.account.stack.physical_id("DeadLetterQueue"),
        MessageBody=text,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in (attributes or {}).items()
        },
    )["MessageId"]


def of_rule(deployed: Deployed, arn: str | None = None) -> str:
    attributes = {
        "RULE_ARN": "arn:aws:events:us-east-1:111122223333:rule/mfa-guard-new-credentials",
        "TARGET_ARN": arn or deployed.arn("UserEventFunction"),
        "ERROR_CODE": "NO_PERMISSIONS",
        "ERROR_MESSAGE": "User is not authorized to perform: lambda:InvokeFunction",
    }
    return send(deployed, EVENT, attributes)


def of_function(deployed: Deployed, function: str = "UserEventFunction") -> str:
    body = {
        "version": "1.0",
        "timestamp": "2026-11-24T06:00:00.000Z",
        "requestContext": {
            "requestId": "1",
            "functionArn": f"{deployed.arn(function)}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": EVENT,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorMessage": "IAM is away", "errorType": "Refused"},
    }
    return send(deployed, body)


def stream_of(deployed: Deployed) -> str:
    table = deployed.account.stack.physical_id("ExemptionsTable")
    return str(deployed.account.clients.dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"])


def of_stream(deployed: Deployed, *, first: int = 0, last: int = 0, arn: str | None = None) -> str:
    client = boto3.client("dynamodbstreams")
    stream = stream_of(deployed)
    shard = client.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = client.get_shard_iterator(StreamArn=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    records = client.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    numbers = [each["dynamodb"]["SequenceNumber"] for each in records]
    body = {
        "requestContext": {
            "requestId": "1",
            "functionArn": deployed.arn("AlertFunction"),
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 5,
        },
        "version": "1.0",
        "DDBStreamBatchInfo": {
            "shardId": shard,
            "startSequenceNumber": numbers[first],
            "endSequenceNumber": numbers[last],
            "batchSize": last - first + 1,
            "streamArn": arn or stream,
        },
    }
    return send(deployed, body)


def waiting(deployed: Deployed) -> set[str]:
    return {row["id"] for row in deployed.rows("dead-letters", "list", exit_code=1)}


def emptied(deployed: Deployed) -> None:
    assert deployed.rows("dead-letters", "list") == []


class TestList:
    def test_an_empty_queue_exits_with_0(self, deployed: Deployed) -> None:
        result = deployed.run("dead-letters", "list")
        assert (result.exit_code, result.stdout) == (0, "The dead-letter queue is empty.\n")

    def test_every_sender_with_its_function_and_reason(self, deployed: Deployed) -> None:
        deployed.exempt("AIDAONE")
        ids = [of_rule(deployed), of_function(deployed), of_stream(deployed), send(deployed, "no JSON")]
        rows = {row["id"]: row for row in deployed.rows("dead-letters", "list", exit_code=1)}
        found = [rows[each] for each in ids]
        assert [row["from"] for row in found] == ["rule", "function", "stream", "unknown"]
        assert [row["reason"] for row in found] == [
            "NO_PERMISSIONS User is not authorized to perform: lambda:InvokeFunction",
            "RetriesExhausted Refused IAM is away",
            "RetryAttemptsExhausted",
            "The body is not a JSON object.",
        ]
        name = EVENT["detail"]["requestParameters"]["userName"]
        assert [row["what"] for row in found[:2]] == [f"CreateUser about {name}"] * 2
        assert [row["function"].split("-")[2] for row in found[:3]] == [
            "UserEventFunction",
            "UserEventFunction",
            "AlertFunction",
        ]

    def test_all_messages_stay_visible(self, deployed: Deployed) -> None:
        ids = {of_rule(deployed) for _ in range(23)}
        assert waiting(deployed) == ids
        assert waiting(deployed) == ids

    def test_control_characters_are_escaped(self, deployed: Deployed) -> None:
        attributes = {"TARGET_ARN": "arn:\x1b[2J", "ERROR_MESSAGE": "x\x1b[2J"}
        send(deployed, {"source": "x", "detail": {"eventName": "\x1b]0;owned\x07"}}, attributes)
        for form in ("table", "json", "csv"):
            text = deployed.run("dead-letters", "list", "--format", form).stdout
            assert not {"\x1b", "\x07"} & set(text)


class TestRedrive:
    @pytest.mark.parametrize("make", [of_rule, of_function])
    def test_the_function_gets_the_event_and_the_message_is_deleted(self, deployed: Deployed, make: object) -> None:
        assert callable(make)
        make(deployed)
        assert deployed.run("dead-letters", "redrive", "--yes").exit_code == 0
        assert deployed.invoked == [(deployed.arn("UserEventFunction"), EVENT)]
        emptied(deployed)

    def test_an_empty_queue_is_no_error(self, deployed: Deployed) -> None:
        outcome = deployed.json("dead-letters", "redrive", "--yes")
        assert (outcome["redriven"], outcome["notes"]) == (0, ["The dead-letter queue is empty."])

    def test_without_yes_it_stays_and_nothing_is_invoked(self, deployed: Deployed) -> None:
        letter = of_rule(deployed)
        result = deployed.run("dead-letters", "redrive")
        assert (result.exit_code, deployed.invoked) == (2, [])
        assert letter in result.stderr
        assert waiting(deployed) == {letter}

    def test_one_of_them_by_its_id(self, deployed: Deployed) -> None:
        one, other = of_rule(deployed), of_function(deployed)
        outcome = deployed.json("dead-letters", "redrive", one, "--yes")
        assert outcome["deleted"] == [one]
        assert waiting(deployed) == {other}

    def test_an_id_that_is_not_there_is_wrong_use(self, deployed: Deployed) -> None:
        letter = of_rule(deployed)
        result = deployed.run("dead-letters", "redrive", letter, "missing", "--yes")
        assert (result.exit_code, "There is no message 'missing'" in result.stderr) == (2, True)
        assert deployed.invoked == []

    def test_what_lambda_refuses_stays_and_is_visible_at_once(self, deployed: Deployed) -> None:
        letter = of_rule(deployed)
        deployed.failing = {"Invoke": "TooManyRequestsException"}
        outcome = deployed.json("dead-letters", "redrive", "--yes", exit_code=3)
        assert "left in the queue. The AWS request Invoke failed" in str(outcome["failed"])
        assert waiting(deployed) == {letter}

    @pytest.mark.parametrize(
        "function",
        [
            "arn:aws:lambda:us-east-1:111122223333:function:another",
            "arn:aws:lambda:us-east-1:999999999999:function:mfa-guard-UserEventFunction-RY3NZ73OJXSF",
            "",
        ],
    )
    def test_a_message_cannot_make_the_administrator_invoke_another_function(
        self, deployed: Deployed, function: str
    ) -> None:
        letter = of_rule(deployed, function or "x")
        outcome = deployed.json("dead-letters", "redrive", "--yes", exit_code=1)
        assert "which is not a function of the guard" in str(outcome["left"])
        assert deployed.invoked == []
        assert waiting(deployed) == {letter}

    def test_teardown_is_not_one_of_them(self, deployed: Deployed) -> None:
        of_function(deployed, "TeardownFunction")
        assert deployed.run("dead-letters", "redrive", "--yes").exit_code == 1
        assert deployed.invoked == []

    def test_an_unknown_message_is_left_with_the_reason_and_the_others_are_redriven(self, deployed: Deployed) -> None:
        odd = [send(deployed, body) for body in ("no JSON", "[1]", {"requestPayload": 1}, {"source": "x"}, "{}")]
        of_rule(deployed)
        outcome = deployed.json("dead-letters", "redrive", "--yes", exit_code=1)
        assert len(deployed.invoked) == 1
        assert len(str(outcome["left"]).split("left in the queue")) == len(odd) + 1
        assert waiting(deployed) == set(odd)

    def test_a_message_that_cannot_be_deleted_is_a_failure(self, deployed: Deployed) -> None:
        letter = of_rule(deployed)
        deployed.failing = {"DeleteMessage": "AccessDenied"}
        outcome = deployed.json("dead-letters", "redrive", "--yes", exit_code=3)
        assert "The AWS request DeleteMessage failed" in str(outcome["failed"])
        deployed.failing = {}
        assert waiting(deployed) == {letter}


class TestTheStream:
    def test_records_are_passed_on_as_lambda_would(self, deployed: Deployed) -> None:
        for user_id in ("AIDAONE", "AIDATWO", "AIDATHREE"):
            deployed.exempt(user_id)
        of_stream(deployed, first=1, last=1)
        assert deployed.run("dead-letters", "redrive", "--yes").exit_code == 0
        [(function, event)] = deployed.invoked
        assert function == deployed.arn("AlertFunction")
        assert isinstance(event, dict)
        [record] = event["Records"]
        assert record["dynamodb"]["Keys"] == {"user_id": {"S": "AIDATWO"}}
        assert record["eventName"] == "INSERT"
        assert isinstance(record["dynamodb"]["ApproximateCreationDateTime"], int | float)
        emptied(deployed)

    def test_alert_function_understands_what_it_gets(self, deployed: Deployed) -> None:
        deployed.exempt("AIDAONE", ends=timedelta(days=3))
        of_stream(deployed)
        deployed.run("dead-letters", "redrive", "--yes")
        [(_, event)] = deployed.invoked
        assert isinstance(event, dict)
        assert parse_exemption_change(event["Records"][0], NOW).user_id == "AIDAONE"

    def test_without_the_records_the_message_stays_and_the_reason_says_what_is_lost(self, deployed: Deployed) -> None:
        deployed.exempt("AIDAONE")
        letter = of_stream(deployed)
        deployed.failing = {"GetShardIterator": "TrimmedDataAccessException"}
        outcome = deployed.json("dead-letters", "redrive", "--yes", exit_code=1)
        assert "Only the notice is lost" in str(outcome["left"])
        assert deployed.invoked == []
        deployed.failing = {}
        assert waiting(deployed) == {letter}

    def test_another_tables_stream_is_not_read(self, deployed: Deployed) -> None:
        deployed.exempt("AIDAONE")
        of_stream(deployed, arn=stream_of(deployed).replace("ExemptionsTable", "OtherTable"))
        deployed.made.clear()
        outcome = deployed.json("dead-letters", "redrive", "--yes", exit_code=1)
        assert "is not that of the exemption table" in str(outcome["left"])
        assert "GetRecords" not in deployed.made
