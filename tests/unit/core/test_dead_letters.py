"""Dead-letter messages are of a rule, of a function, of the stream, or unknown."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfa_guard.core.dead_letters import Batch, QueueMessage, Sender, parse_message, stream_event
from support.factories import detail, envelope, stream_record

FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:mfa-guard-UserEventFunction-1"


def message(body: object, **attributes: str) -> QueueMessage:
    return QueueMessage(
        "1", body if isinstance(body, str) else json.dumps(body), attributes, datetime(2026, 3, 1, tzinfo=UTC), "r"
    )


def test_a_message_of_the_schedule_is_like_one_of_a_rule() -> None:
    request = {"id": "x", "source": "mfa-guard", "detail-type": "Sweep requested", "detail": {}}
    letter = parse_message(message(request, TARGET_ARN=FUNCTION, ERROR_CODE="THROTTLED"))
    assert (letter.sender, letter.subject, letter.reason) == (Sender.RULE, "Sweep requested", "THROTTLED")
    assert letter.event == request


def test_the_version_in_a_functions_arn_is_left_out() -> None:
    body = {"requestPayload": envelope(detail("CreateUser")), "requestContext": {"functionArn": f"{FUNCTION}:$LATEST"}}
    letter = parse_message(message(body))
    assert (letter.function, letter.function_name) == (FUNCTION, "mfa-guard-UserEventFunction-1")
    assert letter.subject == "CreateUser about alice"


def test_a_user_without_a_name_is_named_by_id() -> None:
    identity = {"type": "IAMUser", "principalId": "AIDACAROL"}
    record = detail("ConsoleLogin", eventSource="signin.amazonaws.com", userIdentity=identity)
    body = {"requestPayload": envelope(record), "requestContext": {"functionArn": FUNCTION}}
    assert parse_message(message(body)).subject == "ConsoleLogin about AIDACAROL"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["requestPayload", "requestContext", "DDBStreamBatchInfo", "source", "detail", "eventName"])
            | st.text(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values | st.text(), st.dictionaries(st.sampled_from(["TARGET_ARN", "ERROR_CODE"]), st.text()))
def test_any_message_is_read_without_an_error_and_shown_on_one_line(body: object, attributes: dict[str, str]) -> None:
    letter = parse_message(message(body, **attributes))
    for shown in (letter.subject, letter.reason, letter.function_name):
        assert not {"\n", "\x1b", "\x9b", "\u202e"} & set(shown)


def test_a_body_that_is_nested_too_deeply_is_not_json() -> None:
    assert parse_message(message("[" * 200_000)).reason == "The body is not a JSON object."


@pytest.mark.parametrize("size", [None, "1", True, 0, -1, 10**9])
def test_a_batch_of_an_impossible_size_is_unknown(size: object) -> None:
    info = {"streamArn": "a", "shardId": "b", "startSequenceNumber": "1", "endSequenceNumber": "2", "batchSize": size}
    assert parse_message(message({"DDBStreamBatchInfo": info})).sender is Sender.UNKNOWN


@pytest.mark.parametrize("last", ["", "x", "1; DROP"])
def test_a_batch_with_a_malformed_sequence_number_is_unknown(last: str) -> None:
    info = {"streamArn": "a", "shardId": "b", "startSequenceNumber": "1", "endSequenceNumber": last, "batchSize": 1}
    assert parse_message(message({"DDBStreamBatchInfo": info})).sender is Sender.UNKNOWN


def test_records_after_the_batch_are_left_out_and_times_become_seconds() -> None:
    def record(number: str) -> dict[str, object]:
        made = stream_record("INSERT", {"user_id": f"AIDA{number}"})
        stream = made["dynamodb"]
        assert isinstance(stream, dict)
        when = datetime(2026, 3, 1, tzinfo=UTC)
        return {**made, "dynamodb": {**stream, "SequenceNumber": number, "ApproximateCreationDateTime": when}}

    # Compared as numbers: as strings, "900" would come after "1000".
    event = stream_event([record("900"), record("1000"), record("1001")], Batch("a", "b", "900", 1000, 2))
    records = event["Records"]
    assert isinstance(records, list)
    assert [each["dynamodb"]["SequenceNumber"] for each in records] == ["900", "1000"]
    assert records[0]["dynamodb"]["ApproximateCreationDateTime"] == datetime(2026, 3, 1, tzinfo=UTC).timestamp()


def test_an_event_about_no_user_has_no_subject() -> None:
    for name in (1, "a name that IAM cannot have!"):
        body = {"requestPayload": {"detail": detail("CreateUser", {"userName": name})}}
        assert parse_message(message(body)).subject == "CreateUser"


def test_a_record_without_a_time_stays_as_it_is() -> None:
    record = {"dynamodb": {"SequenceNumber": "1"}}
    assert stream_event([record], Batch("a", "b", "1", 2, 1)) == {"Records": [record]}
