"""What a sweep did to one user, as the line of the digest that an administrator reads."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mfa_guard.core.account.assessment import Assessment
from mfa_guard.core.account.key_deactivation import DeactivationStep, KeyDeactivation
from mfa_guard.core.account.treatment import Treatment
from mfa_guard.core.attachments import AttachmentRoute, WriteResult
from mfa_guard.core.mail.changes import describe_changes
from mfa_guard.core.plan import Action, UserPlan
from mfa_guard.core.user import UserState
from mfa_guard.core.user_record import Standing
from support.factories import NOW, exemption, key, state

ENFORCED = WriteResult(route=AttachmentRoute.DIRECT)
NO_QUOTA_LEFT = WriteResult(problem="no quota left.")


def assessment(
    user: UserState, *actions: Action, standing: Standing = Standing.ENFORCED, keys: KeyDeactivation | None = None
) -> Assessment:
    return Assessment(user, UserPlan(standing, actions), certain=True, key_deactivation=keys or KeyDeactivation())


def described(treatment: Treatment, *, unreported: bool = False) -> str | None:
    return describe_changes(treatment, NOW, unreported=unreported)


def test_a_user_who_needed_nothing_is_not_in_the_digest() -> None:
    assert described(Treatment(assessment(state()))) is None


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (ENFORCED, "enforced (policy attached)"),
        (WriteResult(route=AttachmentRoute.GROUP), "enforced (added to the enforcement group)"),
        (WriteResult(released=(AttachmentRoute.DIRECT,)), "released because exempt"),
    ],
)
def test_enforcing_and_releasing(result: WriteResult, line: str) -> None:
    assert described(Treatment(assessment(state()), result)) == line


@pytest.mark.parametrize(
    ("action", "line"),
    [
        (Action.MARK, "will be tagged noncompliant (no MFA device)"),
        (Action.CLEAR, "noncompliance tags will be removed"),
    ],
)
def test_tags(action: Action, line: str) -> None:
    assert described(Treatment(assessment(state(), action))) == line


def test_a_newly_enforced_user_is_reported_with_the_keys_that_stop_and_the_exemption_that_ended() -> None:
    user = state(
        keys=(key("AKIA1"), key("AKIA2", used=timedelta(days=2)), key("AKIA3", used=None)),
        exemption=exemption(ends=timedelta(0)),
    )
    assert described(Treatment(assessment(user, Action.ENFORCE, Action.MARK), ENFORCED)) == (
        "enforced (policy attached); the exemption expired at 2026-03-01T12:00:00Z; "
        "access keys in use that stop working without MFA: AKIA1 (last used 2026-02-28T12:00:00Z), "
        "AKIA2 (last used 2026-02-27T12:00:00Z); will be tagged noncompliant (no MFA device)"
    )


def test_a_user_who_was_enforced_before_is_not_reported_with_an_exemption_that_ended() -> None:
    user = state(keys=(key(),), exemption=exemption(ends=timedelta(0)))
    assert described(Treatment(assessment(user, Action.CLEAR))) == "noncompliance tags will be removed"


def test_a_deleted_user() -> None:
    assert described(Treatment(assessment(state(), Action.MARK), gone=True)) == "deleted while the sweep ran"


def test_a_user_who_was_not_reached_is_not_reported_as_tagged() -> None:
    assert described(Treatment(assessment(state(), Action.MARK), reached=False)) is None


def test_a_failure_before_the_plan_was_confirmed_leaves_the_tags() -> None:
    assert described(Treatment(assessment(state(), Action.MARK), failure="AccessDenied: no")) is None


def test_a_used_up_quota_does_not_prevent_the_tags() -> None:
    treatment = Treatment(assessment(state(), Action.MARK), NO_QUOTA_LEFT, failure="no quota left.")
    assert described(treatment) == "will be tagged noncompliant (no MFA device)"


class TestAnEarlierSweepThatDidNotFinish:
    def test_a_user_whom_it_enforced(self) -> None:
        user = state(keys=(key("AKIA1"),))
        assert described(Treatment(assessment(user)), unreported=True) == (
            "enforced (by an earlier sweep that did not finish); "
            "access keys in use that stop working without MFA: AKIA1 (last used 2026-02-28T12:00:00Z)"
        )

    def test_a_user_whom_it_released(self) -> None:
        released = assessment(state(attached=False), standing=Standing.EXEMPT)
        assert described(Treatment(released), unreported=True) == (
            "released because exempt (by an earlier sweep that did not finish)"
        )

    @pytest.mark.parametrize(
        ("result", "standing", "line"),
        [
            (ENFORCED, Standing.ENFORCED, "enforced (policy attached)"),
            (WriteResult(released=(AttachmentRoute.GROUP,)), Standing.EXEMPT, "released because exempt"),
        ],
    )
    def test_what_this_sweep_did_is_reported_as_its_own(
        self, result: WriteResult, standing: Standing, line: str
    ) -> None:
        user = state(attached=standing is Standing.ENFORCED)
        assert described(Treatment(assessment(user, standing=standing), result), unreported=True) == line

    @pytest.mark.parametrize(("attached", "standing"), [(False, Standing.ENFORCED), (True, Standing.EXEMPT)])
    def test_a_user_whom_it_did_not_come_to_change(self, attached: bool, standing: Standing) -> None:
        user = assessment(state(attached=attached), standing=standing)
        assert described(Treatment(user, reached=False), unreported=True) is None


class TestKeys:
    LATE = state(devices=(), keys=(key("AKIA1"), key("AKIA2")))

    def treatment(self, step: DeactivationStep) -> Treatment:
        due = KeyDeactivation(step, NOW + timedelta(days=7))
        return Treatment(assessment(self.LATE, keys=due), keys=("AKIA1", "AKIA2"))

    def test_their_deactivation_is_announced(self) -> None:
        assert described(self.treatment(DeactivationStep.ANNOUNCE)) == (
            "access keys AKIA1, AKIA2 will be deactivated at 2026-03-08T12:00:00Z unless the user enrolls an MFA device"
        )

    def test_deactivated_keys_come_with_the_commands_that_activate_them(self) -> None:
        assert described(self.treatment(DeactivationStep.DEACTIVATE)) == (
            "access keys AKIA1, AKIA2 will be deactivated now, as announced, because the user has no MFA device. To "
            "activate them again (the next sweep announces a new date): aws iam update-access-key --user-name alice "
            "--access-key-id AKIA1 --status Active; aws iam update-access-key --user-name alice --access-key-id AKIA2 "
            "--status Active"
        )

    def test_no_key_is_left_to_announce(self) -> None:
        assert described(replace(self.treatment(DeactivationStep.ANNOUNCE), keys=())) is None
