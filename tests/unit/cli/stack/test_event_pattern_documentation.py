"""The examples of AWS's documentation match as it says, and what it rules out is refused.

Each id is the heading of an example. OPERATORS are the rows and sections of eb-create-pattern-operators in the
EventBridge User Guide (https://docs.aws.amazon.com/eventbridge/latest/userguide/PAGE.html), VALUES the pages
eb-event-patterns-arrays and eb-event-patterns-null-values, and ENGINE the sections of the README of
https://github.com/aws/event-ruler.
"""

from dataclasses import dataclass
from typing import Final

import pytest

from mfa_guard_cli.stack.event_pattern import PatternError, compile_pattern

Fields = dict[str, object]


@dataclass(frozen=True)
class Example:
    """A documented pattern, events that it matches, and events that it does not match."""

    heading: str
    pattern: Fields
    matching: tuple[Fields, ...]
    other: tuple[Fields, ...]

    def __str__(self) -> str:
        return self.heading


def values(heading: str, field: str, filters: list[object], matching: list[object], other: list[object]) -> Example:
    """Return an example whose pattern and events have one field."""
    events = (tuple({field: each} for each in listed) for listed in (matching, other))
    return Example(heading, {field: filters}, *events)


OPERATORS: Final = (
    Example(
        "And",
        {"Location": ["New York"], "Day": ["Monday"]},
        ({"Location": "New York", "Day": "Monday"},),
        ({"Location": "New York", "Day": "Tuesday"}, {"Location": "New York"}, {"Day": "Monday"}),
    ),
    values("Anything-but", "state", [{"anything-but": "initializing"}], ["running", 5], ["initializing"]),
    values("Anything-but (a number)", "x-limit", [{"anything-but": 123}], [124, "123"], [123]),
    values(
        "Anything-but (a list of strings)",
        "state",
        [{"anything-but": ["stopped", "overloaded"]}],
        ["running"],
        ["stopped", "overloaded"],
    ),
    values("Anything-but (a list of numbers)", "x-limit", [{"anything-but": [100, 200, 300]}], [150], [100, 200, 300]),
    values(
        "Anything-but (begins with)",
        "Region",
        [{"anything-but": {"prefix": "us-"}}],
        ["eu-west-1"],
        ["us-east-1", "us-"],
    ),
    values(
        "Anything-but (begins with, a list)",
        "state",
        [{"anything-but": {"prefix": ["init", "error"]}}],
        ["running"],
        ["initializing", "error-5"],
    ),
    values(
        "Anything-but (ends with)",
        "FileName",
        [{"anything-but": {"suffix": ".png"}}],
        ["a.jpg", "a.PNG"],
        ["a.png", ".png"],
    ),
    values(
        "Anything-but (ends with, a list)",
        "FileName",
        [{"anything-but": {"suffix": [".txt", ".rtf"]}}],
        ["a.png"],
        ["a.txt", "a.rtf"],
    ),
    values(
        "Anything-but (ignore case)",
        "state",
        [{"anything-but": {"equals-ignore-case": "initializing"}}],
        ["running"],
        ["initializing", "INITIALIZING"],
    ),
    values(
        "Anything-but (ignore case, a list)",
        "state",
        [{"anything-but": {"equals-ignore-case": ["initializing", "stopped"]}}],
        ["running"],
        ["Initializing", "STOPPED"],
    ),
    values(
        "Anything-but using a wildcard",
        "FilePath",
        [{"anything-but": {"wildcard": "*/lib/*"}}],
        ["/usr/bin/a", "/lib"],
        ["/usr/lib/a", "/lib/"],
    ),
    values(
        "Anything-but using a wildcard (a list)",
        "FilePath",
        [{"anything-but": {"wildcard": ["*/lib/*", "*/bin/*"]}}],
        ["/etc/a"],
        ["/usr/lib/a", "/usr/bin/a"],
    ),
    values("Begins with", "Region", [{"prefix": "us-"}], ["us-east-1"], ["eu-west-1", "US-EAST-1"]),
    values("Prefix matching", "time", [{"prefix": "2017-10-02"}], ["2017-10-02T18:43:48Z"], ["2017-10-03T18:43:48Z"]),
    values(
        "Begins with (ignore case)",
        "service",
        [{"prefix": {"equals-ignore-case": "eventb"}}],
        ["EventBridge", "eventbridge", "EVENTB"],
        ["event", "AmazonEventBridge"],
    ),
    values("Empty", "LastName", [""], [""], ["Li", None]),
    values("Equals", "Name", ["Alice"], ["Alice"], ["alice", "Alicia"]),
    values("Equals (ignore case)", "Name", [{"equals-ignore-case": "alice"}], ["Alice", "ALICE"], ["Alicia"]),
    values("Ends with", "FileName", [{"suffix": ".png"}], ["a.png"], ["a.PNG", "a.png.txt"]),
    values(
        "Ends with (ignore case)",
        "service",
        [{"suffix": {"equals-ignore-case": "tBridge"}}],
        ["EventBridge", "EVENTBRIDGE"],
        ["EventBus"],
    ),
    Example("Exists", {"ProductName": [{"exists": True}]}, ({"ProductName": "x"}, {"ProductName": None}), ({},)),
    Example("Does not exist", {"ProductName": [{"exists": False}]}, ({}, {"Other": 1}), ({"ProductName": "x"},)),
    Example(
        "Exists matching only works on leaf nodes",
        {"detail": {"c-count": [{"exists": False}]}},
        ({"detail": {"state": ["initializing", "running"]}}, {"detail": {"c-count": {"c1": 100}}}),
        ({"detail": {"c-count": 100}},),
    ),
    values("Not", "Weather", [{"anything-but": ["Raining"]}], ["Sunny"], ["Raining"]),
    values("Null", "UserID", [None], [None], ["", "null", 0]),
    values("Numeric (equals)", "Price", [{"numeric": ["=", 100]}], [100, 100.0, 1e2], [101, "100"]),
    values("Numeric (range)", "Price", [{"numeric": [">", 10, "<=", 20]}], [10.000001, 20], [10, 20.5, None, True]),
    values("Or", "PaymentType", ["Credit", "Debit"], ["Credit", "Debit"], ["Cash"]),
    Example(
        "Or (multiple fields)",
        {"$or": [{"Location": ["New York"]}, {"Day": ["Monday"]}]},
        ({"Location": "New York"}, {"Day": "Monday", "Location": "Paris"}),
        ({"Location": "Paris", "Day": "Tuesday"}, {}),
    ),
    values("Wildcard", "FileName", [{"wildcard": "dir/*.png"}], ["dir/a.png", "dir/b/.png"], ["dir/a.jpg", "a.png"]),
    values(
        "IP address matching",
        "sourceIPAddress",
        [{"cidr": "10.0.0.0/24"}],
        ["10.0.0.0", "10.0.0.255"],
        ["10.0.1.0", "cloudformation.amazonaws.com"],
    ),
    Example(
        "Numeric matching",
        {
            "detail": {
                "c-count": [{"numeric": [">", 0, "<=", 5]}],
                "d-count": [{"numeric": ["<", 10]}],
                "x-limit": [{"numeric": ["=", 3.018e2]}],
            }
        },
        ({"detail": {"c-count": 5, "d-count": 9, "x-limit": 301.8}},),
        (
            {"detail": {"c-count": 0, "d-count": 9, "x-limit": 301.8}},
            {"detail": {"c-count": 5, "d-count": 10, "x-limit": 301.8}},
            {"detail": {"c-count": 5, "d-count": 9, "x-limit": 301}},
        ),
    ),
    Example(
        "Equals-ignore-case matching",
        {
            "detail-type": [{"equals-ignore-case": "ec2 instance state-change notification"}],
            "detail": {"state": [{"equals-ignore-case": "running"}]},
        },
        ({"detail-type": "EC2 Instance State-change Notification", "detail": {"state": "RUNNING"}},),
        ({"detail-type": "EC2 Instance State-change Notification", "detail": {"state": "stopped"}},),
    ),
    Example(
        "Complex example with multiple matching",
        {
            "time": [{"prefix": "2017-10-02"}],
            "detail": {
                "state": [{"anything-but": "initializing"}],
                "c-count": [{"numeric": [">", 0, "<=", 5]}],
                "d-count": [{"numeric": ["<", 10]}],
                "x-limit": [{"anything-but": [100, 200, 300]}],
            },
        },
        ({"time": "2017-10-02T1", "detail": {"state": "running", "c-count": 1, "d-count": 1, "x-limit": 1}},),
        (
            {"time": "2017-10-03T1", "detail": {"state": "running", "c-count": 1, "d-count": 1, "x-limit": 1}},
            {"time": "2017-10-02T1", "detail": {"state": "running", "c-count": 1, "d-count": 1, "x-limit": 200}},
            {"time": "2017-10-02T1", "detail": {"state": "running", "c-count": 1, "d-count": 1}},
        ),
    ),
    Example(
        "Complex example using $or matching",
        {
            "detail": {
                "$or": [
                    {"c-count": [{"numeric": [">", 0, "<=", 5]}]},
                    {"d-count": [{"numeric": ["<", 10]}]},
                    {"x-limit": [{"numeric": ["=", 3.018e2]}]},
                ]
            }
        },
        ({"detail": {"c-count": 1}}, {"detail": {"c-count": 9, "d-count": 1}}, {"detail": {"x-limit": 301.8}}),
        ({"detail": {"c-count": 9, "d-count": 10, "x-limit": 301}}, {"detail": {}}),
    ),
)

