"""`mfa-guard release` records the exemption first, then changes this policy and this group alone."""

from datetime import timedelta

import pytest

from support.deployed import Deployed

OTHER = "arn:aws:iam::aws:policy/ReadOnlyAccess"


def give_another_policy(deployed: Deployed, name: str = "alice") -> str:
    arn = deployed.account.clients.iam.create_policy(
        PolicyName=f"other-of-{name}",
        PolicyDocument='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}',
    )["Policy"]["Arn"]
    deployed.account.iam.attach_user_policy(arn, name)
    return arn


class TestOneUser:
    def test_policy_and_group_are_removed_and_nothing_else(self, deployed: Deployed) -> None:
        user_id = deployed.user(enforced=True, in_group=True)
        other = give_another_policy(deployed)
        deployed.account.iam.create_group("team")
        deployed.account.iam.add_user_to_group("team", "alice")
        outcome = deployed.json("release", "alice", "--yes")
        assert deployed.policies_of() == {other}
        assert deployed.groups_of() == {"team"}
        record = deployed.record(user_id) or {}
        assert (record["owner"], record["reason"]) == ("administrators", "released with mfa-guard release")
        assert outcome["undo"] == ["mfa-guard enforce alice --drop-exemption"]
        assert "enforces again" in str(outcome["notes"])

    def test_the_exemption_is_recorded_before_the_policy_is_detached(self, deployed: Deployed) -> None:
        deployed.user(enforced=True)
        deployed.made.clear()
        deployed.run("release", "alice", "--yes")
        assert deployed.made.index("PutItem") < deployed.made.index("DetachUserPolicy")

    def test_without_the_exemption_no_user_is_released(self, deployed: Deployed) -> None:
        deployed.user(enforced=True)
        deployed.failing = {"PutItem": "AccessDeniedException"}
        assert deployed.run("release", "alice", "--yes").exit_code == 3
        assert deployed.policies_of() == {deployed.policy}

    def test_an_exemption_in_force_is_kept_unless_an_end_is_given(self, deployed: Deployed) -> None:
        user_id = deployed.user(enforced=True)
        deployed.exempt(user_id)
        deployed.run("release", "alice", "--yes")
        assert (deployed.record(user_id) or {})["owner"] == "platform"
        deployed.account.iam.attach_user_policy(deployed.policy, "alice")
        deployed.run("release", "alice", "--days", "3", "--owner", "me", "--yes")
        assert (deployed.record(user_id) or {})["owner"] == "me"

    def test_an_exemption_that_ended_is_replaced(self, deployed: Deployed) -> None:
        user_id = deployed.user(enforced=True)
        deployed.exempt(user_id, ends=timedelta(days=-1))
        deployed.run("release", "alice", "--yes")
        assert (deployed.record(user_id) or {})["owner"] == "administrators"

    def test_a_user_who_is_not_enforced_is_not_changed(self, deployed: Deployed) -> None:
        user_id = deployed.user()
        result = deployed.run("release", "alice", "--yes")
        assert (result.exit_code, "alice is not enforced; nothing was changed." in result.stdout) == (0, True)
        assert deployed.record(user_id) is None

    def test_without_yes_nothing_is_changed(self, deployed: Deployed) -> None:
        user_id = deployed.user(enforced=True)
        result = deployed.run("release", "alice")
        assert result.exit_code == 2
        assert "Then the policy is detached." in result.stderr
        assert (deployed.record(user_id), deployed.policies_of()) == (None, {deployed.policy})

    def test_when_iam_refuses_the_exemption_stays_and_the_request_failed(self, deployed: Deployed) -> None:
        user_id = deployed.user(enforced=True)
        deployed.failing = {"DetachUserPolicy": "AccessDenied"}
        result = deployed.run("release", "alice", "--yes")
        assert (result.exit_code, result.stderr.splitlines()[-1]) == (
            3,
            "The AWS request DetachUserPolicy failed: AccessDenied, AccessDenied by the test.",
        )
        assert deployed.record(user_id) is not None

    def test_an_exempt_user_needs_no_new_record(self, deployed: Deployed) -> None:
        user_id = deployed.user(enforced=True)
        deployed.exempt(user_id)
        text = deployed.run("release", "alice", "--yes").stdout
        assert "alice: exempt already; the policy is detached." in text

    @pytest.mark.parametrize("words", [("release",), ("release", "alice", "--all")])
    def test_one_user_or_all(self, deployed: Deployed, words: tuple[str, ...]) -> None:
        result = deployed.run(*words, "--yes")
        assert (result.exit_code, result.stderr) == (2, "Name one user, or give --all, but not both.\n")


class TestAllUsers:
    def test_all_enforced_users_are_exempt_and_released(self, deployed: Deployed) -> None:
        ids = {
            "ann": deployed.user("ann", enforced=True),
            "bob": deployed.user("bob", in_group=True),
            "eve": deployed.user("eve", enforced=True, in_group=True),
        }
        free = deployed.user("free")
        other = give_another_policy(deployed, "ann")
        outcome = deployed.json("release", "--all", "--yes")
        assert outcome["released"] == 3
        assert deployed.policies_of("ann") == {other}
        for name, user_id in ids.items():
            assert deployed.record(user_id), name
            assert deployed.policy not in deployed.policies_of(name)
            assert deployed.groups_of(name) == set()
        assert deployed.record(free) is None

    def test_the_question_has_the_number_and_nothing_is_changed_without_yes(self, deployed: Deployed) -> None:
        for name in ("ann", "bob"):
            deployed.user(name, enforced=True)
        result = deployed.run("release", "--all")
        assert result.exit_code == 2
        assert "2 users will be exempt until" in result.stderr
        assert "ann, bob" in result.stderr
        assert "Release 2 users?" in result.stderr
        assert deployed.policies_of("ann") == {deployed.policy}

    def test_an_error_for_one_user_does_not_stop_the_others(self, deployed: Deployed) -> None:
        for name in ("ann", "bob"):
            deployed.user(name, enforced=True)
        deployed.user("cat", in_group=True)
        deployed.failing = {"DetachUserPolicy": "AccessDenied"}
        outcome = deployed.json("release", "--all", "--yes", exit_code=3)
        assert outcome["released"] == 1
        failed = outcome["failed"]
        assert isinstance(failed, list)
        assert [line.partition(":")[0] for line in failed] == ["ann", "bob"]
        assert deployed.groups_of("cat") == set()

    def test_when_no_user_is_enforced_nothing_is_changed(self, deployed: Deployed) -> None:
        result = deployed.run("release", "--all", "--yes")
        assert (result.exit_code, "No user is enforced; nothing was changed." in result.stdout) == (0, True)
        assert "PutItem" not in deployed.made

    def test_what_else_has_the_policy_is_named_and_not_changed(self, deployed: Deployed) -> None:
        deployed.user(enforced=True)
        deployed.account.iam.create_group("team")
        deployed.account.iam.attach_group_policy(deployed.policy, "team")
        outcome = deployed.json("release", "--all", "--yes")
        assert "Not changed: the policy on group team." in str(outcome["notes"])
