"""The enforcement policy decides every request of the table as expected, in every deployment."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import botocore.session
import pytest

from mfa_guard_cli.policy.evaluator import Document, Policy, evaluate
from mfa_guard_cli.policy.requests import ROWS
from mfa_guard_cli.policy.row import ACCOUNT, DEPLOYMENTS, Deployment, Row

# The quota of a managed policy, without white space.
MANAGED_POLICY_CHARACTERS: Final = 6144

NOT_BLOCKED: Final = {
    "iam:CreateVirtualMFADevice",
    "iam:EnableMFADevice",
    "iam:GetMFADevice",
    "iam:GetUser",
    "iam:ListMFADevices",
    "iam:ListVirtualMFADevices",
    "iam:ResyncMFADevice",
    "sts:GetSessionToken",
}
NOT_BLOCKED_FOR_A_PASSWORD_CHANGE: Final = {"iam:ChangePassword", "iam:GetAccountPasswordPolicy"}


@pytest.fixture(params=DEPLOYMENTS, ids=str)
def deployment(request: pytest.FixtureRequest) -> Deployment:
    chosen = request.param
    assert isinstance(chosen, Deployment)
    return chosen


@pytest.fixture
def document(deployment: Deployment, documents: Mapping[Deployment, Document]) -> Document:
    return documents[deployment]


@pytest.fixture(scope="session")
def real_actions() -> set[str]:
    session = botocore.session.Session()
    return {
        f"{service}:{operation}"
        for service in ("iam", "sts")
        for operation in session.get_service_model(service).operation_names
    }


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_request_is_decided_as_expected(row: Row, policies: Mapping[Deployment, Policy]) -> None:
    decisions = {
        str(deployment): evaluate(row.policies(policies[deployment]), row.request(deployment))
        for deployment in DEPLOYMENTS
        if row.holds_in(deployment)
    }
    assert decisions == dict.fromkeys(decisions, row.expected)


def test_the_table_has_no_request_twice() -> None:
    requests = [
        (deployment, row.caller, row.credentials, row.action, row.request(deployment).resource)
        for row in ROWS
        for deployment in DEPLOYMENTS
        if row.holds_in(deployment)
    ]
    assert len(ROWS) >= 130
    assert len(set(requests)) == len(requests)


def test_the_table_names_real_actions_of_iam_and_sts(real_actions: set[str]) -> None:
    named = {row.action for row in ROWS if row.action.startswith(("iam:", "sts:"))}
    assert named <= real_actions


def test_the_policy_is_within_the_quota_of_a_managed_policy(document: Document) -> None:
    assert len("".join(json.dumps(document).split())) <= MANAGED_POLICY_CHARACTERS


def test_the_policy_has_the_version_that_supports_variables(document: Document) -> None:
    assert document["Version"] == "2012-10-17"


def test_the_policy_has_no_unresolved_intrinsic_function(document: Document) -> None:
    written = json.dumps(document)
    assert [text for text in ("${!", "${AWS", "AWS::", "Fn::", "Ref") if text in written] == []


def test_every_statement_has_a_unique_sid(document: Document) -> None:
    sids = [statement["Sid"] for statement in _statements(document)]
    assert len(set(sids)) == len(sids)


def test_the_block_excepts_enrollment_and_nothing_else(document: Document, deployment: Deployment) -> None:
    block = _statement(document, "BlockMostAccessUnlessSignedInWithMFA")
    assert (block["Effect"], block["Resource"]) == ("Deny", "*")
    assert set(_listed(block["NotAction"])) == _excepted(deployment)


def test_the_block_of_mcp_servers_excepts_the_same_but_no_enrollment_that_a_key_could_make(
    document: Document, deployment: Deployment
) -> None:
    block = _statement(document, "BlockMostAccessThroughMCPUnlessSignedInWithMFA")
    enrolling = set() if deployment.keys == "yes" else {"iam:CreateVirtualMFADevice", "iam:EnableMFADevice"}
    assert (block["Effect"], block["Resource"]) == ("Deny", "*")
    assert set(_listed(block["NotAction"])) == _excepted(deployment) - enrolling


@pytest.mark.parametrize("row", [row for row in ROWS if not row.credentials.through_mcp], ids=str)
def test_a_call_without_an_mcp_server_is_decided_the_same_if_it_says_so(
    row: Row, policies: Mapping[Deployment, Policy]
) -> None:
    for deployment in DEPLOYMENTS:
        if row.holds_in(deployment):
            request = row.request(deployment)
            saying = replace(request, context={**request.context, "aws:ViaAWSMCPService": "false"})
            assert evaluate(row.policies(policies[deployment]), saying) is row.expected


def test_the_policy_lists_real_actions_without_wildcards(document: Document, real_actions: set[str]) -> None:
    assert set(_actions(document)) <= real_actions


def test_the_table_has_every_action_of_the_policy(document: Document) -> None:
    assert set(_actions(document)) <= {row.action for row in ROWS}


def test_the_policy_allows_on_all_resources_only_actions_without_resources(document: Document) -> None:
    allowed = {
        action
        for statement in _statements(document)
        if statement["Effect"] == "Allow" and "*" in _listed(statement["Resource"])
        for action in _listed(statement["Action"])
    }
    assert allowed == {"iam:GetAccountPasswordPolicy", "iam:ListVirtualMFADevices"}


def test_the_policy_names_only_its_own_account_and_partition(document: Document, deployment: Deployment) -> None:
    resources = {
        resource
        for statement in _statements(document)
        for element in ("Resource", "NotResource")
        for resource in _listed(statement.get(element, []))
    }
    own = f"arn:{deployment.partition}:iam::{ACCOUNT}:"
    assert {resource for resource in resources if not resource.startswith(own)} == {"*"}


def _excepted(deployment: Deployment) -> set[str]:
    return NOT_BLOCKED | (NOT_BLOCKED_FOR_A_PASSWORD_CHANGE if deployment.passwords == "yes" else set())


def _statement(document: Document, sid: str) -> Document:
    [found] = [statement for statement in _statements(document) if statement["Sid"] == sid]
    return found


def _statements(document: Document) -> list[Document]:
    statements = document["Statement"]
    assert isinstance(statements, list)
    return statements


def _listed(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _actions(document: Document) -> Iterator[str]:
    for statement in _statements(document):
        for element in ("Action", "NotAction"):
            yield from _listed(statement.get(element, []))
