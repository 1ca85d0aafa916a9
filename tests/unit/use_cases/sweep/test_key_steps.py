"""Access keys are deactivated only of the announced user, who still has no device and is not exempt."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mfa_guard.core.errors import AwsRequestFailed, QuotaExceeded, UserGone
from mfa_guard.core.user import NONCOMPLIANT, SINCE_TAG, STATUS_TAG, WARNED_TAG
from support.factories import device, exemption, key
from support.fakes import FakeAccount
from support.sweeps import ALL, lines, run, user
from unit.use_cases.sweep.test_page import rename, replace_user, when

DEACTIVATING = replace(ALL, deactivate_keys_after_days=30)
LATE = {STATUS_TAG: NONCOMPLIANT, SINCE_TAG: "2026-01-01T00:00:00Z"}
ANNOUNCED = {**LATE, WARNED_TAG: "2026-02-01T00:00:00Z"}


def account_of_bob(**changes: object) -> FakeAccount:
    return FakeAccount(
        user("bob", **{"attached": True, "password": True, "tags": dict(ANNOUNCED), "keys": [key()], **changes})
    )


@pytest.mark.parametrize(
    ("meanwhile", "word"),
    [
        (lambda account: account.iam.users["bob"].devices.append(device()), "now has a device"),
        (lambda account: account.exemptions.records.update(AIDABOB=exemption("AIDABOB")), "is exempt"),
        (lambda account: replace_user(account, "bob", keys=[key()]), "deleted or renamed"),
        (lambda account: rename(account, "bob", "rob"), "deleted or renamed"),
    ],
    ids=["enrolled", "exempted", "recreated", "renamed"],
)
def test_what_changed_while_the_digest_was_sent_keeps_the_keys_and_is_in_the_next_digest(
    meanwhile: Callable[[FakeAccount], object], word: str
) -> None:
    """Scenario 7: the new user's key must stay."""
    account = account_of_bob()
    when(account, "notifier.notices", lambda: meanwhile(account))
    run(account, DEACTIVATING)
    assert all(each.active for owner in account.iam.users.values() for each in owner.keys)
    run(account, ALL)
    assert word in lines(account, "failures")["bob"]


def test_another_user_who_gets_the_name_during_the_deactivation_is_reported() -> None:
    account = account_of_bob()
    when(account, "iam.clear", lambda: replace_user(account, "bob", tags=dict(ANNOUNCED)))
    run(account, DEACTIVATING)
    run(account, ALL)
    assert "another user got this name" in lines(account, "failures")["bob"]


@pytest.mark.parametrize(
    "refusal", [QuotaExceeded("LimitExceeded: TagsPerUser: 50"), AwsRequestFailed("Throttling: no")]
)
def test_an_announcement_that_cannot_be_noted_is_in_the_next_digest(refusal: Exception) -> None:
    account = account_of_bob(tags=dict(LATE))
    account.iam.refusing["warn", "bob"] = refusal
    assert run(account, DEACTIVATING).failed == 1
    run(account, ALL)
    assert "(at the end of the last sweep)" in lines(account, "failures")["bob"]


@pytest.mark.parametrize(
    ("refusal", "failed"), [(UserGone("no such user"), 0), (AwsRequestFailed("Throttling: no"), 1)]
)
def test_keys_that_cannot_be_listed_are_not_announced(refusal: Exception, failed: int) -> None:
    account = account_of_bob(tags=dict(LATE), keys=[key(used=None)])
    account.iam.refusing["keys", "bob"] = refusal
    assert run(account, DEACTIVATING).failed == failed
    assert WARNED_TAG not in account.iam.users["bob"].tags


def test_an_exemption_that_cannot_be_read_keeps_the_keys_and_does_not_repeat_the_digest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = account_of_bob()

    def refuse(*_: object) -> None:
        raise AwsRequestFailed("LimitExceededException: no")

    when(account, "notifier.notices", lambda: monkeypatch.setattr(account.exemption_list, "current", refuse))
    run(account, DEACTIVATING)
    assert all(each.active for each in account.iam.users["bob"].keys)
    monkeypatch.undo()
    run(account, ALL)
    assert "LimitExceededException: no" in lines(account, "failures")["bob"]
