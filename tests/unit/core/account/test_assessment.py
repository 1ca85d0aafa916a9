"""What is certain from bulk reads, and which keys are to be deactivated."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mfa_guard.core.account.assessment import Assessment, assess
from mfa_guard.core.account.key_deactivation import DeactivationStep
from mfa_guard.core.account.snapshot import ListedUser, ReportRow, Snapshot, Sources
from mfa_guard.core.settings import Mode, Settings
from support.factories import (
    MARKED,
    NOW,
    OLD,
    key,
    settings,
)

ALICE = ListedUser("alice", "AIDAEXAMPLE", "/", {}, NOW - OLD, attached=True, in_group=False)
DEVICE = ReportRow(NOW - OLD, device=True, password=True, keys=())
LATE = {**MARKED, "mfa-guard:since": "2025-01-01T00:00:00Z"}


def found(user: ListedUser, row: ReportRow | None, chosen: Settings | None = None) -> Assessment:
    report = {} if row is None else {"alice": row}
    [assessment] = assess(Snapshot((user,), Sources(frozenset(), report), {}), chosen or settings(), NOW)
    return assessment


def test_a_user_who_is_not_in_the_report_is_uncertain_and_assumed_to_have_no_credentials() -> None:
    assessment = found(ALICE, None)
    assert not assessment.certain
    assert assessment.state.devices == ()


def test_what_the_report_shows_is_certain() -> None:
    assert found(ALICE, DEVICE).certain
    assert found(ALICE, replace(DEVICE, device=False)).certain


@pytest.mark.parametrize(
    ("attached", "certain"),
    [(False, False), (True, True)],
    ids=["who may be an active machine user", "who is enforced in any case"],
)
def test_a_service_credential_causes_uncertainty_only_if_it_would_change_the_plan(
    attached: bool, certain: bool
) -> None:
    nothing = ReportRow(NOW - OLD, device=False, password=False, keys=())
    assert found(replace(ALICE, attached=attached, tags=MARKED), nothing).certain is certain


@pytest.mark.parametrize(
    ("mode", "step"),
    [
        (Mode.ALL, DeactivationStep.ANNOUNCE),
        (Mode.EVENTS, DeactivationStep.NOTHING),
        (Mode.AUDIT, DeactivationStep.NOTHING),
    ],
)
def test_keys_are_deactivated_only_if_sweeps_write(mode: Mode, step: DeactivationStep) -> None:
    row = ReportRow(NOW - OLD, device=False, password=True, keys=(key(),))
    chosen = settings(mode=mode, deactivate_keys_after_days=30)
    assert found(replace(ALICE, tags=LATE), row, chosen).key_deactivation.step is step


def test_without_an_active_key_nothing_is_deactivated() -> None:
    row = ReportRow(NOW - OLD, device=False, password=True, keys=(key(active=False, used=timedelta(days=1)),))
    chosen = settings(mode=Mode.ALL, deactivate_keys_after_days=30)
    assert found(replace(ALICE, tags=LATE), row, chosen).key_deactivation.step is DeactivationStep.NOTHING
