"""The roles allow the calls that the functions make, and nothing else.

Each function runs its scenario in every deployment while its calls are recorded at botocore. The function's role, as
the template renders it, must allow every call, and each action and each resource of its statements must be needed by a
call. Lambda and EventBridge Scheduler use these roles too. Their calls follow from the template, because no client of
the functions makes them.

tests/integration/conftest.py checks that no other test makes a function call more.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

from mfa_guard_cli.policy.evaluator import Decision, Request, parse_policy
from mfa_guard_cli.stack.template import Stack
from roles.scenarios import open_harness
from support.aws import Context
from support.factories import detail, envelope
from support.recorder import HANDLERS, Call


def test_every_call_of_a_function_is_allowed(calls: Sequence[Call]) -> None:
    assert calls
    assert [str(call) for call in calls if call.decision() is not Decision.ALLOW] == []


def test_a_function_uses_everything_that_its_role_allows(stack: Stack, function: str, calls: Sequence[Call]) -> None:
    requests = [*(call.request for call in calls), *requests_of_lambda(stack, function)]
    assert list(unused(stack, f"{function}Role", requests)) == []


def test_the_calls_that_lambda_makes_with_a_functions_role_are_allowed(stack: Stack, function: str) -> None:
    calls = [Call(stack, function, request) for request in requests_of_lambda(stack, function)]
    assert calls
    assert [str(call) for call in calls if call.decision() is not Decision.ALLOW] == []


def test_the_schedule_may_invoke_the_sweep_and_send_failures_to_the_queue(stack: Stack) -> None:
    schedules = [each for each in stack.resources.values() if each.type == "AWS::Scheduler::Schedule"]
    requests = [request for schedule in schedules for request in requests_of_scheduler(schedule.properties["Target"])]
    assert {
        str(call)
        for call in (Call(stack, "SweepSchedule", request) for request in requests)
        if call.decision() is not Decision.ALLOW
    } == set()
    assert list(unused(stack, "SweepScheduleRole", requests)) == []


def test_every_role_of_the_stack_is_tested(stack: Stack) -> None:
    roles = {each.logical_id for each in stack.resources.values() if each.type == "AWS::IAM::Role"}
    assert roles == {*(f"{function}Role" for function in HANDLERS), "SweepScheduleRole"}


def test_each_call_has_a_resource_of_a_documented_type(calls: Sequence[Call]) -> None:
    assert {str(call) for call in calls if not documented(call.request)} == set()


def test_the_check_notices_a_call_that_a_role_refuses(stack: Stack) -> None:
    with open_harness(stack, "AlertFunction") as (_, recorder):
        stopped = detail("StopLogging", {"name": "main"}, eventSource="cloudtrail.amazonaws.com")
        HANDLERS["AlertFunction"].lambda_handler(envelope(stopped), Context())
    assert {call.decision() for call in recorder.calls} == {Decision.ALLOW}
    decisions = {replace(call, function="TeardownFunction").decision() for call in recorder.calls}
    assert decisions == {Decision.IMPLICIT_DENY}


def unused(stack: Stack, logical_id: str, requests: Sequence[Request]) -> Iterator[str]:
    """Yield the actions and resources of the role's statements that no request needs."""
    for statement in stack.role_statements(logical_id):
        if statement["Effect"] == "Deny":
            continue
        for element in ("Action", "Resource"):
            listed = _texts(statement[element])
            for item in listed:
                policy = parse_policy({"Version": "2012-10-17", "Statement": {**statement, element: item}})
                [only] = policy.statements
                if not any(only.applies(request, request.values()) for request in requests):
                    yield f"{statement['Sid']}: {item}"


def requests_of_lambda(stack: Stack, function: str) -> Iterator[Request]:
    """Yield the requests that Lambda makes with a function's role: for its logs, failed events, and stream.

    Follows https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html,
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html and
    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html.
    """
    for resource in stack.resources.values():
        belongs = resource.logical_id == function or _names(stack, resource.properties.get("FunctionName"), function)
        properties: Mapping[str, Any] = resource.properties
        if not belongs:
            continue
        if resource.type == "AWS::Lambda::Function":
            group = f"log-group:{properties['LoggingConfig']['LogGroup']}:*"
            arn = f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:{group}"
            yield from (Request(f"logs:{action}", arn) for action in ("CreateLogStream", "PutLogEvents"))
        elif resource.type == "AWS::Lambda::EventInvokeConfig":
            failed = properties.get("DestinationConfig", {}).get("OnFailure")
            if failed:
                yield Request("sqs:SendMessage", failed["Destination"])
        elif ":sqs:" in str(properties.get("EventSourceArn")):
            # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
            reads = ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage")
            yield from (Request(f"sqs:{action}", properties["EventSourceArn"]) for action in reads)
        elif resource.type == "AWS::Lambda::EventSourceMapping":
            yield Request("dynamodb:ListStreams", "*")
            reads = ("DescribeStream", "GetRecords", "GetShardIterator")
            yield from (Request(f"dynamodb:{action}", properties["EventSourceArn"]) for action in reads)
            yield Request("sqs:SendMessage", properties["DestinationConfig"]["OnFailure"]["Destination"])


def requests_of_scheduler(target: object) -> Iterator[Request]:
    """Yield the requests that EventBridge Scheduler makes with the role of a schedule's target.

    Follows https://docs.aws.amazon.com/scheduler/latest/UserGuide/setting-up.html.
    """
    assert isinstance(target, Mapping)
    yield Request("lambda:InvokeFunction", target["Arn"])
    yield Request("sqs:SendMessage", target["DeadLetterConfig"]["Arn"])


def _names(stack: Stack, value: object, function: str) -> bool:
    return value in (stack.resolve({"Ref": function}), stack.resolve({"Fn::GetAtt": [function, "Arn"]}))


def documented(request: Request) -> bool:
    """Return whether the resource has a type that cfn-lint's copy of AWS's reference lists for the action."""
    service, _, action = request.action.partition(":")
    reference = _reference()[service]
    kinds = reference["Actions"][action.lower()].get("Resources", [])
    # The copy has the kinds in lower case, and one action's kind is not.
    formats = [each for kind in kinds for each in reference["Resources"][kind.lower()]["ARNFormats"]]
    if not formats:
        return request.resource == "*"
    patterns = (re.sub(r"\$\{[A-Za-z]+\}", "[^:]*", each) for each in formats)
    return any(re.fullmatch(pattern, request.resource) for pattern in patterns)


@cache
def _reference() -> Mapping[str, Any]:
    text = resources.files("cfnlint").joinpath("data/AdditionalSpecs/Policies.json").read_text("utf-8")
    found: Mapping[str, Any] = json.loads(text)
    return found


def _texts(value: object) -> list[str]:
    return [value] if isinstance(value, str) else [str(each) for each in value]  # type: ignore[attr-defined]
