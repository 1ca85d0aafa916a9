"""The program against a stack in moto's account."""

import pytest

from support.account import Account
from support.deployed import Deployed, deploy


@pytest.fixture
def deployed(account: Account, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    return deploy(account, monkeypatch)
