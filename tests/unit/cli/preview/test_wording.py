"""What a preview says of times, of what stops, and of the administrator's own user."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mfa_guard.core.settings import WorkingMachineUsers
from mfa_guard_cli.preview.advice import advise
from mfa_guard_cli.preview.model import Caller, CallerKind, DeviceKind, Outcome, Uses
from mfa_guard_cli.preview.wording import (
    MEANINGS,
    advice_lines,
    ago,
    caller_lines,
    devices_text,
    keys_text,
    password_text,
    settings_text,
    source_text,
    stops,
    totals_lines,
)
from support.factories import NOW, settings
from support.preview import KEY, Somebody, by_role, by_user, outlook_of, preview_of, reading, used_for

PERSON = Somebody(password=True, virtual=True)


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
    def test_a_password_is_there_or_not_or_unknown(self) -> None:
        assert password_text(outlook_of(PERSON), NOW) == "never used"
        used = Uses(password_used=NOW - timedelta(hours=5))
        assert password_text(outlook_of(replace(PERSON, uses=used)), NOW) == "used 5 h ago"
        assert password_text(outlook_of(Somebody()), NOW) == "no"
        assert password_text(outlook_of(Somebody(reported=False)), NOW) == "unknown"

    def test_keys_are_told_with_service_region_and_time(self) -> None:
        somebody = replace(PERSON, keys=(KEY,), uses=used_for("s3"))
        assert keys_text(outlook_of(somebody), NOW) == ("key 1: s3 in us-east-1, 1 d ago",)

    def test_keys_without_a_place_or_a_use(self) -> None:
        keys = (replace(KEY, active=False), replace(KEY, id="key 2", last_used=None))
        assert keys_text(outlook_of(replace(PERSON, keys=keys)), NOW) == (
            "key 1: inactive, 1 d ago",
            "key 2: never used",
        )
        assert keys_text(outlook_of(PERSON), NOW) == ("none",)
        assert keys_text(outlook_of(Somebody(reported=False)), NOW) == ("unknown",)

    def test_devices_are_told_by_kind(self) -> None:
        kinds = (DeviceKind.PASSKEY, DeviceKind.TOTP_TOKEN, DeviceKind.PASSKEY)
        assert devices_text(outlook_of(Somebody(device=True, kinds=kinds))) == "TOTP token, 2 passkeys"
        assert devices_text(outlook_of(Somebody())) == "none"
        assert devices_text(outlook_of(Somebody(reported=False))) == "unknown"


class TestWhatStops:
    def test_keys_with_the_service_that_loses_them(self) -> None:
        somebody = replace(PERSON, keys=(KEY, replace(KEY, id="key 2")), uses=used_for("ses"))
        assert stops(outlook_of(somebody)) == ("key 1 (ses) and key 2 (service unknown)",)

    def test_of_a_machine_only_if_somebody_decides_so(self) -> None:
        assert stops(outlook_of(Somebody(keys=(KEY,), uses=used_for("s3")))) == ("key 1 (s3), if you enforce",)

    def test_nearly_everything_of_a_person_without_device(self) -> None:
        assert stops(outlook_of(Somebody(password=True))) == ("all but enrolling a device",)

    def test_the_cli_of_whoever_has_a_passkey_only(self) -> None:
        [line] = stops(outlook_of(Somebody(password=True, device=True, kinds=(DeviceKind.PASSKEY,))))
        assert "GetSessionToken" in line
        assert "aws login" in line

    def test_perhaps_a_credential_that_no_bulk_call_shows(self) -> None:
        [line] = stops(outlook_of(Somebody()))
        assert "service-specific credential" in line

    def test_nothing_of_a_person_with_a_phone(self) -> None:
        assert stops(outlook_of(PERSON)) == ()


class TestTheOwnUser:
    def warnings(self, somebody: Somebody, *, long_term: bool = True, **chosen: object) -> str:
        preview = preview_of(somebody, chosen=chosen, caller=by_user(somebody.name, long_term=long_term))
        return " ".join(caller_lines(preview)[1])

    def test_whose_key_would_stop_is_warned_of_it(self) -> None:
        warning = self.warnings(replace(PERSON, keys=(KEY,)))
        assert "ending in WXYZ" in warning
        assert "stops working" in warning

    def test_whose_key_the_report_does_not_know_yet_is_warned_all_the_same(self) -> None:
        assert "ending in WXYZ" in self.warnings(PERSON)

    def test_with_a_session_is_told_of_the_keys_that_stop(self) -> None:
        warning = self.warnings(replace(PERSON, keys=(KEY, replace(KEY, id="key 2"))), long_term=False)
        assert "key 1 and key 2 work no longer without MFA" in warning
        assert "WXYZ" not in warning

    def test_with_a_phone_and_a_session_has_nothing_to_fear(self) -> None:
        assert self.warnings(PERSON, long_term=False) == ""

    def test_without_device_is_told_to_enroll_first(self) -> None:
        assert "Enroll one before you deploy" in self.warnings(Somebody(password=True), long_term=False)

    def test_that_counts_as_a_machine_is_told_so(self) -> None:
        assert "if you decide to enforce" in self.warnings(Somebody(keys=(KEY,)))
        enforced = self.warnings(Somebody(keys=(KEY,)), working_machine_users=WorkingMachineUsers.ENFORCE)
        assert "locked out" in enforced
        assert "stops working" in enforced

    def test_with_passkeys_only_is_told_of_aws_login(self) -> None:
        somebody = Somebody(password=True, device=True, kinds=(DeviceKind.PASSKEY,))
        assert "aws login" in self.warnings(somebody, long_term=False)

    def test_of_whom_nothing_is_known_is_told_to_be_careful(self) -> None:
        assert "not known" in self.warnings(Somebody(reported=False))

    def test_that_is_not_listed_yet_is_a_warning(self) -> None:
        facts, warnings = caller_lines(preview_of(Somebody("bob"), caller=by_user("alice")))
        assert (facts, len(warnings)) == ((), 1)

    @pytest.mark.parametrize(
        ("kind", "said"), [(CallerKind.ROLE, "IAM users only"), (CallerKind.ROOT, "root"), (CallerKind.OTHER, "bound")]
    )
    def test_that_is_none_is_no_warning(self, kind: CallerKind, said: str) -> None:
        caller: Caller = replace(by_role(), kind=kind)
        facts, warnings = caller_lines(preview_of(PERSON, caller=caller))
        assert said in " ".join(facts)
        assert warnings == ()


class TestSummary:
    def test_the_age_of_the_report_is_told(self) -> None:
        assert source_text(reading()) == "Read on 2026-03-01T12:00:00Z; credential report made 35 min ago."
        assert source_text(reading(report_made=None)).endswith("no credential report.")

    def test_the_parameters_are_told_as_a_deployment_takes_them(self) -> None:
        assert settings_text(settings()) == "EnforceOn=all WorkingMachineUsers=review"
        assert settings_text(settings(exempt_path_prefixes=("/a/", "/b/"))).endswith(" ExemptPathPrefixes=/a/,/b/")

    def test_totals_tell_every_user_once(self) -> None:
        people = (PERSON, Somebody("bot", keys=(KEY,)), Somebody("new", reported=False))
        assert totals_lines(preview_of(*people)) == (
            "3 users: 1 person, 1 active machine, 1 unknown.",
            "1 would be enforced: 1 ready.",
            "2 would not: 1 your decision, 1 unknown.",
            "MFA: 1 TOTP, 1 no device, 1 unknown. Only TOTP gives the codes that GetSessionToken takes for the CLI.",
            "Of 1 user something could not be read.",
        )

    def test_advice_is_what_can_be_pasted(self) -> None:
        people = (Somebody("bot", "/ci/", keys=(KEY,)), Somebody("lone", keys=(KEY,)))
        lines = advice_lines(advise(preview_of(*people, chosen={"exempt_path_prefixes": ("/a/",)})))
        assert "  ExemptPathPrefixes=/a/,/ci/" in lines
        assert "  mfa-guard exempt add lone" in lines
        assert advice_lines(advise(preview_of())) == ("There is no active machine to exempt.",)

    def test_every_outcome_has_a_meaning(self) -> None:
        assert MEANINGS.keys() == set(Outcome)
