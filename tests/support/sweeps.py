"""Run a sweep of an account in memory, and read its digest."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from mfa_guard.core.settings import Mode, Settings
from mfa_guard.core.sweep_request import SweepRequest
from mfa_guard.use_cases.sweep.round import SweepOutcome, sweep
from support.factories import device, settings
from support.fakes import FakeAccount, FakeUser

ALL = settings(mode=Mode.ALL)
ASKED = SweepRequest("sweep-1", audit=False, round=1, sweep="sweep-1")
SCHEDULED = replace(ASKED, scheduled=True)


def run(
    account: FakeAccount, chosen: Settings = ALL, request: SweepRequest = ASKED, *, minutes: float = 15
) -> SweepOutcome:
    return sweep(request, chosen, account.sweep_dependencies, account.clock.now() + timedelta(minutes=minutes))


def user(name: str, **changes: object) -> FakeUser:
    return FakeUser(name=name, id=f"AIDA{name.upper()}", **changes)  # type: ignore[arg-type]


def digest(account: FakeAccount) -> dict[str, Any]:
    """Return the newest digest as machines read it."""
    found: dict[str, Any] = json.loads(json.loads(account.notifier.sent[-1].body)["default"])
    return found


def lines(account: FakeAccount, section: str) -> dict[str, str]:
    """Return the lines of a section of the newest digest by the name that each begins with."""
    return dict(line.split(":", 1) for line in digest(account)["sections"][section]["lines"])


def iam_calls(account: FakeAccount) -> list[str]:
    return account.calls.of("iam.")


def compliant_user(name: str, **changes: object) -> FakeUser:
    return user(name, **{"attached": True, "password": True, "devices": [device()], **changes})