_INSTANCE: Final = "arn:aws:ec2:us-east-1:123456789012:instance/i-b188560f"
_GROUP: Final = "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:eb56d16b:autoScalingGroupName/ASGTerminate"

VALUES: Final = (
    Example(
        "Arrays in event patterns",
        {"resources": [_INSTANCE, "arn:aws:ec2:us-east-1:111122223333:instance/i-b188560f"]},
        ({"resources": [_GROUP, _INSTANCE]},),
        ({"resources": [_GROUP]}, {"resources": []}),
    ),
    Example(
        "Null values and empty strings: an empty string",
        {"detail": {"eventVersion": [""]}},
        ({"detail": {"eventVersion": "", "responseElements": None}},),
        ({"detail": {"eventVersion": None}}, {"detail": {}}),
    ),
    Example(
        "Null values and empty strings: null",
        {"detail": {"responseElements": [None]}},
        ({"detail": {"eventVersion": "", "responseElements": None}},),
        ({"detail": {"responseElements": ""}}, {"detail": {}}),
    ),
)

ENGINE: Final = (
    Example(
        'Normal "Or"',
        {
            "source": ["aws.cloudwatch"],
            "$or": [{"metricName": ["CPUUtilization", "ReadLatency"]}, {"namespace": ["AWS/EC2", "AWS/ES"]}],
        },
        (
            {"source": "aws.cloudwatch", "metricName": "ReadLatency"},
            {"source": "aws.cloudwatch", "namespace": "AWS/ES"},
        ),
        ({"source": "aws.cloudwatch"}, {"source": "aws.ec2", "metricName": "ReadLatency"}),
    ),
    Example(
        'Parallel "Or"',
        {
            "$or": [{"metricName": ["CPUUtilization"]}, {"namespace": ["AWS/EC2"]}],
            "detail": {"$or": [{"source": ["aws.cloudwatch"]}, {"detail-type": ["CloudWatch Alarm State Change"]}]},
        },
        ({"namespace": "AWS/EC2", "detail": {"source": "aws.cloudwatch"}},),
        ({"namespace": "AWS/EC2", "detail": {"source": "other"}}, {"detail": {"source": "aws.cloudwatch"}}),
    ),
    Example(
        '"Or" has an "And" inside',
        {
            "source": ["aws.cloudwatch"],
            "$or": [
                {"metricName": ["CPUUtilization", "ReadLatency"]},
                {"metricType": ["MetricType"], "namespace": ["AWS/EC2", "AWS/ES"]},
                {"scope": ["Service"]},
            ],
        },
        ({"source": "aws.cloudwatch", "metricType": "MetricType", "namespace": "AWS/ES"},),
        ({"source": "aws.cloudwatch", "metricType": "MetricType"},),
    ),
    Example(
        'Nested "Or" and "And"',
        {
            "source": ["aws.cloudwatch"],
            "$or": [
                {"metricName": ["CPUUtilization", "ReadLatency"]},
                {
                    "metricType": ["MetricType"],
                    "namespace": ["AWS/EC2", "AWS/ES"],
                    "$or": [{"metricId": [1234]}, {"spaceId": [1000]}],
                },
                {"scope": ["Service"]},
            ],
        },
        (
            {"source": "aws.cloudwatch", "metricType": "MetricType", "namespace": "AWS/ES", "spaceId": 1000},
            {"source": "aws.cloudwatch", "scope": "Service"},
        ),
        ({"source": "aws.cloudwatch", "metricType": "MetricType", "namespace": "AWS/ES", "spaceId": 1},),
    ),
    values("IP Address Matching (IPv6)", "source-ip", [{"cidr": "2001:db8::/32"}], ["2001:DB8::1"], ["2001:db9::1"]),
    # Not in the README; the engine's compiler reads it.
    values("Exactly", "source", [{"exactly": "aws.iam"}], ["aws.iam"], ["aws.iam2", 5]),
)


