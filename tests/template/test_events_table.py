"""Every row of events/README.md is true for the rendered template, and every file has the format of AWS."""

import ipaddress
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

import pytest

from mfa_guard.core.cloudtrail import ROOT_SUBJECT, subject_of
from mfa_guard_cli.stack.event_pattern import index
from mfa_guard_cli.stack.template import Rule, load_template

EVENTS = Path(__file__).parents[2] / "events"
ROW = re.compile(
    r"\| \[(?P<file>[a-z0-9-]+\.json)\]\((?P=file)\) \| [^|]+ \| (?:none|(?P<rules>`\w+`(?:, `\w+`)*))"
    r" \| (?:none|(?P<root>root)|user `(?P<user>[^`]+)`) \| [^|]+ \|"
)

Fields = Mapping[str, object]
Router = Callable[[Fields], tuple[Rule, ...]]


@dataclass(frozen=True)
class Row:
    """One row of the README: the rules that the file matches, and the label of the user that it is about."""

    file: str
    rules: tuple[str, ...]
    subject: str | None


def _rows() -> Iterator[Row]:
    for line in (EVENTS / "README.md").read_text("utf-8").splitlines():
        if line.startswith("| ["):
            row = ROW.fullmatch(line)
            assert row, f"not a row of the table: {line}"
            user = f"user/{row['user']}" if row["user"] else None
            rules = tuple(re.findall(r"\w+", row["rules"] or ""))
            yield Row(row["file"], rules, ROOT_SUBJECT.label if row["root"] else user)


ROWS = tuple(_rows())
TEXTS = {path.name: path.read_text("utf-8") for path in sorted(EVENTS.glob("*.json"))}
ENVELOPES = {file: cast("Fields", json.loads(text)) for file, text in TEXTS.items()}
RECORDS = {file: cast("Fields", event["detail"]) for file, event in ENVELOPES.items()}

each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.file)


def found(pattern: str) -> Counter[str]:
    """Return every match of the pattern in the files."""
    return Counter(each for text in TEXTS.values() for each in re.findall(pattern, text))


@pytest.fixture(scope="module")
def rules() -> tuple[Rule, ...]:
    return load_template().render().rules()


@pytest.fixture(scope="module")
def routed(rules: tuple[Rule, ...]) -> Router:
    return index(rules)


def test_every_file_has_exactly_one_row() -> None:
    assert sorted(row.file for row in ROWS) == list(TEXTS)


@each_row
def test_an_event_matches_the_rules_that_its_row_names(row: Row, routed: Router) -> None:
    assert tuple(rule.logical_id for rule in routed(ENVELOPES[row.file])) == row.rules


@each_row
def test_an_event_is_about_the_subject_that_its_row_names(row: Row) -> None:
    subject = subject_of(RECORDS[row.file])
    assert (subject and subject.label) == row.subject


def test_every_rule_has_an_event(rules: tuple[Rule, ...]) -> None:
    from_cloudtrail = {rule.logical_id for rule in rules if "detail" in rule.pattern}
    assert {rule for row in ROWS for rule in row.rules} == from_cloudtrail


def test_files_are_indented() -> None:
    assert [file for file, text in TEXTS.items() if text != json.dumps(ENVELOPES[file], indent=2) + "\n"] == []


def test_no_two_deliveries_records_or_requests_share_an_id() -> None:
    ids = Counter(
        each[key]
        for key, holders in (("id", ENVELOPES), ("eventID", RECORDS), ("requestID", RECORDS))
        for each in holders.values()
        if key in each
    )
    assert [each for each, count in ids.items() if count > 1] == []


def test_envelopes_have_eventbridges_fields() -> None:
    names = ["version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"]
    assert [file for file, event in ENVELOPES.items() if list(event) != names] == []
    constant = {"version": "0", "account": "111122223333", "region": "us-east-1", "resources": []}
    assert [file for file, event in ENVELOPES.items() if {key: event[key] for key in constant} != constant] == []


