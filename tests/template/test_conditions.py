"""Every condition of every policy in the template has an operator that IAM supports for the type of its key."""

from collections.abc import Iterator, Mapping
from itertools import product

import pytest

from mfa_guard_cli.policy.evaluator import KEY_TYPES, UnsupportedPolicyError, parse_policy
from mfa_guard_cli.stack.template import Stack, load_template

Fields = Mapping[str, object]

TEMPLATE = load_template()
# The parameters that change which policies there are.
DEPLOYMENTS = [
    {"Mode": mode, "DeactivateKeysAfterDays": days, "AllowEnrollmentWithAccessKeys": keys}
    for mode, days, keys in product(("audit", "events", "all"), ("0", "30"), ("yes", "no"))
]


@pytest.fixture(params=DEPLOYMENTS, ids=lambda each: "-".join(each.values()))
def stack(request: pytest.FixtureRequest) -> Stack:
    return TEMPLATE.render(parameters=request.param)


def test_an_operator_fits_the_type_of_its_key(stack: Stack) -> None:
    found = [fields(each["Condition"]) for each in statements(stack)]
    assert len(found) >= 10
    assert [condition for condition in found if not fits(condition)] == []


def test_the_check_notices_a_multivalued_key_without_a_set_operator() -> None:
    assert not fits({"StringEquals": {"events:detail-type": "Sweep requested"}})
    assert fits({"ForAllValues:StringEquals": {"events:detail-type": "Sweep requested"}})


def test_no_statement_allows_a_request_without_a_value_for_forallvalues(stack: Stack) -> None:
    for statement in statements(stack):
        condition = fields(statement["Condition"])
        for operator, keys in condition.items():
            if statement["Effect"] == "Allow" and operator.startswith("ForAllValues:"):
                present = dict.fromkeys(fields(keys), "false")
                assert present.items() <= fields(condition["Null"]).items(), statement


def test_every_key_of_the_table_is_in_lower_case() -> None:
    assert [key for key in KEY_TYPES if key != key.lower()] == []


def fits(condition: Fields) -> bool:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
    try:
        parse_policy({"Version": "2012-10-17", "Statement": statement})
    except UnsupportedPolicyError:
        return False
    return True


def statements(stack: Stack) -> Iterator[Fields]:
    """Yield every statement with a condition, of every policy of the stack."""
    for resource in stack.resources.values():
        yield from statements_in(resource.properties)


def statements_in(value: object) -> Iterator[Fields]:
    if isinstance(value, Mapping):
        if "Effect" in value and "Condition" in value:
            yield value
        for each in value.values():
            yield from statements_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from statements_in(each)


def fields(value: object) -> Fields:
    assert isinstance(value, Mapping)
    return value
