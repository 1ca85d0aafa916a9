"""The enforcement policy that the template renders, for every deployment of the request table."""

from collections.abc import Mapping

import pytest

from mfa_guard_cli.policy.evaluator import Document, Policy, parse_policy
from mfa_guard_cli.policy.row import ACCOUNT, DEPLOYMENTS, HOME_REGIONS, Deployment
from mfa_guard_cli.stack.template import load_template


@pytest.fixture(scope="session")
def documents() -> Mapping[Deployment, Document]:
    """Return the policy documents."""
    template = load_template()
    stacks = {
        deployment: template.render(
            account=ACCOUNT,
            region=HOME_REGIONS[deployment.partition],
            parameters=deployment.parameters(),
        )
        for deployment in DEPLOYMENTS
    }
    return {deployment: stack.policy_document("EnforcementPolicy") for deployment, stack in stacks.items()}


@pytest.fixture(scope="session")
def policies(documents: Mapping[Deployment, Document]) -> Mapping[Deployment, Policy]:
    """Return the parsed policies."""
    return {deployment: parse_policy(document) for deployment, document in documents.items()}
