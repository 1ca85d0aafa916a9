"""EventBridge's matching, fact by fact.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

import pytest

from mfa_guard_cli.stack.event_pattern import PatternError, candidates, compile_pattern, index
from mfa_guard_cli.stack.template import Rule


def matches(filters: list[object], **event: object) -> bool:
    """Match an event against a pattern of one field, x."""
    return compile_pattern({"x": filters})(event)


@pytest.mark.parametrize(
    ("filters", "value", "expected"),
    [
        (["a"], "a", True),
        (["a"], "A", False),
        (["a", "b"], "b", True),
        (["1"], 1, False),
        ([1], 1, True),
        ([1], "1", False),
        # The page eb-create-pattern: "300, 300.0, and 3.0e2 are not considered equal."
        ([300], 300.0, False),
        ([True], True, True),
        ([True], 1, False),
        ([1], True, False),
        ([True], "true", False),
        ([None], None, True),
        ([None], "", False),
        ([""], "", True),
        ([{"prefix": "ab"}], "abc", True),
        ([{"prefix": "ab"}], "ABc", False),
        ([{"prefix": "ab"}], 12, False),
        ([{"prefix": ""}], None, False),
        ([{"prefix": {"equals-ignore-case": "aB"}}], "AbC", True),
        ([{"suffix": "bc"}], "abc", True),
        ([{"suffix": "bc"}], "aBC", False),
        ([{"suffix": {"equals-ignore-case": "bc"}}], "aBC", True),
        ([{"equals-ignore-case": "alice"}], "ALICE", True),
        ([{"equals-ignore-case": "alice"}], "alicia", False),
        ([{"anything-but": "a"}], "b", True),
        ([{"anything-but": "a"}], "a", False),
        ([{"anything-but": "a"}], None, True),
        ([{"anything-but": ["a", "b"]}], "c", True),
        ([{"anything-but": ["a", "b"]}], "b", False),
        ([{"anything-but": 5}], 5, False),
        ([{"anything-but": [4, 5]}], 6, True),
        ([{"anything-but": {"prefix": "a"}}], "ab", False),
        ([{"anything-but": {"prefix": ["a", "b"]}}], "bc", False),
        ([{"anything-but": {"prefix": ["a", "b"]}}], "cb", True),
        ([{"anything-but": {"suffix": ".png"}}], "x.png", False),
        ([{"anything-but": {"wildcard": "*/lib/*"}}], "usr/lib/x", False),
        ([{"anything-but": {"wildcard": "*/lib/*"}}], "usr/bin/x", True),
        ([{"anything-but": {"equals-ignore-case": ["a", "b"]}}], "B", False),
        ([{"exists": True}], "a", True),
        ([{"exists": True}], None, True),
        ([{"exists": False}], "a", False),
        ([{"exists": False}, "a"], "a", True),
        ([{"numeric": ["=", 5]}], 5.0, True),
        ([{"numeric": [">", 0, "<=", 5]}], 5, True),
        ([{"numeric": [">", 0, "<=", 5]}], 0, False),
        ([{"numeric": [">=", -1.5]}], -1.5, True),
        ([{"numeric": ["<", 5]}], "4", False),
        ([{"numeric": ["<", 5]}], True, False),
        ([{"cidr": "192.0.2.0/24"}], "192.0.2.255", True),
        ([{"cidr": "192.0.2.0/24"}], "198.51.100.1", False),
        ([{"cidr": "192.0.2.0/24"}], "AWS Internal", False),
        ([{"cidr": "192.0.2.0/24"}], 3221225985, False),
        ([{"cidr": "2001:db8::/32"}], "2001:db8::7", True),
        ([{"cidr": "2001:db8::/32"}], "192.0.2.1", False),
        ([{"wildcard": "mfa-*-function"}], "mfa-guard-function", True),
        ([{"wildcard": "mfa-*"}], "the-mfa-guard", False),
        ([{"wildcard": "a*c"}], "a\nc", True),
        ([{"wildcard": "a.c"}], "abc", False),
        ([{"wildcard": "a\\*c"}], "a*c", True),
        ([{"wildcard": "a\\*c"}], "abc", False),
        ([{"wildcard": "a\\\\c"}], "a\\c", True),
        ([{"wildcard": "*"}], 5, False),
        ([{"wildcard": "*"}], "", True),
        ([{"wildcard": "a*b*c"}], "abbc", True),
        ([{"wildcard": "a*b*c"}], "acb", False),
        ([{"wildcard": "ab*ba"}], "aba", False),
        ([{"wildcard": "*ab*ab*"}], "abab", True),
        ([{"wildcard": "*ab*ab*"}], "xaby", False),
        ([{"wildcard": "abc"}], "abc", True),
        ([{"wildcard": "abc"}], "abcd", False),
        ([{"wildcard": "*a" * 12 + "*b"}], "a" * 20_000, False),
    ],
)
def test_a_value_matches(filters: list[object], value: object, *, expected: bool) -> None:
    assert matches(filters, x=value) is expected


@pytest.mark.parametrize("filters", [["a"], [{"anything-but": "a"}], [{"anything-but": {"prefix": "a"}}], [None]])
def test_only_exists_false_matches_an_absent_field(filters: list[object]) -> None:
    assert not matches(filters)
    assert matches([{"exists": False}])
    assert matches([{"exists": False}, *filters])


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["b"], True),
        (["c"], False),
        ([{"prefix": "b"}], True),
        # One element that is not "a" is enough.
        ([{"anything-but": "a"}], True),
        ([{"anything-but": ["a", "b"]}], False),
        ([{"exists": True}], True),
        ([{"exists": False}], False),
    ],
)
def test_one_element_of_an_array_is_enough(filters: list[object], *, expected: bool) -> None:
    assert matches(filters, x=["a", "b"]) is expected
    assert matches(filters, x=[["a"], ["b"]]) is expected


@pytest.mark.parametrize("value", [{}, [], {"y": 1}, [{"y": 1}]])
def test_what_is_no_leaf_does_not_exist(value: object) -> None:
    assert not matches([{"exists": True}], x=value)
    assert matches([{"exists": False}], x=value)
    assert not matches([{"anything-but": "a"}], x=value)


@pytest.mark.parametrize("parent", [None, {}, "text", [], ["text"], {"c": 1}])
def test_a_field_without_its_parent_is_absent(parent: object) -> None:
    assert compile_pattern({"a": {"b": [{"exists": False}]}})({"a": parent})
    assert not compile_pattern({"a": {"b": [{"exists": True}]}})({"a": parent})
    assert compile_pattern({"a": {"b": {"c": [{"exists": False}]}}})({})


def test_every_field_of_a_pattern_has_to_match() -> None:
    pattern = compile_pattern({"a": ["x"], "b": {"c": ["y"], "d": ["z"]}})
    assert pattern({"a": "x", "b": {"c": "y", "d": "z"}, "other": 1})
    assert not pattern({"a": "x", "b": {"c": "y", "d": "no"}})
    assert not pattern({"a": "x", "b": {"c": "y"}})


def test_or_needs_one_alternative_and_the_rest_of_its_object() -> None:
    pattern = compile_pattern({"a": ["x"], "$or": [{"b": ["y"]}, {"c": {"d": ["z"]}}]})
    assert pattern({"a": "x", "b": "y"})
    assert pattern({"a": "x", "c": {"d": "z"}})
    assert not pattern({"a": "x"})
    assert not pattern({"b": "y"})


def test_absence_inside_or_is_absence_in_the_event() -> None:
    pattern = compile_pattern({"a": {"$or": [{"b": [{"exists": False}]}, {"b": ["y"]}]}})
    assert pattern({"a": {}})
    assert pattern({"a": {"b": "y"}})
    assert not pattern({"a": {"b": "other"}})


TAGS = {"tags": {"key": ["team"], "value": ["red"]}}


def test_fields_of_an_array_of_objects_match_within_one_element() -> None:
    pattern = compile_pattern(TAGS)
    assert pattern({"tags": [{"key": "team", "value": "blue"}, {"key": "team", "value": "red"}]})
    assert not pattern({"tags": [{"key": "team", "value": "blue"}, {"key": "other", "value": "red"}]})
    assert pattern({"tags": {"key": "team", "value": "red"}})


def test_a_field_that_another_element_has_is_not_absent() -> None:
    pattern = compile_pattern({"tags": {"key": ["team"], "value": [{"exists": False}]}})
    assert pattern({"tags": [{"key": "team"}, {"key": "other"}]})
    assert not pattern({"tags": [{"key": "team"}, {"key": "other", "value": "red"}]})


@pytest.mark.parametrize(
    "pattern",
    [
        {},
        {"x": "a"},
        {"x": []},
        {"x": {}},
        {"x": [["a"]]},
        {"x": [{}]},
        {"x": [{"prefix": "a", "suffix": "b"}]},
        {"x": [{"exists": "yes"}]},
        {"x": [{"regex": ".*"}]},
        {"x": [{"prefix": 5}]},
        {"x": [{"prefix": ["a", "b"]}]},
        {"x": [{"prefix": {"wildcard": "a"}}]},
        {"x": [{"equals-ignore-case": None}]},
        {"x": [{"anything-but": None}]},
        {"x": [{"anything-but": True}]},
        {"x": [{"anything-but": []}]},
        {"x": [{"anything-but": {"numeric": ["=", 5]}}]},
        {"x": [{"anything-but": {"prefix": "a", "suffix": "b"}}]},
        {"x": [{"anything-but": {"prefix": []}}]},
        {"x": [{"numeric": []}]},
        {"x": [{"numeric": ["=", 5, ">"]}]},
        {"x": [{"numeric": ["=", "5"]}]},
        {"x": [{"numeric": ["=", True]}]},
        {"x": [{"numeric": ["!=", 5]}]},
        {"x": [{"numeric": 5}]},
        {"x": [{"cidr": "not an address"}]},
        {"x": [{"cidr": 5}]},
        {"x": [{"wildcard": "a**"}]},
        {"x": [{"wildcard": "a\\b"}]},
        {"x": [{"wildcard": 5}]},
        {"$or": {"x": ["a"]}},
        {"$or": []},
        {"$or": [{"x": ["a"]}, "x"]},
    ],
)
def test_a_pattern_that_eventbridge_refuses_does_not_compile(pattern: object) -> None:
    with pytest.raises(PatternError, match=r"^The pattern.*\.$"):
        compile_pattern(pattern)


def test_the_error_names_the_field() -> None:
    with pytest.raises(PatternError, match=r"field detail\.eventName uses the operator 'regex'"):
        compile_pattern({"detail": {"eventName": [{"regex": ".*"}]}})


def rule(name: str, pattern: dict[str, object]) -> Rule:
    return Rule(name, name, pattern, ("Function",), enabled=True)


RULES = (
    rule("Users", {"source": ["aws.iam"], "detail": {"eventName": ["CreateUser", "UpdateUser"]}}),
    rule("AnyIam", {"source": ["aws.iam"], "detail": {"errorCode": [{"exists": False}]}}),
    rule("AnySource", {"detail": {"eventName": ["CreateUser"]}}),
    rule("Prefix", {"source": [{"prefix": "aws."}], "detail": {"eventName": [{"prefix": "Create"}]}}),
    rule(
        "Either",
        {"source": ["aws.iam"], "detail": {"$or": [{"eventName": ["A"]}, {"eventName": ["B"], "errorCode": ["X"]}]}},
    ),
    rule("HalfOpen", {"source": ["aws.iam"], "detail": {"$or": [{"eventName": ["A"]}, {"errorCode": ["X"]}]}}),
)


def names(rules: tuple[Rule, ...]) -> list[str]:
    return [each.logical_id for each in rules]


@pytest.mark.parametrize(
    ("source", "name", "tried", "matched"),
    [
        ("aws.iam", "CreateUser", ["Users", "AnyIam", "AnySource", "Prefix", "HalfOpen"], {"Either", "HalfOpen"}),
        ("aws.iam", "DeleteUser", ["AnyIam", "Prefix", "HalfOpen"], {"Prefix", "HalfOpen"}),
        ("aws.iam", "A", ["AnyIam", "Prefix", "Either", "HalfOpen"], {"Prefix"}),
        ("aws.iam", "B", ["AnyIam", "Prefix", "Either", "HalfOpen"], {"Prefix", "Either", "HalfOpen"}),
        ("aws.s3", "CreateUser", ["AnySource", "Prefix"], set()),
        ("aws.s3", "Other", ["Prefix"], {"Prefix"}),
    ],
)
def test_candidates_are_chosen_by_source_and_event_name(
    source: str, name: str, tried: list[str], matched: set[str]
) -> None:
    event = {"source": source, "detail": {"eventName": name}}
    assert names(candidates(RULES)(event)) == tried
    assert names(index(RULES)(event)) == [each for each in tried if each not in matched]


@pytest.mark.parametrize("event", [{}, {"source": "aws.iam"}, {"source": ["aws.iam"], "detail": {"eventName": ["A"]}}])
def test_every_rule_is_tried_where_source_or_name_is_no_text(event: dict[str, object]) -> None:
    assert candidates(RULES)(event) == RULES
    assert index(RULES)(event) == tuple(each for each in RULES if compile_pattern(each.pattern)(event))


def test_a_rule_that_cannot_be_compiled_stops_the_index() -> None:
    with pytest.raises(PatternError):
        index([rule("Broken", {"source": [{"regex": "."}]})])
