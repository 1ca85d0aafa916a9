"""Every record is routed through the rules of its own account; whatever is wrong with it is said, never raised."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfa_guard.core.cloudtrail import Subject, SubjectKind
from mfa_guard_cli.stack.records import BrokenRecord
from mfa_guard_cli.stack.router import Routed, Router
from mfa_guard_cli.stack.template import load_template
from support.factories import detail, envelope

EVENTS = Path(__file__).parents[4] / "events"
POLICY = "policy/EnrollMFADeviceThenSignInAgain"

ALICE = Subject(SubjectKind.USER, "alice")


def test_a_record_is_described_by_what_it_wakes(router: Router) -> None:
    record = detail("CreateUser", eventID="e-1")
    expected = Routed(
        event_id="e-1",
        event_name="CreateUser",
        event_source="iam.amazonaws.com",
        rules=("UserEventFunctionNewCredentials",),
        functions=("UserEventFunction",),
        subject=ALICE,
        actor=router.route(record).actor,
    )
    assert router.route(record) == expected
    assert router.route(envelope(record)) == expected


def test_the_json_form_has_the_keys_of_the_contract(router: Router) -> None:
    user = {"type": "IAMUser", "userName": "carol"}
    routed = router.route(detail("CreateUser", eventID="e-1", userIdentity=user))
    assert json.loads(routed.as_json()) == {
        "event_id": "e-1",
        "event_name": "CreateUser",
        "event_source": "iam.amazonaws.com",
        "rules": ["UserEventFunctionNewCredentials"],
        "functions": ["UserEventFunction"],
        "subject": {"kind": "user", "name": "alice", "id": None},
        "actor": "user/carol",
        "problem": None,
    }


def test_a_record_without_a_subject_has_a_subject_of_nulls(router: Router) -> None:
    record = detail("ListBuckets", eventSource="s3.amazonaws.com")
    assert json.loads(router.route(record).as_json())["subject"] == {"kind": None, "name": None, "id": None}


def test_root_has_no_name(router: Router) -> None:
    root = {"type": "Root", "userName": "account-alias", "accountId": "111122223333"}
    record = detail("CreateAccessKey", userIdentity=root, requestParameters=None)
    assert json.loads(router.route(record).as_json())["subject"] == {"kind": "root", "name": None, "id": None}


def test_a_sign_in_is_about_the_users_id_and_maybe_a_name(router: Router) -> None:
    record = detail(
        "ConsoleLogin",
        eventSource="signin.amazonaws.com",
        userIdentity={"type": "IAMUser", "principalId": "AIDACAROL"},
        responseElements={"ConsoleLogin": "Success"},
    )
    routed = router.route(record)
    assert routed.rules == ("UserEventFunctionSignIns",)
    assert json.loads(routed.as_json())["subject"] == {"kind": "user", "name": None, "id": "AIDACAROL"}


def test_tampering_wakes_the_alert_function(router: Router) -> None:
    record = detail("StopLogging", {"name": "trail"}, eventSource="cloudtrail.amazonaws.com")
    routed = router.route(record)
    assert (routed.rules, routed.functions, routed.problem) == (
        ("AlertFunctionTrailTampering",),
        ("AlertFunction",),
        None,
    )


def test_a_failed_call_wakes_nothing_and_keeps_its_subject(router: Router) -> None:
    routed = router.route(detail("CreateUser", errorCode="EntityAlreadyExistsException"))
    assert (routed.rules, routed.functions, routed.subject, routed.problem) == ((), (), ALICE, None)


def test_another_services_event_of_the_same_name_wakes_nothing(router: Router) -> None:
    assert router.route(detail("CreateUser", eventSource="transfer.amazonaws.com")).rules == ()


def detached(account: str, arn: str, **changes: object) -> dict[str, object]:
    return detail("DetachUserPolicy", {"userName": "alice", "policyArn": arn}, recipientAccountId=account, **changes)


@pytest.mark.parametrize("account", ["111122223333", "012345678901"])
def test_the_rules_are_those_of_the_record_s_own_account(router: Router, account: str) -> None:
    own = detached(account, f"arn:aws:iam::{account}:{POLICY}")
    other = detached(account, f"arn:aws:iam::444455556666:{POLICY}")
    assert router.route(own).rules == ("UserEventFunctionEnforcementRemoved",)
    assert router.route(other).rules == ()


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("us-east-1", "aws"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-gov-east-1", "aws-us-gov"),
        ("cn-north-1", "aws-cn"),
        ("cn-northwest-1", "aws-cn"),
        ("eu-west-1", "aws"),
    ],
)
def test_the_rules_are_those_of_the_record_s_own_partition(router: Router, region: str, partition: str) -> None:
    for each in ("aws", "aws-us-gov", "aws-cn"):
        record = detached("111122223333", f"arn:{each}:iam::111122223333:{POLICY}", awsRegion=region)
        assert bool(router.route(record).rules) is (each == partition)


OTHER, THIRD = "444455556666", "777788889999"


@pytest.mark.parametrize(
    ("recipient", "of_envelope", "of_caller", "account"),
    [
        (OTHER, THIRD, THIRD, OTHER),
        (None, OTHER, THIRD, OTHER),
        (None, None, OTHER, OTHER),
        (None, None, None, "111122223333"),
        # An account id is a text of twelve digits; what is none does not count.
        (444455556666, OTHER, None, OTHER),
        ("4444", "text", OTHER, OTHER),
    ],
)
def test_the_account_is_the_first_that_the_record_names(
    router: Router, recipient: object, of_envelope: object, of_caller: object, account: str
) -> None:
    record = detached("", f"arn:aws:iam::{account}:{POLICY}", userIdentity={"accountId": of_caller})
    record["recipientAccountId"] = recipient
    event = {**envelope(record), "account": of_envelope}
    assert router.route(event).rules == ("UserEventFunctionEnforcementRemoved",)


def test_a_disabled_rule_wakes_nothing(tmp_path: Path) -> None:
    text = """
