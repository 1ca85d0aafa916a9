"""What a notice about a user asks its reader to do, and the commands that it offers."""

from dataclasses import replace

import pytest

from mfa_guard.core.attachments import AttachmentRoute, WriteResult
from mfa_guard.core.mail.shell_commands import (
    enforce_again_command,
    enforce_command,
    exempt_command,
    remove_device_command,
    undo_command,
)
from mfa_guard.core.user import NOT_LOADED, UserState
from support.factories import MARKED, NOW, exemption, key, long_term_key, settings, state
from support.mails import ATTACHED, IN_GROUP, MACHINE, NEW, PHONE, USER_CASES, UserCase, call
from support.messages import data

DIRECT, GROUP = AttachmentRoute.DIRECT, AttachmentRoute.GROUP


def steps(case: UserCase) -> str:
    return "\n".join(data(case.message())["next"])


def commands(case: UserCase) -> dict[str, str]:
    found = data(case.message())["commands"]
    assert isinstance(found, dict)
    return found


class TestEnrollment:
    def test_a_user_with_a_password_enrolls_at_the_sign_in_page(self) -> None:
        said = steps(UserCase(call("CreateUser"), NEW, ATTACHED))
        assert "https://111122223333.signin.aws.amazon.com/console" in said
        assert "get-session-token" in said
        assert "aws login" in said

    def test_a_user_with_an_access_key_only_enrolls_with_the_aws_cli(self) -> None:
        user = replace(NEW, password=False, keys=(key(used=None),))
        said = steps(UserCase(call("CreateUser"), user, ATTACHED))
        assert "create-virtual-mfa-device" in said
        assert "AllowEnrollmentWithAccessKeys" in said
        assert "get-session-token" in said
        assert "signin.aws" not in said

    def test_a_user_without_a_credential_cannot_enroll_yet(self) -> None:
        user = replace(NEW, password=False, keys=(key(active=False, used=None),))
        said = steps(UserCase(call("CreateUser"), user, ATTACHED))
        assert "alice cannot sign in yet" in said
        assert "get-session-token" not in said

    def test_a_user_with_a_device_gets_no_instructions(self) -> None:
        assert "Assign MFA device" not in steps(UserCase(call("DetachUserPolicy"), state(attached=False), ATTACHED))


class TestOtherSteps:
    def test_in_audit_mode_there_is_nothing_to_undo(self) -> None:
        case = UserCase(call("CreateAccessKey"), state(attached=False), ATTACHED)
        assert "command below" in steps(case)
        assert "command below" not in steps(case.in_audit_mode())

    def test_a_device_is_removed_and_the_key_that_enrolled_it_is_deactivated(self) -> None:
        case = UserCase(call("EnableMFADevice", userIdentity=long_term_key("mallory")), state())
        assert "AKIAEXAMPLE9 of user/mallory" in steps(case)

    def test_a_path_exempts_until_the_user_or_the_parameter_changes(self) -> None:
        assert "ExemptPathPrefixes" in steps(USER_CASES["released: exempt by path"])
        assert "delete the exemption" in steps(USER_CASES["released: the policy and the group"])

    def test_a_full_quota_needs_room_and_a_missing_policy_has_to_be_restored(self) -> None:
        assert "Detach a policy" in steps(USER_CASES["not-enforced: quotas"])
        assert "Restore the enforcement policy or group" in steps(USER_CASES["not-enforced: the policy is missing"])


class TestUndo:
    @pytest.mark.parametrize("route", list(AttachmentRoute))
    def test_it_reverses_the_route_that_mfa_guard_used(self, route: AttachmentRoute) -> None:
        case = UserCase(call("CreateUser"), NEW, WriteResult(route=route))
        assert commands(case) == {"undo": undo_command(NEW, (route,), settings(), NOW)}

    @pytest.mark.parametrize(
        ("user", "routes"),
        [
            (state(devices=()), (DIRECT,)),
            (state(devices=(), attached=False, in_group=True), (GROUP,)),
            (state(devices=(), in_group=True), (DIRECT, GROUP)),
        ],
    )
    def test_a_retry_reverses_every_route_that_applies(
        self, user: UserState, routes: tuple[AttachmentRoute, ...]
    ) -> None:
        assert commands(UserCase(call("CreateUser"), user)) == {"undo": undo_command(user, routes, settings(), NOW)}

    @pytest.mark.parametrize(
        "case",
        [
            UserCase(call("EnableMFADevice"), state(tags=MARKED)),
            UserCase(call("DeactivateMFADevice"), state(devices=(), attached=False, exemption=exemption())),
            UserCase(call("CreateUser"), NEW, ATTACHED).in_audit_mode(),
            UserCase(call("DetachUserPolicy"), state()).in_audit_mode(),
        ],
        ids=["solved", "exempt", "audit mode, not enforced", "audit mode, enforced"],
    )
    def test_it_is_not_offered_where_there_is_nothing_to_undo(self, case: UserCase) -> None:
        assert commands(case) == {}

    def test_a_failure_of_a_user_who_is_enforced_offers_it(self) -> None:
        case = UserCase(call("CreateUser"), state(devices=()), WriteResult(problem="it is full."))
        assert commands(case).keys() == {"undo"}

    def test_a_new_device_and_a_new_enforcement_can_both_be_reversed(self) -> None:
        record = call("EnableMFADevice", {"userName": "alice", "serialNumber": PHONE}, userIdentity=long_term_key())
        case = UserCase(record, state(attached=False), IN_GROUP)
        assert tuple(commands(case)) == ("remove_device", "undo")


class TestOtherCommands:
    def test_a_decision_offers_both_choices(self) -> None:
        reason = "active machine user, decided after an mfa-guard notice"
        assert commands(UserCase(call("CreateAccessKey"), MACHINE)) == {
            "exempt": exempt_command(MACHINE, settings(), NOW, reason),
            "enforce": enforce_command(MACHINE, settings()),
        }

    def test_a_release_can_be_reversed_unless_a_path_exempts(self) -> None:
        case = USER_CASES["released: the policy and the group"]
        assert commands(case) == {"enforce_again": enforce_again_command(case.user, settings())}
        assert commands(USER_CASES["released: exempt by path"]) == {}

    def test_a_failed_enforcement_offers_to_enforce(self) -> None:
        case = UserCase(call("CreateUser"), NEW, WriteResult(problem="it is full."))
        assert commands(case) == {"enforce": enforce_command(NEW, settings())}

    @pytest.mark.parametrize(
        ("serial", "user", "offered"),
        [
            (PHONE, state(), {"remove_device": remove_device_command(state(), PHONE)}),
            ("another device", state(), {}),
            (PHONE, state(attached=False, devices=NOT_LOADED, exemption=exemption()), {}),
        ],
        ids=["listed", "not listed", "not loaded"],
    )
    def test_only_a_device_that_iam_lists_is_offered_for_removal(
        self, serial: str, user: UserState, offered: dict[str, str]
    ) -> None:
        record = call("EnableMFADevice", {"userName": "alice", "serialNumber": serial}, userIdentity=long_term_key())
        assert commands(UserCase(record, user)) == offered
