"""Every deployment on which the roles depend, and the calls that its functions make."""

from collections.abc import Sequence

import pytest

from mfa_guard_cli.stack.template import Stack
from roles.scenarios import SCENARIOS
from support.recorder import Call, deployed

# Mode, EnforceThrough, DeactivateKeysAfterDays. Mode changes what the roles allow, and so do the days if Mode is all.
# EnforceThrough changes the calls of the functions.
DEPLOYMENTS = (
    ("audit", "user", "0"),
    ("audit", "group", "30"),
    ("events", "user", "0"),
    ("events", "group", "30"),
    ("all", "user", "0"),
    ("all", "user", "30"),
    ("all", "group", "0"),
    ("all", "group", "30"),
)


@pytest.fixture(scope="module", params=DEPLOYMENTS, ids="-".join)
def stack(request: pytest.FixtureRequest) -> Stack:
    return deployed(*request.param)


@pytest.fixture(scope="module", params=sorted(SCENARIOS))
def function(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def calls(stack: Stack, function: str) -> Sequence[Call]:
    """Return every call of the function in its scenario."""
    return SCENARIOS[function](stack)
