"""The content of this version, and how placeholders are filled in."""

import pytest

from mfa_guard.core.health.content import EXEMPTION_MAPPING, Content, NotFilled, load_content, placeholder_values
from mfa_guard.core.health.readings import StackResource

PLACE = {"partition": "aws-cn", "region": "cn-north-1", "account": "111122223333"}


def filled(value: object, values: dict[str, str], *conditions: str) -> object:
    content = Content({"R": {"Type": "T", "Properties": {"P": value}}})
    return content.filled("R", ("P", "Absent"), values, conditions)["P"]


def test_texts_in_objects_and_lists_are_filled_in_and_the_rest_stays() -> None:
    value = {"a": ["${X}-${X}", 1, True, None], "b": {"c": "${Y.Arn}${Z}"}}
    values = {"X": "x", "Y.Arn": "arn:y", "Z": ""}
    assert filled(value, values) == {"a": ["x-x", 1, True, None], "b": {"c": "arn:y"}}


def test_a_value_that_looks_like_a_placeholder_is_not_filled_in_again() -> None:
    assert filled("${X}", {"X": "${Y}", "Y": "y"}) == "${Y}"


def test_a_placeholder_of_iam_stays() -> None:
    assert filled("user/${!aws:username}", {"aws:username": "x"}) == "user/${aws:username}"


def test_a_placeholder_without_a_value_is_named() -> None:
    with pytest.raises(NotFilled, match=r"^X\.Arn$"):
        filled("${X.Arn}", {"X": "x"})


def test_a_condition_chooses_and_no_value_leaves_a_list() -> None:
    value = [{"Fn::If": ["C", "${X}", {"Ref": "AWS::NoValue"}]}, "b"]
    assert filled(value, {"X": "x"}, "C") == ["x", "b"]
    # What the condition leaves out needs no value.
    assert filled(value, {}, "D") == ["b"]


def test_resources_have_the_attributes_that_follow_from_their_names() -> None:
    resources = {
        "Table": StackResource("AWS::DynamoDB::Table", "t"),
        "Role": StackResource("AWS::IAM::Role", "r"),
        "Function": StackResource("AWS::Lambda::Function", "f"),
        "Queue": StackResource("AWS::SQS::Queue", "https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q"),
        "Topic": StackResource("AWS::SNS::Topic", "arn:t"),
    }
    assert placeholder_values(resources, **PLACE, NamePrefix="p") == {
        "AWS::Partition": "aws-cn",
        "AWS::Region": "cn-north-1",
        "AWS::AccountId": "111122223333",
        "NamePrefix": "p",
        "Table": "t",
        "Table.Arn": "arn:aws-cn:dynamodb:cn-north-1:111122223333:table/t",
        "Role": "r",
        "Role.Arn": "arn:aws-cn:iam::111122223333:role/r",
        "Function": "f",
        "Function.Arn": "arn:aws-cn:lambda:cn-north-1:111122223333:function:f",
        "Queue": "https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q",
        "Queue.Arn": "arn:aws-cn:sqs:cn-north-1:111122223333:q",
        "Queue.QueueName": "q",
        "Topic": "arn:t",
    }


def test_properties_must_be_an_object() -> None:
    with pytest.raises(TypeError, match=r"^Expected an object, not str\.$"):
        Content({"R": {"Type": "T", "Properties": "text"}}).filled("R", (), {}, ())


def test_this_version_has_content_of_every_kind() -> None:
    content = load_content()
    assert {str(each["Type"]) for each in content.resources.values()} == {
        "AWS::Events::Rule",
        "AWS::IAM::ManagedPolicy",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::EventSourceMapping",
        "AWS::SNS::TopicPolicy",
        "AWS::Scheduler::Schedule",
    }
    assert len(list(content.of_type("AWS::Scheduler::Schedule"))) == 1
    assert EXEMPTION_MAPPING in set(content.of_type("AWS::Lambda::EventSourceMapping"))
