"""The evaluator decides as AWS's documentation says, on AWS's own examples where there are any.

The classes name the page of the IAM User Guide that they check.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import pytest

from mfa_guard_cli.policy.evaluator import Decision, Request, UnsupportedPolicyError, evaluate, parse_policy

Context = Mapping[str, str | Sequence[str]]

MFA: Final = "aws:MultiFactorAuthPresent"
NOT_PRESENT: Final[Context] = {}
PRESENT: Final[Context] = {MFA: "true"}
NOT_USED: Final[Context] = {MFA: "false"}


def decide(
    *statements: Mapping[str, object],
    action: str = "s3:GetObject",
    resource: str = "arn:aws:s3:::examplebucket/file",
    context: Context = NOT_PRESENT,
    version: str = "2012-10-17",
) -> Decision:
    policy = parse_policy({"Version": version, "Statement": list(statements)})
    return evaluate([policy], Request(action, resource, context))


def statement(effect: str = "Allow", **elements: object) -> dict[str, object]:
    sayings = {"Effect": effect, **elements}
    if "NotAction" not in sayings:
        sayings.setdefault("Action", "*")
    if "NotResource" not in sayings:
        sayings.setdefault("Resource", "*")
    return sayings


def is_met(condition: Mapping[str, object], context: Context) -> bool:
    return decide(statement(Condition=condition), context=context) is Decision.ALLOW


class TestDecisions:
    """Page reference_policies_evaluation-logic."""

    def test_nothing_is_allowed_by_default(self) -> None:
        assert evaluate([], Request("s3:GetObject", "*")) is Decision.IMPLICIT_DENY

    def test_an_allow_overrides_the_default(self) -> None:
        assert decide(statement()) is Decision.ALLOW

    @pytest.mark.parametrize("order", [("Allow", "Deny"), ("Deny", "Allow")])
    def test_an_explicit_deny_overrides_any_allow(self, order: tuple[str, str]) -> None:
        assert decide(*map(statement, order)) is Decision.DENY

    def test_a_deny_in_another_policy_counts_as_much(self) -> None:
        policies = [parse_policy({"Statement": statement(effect)}) for effect in ("Allow", "Deny")]
        assert evaluate(policies, Request("s3:GetObject", "*")) is Decision.DENY

    def test_a_deny_alone_grants_nothing_else(self) -> None:
        assert decide(statement("Deny", Action="s3:PutObject")) is Decision.IMPLICIT_DENY


class TestActions:
    """Pages reference_policies_elements_action and reference_policies_elements_notaction."""

    @pytest.mark.parametrize(
        ("pattern", "action", "matches"),
        [
            ("iam:ListAccessKeys", "IAM:listaccesskeys", True),
            ("s3:*", "s3:GetObject", True),
            ("s3:*", "s3-object-lambda:GetObject", False),
            ("iam:*AccessKey*", "iam:CreateAccessKey", True),
            ("iam:*AccessKey*", "iam:ListAccessKeys", True),
            ("iam:*AccessKey*", "iam:CreateUser", False),
            ("iam:GetUser", "iam:GetUserPolicy", False),
            ("iam:?etUser", "iam:GetUser", True),
            ("*", "iam:GetUser", True),
        ],
    )
    def test_action(self, pattern: str, action: str, *, matches: bool) -> None:
        assert (decide(statement(Action=pattern), action=action) is Decision.ALLOW) is matches

    @pytest.mark.parametrize(("action", "denied"), [("iam:GetUser", False), ("s3:GetObject", True)])
    def test_not_action_is_everything_but_what_it_lists(self, action: str, *, denied: bool) -> None:
        without_iam = statement("Deny", NotAction="iam:*", Condition={"BoolIfExists": {MFA: "false"}})
        assert (decide(without_iam, action=action) is Decision.DENY) is denied


class TestResources:
    """Pages reference_policies_elements_resource and reference_policies_elements_notresource."""

    @pytest.mark.parametrize(
        ("key", "matches"),
        [
            ("1/test/object.jpg", True),
            ("1/2/test/object.jpg", True),
            ("1/2/test/3/object.jpg", True),
            ("1/2/3/test/4/object.jpg", True),
            ("1///test///object.jpg", True),
            ("1/test/.jpg", True),
            ("/test/object.jpg", True),
            ("1/test/", True),
            ("1-test/object.jpg", False),
            ("test/object.jpg", False),
            ("1/2/test.jpg", False),
        ],
    )
    def test_a_star_goes_over_slashes(self, key: str, *, matches: bool) -> None:
        bucket = "arn:aws:s3:::amzn-s3-demo-bucket/"
        decision = decide(statement(Resource=bucket + "*/test/*"), resource=bucket + key)
        assert (decision is Decision.ALLOW) is matches

    @pytest.mark.parametrize(
        ("pattern", "resource", "matches"),
        [
            ("arn:aws:iam::111122223333:user/Bob", "arn:aws:iam::111122223333:user/bob", False),
            ("arn:aws:iam::111122223333:user/accounting/*", "arn:aws:iam::111122223333:user/accounting/eve", True),
            ("arn:aws:iam::111122223333:user/accounting/*", "arn:aws:iam::111122223333:user/eve", False),
            ("arn:aws:iam::111122223333:user/??b", "arn:aws:iam::111122223333:user/bob", True),
            ("arn:aws:iam::111122223333:user/??b", "arn:aws:iam::111122223333:user/jacob", False),
            ("arn:aws:iam::*:user/bob", "arn:aws:iam::444455556666:user/bob", True),
            ("arn:aws:sqs:*-2:111122223333:q", "arn:aws:sqs:us-east-2:111122223333:q", True),
            ("arn:aws:sqs:us*t-2:111122223333:q", "arn:aws:sqs:us:1:east-2:111122223333:q", False),
            ("arn:aws:iam::111122223333:*", "*", False),
            ("*", "*", True),
        ],
    )
    def test_resource(self, pattern: str, resource: str, *, matches: bool) -> None:
        assert (decide(statement(Resource=pattern), resource=resource) is Decision.ALLOW) is matches

    @pytest.mark.parametrize(
        ("resource", "denied"),
        [
            ("arn:aws:s3:::HRBucket/Payroll", False),
            ("arn:aws:s3:::HRBucket/Payroll/may", False),
            ("arn:aws:s3:::HRBucket/Payrolls", True),
            ("arn:aws:s3:::OtherBucket/file", True),
            ("*", True),
        ],
    )
    def test_not_resource_is_everything_but_what_it_lists(self, resource: str, *, denied: bool) -> None:
        payroll = ["arn:aws:s3:::HRBucket/Payroll", "arn:aws:s3:::HRBucket/Payroll/*"]
        decision = decide(statement("Deny", Action="s3:*", NotResource=payroll), resource=resource)
        assert (decision is Decision.DENY) is denied


class TestVariables:
    """Pages reference_policies_variables and reference_policies_elements_version."""

    OWN: Final = "arn:aws:s3:::mybucket/${aws:username}/*"

    def test_a_variable_stands_for_the_value_in_the_request(self) -> None:
        decisions = [
            decide(
                statement(Resource=self.OWN),
                resource=f"arn:aws:s3:::mybucket/{owner}/x",
                context={"aws:username": "David"},
            )
            for owner in ("David", "david", "Dave")
        ]
        assert decisions == [Decision.ALLOW, Decision.IMPLICIT_DENY, Decision.IMPLICIT_DENY]

    def test_key_names_of_variables_are_not_case_sensitive(self) -> None:
        own = "arn:aws:s3:::mybucket/${AWS:UserName}/*"
        context = {"aws:username": "David"}
        assert (
            decide(statement(Resource=own), resource="arn:aws:s3:::mybucket/David/x", context=context) is Decision.ALLOW
        )

    def test_a_value_has_no_wildcards(self) -> None:
        context = {"aws:username": "D*"}
        decision = decide(statement(Resource=self.OWN), resource="arn:aws:s3:::mybucket/David/x", context=context)
        assert decision is Decision.IMPLICIT_DENY

    def test_under_the_older_version_a_variable_is_literal_text(self) -> None:
        decisions = [
            decide(
                statement(Resource=self.OWN),
                resource=resource,
                context={"aws:username": "David"},
                version="2008-10-17",
            )
            for resource in ("arn:aws:s3:::mybucket/David/x", "arn:aws:s3:::mybucket/${aws:username}/x")
        ]
        assert decisions == [Decision.IMPLICIT_DENY, Decision.ALLOW]

    def test_a_policy_without_a_version_is_of_the_older_one(self) -> None:
        policy = parse_policy({"Statement": statement(Resource=self.OWN)})
        request = Request("s3:GetObject", "arn:aws:s3:::mybucket/David/x", {"aws:username": "David"})
        assert evaluate([policy], request) is Decision.IMPLICIT_DENY

    def test_a_variable_without_a_value_matches_no_resource(self) -> None:
        resource = "arn:aws:s3:::mybucket//x"
        assert decide(statement(Resource=self.OWN), resource=resource) is Decision.IMPLICIT_DENY

    def test_a_variable_without_a_value_spares_no_resource(self) -> None:
        resource = "arn:aws:s3:::mybucket/David/x"
        assert decide(statement("Deny", NotResource=self.OWN), resource=resource) is Decision.DENY

    def test_a_variable_in_a_condition(self) -> None:
        home = {"StringLike": {"s3:prefix": ["", "home/", "home/${aws:username}/*"]}}
        allowed = [
            prefix
            for prefix in ("home/", "home/David/x", "home/Eve/x")
            if is_met(home, {"s3:prefix": prefix, "aws:username": "David"})
        ]
        assert allowed == ["home/", "home/David/x"]

    def test_a_variable_without_a_value_makes_a_condition_false(self) -> None:
        assert not is_met({"StringEquals": {"s3:prefix": "${aws:username}"}}, {"s3:prefix": ""})


class TestConditions:
    """Pages reference_policies_elements_condition_operators and reference_policies_condition-keys."""

    # The combinations that AWS explains under aws:MultiFactorAuthPresent.
    @pytest.mark.parametrize(
        ("condition", "holding"),
        [
            ({"Bool": {MFA: "false"}}, [NOT_USED]),
            ({"BoolIfExists": {MFA: "false"}}, [NOT_USED, NOT_PRESENT]),
            ({"BoolIfExists": {MFA: "true"}}, [PRESENT, NOT_PRESENT]),
            ({"Bool": {MFA: "true"}}, [PRESENT]),
            ({"Null": {MFA: "false"}}, [PRESENT, NOT_USED]),
            ({"Null": {MFA: "true"}}, [NOT_PRESENT]),
            ({"Bool": {MFA: True}}, [PRESENT]),
        ],
    )
    def test_whether_mfa_was_used(self, condition: Mapping[str, object], holding: list[Context]) -> None:
        assert [context for context in (PRESENT, NOT_USED, NOT_PRESENT) if is_met(condition, context)] == holding

    def test_keys_are_anded(self) -> None:
        condition = {"BoolIfExists": {MFA: "false"}, "Bool": {"aws:ViaAWSService": "false"}}
        assert is_met(condition, {"aws:ViaAWSService": "false"})
        assert not is_met(condition, {"aws:ViaAWSService": "true"})
        assert not is_met(condition, {"aws:ViaAWSService": "false", MFA: "true"})

    def test_keys_of_one_operator_are_anded(self) -> None:
        condition = {"Bool": {MFA: "false", "aws:ViaAWSService": "false"}}
        assert is_met(condition, {"aws:ViaAWSService": "false", MFA: "false"})
        assert not is_met(condition, {"aws:ViaAWSService": "false", MFA: "true"})

    def test_values_are_ored(self) -> None:
        condition = {"StringLikeIfExists": {"ec2:InstanceType": ["t1.*", "t2.*", "m3.*"]}}
        assert is_met(condition, {"ec2:InstanceType": "t2.micro"})
        assert not is_met(condition, {"ec2:InstanceType": "m5.large"})
        assert is_met(condition, {})

    def test_an_absent_key_is_like_nothing(self) -> None:
        assert not is_met({"StringLike": {"ec2:InstanceType": "*"}}, {})

    def test_key_names_are_not_case_sensitive(self) -> None:
        assert is_met({"StringEquals": {"AWS:USERNAME": "john"}}, {"aws:username": "john"})

    def test_string_equals_is_case_sensitive(self) -> None:
        assert not is_met({"StringEquals": {"aws:username": "john"}}, {"aws:username": "John"})

    def test_string_equals_has_no_wildcards(self) -> None:
        assert not is_met({"StringEquals": {"aws:username": "j*"}}, {"aws:username": "john"})

    @pytest.mark.parametrize("operator", ["ArnEquals", "ArnLike"])
    def test_arn_operators_compare_part_by_part(self, operator: str) -> None:
        wanted = "arn:aws:someservice:*:111122223333:finance/*"
        nested = "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt"
        assert is_met({"StringLike": {"aws:SourceArn": wanted}}, {"aws:SourceArn": nested})
        assert not is_met({operator: {"aws:SourceArn": wanted}}, {"aws:SourceArn": nested})
        plain = "arn:aws:someservice:us-east-2:111122223333:finance/document.txt"
        assert is_met({operator: {"aws:SourceArn": wanted}}, {"aws:SourceArn": plain})

    def test_one_policy_may_be_attached_and_no_other(self) -> None:
        condition = {"ArnEquals": {"iam:PolicyARN": "arn:aws:iam::111122223333:policy/Enroll"}}
        assert is_met(condition, {"iam:PolicyARN": "arn:aws:iam::111122223333:policy/Enroll"})
        assert not is_met(condition, {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"})
        assert not is_met(condition, {})

    @pytest.mark.parametrize("operator", ["StringNotEquals", "StringNotLike"])
    def test_a_negated_operator_needs_that_no_value_matches(self, operator: str) -> None:
        condition = {operator: {"aws:username": ["john", "jane"]}}
        assert is_met(condition, {"aws:username": "joe"})
        assert not is_met(condition, {"aws:username": "jane"})

    def test_only_string_not_like_has_wildcards(self) -> None:
        assert not is_met({"StringNotLike": {"aws:username": "j*"}}, {"aws:username": "john"})
        assert is_met({"StringNotEquals": {"aws:username": "j*"}}, {"aws:username": "john"})

    @pytest.mark.parametrize("operator", ["ArnNotEquals", "ArnNotLike"])
    def test_another_function_is_recognized_by_its_arn(self, operator: str) -> None:
        arn = "arn:aws:lambda:us-east-1:111122223333:function:"
        condition = {operator: {"lambda:SourceFunctionArn": arn + "mine*"}}
        assert is_met(condition, {"lambda:SourceFunctionArn": arn + "other"})
        assert not is_met(condition, {"lambda:SourceFunctionArn": arn + "mine"})

    # "If the policy condition requires that the key is not matched, and the right key is not present, the condition is
    # true."
    def test_an_absent_key_makes_a_negated_operator_true(self) -> None:
        assert is_met({"StringNotEquals": {"aws:username": "john"}}, {})
        assert is_met({"ArnNotEquals": {"lambda:SourceFunctionArn": "arn:aws:lambda:::function:mine"}}, {})


class TestSets:
    """Page reference_policies_condition-single-vs-multi-valued-context-keys."""

    @pytest.mark.parametrize(
        ("attributes", "all_listed", "any_listed"),
        [
            (["Message", "Tags"], True, True),
            (["ID", "Message", "Tags"], True, True),
            (["PostDateTime", "UserName"], False, False),
            (["ID", "UserName"], False, True),
            ([], True, False),
        ],
    )
    def test_attributes(self, attributes: list[str], *, all_listed: bool, any_listed: bool) -> None:
        listed = {"dynamodb:Attributes": ["ID", "Message", "Tags"]}
        context = {"dynamodb:Attributes": attributes}
        assert is_met({"ForAllValues:StringEquals": listed}, context) is all_listed
        assert is_met({"ForAnyValue:StringEquals": listed}, context) is any_listed

    def test_without_the_key_all_values_are_listed_and_none_is(self) -> None:
        listed = {"aws:TagKeys": ["mfa-guard:status"]}
        assert is_met({"ForAllValues:StringEquals": listed}, {})
        assert not is_met({"ForAnyValue:StringEquals": listed}, {})
        assert is_met({"ForAnyValue:StringEqualsIfExists": listed}, {})

    # The page's examples for the deny statements with ForAnyValue:StringNotEquals and ForAllValues:StringNotEquals.
    @pytest.mark.parametrize(
        ("keys", "one_is_other", "all_are_other"),
        [
            (["environment", "cost-center"], True, False),
            (["environment"], False, False),
            (["cost-center"], True, True),
            ([], False, True),
        ],
    )
    def test_negated(self, keys: list[str], *, one_is_other: bool, all_are_other: bool) -> None:
        wanted = {"aws:TagKeys": ["environment", "webserver"]}
        assert is_met({"ForAnyValue:StringNotEquals": wanted}, {"aws:TagKeys": keys}) is one_is_other
        assert is_met({"ForAllValues:StringNotEquals": wanted}, {"aws:TagKeys": keys}) is all_are_other

    @pytest.mark.parametrize(
        ("sources", "all_listed", "any_listed"),
        [
            (["mfa-guard"], True, True),
            (["mfa-guard", "payments"], False, True),
            (["payments"], False, False),
        ],
    )
    def test_the_sources_of_several_events(self, sources: list[str], *, all_listed: bool, any_listed: bool) -> None:
        context = {"events:source": sources}
        assert is_met({"ForAllValues:StringEquals": {"events:source": "mfa-guard"}}, context) is all_listed
        assert is_met({"ForAnyValue:StringEquals": {"events:source": "mfa-guard"}}, context) is any_listed

    @pytest.mark.parametrize(
        ("keys", "allowed"),
        [
            (["mfa-guard:status", "mfa-guard:since"], True),
            (["mfa-guard:status", "department"], False),
            ([], False),
        ],
    )
    def test_null_asks_for_at_least_one(self, keys: list[str], *, allowed: bool) -> None:
        own_keys = {
            "ForAllValues:StringEquals": {"aws:TagKeys": ["mfa-guard:status", "mfa-guard:since"]},
            "Null": {"aws:TagKeys": "false"},
        }
        assert is_met(own_keys, {"aws:TagKeys": keys}) is allowed


class TestRefusals:
    """What is not read is refused, so that a policy is never judged by half."""

    @pytest.mark.parametrize(
        "elements",
        [
            {"Principal": "*"},
            {"Effect": "Permit"},
            {"NotAction": "s3:*", "Action": "s3:*"},
            {"Action": []},
            {"Action": "GetObject"},
            {"Action": 7},
            {"Resource": "examplebucket"},
            {"Resource": "arn:aws:s3"},
            {"Resource": "arn:aws:iam::${aws:username}:user/x"},
            {"Resource": "arn:aws:s3:::b/${aws:PrincipalTag/team}"},
            {"Resource": "arn:aws:s3:::b/${aws:username, 'default'}"},
            {"Resource": "arn:aws:s3:::b/${*}"},
            {"Resource": "arn:aws:s3:::b/${aws:TagKeys}"},
            {"Condition": ["Bool"]},
            {"Condition": {"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}}},
            {"Condition": {"StringEqualsIgnoreCase": {"aws:username": "john"}}},
            {"Condition": {"Bool": {"aws:PrincipalIsAWSService": "false"}}},
            {"Condition": {"Bool": {MFA: "maybe"}}},
            {"Condition": {"Bool": {"aws:username": "true"}}},
            {"Condition": {"StringEquals": {MFA: "true"}}},
            {"Condition": {"ForAnyValue:Bool": {MFA: "true"}}},
            {"Condition": {"StringEquals": {"aws:TagKeys": "a"}}},
            {"Condition": {"StringEquals": {"events:detail-type": "a"}}},
            {"Condition": {"StringNotEquals": {"events:source": "a"}}},
            {"Condition": {"StringLike": {"dynamodb:LeadingKeys": "a"}}},
            {"Condition": {"ForAllValues:ArnEquals": {"iam:PolicyARN": "arn:aws:iam::aws:policy/x"}}},
            {"Condition": {"ArnNotEquals": {"aws:username": "arn:aws:iam::aws:policy/x"}}},
            {"Condition": {"ForAnyValue:StringEquals": {"aws:username": "john"}}},
            {"Condition": {"NullIfExists": {MFA: "true"}}},
            {"Condition": {"ArnEquals": {"iam:PolicyARN": "AdministratorAccess"}}},
            {"Condition": {"": {MFA: "true"}}},
        ],
        ids=str,
    )
    def test_a_statement_not_read_here_raises(self, elements: Mapping[str, object]) -> None:
        with pytest.raises(UnsupportedPolicyError):
            decide({**statement(), **elements})

    @pytest.mark.parametrize(
        "document",
        [
            {"Version": "2024-01-01", "Statement": statement()},
            {"Version": "2012-10-17", "Statement": "Allow"},
            {"Version": "2012-10-17"},
            {"Version": "2012-10-17", "Statement": statement(), "Comment": "x"},
        ],
        ids=str,
    )
    def test_a_document_not_read_here_raises(self, document: Mapping[str, object]) -> None:
        with pytest.raises(UnsupportedPolicyError):
            parse_policy(document)

    @pytest.mark.parametrize(
        "request_",
        [
            Request("s3:GetObject", "examplebucket"),
            Request("s3:GetObject", "*", {"aws:SourceIp": "192.0.2.1"}),
            Request("s3:GetObject", "*", {"aws:TagKeys": "one"}),
            Request("events:PutEvents", "*", {"events:detail-type": "one"}),
            Request("s3:GetObject", "*", {"aws:username": ["one", "two"]}),
        ],
        ids=str,
    )
    def test_a_request_not_read_here_raises(self, request_: Request) -> None:
        policy = parse_policy({"Statement": statement()})
        with pytest.raises(UnsupportedPolicyError):
            evaluate([policy], request_)
