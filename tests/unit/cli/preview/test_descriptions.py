"""What a preview says about times, about what stops, and about the caller's own user."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mfa_guard.core.settings import WorkingMachineUsers
from mfa_guard.core.user import AccessKey
from mfa_guard_cli.preview.advice import advise, exempt_command
from mfa_guard_cli.preview.descriptions import (
    MFA_METHODS,
    OUTCOMES,
    advice_text,
    ago,
    caller_text,
    devices_text,
    keys_text,
    parameters_text,
    password_text,
    source_text,
    totals_text,
    what_stops,
)
from mfa_guard_cli.preview.model import CallerKind, DeviceKind, LastUses, MfaMethod, Outcome
from support.factories import NOW, settings
from support.preview import (
    KEY,
    SampleUser,
    account_data,
    forecast_of,
    last_used_for,
    preview_of,
    role_caller,
    user_caller,
)

PERSON = SampleUser(password=True, virtual=True)
TWO_KEYS = (KEY, replace(KEY, id="key 2"))


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=1), "1 h ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(days=1), "1 d ago"),
        (timedelta(days=400), "400 d ago"),
    ],
)
def test_how_long_ago_something_was(span: timedelta, text: str) -> None:
    assert ago(NOW - span, NOW) == text


class TestCells:
    def test_a_password_was_used_or_not_or_is_unknown(self) -> None:
        used = LastUses(password=NOW - timedelta(hours=5))
        users = (PERSON, replace(PERSON, last_uses=used), SampleUser(), SampleUser(reported=False))
        assert [password_text(forecast_of(user), NOW) for user in users] == [
            "never used",
            "used 5 h ago",
            "no",
            "unknown",
        ]

    def test_keys_show_service_region_and_time(self) -> None:
        user = replace(PERSON, keys=(KEY,), last_uses=last_used_for("s3"))
        assert keys_text(forecast_of(user), NOW) == ("key 1: s3 in us-east-1, 1 d ago",)

    def test_keys_without_a_service_or_a_last_use(self) -> None:
        keys = (replace(KEY, active=False), replace(KEY, id="key 2", last_used=None))
        assert keys_text(forecast_of(replace(PERSON, keys=keys)), NOW) == (
            "key 1: inactive, 1 d ago",
            "key 2: never used",
        )
        assert keys_text(forecast_of(PERSON), NOW) == ("none",)
        assert keys_text(forecast_of(SampleUser(reported=False)), NOW) == ("unknown",)

    def test_devices_are_counted_by_kind(self) -> None:
        devices = (DeviceKind.PASSKEY, DeviceKind.TOTP_TOKEN, DeviceKind.PASSKEY)
        text = devices_text(forecast_of(SampleUser(device=True, other_devices=devices)))
        assert text == f"{DeviceKind.TOTP_TOKEN}, 2 {DeviceKind.PASSKEY}s"
        assert devices_text(forecast_of(SampleUser())) == "none"
        assert devices_text(forecast_of(SampleUser(reported=False))) == "unknown"

    def test_every_outcome_and_mfa_method_has_a_description(self) -> None:
        assert set(OUTCOMES) == set(Outcome)
        assert set(MFA_METHODS) == set(MfaMethod)


class TestWhatStops:
    def test_names_the_keys_and_their_services(self) -> None:
        user = replace(PERSON, keys=TWO_KEYS, last_uses=last_used_for("ses"))
        assert what_stops(forecast_of(user)) == ("key 1 (ses) and key 2 (service unknown)",)

    def test_of_an_active_machine_user_only_if_you_enforce(self) -> None:
        [line] = what_stops(forecast_of(SampleUser(keys=(KEY,), last_uses=last_used_for("s3"))))
        assert line.startswith("key 1 (s3)")
        assert "if you enforce" in line

    def test_is_nearly_everything_for_a_person_without_a_device(self) -> None:
        [line] = what_stops(forecast_of(SampleUser(password=True)))
        assert "everything except enrolling" in line

    def test_is_the_cli_for_a_person_with_passkeys_only(self) -> None:
        [line] = what_stops(forecast_of(SampleUser(password=True, device=True, other_devices=(DeviceKind.PASSKEY,))))
        assert "GetSessionToken" in line
        assert "aws login" in line

    def test_may_be_a_credential_that_no_bulk_call_lists(self) -> None:
        [line] = what_stops(forecast_of(SampleUser()))
        assert "service-specific credential" in line

    def test_is_nothing_for_a_person_with_a_totp_app(self) -> None:
        assert what_stops(forecast_of(PERSON)) == ()


class TestCaller:
    def warnings(self, user: SampleUser, *, long_term: bool = True, **chosen: object) -> str:
        preview = preview_of(user, chosen=chosen, caller=user_caller(user.name, long_term=long_term))
        return " ".join(caller_text(preview)[1])

    @pytest.mark.parametrize("keys", [(KEY,), ()])
    def test_is_warned_that_their_access_key_stops_even_if_not_in_the_report(self, keys: tuple[AccessKey, ...]) -> None:
        warning = self.warnings(replace(PERSON, keys=keys))
        assert "ending in WXYZ" in warning
        assert "stops working" in warning

    def test_with_a_session_is_told_which_keys_stop(self) -> None:
        warning = self.warnings(replace(PERSON, keys=TWO_KEYS), long_term=False)
        assert "key 1 and key 2" in warning
        assert "without MFA" in warning
        assert "WXYZ" not in warning

    def test_with_a_totp_app_and_a_session_gets_no_warning(self) -> None:
        assert self.warnings(PERSON, long_term=False) == ""

    def test_without_a_device_is_told_to_enroll_first(self) -> None:
        assert "Enroll one before you deploy" in self.warnings(SampleUser(password=True), long_term=False)

    def test_that_is_an_active_machine_user_is_told_so(self) -> None:
        machine = SampleUser(keys=(KEY,))
        assert "If you decide to enforce" in self.warnings(machine)
        enforced = self.warnings(machine, working_machine_users=WorkingMachineUsers.ENFORCE)
        assert "blocked" in enforced
        assert "stops working" in enforced

    def test_with_passkeys_only_is_told_about_aws_login(self) -> None:
        user = SampleUser(password=True, device=True, other_devices=(DeviceKind.PASSKEY,))
        assert "aws login" in self.warnings(user, long_term=False)

    def test_with_an_unknown_outcome_is_warned(self) -> None:
        assert "not known" in self.warnings(SampleUser(reported=False))

    def test_that_is_not_listed_yet_is_a_warning(self) -> None:
        facts, warnings = caller_text(preview_of(SampleUser("bob"), caller=user_caller("alice")))
        assert (facts, len(warnings)) == ((), 1)

    @pytest.mark.parametrize(
        ("kind", "said"),
        [(CallerKind.ROLE, "IAM users only"), (CallerKind.ROOT, "root"), (CallerKind.OTHER, "session")],
    )
    def test_that_is_no_user_gets_no_warning(self, kind: CallerKind, said: str) -> None:
        facts, warnings = caller_text(preview_of(PERSON, caller=replace(role_caller(), kind=kind)))
        assert said in " ".join(facts)
        assert warnings == ()


class TestSummary:
    def test_shows_the_age_of_the_report(self) -> None:
        text = source_text(account_data())
        assert "2026-03-01T12:00:00Z" in text
        assert "35 min ago" in text
        assert "no credential report" in source_text(account_data(report_created=None))

    def test_shows_the_parameters_as_sam_deploy_takes_them(self) -> None:
        assert parameters_text(settings()) == "EnforceOn=all WorkingMachineUsers=review"
        assert parameters_text(settings(exempt_path_prefixes=("/a/", "/b/"))).endswith(" ExemptPathPrefixes=/a/,/b/")

    def test_totals_count_every_user_once(self) -> None:
        machines = [SampleUser(name, keys=(KEY,)) for name in ("bot", "build")]
        kept = SampleUser("kept", attached=True, password=True, virtual=True)
        users, enforced, not_enforced, scope, mfa, incomplete = totals_text(
            preview_of(PERSON, kept, *machines, SampleUser("new", reported=False))
        )
        assert users == "5 users: 2 people, 2 active machine users, 1 unknown."
        assert scope == (
            "In scope of Mode=events from the start: 1, who are enforced already. Mode=all would add 1 user."
        )
        assert enforced.endswith(f": 1 {Outcome.READY}.")
        assert not_enforced.endswith(f": 2 {Outcome.DECIDE}, 1 {Outcome.UNKNOWN}, 1 {Outcome.ENFORCED_ALREADY}.")
        assert f"2 {MfaMethod.TOTP}, 2 {MfaMethod.NONE}, 1 {MfaMethod.UNKNOWN}." in mfa
        assert "1 user " in incomplete

    def test_advice_has_the_lines_to_copy(self) -> None:
        users = (SampleUser("bot", "/ci/", keys=(KEY,)), SampleUser("lone", keys=(KEY,)))
        paths, names = advice_text(advise(preview_of(*users, chosen={"exempt_path_prefixes": ("/a/",)})))
        assert paths.lines == ("ExemptPathPrefixes=/a/,/ci/",)
        assert names.lines == (exempt_command("lone"),)

    def test_advice_says_when_there_is_nothing_to_exempt(self) -> None:
        [nothing] = advice_text(advise(preview_of()))
        assert nothing.lines == ()
