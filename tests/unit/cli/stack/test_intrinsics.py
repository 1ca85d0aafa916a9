"""Intrinsic functions resolve as CloudFormation documents them, or fail in one sentence."""

from collections.abc import Mapping

import pytest

from mfa_guard_cli.stack.intrinsics import Resolver, TemplateError

Fields = Mapping[str, object]

RESOURCES: dict[str, Fields] = {
    "Policy": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"ManagedPolicyName": "Named", "Path": "/team/"}},
    "Unnamed": {"Type": "AWS::IAM::ManagedPolicy"},
    "Role": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": {"Fn::Sub": "${AWS::StackName}-role"}}},
    "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "AWS::NoValue"}}},
    "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "news"}},
    "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": "state"}},
    "Function": {"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": "worker"}},
    "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/aws/lambda/worker"}},
    "Rule": {"Type": "AWS::Events::Rule", "Properties": {"Name": "on-event"}},
    "Absent": {"Type": "AWS::SNS::Topic", "Condition": "Never"},
    "Custom": {"Type": "Custom::Teardown"},
    "Odd": {"Type": "AWS::Odd::Thing"},
    "Circular": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Ref": "Circular"}}},
}
CONDITIONS: dict[str, Fields] = {
    "Always": {"Fn::Equals": ["a", "a"]},
    "Never": {"Fn::Not": [{"Condition": "Always"}]},
    "Loop": {"Fn::Not": [{"Condition": "Loop"}]},
    "NoCondition": {"Fn::Join": ["", ["a"]]},
}


