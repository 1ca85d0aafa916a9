"""Why a call is denied."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mfa_guard_cli.user.access_denied import Denial
from mfa_guard_cli.user.devices import Device
from mfa_guard_cli.user.diagnosis import Answer, Diagnosis, Facts, Mfa, Used, diagnose
from mfa_guard_cli.user.identity import identity
from support.user import ACCOUNT, ALICE, APP, GUARD, PASSKEY, ROLE, ROOT, TOKEN

KEY = Used("AKIAALICE", temporary=False, method="shared-credentials-file", place="credentials file, profile default")
SESSION = Used("ASIAALICE", temporary=True, method="env", place="environment variables")
LOGIN = replace(SESSION, method="login")
BOUND = Denial(explicit=True, kind="identity-based policy", policy=GUARD)
OTHER = Denial(explicit=True, kind="service control policy", policy="arn:aws:organizations::1:policy/o/scp/p")


def facts(used: Used = KEY, **fields: object) -> Facts:
    known: dict[str, object] = {"known": Answer.OK, "caller": ALICE, "probed": Answer.OK, "devices": [APP]}
    return Facts(used, **{**known, "skew": timedelta(), **fields})  # type: ignore[arg-type]


def bound(used: Used = KEY, **fields: object) -> Facts:
    return facts(used, **{"probed": Answer.DENIED, "refusal": BOUND, **fields})


def stranger(answer: Answer, used: Used = KEY, **fields: object) -> Facts:
    return facts(used, known=answer, caller=None, probed=None, devices=None, **fields)


class TestAnAccessKeyAlone:
    @pytest.mark.parametrize("devices", [[APP], [TOKEN], [PASSKEY, APP], None])
    def test_with_a_device_that_makes_codes_a_session_is_next(self, devices: list[Device] | None) -> None:
        found = diagnose(bound(devices=devices))
        assert found.cause is not None
        assert GUARD in found.cause
        assert "mfa-guard session" in found.next

    def test_with_passkeys_only_aws_login_is_next(self) -> None:
        assert "aws login" in diagnose(bound(devices=[PASSKEY])).next

    def test_without_a_device_enrolling_is_next(self) -> None:
        assert "mfa-guard enroll" in diagnose(bound(devices=[])).next

    @pytest.mark.parametrize("kind", [None, "identity-based policy"])
    def test_a_deny_that_aws_does_not_name_is_taken_for_the_guards(self, kind: str | None) -> None:
        found = diagnose(facts(probed=Answer.DENIED, refusal=Denial(explicit=True, kind=kind)))
        assert found.cause is not None
        assert "EnrollMFADeviceThenSignInAgain" in found.cause


class TestASession:
    def test_made_without_a_code_iam_does_not_know_it(self) -> None:
        found = diagnose(facts(SESSION, probed=Answer.UNKNOWN_KEY, devices=None))
        assert found.cause == "The session was made without an MFA code."
        assert "mfa-guard session" in found.next

    def test_of_the_console_made_without_mfa_is_made_anew_there(self) -> None:
        found = diagnose(bound(LOGIN))
        assert found.cause == "You signed in to the console without MFA."
        assert "aws login" in found.next

    def test_made_with_a_code_nothing_is_wrong(self) -> None:
        assert diagnose(facts(SESSION)).cause is None

    def test_that_has_expired_is_made_anew(self) -> None:
        assert "mfa-guard session" in diagnose(stranger(Answer.EXPIRED, SESSION)).next
        assert "aws login" in diagnose(stranger(Answer.EXPIRED, LOGIN)).next

    def test_that_aws_does_not_know_is_made_anew(self) -> None:
        assert "mfa-guard session" in diagnose(stranger(Answer.UNKNOWN_KEY, SESSION)).next


class TestTheKeyItself:
    def test_one_that_is_not_active_is_the_administrators(self) -> None:
        found = diagnose(stranger(Answer.UNKNOWN_KEY))
        assert found.cause == "The access key AKIAALICE is not active, or does not exist."
        assert "administrator" in found.next

    def test_a_wrong_secret_is_entered_again(self) -> None:
        assert "aws configure" in diagnose(stranger(Answer.BAD_SIGNATURE)).next


class TestTheClock:
    @pytest.mark.parametrize("seconds", [301, -301])
    def test_it_breaks_signatures_beyond_five_minutes(self, seconds: int) -> None:
        found = diagnose(stranger(Answer.BAD_SIGNATURE, skew=timedelta(seconds=seconds)))
        assert found.next == "Set the clock right."

    @pytest.mark.parametrize(("seconds", "wrong"), [(30, False), (31, True), (-60, True)])
    def test_it_breaks_codes_beyond_thirty_seconds(self, seconds: int, wrong: bool) -> None:
        found = diagnose(facts(SESSION, skew=timedelta(seconds=seconds)))
        assert (found.cause is not None) is wrong

    def test_being_bound_comes_before_a_small_error(self) -> None:
        assert "clock" not in str(diagnose(bound(skew=timedelta(seconds=60))).cause)


class TestOthers:
    def test_another_policy_is_named(self) -> None:
        found = diagnose(facts(SESSION, probed=Answer.DENIED, refusal=OTHER))
        assert found.cause is not None
        assert OTHER.policy is not None
        assert OTHER.policy in found.cause
        assert "administrator" in found.next

    def test_a_permission_that_nobody_gave_is_no_finding(self) -> None:
        assert diagnose(facts(SESSION, probed=Answer.DENIED, refusal=Denial(explicit=False))).cause is None

    @pytest.mark.parametrize("caller", [ROLE, ROOT, identity(f"arn:aws:sts::{ACCOUNT}:federated-user/alice")])
    def test_whom_the_policy_does_not_bind_is_told_so(self, caller: object) -> None:
        found = diagnose(facts(SESSION, caller=caller))
        assert found.cause is None
        assert "policy" in found.next

    def test_who_is_not_bound_and_has_no_device_is_invited(self) -> None:
        assert diagnose(facts(devices=[])) == Diagnosis(
            None, "You are not bound yet, and have no MFA device: mfa-guard enroll"
        )


@pytest.mark.parametrize(
    ("found", "mfa", "kind"),
    [
        (facts(), Mfa.NO, "long-term access key"),
        (bound(), Mfa.NO, "long-term access key"),
        (facts(SESSION), Mfa.YES, "session"),
        (facts(SESSION, probed=Answer.DENIED, refusal=Denial(explicit=False)), Mfa.YES, "session"),
        (facts(SESSION, probed=Answer.DENIED, refusal=OTHER), Mfa.UNKNOWN, "session"),
        (facts(SESSION, probed=Answer.UNKNOWN_KEY), Mfa.NO, "session"),
        (facts(LOGIN), Mfa.UNKNOWN, "session of aws login"),
        (bound(LOGIN), Mfa.NO, "session of aws login"),
        (facts(SESSION, caller=ROLE), Mfa.NOT_ASKED, "session of a role"),
        (stranger(Answer.EXPIRED, SESSION), Mfa.UNKNOWN, "session"),
    ],
)
def test_credentials_carry_mfa_as_far_as_can_be_known(found: Facts, mfa: Mfa, kind: str) -> None:
    assert (found.mfa, found.credentials) == (mfa, kind)
