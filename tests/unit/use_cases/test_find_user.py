"""A user is an id: the subject of an event is found under any name, and no other user is taken for it."""

from datetime import timedelta

import pytest

from mfa_guard.core.errors import NotVisibleYet, UserGone
from mfa_guard.use_cases.remediate import Outcome
from support.factories import MARKED, NOW, detail, device, key, settings
from support.fakes import FakeAccount, FakeUser
from support.remediation import data, mail, own, run, severity

OLD_NAME = "alice"
NOT_FOUND = Outcome("gone", notice="renamed-user-not-found")


def created(name: str = OLD_NAME, user_id: str = "AIDAEXAMPLE", **changes: object) -> dict[str, object]:
    return detail(
        "CreateUser", {"userName": name}, responseElements={"user": {"userName": name, "userId": user_id}}, **changes
    )


def new_key(name: str, key_id: str, **changes: object) -> dict[str, object]:
    response = {"accessKey": {"userName": name, "accessKeyId": key_id, "status": "Active"}}
    return detail("CreateAccessKey", {"userName": name}, responseElements=response, **changes)


def renamed(old: str, new: str, **changes: object) -> dict[str, object]:
    return detail("UpdateUser", {"userName": old, "newUserName": new}, **changes)


class TestRenameFasterThanEvents:
    def test_every_event_finds_the_user_and_the_key_is_reported(self) -> None:
        carol = FakeUser(name="carol", keys=[key("AKIANEW", used=None)])
        account = FakeAccount(carol)
        assert run(account, created()).standing == "enforced"
        assert run(account, new_key(OLD_NAME, "AKIANEW")).standing == "enforced"
        assert run(account, renamed(OLD_NAME, "bob")) == NOT_FOUND
        assert run(account, renamed("bob", "carol")).standing == "enforced"
        assert carol.attached
        assert account.notifier.kinds == ["noncompliant", "renamed-user-not-found"]
        assert "AKIANEW" in account.notifier.sent[0].body

    def test_a_key_created_after_the_first_notice_is_reported_under_the_new_name(self) -> None:
        carol = FakeUser(name="carol")
        account = FakeAccount(carol)
        run(account, created())
        carol.keys = [key("AKIANEW", used=None)]
        run(account, new_key(OLD_NAME, "AKIANEW"))
        assert account.notifier.kinds == ["noncompliant", "new-credential"]
        assert "AKIANEW for carol" in mail(account)

    def test_a_new_user_with_the_old_name_is_not_touched(self) -> None:
        carol, other = FakeUser(name="carol", keys=[key("AKIANEW", used=None)]), FakeUser(name=OLD_NAME, id="AIDAOTHER")
        account = FakeAccount(carol, other)
        run(account, created())
        run(account, new_key(OLD_NAME, "AKIANEW"))
        assert (carol.attached, other.attached) == (True, False)
        assert other.tags == {}

    def test_a_user_who_is_newer_than_the_event_is_not_its_subject(self) -> None:
        other = FakeUser(id="AIDAOTHER", created_at=NOW + timedelta(minutes=1))
        account = FakeAccount(other)
        assert run(account, detail("DetachUserPolicy")) == Outcome("gone")
        assert not other.attached

    def test_a_user_of_the_same_seconds_as_the_event_is_its_subject(self) -> None:
        event = detail("CreateLoginProfile")
        alice = FakeUser(password=True, created_at=NOW - timedelta(seconds=30) + timedelta(seconds=5))
        assert run(FakeAccount(alice), event).standing == "enforced"

    def test_the_old_name_is_in_the_notice(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        run(account, renamed("mallory", OLD_NAME))
        assert "The user's name was mallory before." in mail(account)

    def test_a_rename_that_iam_does_not_show_yet_is_retried(self) -> None:
        account = FakeAccount(FakeUser(name="old"))
        with pytest.raises(NotVisibleYet, match="still shows old"):
            run(account, renamed("old", OLD_NAME))

    def test_a_name_that_belongs_to_another_user_later_is_no_rename(self) -> None:
        account = FakeAccount(FakeUser(name="old"))
        assert run(account, renamed("old", OLD_NAME, eventTime="2026-03-01T11:50:00Z")) == Outcome("gone")


class TestRenamedUserNotFound:
    @pytest.mark.parametrize("time", ["2026-03-01T11:59:50Z", "2026-03-01T11:50:00Z"])
    def test_a_user_under_neither_name_is_reported_at_low_severity(self, time: str) -> None:
        account = FakeAccount()
        assert run(account, renamed(OLD_NAME, "bob", eventTime=time)) == NOT_FOUND
        assert severity(account) == "low"
        assert "the user alice to bob" in str(data(account)["summary"])

    def test_a_repeated_event_is_reported_once(self) -> None:
        account = FakeAccount()
        record = renamed(OLD_NAME, "bob")
        run(account, record)
        assert run(account, record) == Outcome("gone")
        assert account.notifier.kinds == ["renamed-user-not-found"]

    def test_two_renames_are_reported_both(self) -> None:
        account = FakeAccount()
        run(account, renamed(OLD_NAME, "bob"))
        run(account, renamed("bob", "carol"))
        assert account.notifier.kinds == ["renamed-user-not-found"] * 2

    def test_a_rename_followed_by_the_deletion_of_the_user_sends_only_this_notice(self) -> None:
        account = FakeAccount()
        run(account, renamed(OLD_NAME, "bob"))
        for event in ("DetachUserPolicy", "DeactivateMFADevice", "DeleteLoginProfile", "UntagUser"):
            run(account, detail(event, {"userName": "bob"}))
        assert account.notifier.kinds == ["renamed-user-not-found"]

    def test_a_new_user_with_the_old_name_does_not_hide_it(self) -> None:
        other = FakeUser(id="AIDAOTHER", created_at=NOW)
        account = FakeAccount(other)
        assert run(account, renamed(OLD_NAME, "bob")) == NOT_FOUND
        assert not other.attached

    def test_a_user_who_was_found_and_then_deleted_ends_quietly(self) -> None:
        account = FakeAccount(FakeUser(name="bob", password=True))
        meanwhile_after(account, "records.read", account.iam.users.clear)
        assert run(account, renamed(OLD_NAME, "bob")) == Outcome("gone")
        assert account.notifier.sent == []

    def test_a_change_of_the_path_alone_is_no_rename(self) -> None:
        account = FakeAccount()
        assert run(account, detail("UpdateUser", {"userName": OLD_NAME, "newPath": "/"})) == Outcome("gone")
        assert account.notifier.sent == []


class TestGone:
    def test_a_user_created_and_deleted_within_a_minute_ends_quietly(self) -> None:
        account = FakeAccount()
        assert run(account, created(eventTime="2026-03-01T11:59:50Z")) == Outcome("gone")
        assert account.clock.now() - NOW == timedelta(seconds=40)
        assert account.notifier.sent == []

    def test_a_user_whom_iam_shows_late_is_waited_for(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        late = account.iam.users.pop(OLD_NAME)
        account.iam.shows_the_past("user", "name_of")
        account.iam.past_ends = lambda: account.clock.now() - NOW >= timedelta(seconds=30)
        account.iam.users[OLD_NAME] = late
        assert run(account, created()).standing == "enforced"
        assert account.clock.now() - NOW == timedelta(seconds=30)

    @pytest.mark.parametrize("event", ["DetachUserPolicy", "DeactivateMFADevice", "DeleteLoginProfile", "UntagUser"])
    def test_the_events_of_a_deletion_wait_for_no_user(self, event: str) -> None:
        account = FakeAccount()
        assert run(account, detail(event)) == Outcome("gone")
        assert account.clock.now() == NOW

    def test_an_old_event_waits_for_no_user(self) -> None:
        account = FakeAccount()
        assert run(account, created(eventTime="2026-03-01T11:58:00Z")) == Outcome("gone")
        assert account.clock.now() == NOW

    def test_the_users_are_listed_only_for_an_event_with_an_id(self) -> None:
        account = FakeAccount()
        run(account, detail("DetachUserPolicy"))
        assert "iam.name_of" not in account.calls.made

    def test_a_sign_in_finds_its_user_by_id_alone(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        identity = {"type": "IAMUser", "principalId": "AIDAEXAMPLE"}
        run(
            account,
            detail(
                "ConsoleLogin",
                userIdentity=identity,
                eventSource="signin.amazonaws.com",
                responseElements={"ConsoleLogin": "Success"},
                additionalEventData={"MFAUsed": "No"},
                requestParameters=None,
            ),
        )
        assert account.alice.attached
        assert account.notifier.kinds == ["signed-in-without-mfa"]


def meanwhile_after(account: FakeAccount, call: str, change: object) -> None:
    """Make a change once, before the call that follows the first call of this name."""

    def watch() -> None:
        if account.calls.made and account.calls.made[-1] == call:
            account.calls.meanwhile = lambda: None
            change()  # type: ignore[operator]

    account.calls.meanwhile = watch


class TestChangesBetweenTwoCalls:
    @pytest.mark.parametrize("call", ["records.read", "iam.devices", "records.claim", "iam.attach", "records.sent"])
    def test_a_user_renamed_at_any_time_ends_as_the_plan_demands(self, call: str) -> None:
        account = FakeAccount(FakeUser(password=True))
        alice = account.alice

        def rename() -> None:
            alice.name = "carol"
            account.iam.users = {"carol": alice}

        meanwhile_after(account, call, rename)
        run(account, created())
        assert (alice.name, alice.attached) == ("carol", True)
        assert set(alice.tags) == set(MARKED)
        assert account.notifier.kinds == ["noncompliant"]

    def test_a_state_that_was_read_for_another_id_is_thrown_away(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        other = FakeUser(id="AIDAOTHER", devices=[device()])

        def recreate() -> None:
            account.iam.users = {OLD_NAME: other}
            account.iam.refusing["keys", OLD_NAME] = UserGone("The user with name alice cannot be found.")

        meanwhile_after(account, "iam.password", recreate)
        assert run(account, created()) == Outcome("gone")
        assert not other.attached
        assert account.notifier.sent == []

    def test_a_new_user_with_the_name_is_never_released(self) -> None:
        account = FakeAccount(FakeUser(path="/machines/", attached=True))
        other = FakeUser(id="AIDAOTHER", attached=True)
        meanwhile_after(account, "records.claim", lambda: account.iam.users.update({OLD_NAME: other}))
        assert run(account, detail("UpdateUser"), settings(exempt_path_prefixes=("/machines/",))) == Outcome("gone")
        assert other.attached

    def test_a_rename_that_getuser_does_not_show_is_not_taken_for_a_missing_policy(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        alice = account.alice
        account.iam.shows_the_past("user")
        account.iam.past_ends = lambda: account.clock.now() - NOW >= timedelta(seconds=5)

        def rename() -> None:
            alice.name = "carol"
            account.iam.users = {"carol": alice}

        meanwhile_after(account, "iam.user", rename)
        run(account, detail("DetachUserPolicy", eventTime="2026-03-01T11:50:00Z"))
        assert alice.attached
        assert account.notifier.kinds == ["enforcement-removed"]

    def test_a_renamed_user_whom_iam_still_lists_under_the_old_name_is_not_gone(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        alice = account.alice
        account.iam.shows_the_past("name_of")

        def rename() -> None:
            alice.name = "carol"
            account.iam.users = {"carol": alice}

        meanwhile_after(account, "iam.user", rename)
        with pytest.raises(NotVisibleYet, match="IAM lists AIDAEXAMPLE as alice"):
            run(account, created())
        assert account.clock.now() - NOW > timedelta(seconds=30)

    def test_a_user_who_never_settles_is_retried_by_lambda(self) -> None:
        account = FakeAccount(FakeUser(password=True))
        account.iam.refusing["devices", OLD_NAME] = UserGone("what?")
        with pytest.raises(NotVisibleYet, match="in one place"):
            run(account, own("UpdateUser"))
