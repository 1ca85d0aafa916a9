"""Console sign-ins without MFA, passwords that are reset, and permissions boundaries."""

import pytest

from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.settings import Mode
from mfa_guard.core.user import STATUS_TAG
from support.factories import ACCOUNT, MARKED, detail, device, exemption, key, settings, user_identity
from support.fakes import Crash, FakeAccount, FakeUser
from support.remediation import crash_once_attached, data, mail, own, run, severity


def signed_in() -> dict[str, object]:
    return detail(
        "ConsoleLogin",
        eventSource="signin.amazonaws.com",
        requestParameters=None,
        responseElements={"ConsoleLogin": "Success"},
        additionalEventData={"MFAUsed": "No"},
        userIdentity=user_identity("alice", principalId="AIDAEXAMPLE"),
    )


class TestSignInWithoutMfa:
    def test_a_user_who_should_be_enforced_is_enforced_and_reported(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        run(account, signed_in())
        assert account.alice.attached
        assert STATUS_TAG in account.alice.tags
        assert account.notifier.kinds == ["signed-in-without-mfa"]
        assert severity(account) == "high"
        said = "at 2026-03-01T11:59:30Z, from 192.0.2.10, user agent aws-cli/2.30."
        assert said in mail(account)
        assert "detach-user-policy" in mail(account)

    @pytest.mark.parametrize("user", [FakeUser(password=True, attached=True, tags=dict(MARKED)), FakeUser(path="/x/")])
    def test_an_enforced_or_exempt_user_is_quiet(self, user: FakeUser) -> None:
        account = FakeAccount(user)
        run(account, signed_in(), settings(exempt_path_prefixes=("/x/",)))
        assert account.notifier.sent == []

    def test_another_user_with_the_name_is_not_touched(self) -> None:
        account = FakeAccount(FakeUser(password=True, id="AIDAOTHER"))
        run(account, signed_in())
        assert not account.alice.attached

    def test_a_crash_after_the_policy_was_attached_loses_no_notice(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        record = signed_in()
        account.calls.meanwhile = lambda: crash_once_attached(account)
        with pytest.raises(Crash):
            run(account, record)
        account.calls.meanwhile = lambda: None
        run(account, record)
        assert account.notifier.kinds == ["signed-in-without-mfa"]

    def test_a_user_who_is_exempt_when_the_event_is_retried_gets_no_notice(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        record = signed_in()
        account.calls.meanwhile = lambda: crash_once_attached(account)
        with pytest.raises(Crash):
            run(account, record)
        account.calls.meanwhile = lambda: None
        account.exemptions.records["AIDAEXAMPLE"] = exemption()
        account.alice.attached = False
        run(account, record)
        assert account.notifier.sent == []

    def test_audit_mode_says_what_it_would_do(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        run(account, signed_in(), settings(mode=Mode.AUDIT))
        assert not account.alice.attached
        assert "would enforce MFA for alice" in mail(account)


class TestResetPassword:
    def test_by_another_person_it_is_like_a_new_credential(self) -> None:
        account = FakeAccount(FakeUser(password=True, attached=True, tags=dict(MARKED)))
        run(account, detail("UpdateLoginProfile", userIdentity=user_identity("mallory")))
        assert account.notifier.kinds == ["new-credential"]
        assert severity(account) == "high"
        assert "user/mallory reset the console password of alice" in mail(account)

    def test_by_the_user_it_is_quiet(self) -> None:
        account = FakeAccount(FakeUser(password=True, attached=True, tags=dict(MARKED)))
        run(account, own("UpdateLoginProfile"))
        assert account.notifier.sent == []

    def test_by_the_user_it_still_enforces(self) -> None:
        account = FakeAccount(FakeUser(password=True, keys=[key(used=None)]))
        run(account, own("UpdateLoginProfile"))
        assert account.alice.attached
        assert account.notifier.kinds == ["noncompliant"]


BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/developers"
NOTHING_ABOUT_MFA: dict[str, object] = {"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
EVERYTHING: dict[str, object] = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}


class TestPermissionsBoundary:
    def put(self, user: FakeUser, document: dict[str, object], boundary: str | None = BOUNDARY) -> FakeAccount:
        account = FakeAccount(user)
        account.iam.policies[BOUNDARY] = document
        account.alice.boundary = boundary
        run(account, detail("PutUserPermissionsBoundary", {"userName": "alice", "permissionsBoundary": BOUNDARY}))
        return account

    def test_one_that_keeps_an_enforced_user_from_enrolling_is_high(self) -> None:
        account = self.put(FakeUser(password=True, attached=True, tags=dict(MARKED)), NOTHING_ABOUT_MFA)
        assert account.notifier.kinds == [NoticeKind.ENROLLMENT_BLOCKED]
        assert severity(account) == "high"
        assert "The boundary developers keeps alice from enrolling" in mail(account)

    def test_a_user_who_is_enforced_by_this_event_is_reported_with_it(self) -> None:
        account = self.put(FakeUser(password=True), NOTHING_ABOUT_MFA)
        assert account.notifier.kinds == [NoticeKind.ENROLLMENT_BLOCKED]
        assert "mfa-guard attached the policy" in str(data(account)["changes"])

    @pytest.mark.parametrize(
        ("user", "document"),
        [
            (FakeUser(attached=True, tags=dict(MARKED)), EVERYTHING),
            (FakeUser(attached=True, devices=[device()]), NOTHING_ABOUT_MFA),
            (FakeUser(keys=[key()], tags=dict(MARKED)), NOTHING_ABOUT_MFA),
        ],
        ids=["it allows enrolling", "the user has a device", "the user is a machine"],
    )
    def test_every_other_one_is_quiet(self, user: FakeUser, document: dict[str, object]) -> None:
        assert self.put(user, document).notifier.sent == []

    def test_a_user_with_a_device_costs_no_read_of_the_policy(self) -> None:
        account = self.put(FakeUser(attached=True, devices=[device()]), NOTHING_ABOUT_MFA)
        assert "iam.policy_document" not in account.calls.made

    def test_one_that_iam_does_not_show_yet_is_waited_for(self) -> None:
        account = FakeAccount(FakeUser(attached=True, tags=dict(MARKED)))
        account.iam.policies[BOUNDARY] = NOTHING_ABOUT_MFA
        account.iam.shows_the_past("user")
        account.iam.past_ends = lambda: len(account.calls.of("iam.user")) > 1
        account.alice.boundary = BOUNDARY
        run(account, detail("PutUserPermissionsBoundary", {"userName": "alice", "permissionsBoundary": BOUNDARY}))
        assert account.notifier.kinds == [NoticeKind.ENROLLMENT_BLOCKED]

    def test_one_that_was_deleted_blocks_nothing_even_if_iam_still_shows_it(self) -> None:
        account = FakeAccount(FakeUser(attached=True, tags=dict(MARKED), boundary=BOUNDARY))
        account.iam.policies[BOUNDARY] = NOTHING_ABOUT_MFA
        run(account, detail("DeleteUserPermissionsBoundary"))
        assert account.notifier.sent == []

    def test_a_policy_that_does_not_exist_blocks_nothing(self) -> None:
        account = FakeAccount(FakeUser(attached=True, tags=dict(MARKED), boundary=BOUNDARY))
        run(account, detail("PutUserPermissionsBoundary", {"userName": "alice", "permissionsBoundary": BOUNDARY}))
        assert account.notifier.sent == []