def test_envelopes_are_named_after_the_record() -> None:
    # AWS's documentation spells the sign-in in two ways.
    types = {
        "AwsApiCall": ("AWS API Call via CloudTrail",),
        "AwsConsoleSignIn": ("AWS Console Sign In via CloudTrail", "AWS Console Signin via CloudTrail"),
    }
    for file, event in ENVELOPES.items():
        record = RECORDS[file]
        assert record["eventSource"] == str(event["source"]).removeprefix("aws.") + ".amazonaws.com", file
        assert event["detail-type"] in types[str(record["eventType"])], file


def test_records_have_every_field_that_cloudtrail_always_writes() -> None:
    always = {
        "eventVersion",
        "userIdentity",
        "eventTime",
        "eventSource",
        "eventName",
        "awsRegion",
        "sourceIPAddress",
        "userAgent",
        "requestParameters",
        "responseElements",
        "eventID",
        "eventType",
        "recipientAccountId",
    }
    assert [file for file, record in RECORDS.items() if not always <= record.keys()] == []
    # A sign-in is not an API request.
    calls = {file for file, record in RECORDS.items() if record["eventType"] == "AwsApiCall"}
    assert {file for file, record in RECORDS.items() if "requestID" in record} == calls


def test_an_error_code_is_text_or_absent_and_a_failed_call_has_no_response() -> None:
    failed = {file: record for file, record in RECORDS.items() if "errorCode" in record}
    assert [file for file, record in failed.items() if not isinstance(record["errorCode"], str)] == []
    assert [file for file, record in failed.items() if record["responseElements"] is not None] == []


def test_booleans_that_cloudtrail_writes_as_text_are_text() -> None:
    assert found(r'"(?:mfaAuthenticated|sessionCredentialFromConsole)": (.+?),?\n').keys() == {'"true"', '"false"'}


def test_times_are_in_utc_and_no_event_arrives_before_its_call() -> None:
    for file, event in ENVELOPES.items():
        called, arrived = str(RECORDS[file]["eventTime"]), str(event["time"])
        assert re.fullmatch(r"2026-\d\d-\d\dT\d\d:\d\d:\d\dZ", called), file
        assert re.fullmatch(r"2026-\d\d-\d\dT\d\d:\d\d:\d\dZ", arrived), file
        assert datetime.fromisoformat(called) <= datetime.fromisoformat(arrived), file


def test_addresses_are_reserved_for_documentation_or_name_a_service() -> None:
    networks = (ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("198.51.100.0/24"))
    for file, record in RECORDS.items():
        address = str(record["sourceIPAddress"])
        if address != "AWS Internal" and not address.endswith(".amazonaws.com"):
            assert any(ipaddress.ip_address(address) in network for network in networks), file


def test_account_ids_are_text_and_made_up() -> None:
    accounts = {"111122223333", "444455556666", "012345678901"}
    named = found(r'"(?:account|accountId|recipientAccountId)": (.+?),?\n')
    assert named.keys() <= {f'"{account}"' for account in accounts}
    assert found(r"arn:aws:[a-z0-9-]+:[a-z0-9-]*:(\d+):").keys() <= accounts


def test_ids_of_keys_and_principals_have_their_shape_and_are_made_up() -> None:
    shape = re.compile(r"A[KS]IA[A-Z2-7]{9}EXAMPLE|A(?:ID|RO)A[A-Z2-7]{10}EXAMPLE")
    assert [each for each in found(r"\b(?:AKIA|ASIA|AIDA|AROA)[A-Z0-9]+") if not shape.fullmatch(each)] == []


def test_no_secret_is_in_a_record() -> None:
    secrets = {
        "authenticationCode1",
        "authenticationCode2",
        "base32StringSeed",
        "newPassword",
        "oldPassword",
        "password",
        "qRCodePNG",
        "secretAccessKey",
        "sessionToken",
    }
    assert found(r'"(\w+)":').keys() & secrets == set()
