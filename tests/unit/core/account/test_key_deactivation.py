"""When keys are announced and deactivated."""

from datetime import timedelta

import pytest

from mfa_guard.core.account.key_deactivation import NO_DEACTIVATION, DeactivationStep, KeyDeactivation, key_deactivation
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import NONCOMPLIANT, SINCE_TAG, STATUS_TAG, WARNED_TAG
from support.factories import NOW


def tags(since: int | str | None, warned: float | str | None = None) -> dict[str, str]:
    """Return the tags of a user who became noncompliant, and was warned, this many days ago."""
    dates = {SINCE_TAG: since, WARNED_TAG: warned}
    texts = {
        key: value if isinstance(value, str) else utc_text(NOW - timedelta(days=value))
        for key, value in dates.items()
        if value is not None
    }
    return {STATUS_TAG: NONCOMPLIANT, **texts}


@pytest.mark.parametrize(
    ("since", "warned", "days", "step", "due_in"),
    [
        (100, None, 30, DeactivationStep.ANNOUNCE, 7),
        (23, None, 30, DeactivationStep.ANNOUNCE, 7),
        (22, None, 30, DeactivationStep.NOTHING, None),
        (0, None, 3, DeactivationStep.ANNOUNCE, 7),
        (100, 6, 30, DeactivationStep.NOTHING, 1),
        (100, 7, 30, DeactivationStep.DEACTIVATE, 0),
        (100, 50, 30, DeactivationStep.DEACTIVATE, -43),
        (25, 20, 30, DeactivationStep.NOTHING, 5),
        (30, 8, 30, DeactivationStep.DEACTIVATE, 0),
        (29, 28, 30, DeactivationStep.NOTHING, 1),
    ],
)
def test_days_and_notice_both_have_to_pass(
    since: int, warned: float | None, days: int, step: DeactivationStep, due_in: int | None
) -> None:
    due = None if due_in is None else NOW + timedelta(days=due_in)
    assert key_deactivation(tags(since, warned), days, NOW) == KeyDeactivation(step, due)


def test_zero_days_mean_never() -> None:
    assert key_deactivation(tags(1000, 500), 0, NOW) == NO_DEACTIVATION


@pytest.mark.parametrize("since", [None, "", "soon", -1])
def test_an_invalid_date_of_noncompliance_restarts_the_count(since: int | str | None) -> None:
    assert key_deactivation(tags(since, 50), 30, NOW) == NO_DEACTIVATION


@pytest.mark.parametrize("warned", ["", "soon", -1, 101])
def test_an_invalid_or_too_old_warning_is_repeated(warned: int | str) -> None:
    assert key_deactivation(tags(100, warned), 30, NOW) == KeyDeactivation(
        DeactivationStep.ANNOUNCE, NOW + timedelta(days=7)
    )


@pytest.mark.parametrize("warned", [0, 100])
def test_a_warning_at_the_start_or_end_of_the_noncompliance_counts(warned: int) -> None:
    found = key_deactivation(tags(since=100, warned=warned), 30, NOW)
    assert found.step is (DeactivationStep.DEACTIVATE if warned else DeactivationStep.NOTHING)