@pytest.mark.parametrize("example", [*OPERATORS, *VALUES, *ENGINE], ids=str)
def test_a_documented_example_matches_as_it_says(example: Example) -> None:
    matches = compile_pattern(example.pattern)
    assert [event for event in example.matching if not matches(event)] == []
    assert [event for event in example.other if matches(event)] == []


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        (
            {"x": [{"anything-but": ["a", 5]}]},
            "The pattern's field x uses anything-but with values that are not all strings or all numbers.",
        ),
        (
            {"x": [{"anything-but": {"prefix": ""}}]},
            "The pattern's field x uses anything-but and prefix with something that is not a text.",
        ),
        (
            {"x": [{"anything-but": {"suffix": ["a", ""]}}]},
            "The pattern's field x uses anything-but and suffix with something that is not a text.",
        ),
        (
            {"x": [{"anything-but": {"prefix": {"equals-ignore-case": "a"}}}]},
            "The pattern's field x uses anything-but and prefix with something that is not a text.",
        ),
        (
            {"x": [{"anything-but": {"wildcard": [5]}}]},
            "The pattern's field x uses anything-but and wildcard with something that is not a text.",
        ),
        (
            {"x": [{"numeric": ["<", 20, ">", 10]}]},
            "The pattern's field x uses numeric with two comparisons that are not a lower and an upper bound.",
        ),
        (
            {"x": [{"numeric": ["=", 20, "<", 30]}]},
            "The pattern's field x uses numeric with two comparisons that are not a lower and an upper bound.",
        ),
        (
            {"x": [{"numeric": [">", 10, ">", 20]}]},
            "The pattern's field x uses numeric with two comparisons that are not a lower and an upper bound.",
        ),
        (
            {"x": [{"numeric": [">=", 10, "<=", 10]}]},
            "The pattern's field x uses numeric with two comparisons that are not a lower and an upper bound.",
        ),
        ({"x": [{"numeric": [">", 5_000_000_001]}]}, "The pattern's field x uses numeric with a number beyond"),
        ({"x": [{"numeric": [">", -5_000_000_001]}]}, "The pattern's field x uses numeric with a number beyond"),
        ({"x": [{"cidr": "192.0.2.1"}]}, "The pattern's field x uses cidr with a single address"),
        ({"x": [{"cidr": "192.0.2.1/32"}]}, "The pattern's field x uses cidr with a single address"),
        ({"x": [{"cidr": "2001:db8::1/128"}]}, "The pattern's field x uses cidr with a single address"),
        ({"x": [{"exactly": 5}]}, "The pattern's field x uses exactly without a string."),
        ({"$or": [{"x": ["a"]}]}, "The pattern has a $or that is not an array of at least two objects."),
        (
            {"$or": [{"x": ["a"]}, {"numeric": [5]}]},
            "The pattern's field numeric is in $or, where its name is reserved",
        ),
        (
            {"$or": [{"x": ["a"]}, {"y": {"prefix": ["z"]}}]},
            "The pattern's field y.prefix is in $or, where its name is reserved",
        ),
        (
            {"x": ["a"], "$or": [{"x": ["b"]}, {"y": ["c"]}]},
            "The pattern's field x is inside and outside of $or.",
        ),
        (
            {"d": {"$or": [{"x": ["b"]}, {"y": ["c"]}]}, "$or": [{"d": {"y": ["b"]}}, {"z": ["c"]}]},
            "The pattern's field d.y is inside and outside of $or.",
        ),
    ],
    ids=str,
)
def test_what_eventbridge_refuses_is_refused_with_one_sentence(pattern: Fields, sentence: str) -> None:
    with pytest.raises(PatternError) as refused:
        compile_pattern(pattern)
    assert str(refused.value).startswith(sentence)
    assert str(refused.value).endswith(".")
    assert str(refused.value).count(". ") == 0


