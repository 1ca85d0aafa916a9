"""Why a call is denied."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mfa_guard_cli.user.access_denied import Denial
from mfa_guard_cli.user.devices import Device
from mfa_guard_cli.user.diagnosis import CredentialsInUse, Facts, Mfa, Response, diagnose
from mfa_guard_cli.user.identity import identity
from support.user import ACCOUNT, ALICE, APP, GUARD, PASSKEY, ROLE, ROOT, TOKEN

KEY = CredentialsInUse(
    "AKIAALICE", temporary=False, method="shared-credentials-file", source="credentials file, profile default"
)
SESSION = CredentialsInUse("ASIAALICE", temporary=True, method="env", source="environment variables")
LOGIN = replace(SESSION, method="login")
BY_GUARD = Denial(explicit=True, kind="identity-based policy", policy=GUARD)
OTHER = Denial(explicit=True, kind="service control policy", policy="arn:aws:organizations::1:policy/o/scp/p")


def facts(credentials: CredentialsInUse = KEY, **fields: object) -> Facts:
    known: dict[str, object] = {"identified": Response.OK, "caller": ALICE, "probe": Response.OK, "devices": [APP]}
    return Facts(credentials, **{**known, "skew": timedelta(), **fields})  # type: ignore[arg-type]


def enforced(credentials: CredentialsInUse = KEY, **fields: object) -> Facts:
    return facts(credentials, **{"probe": Response.DENIED, "refusal": BY_GUARD, **fields})


def unidentified(answer: Response, credentials: CredentialsInUse = KEY, **fields: object) -> Facts:
    return facts(credentials, identified=answer, caller=None, probe=None, devices=None, **fields)


class TestAnAccessKeyAlone:
    @pytest.mark.parametrize("devices", [[APP], [TOKEN], [PASSKEY, APP], None])
    def test_with_a_device_that_makes_codes_a_session_is_next(self, devices: list[Device] | None) -> None:
        found = diagnose(enforced(devices=devices))
        assert found.cause is not None
        assert GUARD in found.cause
        assert "mfa-guard session" in found.next

    def test_with_passkeys_only_aws_login_is_next(self) -> None:
        assert "aws login" in diagnose(enforced(devices=[PASSKEY])).next

    def test_without_a_device_enrolling_is_next(self) -> None:
        assert "mfa-guard enroll" in diagnose(enforced(devices=[])).next

    @pytest.mark.parametrize("kind", [None, "identity-based policy"])
    def test_a_deny_by_an_unnamed_policy_counts_as_the_guards(self, kind: str | None) -> None:
        found = diagnose(facts(probe=Response.DENIED, refusal=Denial(explicit=True, kind=kind)))
        assert found.cause is not None
        assert "EnrollMFADeviceThenSignInAgain" in found.cause


class TestASession:
    def test_made_without_a_code_is_the_cause(self) -> None:
        found = diagnose(facts(SESSION, probe=Response.UNKNOWN_KEY, devices=None))
        assert found.cause == "The session was made without an MFA code."
        assert "mfa-guard session" in found.next

    def test_of_a_console_without_mfa_needs_a_new_sign_in(self) -> None:
        found = diagnose(enforced(LOGIN))
        assert found.cause == "You signed in to the console without MFA."
        assert "aws login" in found.next

    def test_made_with_a_code_is_fine(self) -> None:
        assert diagnose(facts(SESSION)).cause is None

    def test_that_has_expired_needs_a_new_one(self) -> None:
        assert "mfa-guard session" in diagnose(unidentified(Response.EXPIRED, SESSION)).next
        assert "aws login" in diagnose(unidentified(Response.EXPIRED, LOGIN)).next

    def test_that_aws_does_not_know_needs_a_new_one(self) -> None:
        assert "mfa-guard session" in diagnose(unidentified(Response.UNKNOWN_KEY, SESSION)).next


class TestTheKeyItself:
    def test_an_inactive_key_is_a_question_for_the_administrator(self) -> None:
        found = diagnose(unidentified(Response.UNKNOWN_KEY))
        assert found.cause == "The access key AKIAALICE does not exist or is not active."
        assert "administrator" in found.next

    def test_a_wrong_secret_has_to_be_entered_again(self) -> None:
        assert "aws configure" in diagnose(unidentified(Response.BAD_SIGNATURE)).next


class TestTheClock:
    @pytest.mark.parametrize("seconds", [301, -301])
    def test_it_breaks_signatures_beyond_five_minutes(self, seconds: int) -> None:
        found = diagnose(unidentified(Response.BAD_SIGNATURE, skew=timedelta(seconds=seconds)))
        assert found.next == "Set the clock of this machine."

    @pytest.mark.parametrize(("seconds", "wrong"), [(30, False), (31, True), (-60, True)])
    def test_it_breaks_codes_beyond_thirty_seconds(self, seconds: int, wrong: bool) -> None:
        found = diagnose(facts(SESSION, skew=timedelta(seconds=seconds)))
        assert (found.cause is not None) is wrong

    def test_enforcement_comes_before_a_small_clock_error(self) -> None:
        assert "clock" not in str(diagnose(enforced(skew=timedelta(seconds=60))).cause)


class TestOthers:
    def test_another_policy_is_named(self) -> None:
        found = diagnose(facts(SESSION, probe=Response.DENIED, refusal=OTHER))
        assert found.cause is not None
        assert OTHER.policy is not None
        assert OTHER.policy in found.cause
        assert "administrator" in found.next

    def test_a_missing_permission_is_not_a_cause(self) -> None:
        assert diagnose(facts(SESSION, probe=Response.DENIED, refusal=Denial(explicit=False))).cause is None

    @pytest.mark.parametrize("caller", [ROLE, ROOT, identity(f"arn:aws:sts::{ACCOUNT}:federated-user/alice")])
    def test_a_caller_outside_the_policy_learns_that(self, caller: object) -> None:
        found = diagnose(facts(SESSION, caller=caller))
        assert found.cause is None
        assert "policy" in found.next

    def test_a_user_who_is_not_enforced_and_has_no_device_can_enroll(self) -> None:
        found = diagnose(facts(devices=[]))
        assert found.cause is None
        assert "mfa-guard enroll" in found.next


@pytest.mark.parametrize(
    ("found", "mfa", "kind"),
    [
        (facts(), Mfa.NO, "long-term access key"),
        (enforced(), Mfa.NO, "long-term access key"),
        (facts(SESSION), Mfa.YES, "session"),
        (facts(SESSION, probe=Response.DENIED, refusal=Denial(explicit=False)), Mfa.YES, "session"),
        (facts(SESSION, probe=Response.DENIED, refusal=OTHER), Mfa.UNKNOWN, "session"),
        (facts(SESSION, probe=Response.UNKNOWN_KEY), Mfa.NO, "session"),
        (facts(LOGIN), Mfa.UNKNOWN, "session of aws login"),
        (enforced(LOGIN), Mfa.NO, "session of aws login"),
        (facts(SESSION, caller=ROLE), Mfa.NOT_REQUIRED, "session of a role"),
        (unidentified(Response.EXPIRED, SESSION), Mfa.UNKNOWN, "session"),
    ],
)
def test_credentials_carry_mfa_as_far_as_can_be_known(found: Facts, mfa: Mfa, kind: str) -> None:
    assert (found.mfa, found.credentials_kind) == (mfa, kind)
