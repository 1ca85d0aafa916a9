"""The roles allow the calls that the functions make, and nothing else.

Each function runs its scenario in every deployment while its calls are recorded at botocore. The function's role, as
the template renders it, must allow every call, and a call must need every action and every resource of every
statement. Lambda and EventBridge Scheduler use these roles too, and no client shows their calls. Their calls follow
from the template.

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
from roles.scenarios import opened
from support.aws import Context
from support.factories import detail, envelope
from support.recorder import HANDLERS, Call


def test_everything_a_function_asks_for_is_allowed(calls: Sequence[Call]) -> None:
    assert calls
    assert [str(call) for call in calls if call.decision() is not Decision.ALLOW] == []


def test_nothing_a_function_is_allowed_is_unused(stack: Stack, function: str, calls: Sequence[Call]) -> None:
    asked = [*(call.request for call in calls), *lambdas_own(stack, function)]
    assert list(unused(stack, f"{function}Role", asked)) == []


def test_what_lambda_asks_for_with_a_functions_role_is_allowed(stack: Stack, function: str) -> None:
    asked = [Call(stack, function, request) for request in lambdas_own(stack, function)]
    assert asked
    assert [str(call) for call in asked if call.decision() is not Decision.ALLOW] == []


def test_the_schedule_may_wake_the_sweep_and_keep_what_failed(stack: Stack) -> None:
    schedules = [each for each in stack.resources.values() if each.type == "AWS::Scheduler::Schedule"]
    asked = [request for schedule in schedules for request in schedulers_own(schedule.properties["Target"])]
    assert {
        str(call)
        for call in (Call(stack, "SweepSchedule", request) for request in asked)
        if call.decision() is not Decision.ALLOW
    } == set()
    assert list(unused(stack, "SweepScheduleRole", asked)) == []


def test_no_role_is_left_out(stack: Stack) -> None:
    roles = {each.logical_id for each in stack.resources.values() if each.type == "AWS::IAM::Role"}
    assert roles == {*(f"{function}Role" for function in HANDLERS), "SweepScheduleRole"}


def test_resources_are_of_the_types_that_aws_documents(calls: Sequence[Call]) -> None:
    assert {str(call) for call in calls if not documented(call.request)} == set()


def test_a_call_that_a_role_refuses_is_noticed(stack: Stack) -> None:
    with opened(stack, "AlertFunction") as (_, recorder):
        stopped = detail("StopLogging", {"name": "main"}, eventSource="cloudtrail.amazonaws.com")
        HANDLERS["AlertFunction"].lambda_handler(envelope(stopped), Context())
    assert {call.decision() for call in recorder.calls} == {Decision.ALLOW}
    assert {replace(call, function="TeardownFunction").decision() for call in recorder.calls} == {
        Decision.IMPLICIT_DENY
    }


def unused(stack: Stack, logical_id: str, asked: Sequence[Request]) -> Iterator[str]:
    """Yield the actions and resources of the role's statements that no request needs."""
    for statement in stack.role_statements(logical_id):
        for element in ("Action", "Resource"):
            listed = _texts(statement[element])
            for item in listed:
                policy = parse_policy({"Version": "2012-10-17", "Statement": {**statement, element: item}})
                [only] = policy.statements
                if not any(only.applies(request, request.values()) for request in asked):
                    yield f"{statement['Sid']}: {item}"


def lambdas_own(stack: Stack, function: str) -> Iterator[Request]:
    """Yield what Lambda asks for with a function's role: to log, to keep failed events, and to read a stream.

    Follows https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html,
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html and
    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html.
    """
    for resource in stack.resources.values():
        own = resource.logical_id == function or _names(stack, resource.properties.get("FunctionName"), function)
        properties: Mapping[str, Any] = resource.properties
        if not own:
            continue
        if resource.type == "AWS::Lambda::Function":
            group = f"log-group:{properties['LoggingConfig']['LogGroup']}:*"
            arn = f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:{group}"
            yield from (Request(f"logs:{action}", arn) for action in ("CreateLogStream", "PutLogEvents"))
        elif resource.type == "AWS::Lambda::EventInvokeConfig":
            failed = properties.get("DestinationConfig", {}).get("OnFailure")
            if failed:
                yield Request("sqs:SendMessage", failed["Destination"])
        elif resource.type == "AWS::Lambda::EventSourceMapping":
            yield Request("dynamodb:ListStreams", "*")
            reads = ("DescribeStream", "GetRecords", "GetShardIterator")
            yield from (Request(f"dynamodb:{action}", properties["EventSourceArn"]) for action in reads)
            yield Request("sqs:SendMessage", properties["DestinationConfig"]["OnFailure"]["Destination"])


def schedulers_own(target: object) -> Iterator[Request]:
    """Yield what EventBridge Scheduler asks for with the role of a schedule's target.

    Follows https://docs.aws.amazon.com/scheduler/latest/UserGuide/setting-up.html.
    """
    assert isinstance(target, Mapping)
    yield Request("lambda:InvokeFunction", target["Arn"])
    yield Request("sqs:SendMessage", target["DeadLetterConfig"]["Arn"])


def _names(stack: Stack, value: object, function: str) -> bool:
    return value in (stack.resolve({"Ref": function}), stack.resolve({"Fn::GetAtt": [function, "Arn"]}))


def documented(request: Request) -> bool:
    """Tell whether the action works on a resource like the request's, by what cfn-lint keeps of AWS's reference."""
    service, _, action = request.action.partition(":")
    reference = _reference()[service]
    kinds = reference["Actions"][action.lower()].get("Resources", [])
    formats = [each for kind in kinds for each in reference["Resources"][kind]["ARNFormats"]]
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
