"""An account in which the enforcement policy is in force, and people in it."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from support.blocked import EVERYTHING, Door, Machine, blocked_account, newcomer

_NUMBERS = count(1)


@pytest.fixture(scope="package")
def door() -> Iterator[Door]:
    """Run one account for all tests: every user in it is new."""
    with blocked_account() as opened:
        yield opened


@pytest.fixture
def alice(door: Door, tmp_path: Path) -> Machine:
    """Return a user with only the permissions of the enforcement policy, and without a device."""
    return newcomer(door, tmp_path, f"alice{next(_NUMBERS)}")


@pytest.fixture
def dora(door: Door, tmp_path: Path) -> Machine:
    """Return a user with all permissions after a sign-in with MFA, and with a device."""
    machine = newcomer(door, tmp_path, f"dora{next(_NUMBERS)}", grants=[EVERYTHING])
    machine.has_device()
    return machine
