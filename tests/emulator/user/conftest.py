"""An account in which the enforcement policy is in force, and people in it."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from support.workstation import EVERYTHING, EnforcedAccount, Workstation, new_workstation, open_enforced_account

_NUMBERS = count(1)


@pytest.fixture(scope="package")
def enforced_account() -> Iterator[EnforcedAccount]:
    """Run one account for all tests: every user in it is new."""
    with open_enforced_account() as opened:
        yield opened


@pytest.fixture
def alice(enforced_account: EnforcedAccount, tmp_path: Path) -> Workstation:
    """Return a user with only the permissions of the enforcement policy, and without a device."""
    return new_workstation(enforced_account, tmp_path, f"alice{next(_NUMBERS)}")


@pytest.fixture
def dora(enforced_account: EnforcedAccount, tmp_path: Path) -> Workstation:
    """Return a user with all permissions after a sign-in with MFA, and with a device."""
    workstation = new_workstation(enforced_account, tmp_path, f"dora{next(_NUMBERS)}", grants=[EVERYTHING])
    workstation.enable_device()
    return workstation