@pytest.fixture
def resolver() -> Resolver:
    return Resolver(
        resources=RESOURCES,
        conditions=CONDITIONS,
        mappings={"ByRegion": {"us-east-1": {"Home": "yes"}}},
        parameters={"Mode": "audit", "Days": 90, "Names": ["a", "b"]},
        pseudo={
            "AWS::AccountId": "111122223333",
            "AWS::Partition": "aws-cn",
            "AWS::Region": "cn-north-1",
            "AWS::StackId": "arn:aws-cn:cloudformation:cn-north-1:111122223333:stack/guard/1",
            "AWS::StackName": "guard",
            "AWS::URLSuffix": "amazonaws.com.cn",
        },
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "Mode"}, "audit"),
        ({"Ref": "Names"}, ["a", "b"]),
        ({"Ref": "AWS::Region"}, "cn-north-1"),
        ({"Ref": "Policy"}, "arn:aws-cn:iam::111122223333:policy/team/Named"),
        ({"Ref": "Topic"}, "arn:aws-cn:sns:cn-north-1:111122223333:news"),
        ({"Ref": "Table"}, "state"),
        ({"Ref": "Rule"}, "on-event"),
        ({"Ref": "Role"}, "guard-role"),
        ({"Fn::GetAtt": ["Role", "Arn"]}, "arn:aws-cn:iam::111122223333:role/guard-role"),
        ({"Fn::GetAtt": "Role.Arn"}, "arn:aws-cn:iam::111122223333:role/guard-role"),
        ({"Fn::GetAtt": ["Table", "Arn"]}, "arn:aws-cn:dynamodb:cn-north-1:111122223333:table/state"),
        ({"Fn::GetAtt": ["Function", "Arn"]}, "arn:aws-cn:lambda:cn-north-1:111122223333:function:worker"),
        ({"Fn::GetAtt": ["Logs", "Arn"]}, "arn:aws-cn:logs:cn-north-1:111122223333:log-group:/aws/lambda/worker:*"),
        ({"Fn::GetAtt": ["Rule", "Arn"]}, "arn:aws-cn:events:cn-north-1:111122223333:rule/on-event"),
        ({"Fn::GetAtt": ["Topic", "TopicName"]}, "news"),
        (
            {"Fn::Sub": "${Mode} ${!aws:username} ${Role.Arn}"},
            "audit ${aws:username} arn:aws-cn:iam::111122223333:role/guard-role",
        ),
        ({"Fn::Sub": ["${Mine}-${Days}", {"Mine": {"Ref": "Mode"}}]}, "audit-90"),
        ({"Fn::Sub": ["${Yes}", {"Yes": True}]}, "true"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Mode"}, 1]]}, "a-audit-1"),
        ({"Fn::Join": [",", {"Ref": "Names"}]}, "a,b"),
        ({"Fn::Split": [",", "a,b"]}, ["a", "b"]),
        ({"Fn::Select": [1, ["a", "b"]]}, "b"),
        ({"Fn::Select": ["0", {"Fn::Split": [",", "a,b"]}]}, "a"),
        ({"Fn::FindInMap": ["ByRegion", "us-east-1", "Home"]}, "yes"),
        ({"Fn::If": ["Always", "then", "otherwise"]}, "then"),
        ({"Fn::If": ["Never", "then", "otherwise"]}, "otherwise"),
        ({"Fn::If": ["Always", "then", {"Ref": "Nowhere"}]}, "then"),
        ({"Fn::Equals": [{"Ref": "Days"}, "90"]}, True),
        ({"Fn::And": [{"Condition": "Always"}, {"Condition": "Never"}]}, False),
        ({"Fn::Or": [{"Condition": "Always"}, {"Condition": "Never"}]}, True),
        ({"Fn::Contains": [["a", "b"], "b"]}, True),
        ({"Fn::Contains": [{"Ref": "Names"}, "c"]}, False),
        # A policy's key, not an intrinsic function.
        (
            {"Condition": {"Bool": {"aws:SecureTransport": "false"}}},
            {"Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        ),
        ([1, True, None, "${Mode}"], [1, True, None, "${Mode}"]),
    ],
)
def test_a_value_resolves(resolver: Resolver, value: object, expected: object) -> None:
    assert resolver.resolve(value) == expected


def test_no_value_removes_the_property_or_the_element(resolver: Resolver) -> None:
    nothing = {"Fn::If": ["Never", "x", {"Ref": "AWS::NoValue"}]}
    assert resolver.resolve({"a": nothing, "b": ["c", nothing]}) == {"b": ["c"]}


def test_made_up_names_look_like_cloudformations_and_stay(resolver: Resolver) -> None:
    url = resolver.resolve({"Ref": "Queue"})
    name = resolver.resolve({"Fn::GetAtt": ["Queue", "QueueName"]})
    assert url == f"https://sqs.cn-north-1.amazonaws.com.cn/111122223333/{name}"
    assert isinstance(name, str)
    assert name.startswith("guard-Queue-")
    assert len(name) == len("guard-Queue-") + 12
    assert resolver.physical_id("Queue") == name
    assert resolver.resolve({"Ref": "Unnamed"}) != resolver.resolve({"Ref": "Policy"})


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"Ref": "Nowhere"}, "Nowhere is neither a parameter nor a resource"),
        ({"Ref": "Absent"}, "Absent is neither a parameter nor a resource"),
        ({"Ref": ["Mode"]}, "Ref needs a name"),
        ({"Ref": "Odd"}, "Ref of Odd is unknown for the type AWS::Odd::Thing"),
        ({"Fn::GetAtt": ["Table", "Color"]}, "Color of Table is unknown"),
        ({"Fn::GetAtt": ["Custom", "Result"]}, "Result of Custom is unknown"),
        ({"Fn::GetAtt": ["Table"]}, "Fn::GetAtt needs a list of 2 arguments"),
        ({"Ref": "Circular"}, "Circular depends on itself"),
        ({"Fn::Sub": "${Nowhere}"}, "Nowhere is neither a parameter nor a resource"),
        ({"Fn::Sub": "${Names}"}, "Expected a string"),
        ({"Fn::Sub": [1, {}]}, "Fn::Sub needs a string"),
        ({"Fn::Join": [",", "a"]}, "Fn::Join needs a list"),
        ({"Fn::Join": [","]}, "Fn::Join needs a list of 2 arguments"),
        ({"Fn::Select": [2, ["a", "b"]]}, "nothing at position 2"),
        ({"Fn::Select": [-1, ["a", "b"]]}, "nothing at position -1"),
        ({"Fn::Select": ["x", ["a", "b"]]}, "nothing at position x"),
        ({"Fn::FindInMap": ["ByRegion", "eu-west-1", "Home"]}, "no ByRegion.eu-west-1.Home"),
        ({"Fn::Contains": ["ab", "a"]}, "Fn::Contains needs a list"),
        ({"Fn::If": ["Nowhere", 1, 2]}, "no condition Nowhere"),
        ({"Fn::If": ["Loop", 1, 2]}, "Loop depends on itself"),
        ({"Fn::If": ["NoCondition", 1, 2]}, "neither true nor false"),
        ({"Fn::Base64": "x"}, "Fn::Base64 is not supported"),
        ({"Fn::Transform": {"Name": "AWS::Include"}}, "Fn::Transform is not supported"),
    ],
)
def test_what_cannot_be_resolved_is_an_error_of_one_sentence(resolver: Resolver, value: object, sentence: str) -> None:
    with pytest.raises(TemplateError, match=sentence) as error:
        resolver.resolve(value)
    assert str(error.value).endswith(".")


def test_a_resource_exists_when_its_condition_holds(resolver: Resolver) -> None:
    assert resolver.exists("Topic")
    assert not resolver.exists("Absent")
    assert not resolver.exists("Nowhere")


def test_a_custom_resource_can_be_referred_to(resolver: Resolver) -> None:
    assert str(resolver.resolve({"Ref": "Custom"})).startswith("guard-Custom-")