def alternatives(name: str, count: int) -> list[object]:
    return [{name: [str(number)]} for number in range(count)]


def test_or_has_at_most_1000_combinations() -> None:
    """The product of the lengths of all $or, also of nested ones."""
    at_the_limit = {"a": {"$or": alternatives("x", 10)}, "b": {"$or": alternatives("y", 100)}}
    assert compile_pattern(at_the_limit)({"a": {"x": "9"}, "b": {"y": "99"}})
    for above in (
        {"a": {"$or": alternatives("x", 10)}, "b": {"$or": alternatives("y", 101)}},
        {"$or": [{"z": ["1"]}, {"a": {"$or": alternatives("x", 501)}}]},
    ):
        with pytest.raises(PatternError, match="more than 1,000 combinations"):
            compile_pattern(above)


def test_values_do_not_count_as_combinations() -> None:
    assert compile_pattern({"a": list(map(str, range(1001)))})({"a": "1000"})


@pytest.mark.parametrize(("value", "expected"), [(5e9, True), (-5e9, True), (5.1e9, False), (-5.1e9, False)])
def test_numeric_matching_is_limited_to_values_up_to_five_billion(value: float, *, expected: bool) -> None:
    matches = compile_pattern({"x": [{"numeric": [">=", -5e9, "<=", 5e9]}, {"numeric": [">", 0]}]})
    assert matches({"x": value}) is expected
