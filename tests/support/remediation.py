"""Run one event about a user on an account in memory, and read the notices that came of it."""

import json
from collections.abc import Mapping

from mfa_guard.core.cloudtrail import parse_user_event
from mfa_guard.core.settings import Settings
from mfa_guard.use_cases.remediate import Outcome, remediate
from support.factories import detail, settings, user_identity
from support.fakes import Crash, FakeAccount


def run(account: FakeAccount, record: dict[str, object], chosen: Settings | None = None) -> Outcome:
    return remediate(parse_user_event(record), chosen or settings(), account.dependencies)


def mail(account: FakeAccount, index: int = -1) -> str:
    text = json.loads(account.notifier.sent[index].body)["email"]
    assert isinstance(text, str)
    return text


def data(account: FakeAccount) -> dict[str, object]:
    """Return the newest notice as machines read it."""
    fields = json.loads(json.loads(account.notifier.sent[-1].body)["default"])
    assert isinstance(fields, dict)
    return fields


def severity(account: FakeAccount) -> str:
    return account.notifier.sent[-1].attributes["severity"]


def own(name: str, request: Mapping[str, object] | None = None, **changes: object) -> dict[str, object]:
    """Return the record of an IAM call in which alice is actor and subject, in a console session with MFA."""
    return detail(name, request, **{"userIdentity": user_identity("alice"), **changes})


def crash_once_attached(account: FakeAccount) -> None:
    """Make the process crash at its first call after the policy is attached."""
    if account.alice.attached:
        raise Crash("after attach")
