"""`mfa-guard release`: the exemption first, and then this policy and this group alone."""

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
    def test_both_ways_are_taken_off_and_nothing_else(self, deployed: Deployed) -> None:
        user_id = deployed.user(bound=True, in_group=True)
        other = give_another_policy(deployed)
        deployed.account.iam.create_group("team")
        deployed.account.iam.add_user_to_group("team", "alice")
        told = deployed.json("release", "alice", "--yes")
        assert deployed.policies_of() == {other}
        assert deployed.groups_of() == {"team"}
        record = deployed.record(user_id) or {}
        assert (record["owner"], record["reason"]) == ("administrators", "released with mfa-guard release")
        assert told["back"] == ["mfa-guard enforce alice --drop-exemption"]
        assert "binds again" in str(told["notes"])

    def test_the_exemption_is_written_before_anything_is_taken_off(self, deployed: Deployed) -> None:
        deployed.user(bound=True)
        deployed.made.clear()
        deployed.run("release", "alice", "--yes")
        assert deployed.made.index("PutItem") < deployed.made.index("DetachUserPolicy")

    def test_when_it_cannot_be_written_nobody_is_released(self, deployed: Deployed) -> None:
        deployed.user(bound=True)
        deployed.failing = {"PutItem": "AccessDeniedException"}
        assert deployed.run("release", "alice", "--yes").exit_code == 3
        assert deployed.policies_of() == {deployed.policy}

    def test_an_exemption_in_force_is_kept_unless_a_term_is_given(self, deployed: Deployed) -> None:
        user_id = deployed.user(bound=True)
        deployed.exempt(user_id)
        deployed.run("release", "alice", "--yes")
        assert (deployed.record(user_id) or {})["owner"] == "platform"
        deployed.account.iam.attach_user_policy(deployed.policy, "alice")
        deployed.run("release", "alice", "--days", "3", "--owner", "me", "--yes")
        assert (deployed.record(user_id) or {})["owner"] == "me"

    def test_an_exemption_that_ended_is_replaced(self, deployed: Deployed) -> None:
        user_id = deployed.user(bound=True)
        deployed.exempt(user_id, ends=timedelta(days=-1))
        deployed.run("release", "alice", "--yes")
        assert (deployed.record(user_id) or {})["owner"] == "administrators"

    def test_who_is_not_bound_is_left_alone(self, deployed: Deployed) -> None:
        user_id = deployed.user()
        result = deployed.run("release", "alice", "--yes")
        assert (result.exit_code, "alice is not bound; nothing was changed." in result.stdout) == (0, True)
        assert deployed.record(user_id) is None

    def test_without_yes_nothing_is_changed(self, deployed: Deployed) -> None:
        user_id = deployed.user(bound=True)
        result = deployed.run("release", "alice")
        assert result.exit_code == 2
        assert "then: the policy detached" in result.stderr
        assert (deployed.record(user_id), deployed.policies_of()) == (None, {deployed.policy})

    def test_when_iam_refuses_the_exemption_stays_and_aws_said_no(self, deployed: Deployed) -> None:
        user_id = deployed.user(bound=True)
        deployed.failing = {"DetachUserPolicy": "AccessDenied"}
        result = deployed.run("release", "alice", "--yes")
        assert (result.exit_code, result.stderr.splitlines()[-1]) == (
            3,
            "AWS refused DetachUserPolicy: AccessDenied, AccessDenied by the test.",
        )
        assert deployed.record(user_id) is not None

    @pytest.mark.parametrize("words", [("release",), ("release", "alice", "--all")])
    def test_one_user_or_all(self, deployed: Deployed, words: tuple[str, ...]) -> None:
        result = deployed.run(*words, "--yes")
        assert (result.exit_code, result.stderr) == (2, "Name one user, or give --all, and not both.\n")


class TestEverybody:
    def test_everybody_bound_is_exempt_and_released(self, deployed: Deployed) -> None:
        ids = {
            "ann": deployed.user("ann", bound=True),
            "bob": deployed.user("bob", in_group=True),
            "eve": deployed.user("eve", bound=True, in_group=True),
        }
        free = deployed.user("free")
        other = give_another_policy(deployed, "ann")
        told = deployed.json("release", "--all", "--yes")
        assert told["released"] == 3
        assert deployed.policies_of("ann") == {other}
        for name, user_id in ids.items():
            assert deployed.record(user_id), name
            assert deployed.policy not in deployed.policies_of(name)
            assert deployed.groups_of(name) == set()
        assert deployed.record(free) is None

    def test_how_many_is_asked_and_nothing_is_changed_without_yes(self, deployed: Deployed) -> None:
        for name in ("ann", "bob"):
            deployed.user(name, bound=True)
        result = deployed.run("release", "--all")
        assert result.exit_code == 2
        assert "2 users will be exempt until" in result.stderr
        assert "ann, bob" in result.stderr
        assert "Release all 2 users?" in result.stderr
        assert deployed.policies_of("ann") == {deployed.policy}

    def test_one_who_fails_stops_nobody_else(self, deployed: Deployed) -> None:
        for name in ("ann", "bob"):
            deployed.user(name, bound=True)
        deployed.user("cat", in_group=True)
        deployed.failing = {"DetachUserPolicy": "AccessDenied"}
        told = deployed.json("release", "--all", "--yes", exit_code=3)
        assert told["released"] == 1
        failed = told["failed"]
        assert isinstance(failed, list)
        assert [line.partition(":")[0] for line in failed] == ["ann", "bob"]
        assert deployed.groups_of("cat") == set()

    def test_when_nobody_is_bound_nothing_is_changed(self, deployed: Deployed) -> None:
        result = deployed.run("release", "--all", "--yes")
        assert (result.exit_code, "Nobody is bound; nothing was changed." in result.stdout) == (0, True)
        assert "PutItem" not in deployed.made

    def test_what_else_carries_the_policy_is_named_and_left(self, deployed: Deployed) -> None:
        deployed.user(bound=True)
        deployed.account.iam.create_group("team")
        deployed.account.iam.attach_group_policy(deployed.policy, "team")
        told = deployed.json("release", "--all", "--yes")
        assert "Left alone: the policy on group team." in str(told["notes"])
