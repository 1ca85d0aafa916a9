"""CloudWatch's clients speak CBOR: botocore's own serializer and parser are the other side of these tests."""

import io
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest
from botocore.model import OperationModel
from botocore.parsers import RpcV2CBORParser
from botocore.serialize import RpcV2CBORSerializer
from botocore.session import Session
from werkzeug.wrappers import Response

from mfa_guard_emulator.aws.cbor import as_query, error, from_query, operation_name, parameters

CLOUDWATCH = Session().get_service_model("cloudwatch")
ALARM = {"AlarmName": "mfa-guard-heartbeat", "EvaluationPeriods": 26, "Threshold": 1.0, "Period": 3600}
XML = """
<GetMetricStatisticsResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/">
  <GetMetricStatisticsResult>
    <Label>SweepFinished</Label>
    <Datapoints>
      <member><Timestamp>2026-03-01T12:00:00Z</Timestamp><Sum>1.0</Sum><Unit>Count</Unit></member>
    </Datapoints>
  </GetMetricStatisticsResult>
</GetMetricStatisticsResponse>
"""
ERROR_XML = """
<ErrorResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/">
  <Error><Type>Sender</Type><Code>ResourceNotFound</Code><Message>There is no such alarm.</Message></Error>
</ErrorResponse>
"""


def operation(name: str) -> OperationModel:
    return CLOUDWATCH.operation_model(name)


def parsed(response: Response, name: str) -> dict[str, object]:
    """Return what a client makes of a response."""
    received = {
        "body": response.get_data(),
        "headers": {key.lower(): value for key, value in response.headers.items()},
        "status_code": response.status_code,
    }
    found: dict[str, object] = RpcV2CBORParser().parse(received, operation(name).output_shape)  # type: ignore[arg-type]
    return {key: value for key, value in found.items() if key != "ResponseMetadata"}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/service/GraniteServiceVersion20100801/operation/PutMetricAlarm", "PutMetricAlarm"),
        ("/service/X/operation/", None),
        ("/", None),
    ],
)
def test_the_path_names_the_operation(path: str, name: str | None) -> None:
    assert operation_name(path) == name


def test_a_clients_parameters_are_read() -> None:
    request = RpcV2CBORSerializer().serialize_to_request(ALARM, operation("PutMetricAlarm"))
    assert parameters(request["body"]) == ALARM


def test_no_body_means_no_parameters() -> None:
    assert parameters(b"") == {}


def test_a_body_that_is_no_map_is_refused() -> None:
    with pytest.raises(ValueError, match="not a map"):
        parameters(b"\x01")


def test_moto_gets_the_same_call_in_the_query_protocol() -> None:
    environ = as_query(
        {"REQUEST_METHOD": "POST", "PATH_INFO": "/service/X/operation/Y"}, operation("PutMetricAlarm"), ALARM
    )
    body = environ["wsgi.input"]
    assert isinstance(body, io.BytesIO)
    form = parse_qs(body.getvalue().decode())
    assert (form["Action"], form["AlarmName"], form["EvaluationPeriods"]) == (
        ["PutMetricAlarm"],
        ["mfa-guard-heartbeat"],
        ["26"],
    )
    assert environ["PATH_INFO"] == "/"
    assert int(environ["CONTENT_LENGTH"]) == len(body.getvalue())


def test_motos_answer_reaches_the_client() -> None:
    answer = from_query(Response(XML, 200, content_type="text/xml"), operation("GetMetricStatistics"))
    assert parsed(answer, "GetMetricStatistics") == {
        "Label": "SweepFinished",
        "Datapoints": [{"Timestamp": datetime(2026, 3, 1, 12, tzinfo=UTC), "Sum": 1.0, "Unit": "Count"}],
    }


def test_an_answer_without_output_is_empty() -> None:
    xml = '<PutMetricAlarmResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"/>'
    answer = from_query(Response(xml, 200, content_type="text/xml"), operation("PutMetricAlarm"))
    assert (answer.status_code, answer.get_data()) == (200, b"")


def test_motos_error_stays_an_error() -> None:
    answer = from_query(Response(ERROR_XML, 404, content_type="text/xml"), operation("DescribeAlarms"))
    found = parsed(answer, "DescribeAlarms")["Error"]
    assert isinstance(found, dict)
    assert (answer.status_code, found["Code"], found["Message"]) == (404, "ResourceNotFound", "There is no such alarm.")


def test_an_error_of_the_emulators_own_can_be_read() -> None:
    found = parsed(error("AccessDenied", "Not yours.", 403), "DescribeAlarms")["Error"]
    assert isinstance(found, dict)
    assert (found["Code"], found["Message"]) == ("AccessDenied", "Not yours.")
