"""docs/policy.md has the decisions of the evaluator for every policy that it compares."""

import botocore.session
import pytest

from mfa_guard_cli.policy.evaluator import Decision
from mfa_guard_cli.policy.requests import ROWS
from policy.page import PAGE, QUESTIONS, compare, render
from policy.published import Published, published


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == render(), "Run `make docs` and commit docs/policy.md."


def test_every_row_that_holds_in_the_partition_is_compared_once() -> None:
    compared = [each.row for comparisons in compare().values() for each in comparisons]
    assert compared == [row for row in ROWS if row.partition in {None, "aws"}]


def test_the_enforcement_policy_decides_as_the_table_expects() -> None:
    compared = [each for comparisons in compare().values() for each in comparisons]
    assert [each for each in compared if each.decisions[0] is not each.row.expected] == []


def test_every_question_is_a_row_of_the_table() -> None:
    assert {question.row() for question in QUESTIONS} <= set(ROWS)


@pytest.mark.parametrize("policy", published(), ids=lambda policy: policy.name)
class TestPublished:
    def test_its_source_has_a_title_and_an_address(self, policy: Published) -> None:
        assert policy.url.startswith(("https://docs.aws.amazon.com/", "https://repost.aws/"))
        assert all((policy.heading, policy.title, policy.read_from))

    def test_it_names_real_actions(self, policy: Published) -> None:
        session = botocore.session.Session()
        real = {
            f"{service}:{operation}"
            for service in ("iam", "sts")
            for operation in session.get_service_model(service).operation_names
        }
        assert {action for statement in statements(policy) for action in actions(statement)} <= real

    def test_it_blocks_a_key_without_mfa(self, policy: Published) -> None:
        [index] = [position for position, each in enumerate(published(), 1) if each == policy]
        decisions = {str(each.row): each.decisions[index] for section in compare().values() for each in section}
        [decision] = [found for row, found in decisions.items() if row.startswith("a key alone reads nothing")]
        assert decision is Decision.DENY


def statements(policy: Published) -> list[dict[str, object]]:
    listed = policy.document["Statement"]
    assert isinstance(listed, list)
    return listed


def actions(statement: dict[str, object]) -> list[str]:
    listed = statement.get("Action", statement.get("NotAction"))
    return [str(action) for action in listed] if isinstance(listed, list) else [str(listed)]