Transform: AWS::Serverless-2016-10-31
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      Handler: a.b
      Runtime: python3.13
      CodeUri: src/
      Events:
        On: {Type: EventBridgeRule, Properties: {Pattern: {source: [aws.iam]}}}
        Off: {Type: EventBridgeRule, Properties: {State: DISABLED, Pattern: {source: [aws.iam]}}}
"""
    (tmp_path / "template.yaml").write_text(text, "utf-8")
    assert Router(load_template(tmp_path / "template.yaml")).route(detail("CreateUser")).rules == ("FOn",)


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (5, "The record is not an object."),
        (None, "The record is not an object."),
        ([], "The record is not an object."),
        ({}, "The record's eventName is missing."),
        (BrokenRecord("Line 7 of a.json is not JSON."), "Line 7 of a.json is not JSON."),
        ({"detail": 5, "source": "aws.iam"}, "The envelope's detail is not an object."),
        ({"detail-type": "AWS API Call via CloudTrail"}, "The envelope's detail is not an object."),
        ({"detail": {}, "detail-type": "AWS API Call via CloudTrail"}, "The record's eventName is missing."),
        (detail(""), "The record's eventName is missing."),
        (detail("CreateUser", eventName=None), "The record's eventName is missing."),
        (detail("CreateUser", eventName=["CreateUser"]), "The record's eventName is not a string."),
        (detail("CreateUser", eventSource=5), "The record's eventSource is not a string."),
        (detail("CreateUser", eventID=5), "The record's eventID is not a string."),
    ],
)
def test_a_broken_record_has_a_problem(router: Router, record: object, problem: str) -> None:
    assert router.route(record).problem == problem


def test_a_record_that_its_function_could_not_understand_has_a_problem(router: Router) -> None:
    record = detail("CreateUser", {})
    assert router.route(record).functions == ("UserEventFunction",)
    assert router.route(record).subject is None
    assert router.route(record).problem == "CreateUser does not say which user it is about."
    record = detail("StopLogging", {"name": "trail"}, eventSource="cloudtrail.amazonaws.com", eventTime="yesterday")
    assert router.route(record).functions == ("AlertFunction",)
    assert "eventTime" in (router.route(record).problem or "")


def test_a_record_that_wakes_nothing_need_not_be_understood(router: Router) -> None:
    routed = router.route(detail("DeleteUser", {}))
    assert (routed.functions, routed.subject, routed.problem) == ((), None, None)


def test_an_event_that_is_not_cloudtrails_is_no_broken_record(router: Router) -> None:
    event = {"source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification", "detail": {"state": "x"}}
    assert router.route(event) == Routed()


def test_a_record_that_is_nested_too_deeply_has_a_problem(router: Router) -> None:
    deep: object = "x"
    for _ in range(100_000):
        deep = [deep]
    record = detail("AttachGroupPolicy", {"groupName": deep, "policyArn": deep})
    assert router.route(record).problem == "The record is nested too deeply."


def test_every_sample_event_is_routed_without_a_problem(router: Router) -> None:
    files = sorted(EVENTS.glob("*.json"))
    assert files
    for file in files:
        event = json.loads(file.read_text("utf-8"))
        assert router.route(event).problem is None, file.name
        # The copy of it in S3 invokes the same.
        assert router.route(event["detail"]) == router.route(event), file.name


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
samples = [json.loads(file.read_text("utf-8")) for file in sorted(EVENTS.glob("*.json"))]


def places(value: object) -> list[tuple[str, ...]]:
    """Return the path to every field of a JSON object."""
    if not isinstance(value, Mapping):
        return []
    return [(key, *rest) for key, inner in value.items() for rest in ((), *places(inner))]


def replaced(value: Mapping[str, object], path: tuple[str, ...], new: object) -> dict[str, object]:
    key, *rest = path
    inner = value[key]
    return {**value, key: replaced(inner, tuple(rest), new) if rest and isinstance(inner, Mapping) else new}


@st.composite
def mangled(draw: st.DrawFn) -> object:
    """Draw a real event of which up to three fields are something else."""
    event = draw(st.sampled_from(samples))
    record = draw(st.sampled_from([event, event["detail"]]))
    for _ in range(draw(st.integers(1, 3))):
        record = replaced(record, draw(st.sampled_from(places(record))), draw(json_values))
    return record


KEYS = ["event_id", "event_name", "event_source", "rules", "functions", "subject", "actor", "problem"]


@given(record=json_values | mangled())
def test_any_record_becomes_one_line_of_the_contract(router: Router, record: object) -> None:
    line = router.route(record).as_json()
    assert line.isascii()
    assert "\n" not in line
    routed = json.loads(line)
    assert list(routed) == KEYS
    assert routed["problem"] is None or isinstance(routed["problem"], str)
    assert isinstance(routed["actor"], str)
    assert routed["subject"].keys() == {"kind", "name", "id"}
    assert routed["problem"] or isinstance(record, dict)
