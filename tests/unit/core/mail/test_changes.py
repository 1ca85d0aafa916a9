"""What a sweep did to one user, as the line of the digest that an administrator reads."""

from datetime import timedelta

import pytest

from mfa_guard.core.account.assessment import Assessment
from mfa_guard.core.account.key_deactivation import DeactivationStep, KeyDeactivation
from mfa_guard.core.account.treatment import Treatment
from mfa_guard.core.attachments import AttachmentRoute, WriteResult
from mfa_guard.core.mail.changes import describe_changes, describe_key_step, stops_keys
from mfa_guard.core.plan import Action, UserPlan
from mfa_guard.core.user import NOT_LOADED, AccessKey, NotLoaded, UserState
from mfa_guard.core.user_record import Standing
from support.factories import MARKED, NOW, exemption, key, state

ENFORCED = WriteResult(route=AttachmentRoute.DIRECT)


def assessment(
    user: UserState, *actions: Action, standing: Standing = Standing.ENFORCED, keys: KeyDeactivation | None = None
) -> Assessment:
    return Assessment(user, UserPlan(standing, actions), certain=True, key_deactivation=keys or KeyDeactivation())


def described(treatment: Treatment, *, unreported: str = "") -> str | None:
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
        (Action.MARK, "tagged noncompliant (no MFA device)"),
        (Action.CLEAR, "noncompliance tags removed"),
    ],
)
def test_tags(action: Action, line: str) -> None:
    assert described(Treatment(assessment(state(), action), tagged=(action,))) == line


def test_a_newly_enforced_user_is_reported_with_the_keys_that_stop_and_the_exemption_that_ended() -> None:
    user = state(
        keys=(key("AKIA1"), key("AKIA2", used=timedelta(days=2)), key("AKIA3", used=None)),
        exemption=exemption(ends=timedelta(0)),
    )
    assert described(Treatment(assessment(user, Action.ENFORCE, Action.MARK), ENFORCED, tagged=(Action.MARK,))) == (
        "enforced (policy attached); the exemption expired at 2026-03-01T12:00:00Z; "
        "access keys in use that stop working without MFA: AKIA1 (last used 2026-02-28T12:00:00Z), "
        "AKIA2 (last used 2026-02-27T12:00:00Z); tagged noncompliant (no MFA device)"
    )


def test_a_user_who_was_enforced_before_is_not_reported_with_an_exemption_that_ended() -> None:
    user = state(keys=(key(),), exemption=exemption(ends=timedelta(0)))
    assert described(Treatment(assessment(user), tagged=(Action.CLEAR,))) == "noncompliance tags removed"


def test_what_was_planned_and_not_done_is_not_reported() -> None:
    assert described(Treatment(assessment(state(), Action.ENFORCE, Action.MARK), failure="AccessDenied: no")) is None


@pytest.mark.parametrize(
    ("result", "keys", "stops"),
    [
        (ENFORCED, (key(),), True),
        (ENFORCED, (key(used=None), key(active=False)), False),
        (WriteResult(), (key(),), False),
        (ENFORCED, NOT_LOADED, False),
    ],
)
def test_keys_stop_only_if_they_are_in_use_and_this_sweep_enforced(
    result: WriteResult, keys: tuple[AccessKey, ...] | NotLoaded, stops: bool
) -> None:
    assert stops_keys(Treatment(assessment(state(keys=keys)), result), NOW) is stops


class TestAnEarlierSweepThatDidNotFinish:
    def test_a_user_whom_it_enforced(self) -> None:
        user = state(keys=(key("AKIA1"),))
        assert described(Treatment(assessment(user)), unreported="enforce,mark") == (
            "enforced (by an earlier sweep that did not finish); "
            "access keys in use that stop working without MFA: AKIA1 (last used 2026-02-28T12:00:00Z)"
        )

    def test_a_user_whom_it_released(self) -> None:
        released = assessment(state(attached=False), standing=Standing.EXEMPT)
        assert described(Treatment(released), unreported="release") == (
            "released because exempt (by an earlier sweep that did not finish)"
        )

    @pytest.mark.parametrize(
        ("planned", "tags", "line"),
        [
            ("mark", MARKED, "tagged noncompliant (no MFA device) (by an earlier sweep that did not finish)"),
            ("clear", {}, "noncompliance tags removed (by an earlier sweep that did not finish)"),
            ("mark", {}, None),
            ("clear", MARKED, None),
        ],
    )
    def test_a_user_whose_tags_it_changed(self, planned: str, tags: dict[str, str], line: str | None) -> None:
        assert described(Treatment(assessment(state(tags=tags))), unreported=planned) == line

    @pytest.mark.parametrize(
        ("treatment", "planned", "line"),
        [
            ({"result": ENFORCED}, "enforce", "enforced (policy attached)"),
            ({"result": WriteResult(released=(AttachmentRoute.GROUP,))}, "release", "released because exempt"),
            ({"tagged": (Action.MARK,)}, "mark", "tagged noncompliant (no MFA device)"),
            ({"tagged": (Action.CLEAR,)}, "clear", "noncompliance tags removed"),
        ],
    )
    def test_what_this_sweep_did_is_reported_as_its_own(
        self, treatment: dict[str, object], planned: str, line: str
    ) -> None:
        user = state(attached=planned != "release", tags=MARKED if planned == "mark" else {})
        assert described(Treatment(assessment(user), **treatment), unreported=planned) == line  # type: ignore[arg-type]

    @pytest.mark.parametrize(("attached", "planned"), [(False, "enforce"), (True, "release")])
    def test_a_user_whom_it_did_not_come_to_change(self, attached: bool, planned: str) -> None:
        assert described(Treatment(assessment(state(attached=attached)), reached=False), unreported=planned) is None


class TestKeys:
    LATE = state(devices=(), keys=(key("AKIA1"), key("AKIA2")))

    def described(self, step: DeactivationStep) -> str:
        due = KeyDeactivation(step, NOW + timedelta(days=7))
        return describe_key_step(assessment(self.LATE, keys=due), ["AKIA1", "AKIA2"])

    def test_their_deactivation_is_announced(self) -> None:
        assert self.described(DeactivationStep.ANNOUNCE) == (
            "access keys AKIA1, AKIA2 will be deactivated at 2026-03-08T12:00:00Z unless the user enrolls an MFA device"
        )

    def test_deactivated_keys_come_with_the_commands_that_activate_them(self) -> None:
        assert self.described(DeactivationStep.DEACTIVATE) == (
            "access keys AKIA1, AKIA2 will be deactivated now, as announced, because the user has no MFA device. To "
            "activate them again (the next sweep announces a new date): aws iam update-access-key --user-name alice "
            "--access-key-id AKIA1 --status Active; aws iam update-access-key --user-name alice --access-key-id AKIA2 "
            "--status Active"
        )
